/* Start weights: read by rank 0, sent to all. */
#include <string.h>

#include "io/keras_archive.h"
#include "io/weights_file.h"
#include "launch/session.h"
#include "trainer/optimizer_vars.h"

/* [layer NAME] init_from: start weights of single layers, over those of the whole model. */
static kd_status read_layers(kd_session *s, float *const *weights, bool *read) {
  const kd_model_spec *spec = s->config->spec;
  for (int i = 0; i < spec->n_layers; i++) {
    if (!spec->layers[i].init_from) continue;
    for (int l = 0; l < s->model->n_layers; l++) {
      if (strcmp(s->model->layers[l]->name, spec->layers[i].name) != 0) continue;
      kd_status status = kd_weights_read_layer(spec->layers[i].init_from, s->model, l, weights);
      if (status != KD_OK)
        return kd_fail_context(status, "%s:%d: layer %s: init_from", spec->layers[i].origin.file,
                               spec->layers[i].origin.line, spec->layers[i].name);
      for (int w = 0; w < s->model->layers[l]->n_weights; w++)
        read[s->model->layers[l]->first_weight + w] = true;
    }
  }
  return KD_OK;
}

static kd_status read_file(const char *path, const kd_model *model, float *const *weights) {
  return kd_keras_is_model(path) ? kd_keras_read_weights(path, model, weights)
                                 : kd_weights_read(path, model, weights);
}

kd_status kd_session_load_weights(kd_session *s, const char *path) {
  bool *read = kd_pool_alloc(s->pool, (size_t)s->model->n_weights + 1, sizeof *read);
  float **weights = kd_pool_alloc(s->pool, (size_t)s->model->n_weights + 1, sizeof *weights);
  for (int w = 0; w < s->model->n_weights; w++)
    weights[w] = kd_calloc((size_t)s->model->weights[w].count, sizeof(float));
  kd_status status = KD_OK;
  for (int w = 0; path && w < s->model->n_weights; w++) read[w] = true;
  if (s->comm->rank == 0) status = path ? read_file(path, s->model, weights) : read_layers(s, weights, read);
  status = kd_comm_all_ok(s->comm, status);
  if (status == KD_OK) status = kd_comm_broadcast(s->comm, read, (size_t)s->model->n_weights * sizeof *read);
  for (int w = 0; w < s->model->n_weights && status == KD_OK; w++) {
    if (!read[w]) continue;
    status = kd_comm_broadcast(s->comm, weights[w], (size_t)s->model->weights[w].count * sizeof(float));
    if (status == KD_OK) status = kd_replica_put(s->replica, KD_PART_WEIGHT, w, weights[w]);
  }
  for (int w = 0; w < s->model->n_weights; w++) kd_free(weights[w]);
  return status;
}

static bool layers_have_files(const kd_session *s) {
  for (int i = 0; i < s->config->spec->n_layers; i++)
    if (s->config->spec->layers[i].init_from) return true;
  return false;
}

static const char *start_file(const kd_session *s) {
  const kd_model_options *model = &s->config->run.model;
  return model->init_from ? model->init_from : model->file;
}

kd_status kd_session_read_weights(kd_session *s, const char *path, float **weights) {
  const kd_model *model = s->model;
  size_t n = (size_t)model->n_weights;
  bool start = !path, *read = kd_pool_alloc(s->pool, n + 1, sizeof *read);
  for (size_t w = 0; w < n; w++)
    weights[w] = kd_pool_alloc(s->pool, (size_t)model->weights[w].count, sizeof *weights[w]);
  if (start) path = start_file(s);
  if (path) KD_TRY(read_file(path, model, weights));
  for (size_t w = 0; w < n && !path; w++)
    KD_TRY(kd_weight_initialize(&model->weights[w], (uint64_t)s->config->run.run.seed, weights[w]));
  return start ? read_layers(s, weights, read) : KD_OK;
}

kd_status kd_session_start_weights(kd_session *s) {
  const char *path = start_file(s);
  if (path) KD_TRY(kd_session_load_weights(s, path));
  return layers_have_files(s) ? kd_session_load_weights(s, NULL) : KD_OK;
}

kd_status kd_session_start_optimizer(kd_session *s, int64_t *iteration) {
  const kd_model_options *model = &s->config->run.model;
  if (!s->config->spec->saved_optimizer || model->init_from) return KD_OK;
  return kd_optimizer_restore(s->comm, s->replica, s->model, &s->config->optimizer, model->file, iteration);
}
