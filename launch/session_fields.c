#include "launch/session_fields.h"

#include <string.h>

static const char *mapping(const kd_session *s, const char *name) {
  for (int i = 0; i < s->config->run.data.n_maps; i++)
    if (strcmp(s->config->run.data.map_names[i], name) == 0) return s->config->run.data.map_items[i];
  return NULL;
}

static const kd_shape *prediction(const kd_session *s, int output) {
  kd_tap tap = s->model->outputs[output].tap;
  return &s->model->calls[tap.call]->output_shape[tap.output];
}

static const kd_loss_kind *loss_kind(const kd_session *s, int output) {
  const kd_value *loss = s->config->run.outputs[output].loss;
  if (!loss || (loss->type != KD_V_TEXT && loss->type != KD_V_CALL)) return NULL;
  return (const kd_loss_kind *)kd_family_find(&kd_loss_family, loss->text);
}

static kd_shape without_batch(const kd_shape *shape) {
  kd_shape sample = {.rank = shape->rank - 1};
  for (int i = 1; i < shape->rank; i++) sample.dim[i - 1] = shape->dim[i];
  return sample;
}

/* Made numbers of an input that is looked up in tables stay below the rows of the smallest; 0: any numbers.
 */
static int64_t table_rows(const kd_model *model, int input) {
  int64_t least = 0;
  for (int c = 0; c < model->n_calls; c++) {
    const kd_call *call = model->calls[c];
    const kd_layer *layer = model->layers[call->layer];
    if (!layer->kind->table_rows || call->inputs[0].call != model->inputs[input].call) continue;
    int64_t rows = layer->kind->table_rows(layer->options);
    if (!least || rows < least) least = rows;
  }
  return least;
}

static void feed(kd_wanted *w, int place, int field) {
  w->feed[place] = field;
  if (place >= w->n_feeds) w->n_feeds = place + 1;
}

static void want_input(const kd_session *s, kd_wanted *w, int i) {
  const kd_model_input *input = &s->model->inputs[i];
  w->names[w->n] = input->name;
  w->mapped[w->n] = mapping(s, input->name);
  w->shape[w->n] = without_batch(&input->shape);
  w->dtype[w->n] = input->dtype;
  w->classes[w->n] = table_rows(s->model, i);
  feed(w, i, w->n++);
}

static bool has_goal(const kd_output_config *output) {
  return output->loss || output->metrics || output->weighted_metrics;
}

/* No input or output has a name with a space. Outputs with the same weights share a field. */
static const char *weight_name(const kd_session *s, int o) {
  const kd_output_config *output = &s->config->run.outputs[o];
  if (!has_goal(output) || !output->sample_weight) return NULL;
  return kd_pool_printf(s->pool, "sample_weight = %s", output->sample_weight);
}

static int find_field(const kd_wanted *w, const char *name) {
  for (int i = 0; i < w->n; i++)
    if (strcmp(w->names[i], name) == 0) return i;
  return -1;
}

static void want_weights(const kd_session *s, kd_wanted *w, int o) {
  const char *name = weight_name(s, o);
  if (!name) return;
  int field = find_field(w, name);
  if (field < 0) {
    field = w->n++;
    w->n_weights++;
    w->names[field] = name;
    w->mapped[field] = s->config->run.outputs[o].sample_weight;
    w->shape[field].rank = -1;
    w->dtype[field] = KD_F32;
  }
  feed(w, s->model->n_inputs + s->model->n_outputs + o, field);
}

static void want_labels(const kd_session *s, kd_wanted *w, int o) {
  const kd_output_config *output = &s->config->run.outputs[o];
  if (!has_goal(output)) return;
  const kd_shape *shape = prediction(s, o);
  w->names[w->n] = output->name;
  w->mapped[w->n] = output->target ? output->target : mapping(s, output->name);
  w->shape[w->n] = without_batch(shape);
  w->dtype[w->n] = KD_F32;
  const kd_loss_kind *kind = loss_kind(s, o);
  if (kind && (kind->sparse_labels || kind->label_shape)) w->dtype[w->n] = KD_I32;
  if (kind && (kind->sparse_labels || kind->label_classes)) w->classes[w->n] = shape->dim[shape->rank - 1];
  if (kind && kind->sparse_labels) w->shape[w->n].rank--;
  if (kind && kind->label_shape) w->shape[w->n] = *kind->label_shape;
  feed(w, s->model->n_inputs + o, w->n++);
}

kd_wanted kd_wanted_fields(const kd_session *s, bool labels) {
  size_t n = (size_t)(s->model->n_inputs + 2 * s->model->n_outputs);
  kd_wanted w = {.feed = kd_pool_alloc(s->pool, n, sizeof *w.feed),
                 .names = kd_pool_alloc(s->pool, n, sizeof *w.names),
                 .mapped = kd_pool_alloc(s->pool, n, sizeof *w.mapped),
                 .shape = kd_pool_alloc(s->pool, n, sizeof *w.shape),
                 .dtype = kd_pool_alloc(s->pool, n, sizeof *w.dtype),
                 .classes = kd_pool_alloc(s->pool, n, sizeof *w.classes)};
  for (size_t i = 0; i < n; i++) w.feed[i] = -1;
  for (int i = 0; i < s->model->n_inputs; i++) want_input(s, &w, i);
  w.n_inputs = w.n;
  for (int o = 0; labels && o < s->model->n_outputs; o++) want_labels(s, &w, o);
  for (int o = 0; labels && o < s->model->n_outputs; o++) want_weights(s, &w, o);
  return w;
}

void kd_session_note_weights(kd_session *s, const kd_dataset *set, int o, kd_output_goal *goal) {
  const char *name = weight_name(s, o);
  if (!name) return;
  int field = kd_dataset_field(set, name);
  const kd_shape *sample = &set->fields[field].sample, *predicted = prediction(s, o);
  goal->sample_weight = true;
  goal->weight_dtype = set->fields[field].dtype;
  goal->weight_sample = *sample;
  if (kd_shape_count(sample) == 1) goal->weight_sample.rank = 0;
  bool steps = sample->rank == 1 && predicted->rank > 2 && sample->dim[0] == predicted->dim[1];
  char text[KD_SHAPE_TEXT];
  if (goal->weight_sample.rank > 0 && !steps)
    kd_diag_error(
        s->config->diag, s->config->run.data.origin,
        "the weights of output %s have samples of shape %s: expected one number for each sample, or "
        "for each step",
        s->model->outputs[o].name, kd_shape_text(sample, text));
}

void kd_session_check_class_weights(kd_session *s, int o) {
  const kd_output_config *output = &s->config->run.outputs[o];
  const kd_shape *predicted = prediction(s, o);
  int64_t last = predicted->dim[predicted->rank - 1], classes = last == 1 ? 2 : last;
  if (output->n_class_weights > classes)
    kd_diag_error(s->config->diag, s->config->run.train.class_weight->origin,
                  "[train]: class_weight has %d weights, but output %s has %lld classes",
                  output->n_class_weights, output->name, (long long)classes);
}
