#include "trainer/keras_file.h"

#include "device/base/text.h"
#include "io/keras_archive.h"
#include "io/onnx/export.h"
#include "io/saved_model/export.h"
#include "trainer/optimizer_vars.h"

/* One variable's value. Values of parts go straight into its memory. */
static kd_status fill(const kd_keras_source *s, const kd_var_place *place, kd_optimizer_var *var) {
  const kd_optimizer *o = s->optimizer;
  bool fresh = s->updates == 0 && place->part == o->kind->begins_as_weight - 1;
  switch (place->role) {
  case KD_VAR_UNUSED:
    break;
  case KD_VAR_ITERATION:
    var->integer = s->updates;
    break;
  case KD_VAR_RATE:
    *var->data = (float)s->rate;
    break;
  case KD_VAR_GOOD_STEPS:
    var->integer = s->scale.good_steps;
    break;
  case KD_VAR_SCALE:
    *var->data = (float)s->scale.scale;
    break;
  case KD_VAR_SCALAR:
    *var->data = (float)o->kind->scalar(o->common, s->updates / o->accumulation);
    break;
  case KD_VAR_PART:
    return s->get(s->context, fresh ? KD_PART_WEIGHT : place->part, place->weight, var->data);
  }
  return KD_OK;
}

/* model: whose order counts. */
static kd_status optimizer_vars(const kd_keras_source *s, kd_pool *pool, const kd_model *model,
                                kd_optimizer_vars *vars) {
  kd_optimizer_layout layout;
  kd_optimizer_layout_make(pool, model, s->optimizer, true, &layout);
  for (int i = 0; i < layout.vars.count; i++) KD_TRY(fill(s, &layout.place[i], &layout.vars.var[i]));
  *vars = layout.vars;
  return KD_OK;
}

/* What computes the outputs alone: formats without an optimizer. */
static bool is_program(const char *path) {
  return kd_ends_with(path, ".onnx") || kd_ends_with(path, KD_SAVED_MODEL_END);
}

static kd_status write_program(const kd_keras_source *s, const char *path, const float *const *weights) {
  kd_onnx_options options = {.opset = s->opset ? s->opset : KD_ONNX_OPSET, .one_file = KD_ONNX_ONE_FILE};
  return kd_ends_with(path, ".onnx") ? kd_onnx_write(path, s->model, weights, &options)
                                     : kd_saved_model_write(path, s->model, weights, KD_SAVED_MODEL_LIMIT);
}

kd_status kd_keras_save(const kd_keras_source *s, const char *path, const char *config) {
  kd_pool *pool = kd_pool_create();
  const kd_model *model = config ? kd_model_flat(pool, s->model) : s->model;
  const float **weights = kd_pool_alloc(pool, (size_t)model->n_weights + 1, sizeof *weights);
  kd_optimizer_vars vars = {0};
  kd_status status = KD_OK;
  for (int w = 0; w < model->n_weights && status == KD_OK; w++) {
    float *values = kd_pool_alloc(pool, (size_t)model->weights[w].count, sizeof *values);
    weights[w] = values;
    status = s->get(s->context, KD_PART_WEIGHT, w, values);
  }
  bool program = is_program(path);
  if (status == KD_OK && s->optimizer && !program) status = optimizer_vars(s, pool, model, &vars);
  const kd_optimizer_vars *optimizer = vars.count ? &vars : NULL;
  if (status == KD_OK && program)
    status = write_program(s, path, weights);
  else if (status == KD_OK)
    status = config ? kd_keras_write(path, config, model, weights, optimizer)
                    : kd_weights_write(path, model, weights, optimizer);
  kd_pool_destroy(pool);
  return status;
}

static kd_status get_of_replica(void *replica, int part, int weight, float *values) {
  return kd_replica_get(replica, part, weight, values);
}

kd_status kd_trainer_save(kd_trainer *t, const char *path) {
  if (t->comm->rank != 0) return KD_OK;
  bool whole = kd_ends_with(path, ".keras");
  KD_CHECK(!whole || t->keras_config, KD_ERR_INTERNAL, "%s: nobody has described the model", kd_quoted(path));
  kd_keras_source source = {.model = t->setup->model,
                            .optimizer = t->setup->optimizer,
                            .get = get_of_replica,
                            .context = t->replica,
                            .updates = kd_trainer_updates(t),
                            .rate = t->rate,
                            .opset = t->opset,
                            .scale = kd_replica_loss_scale(t->replica)};
  return kd_keras_save(&source, path, whole ? t->keras_config : NULL);
}
