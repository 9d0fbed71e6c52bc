#include "trainer/objective.h"

#include <string.h>

static const kd_shape *output_shape(const kd_model *model, int output) {
  kd_tap tap = model->outputs[output].tap;
  return &model->calls[tap.call]->output_shape[tap.output];
}

static kd_shape with_batch(const kd_shape *sample, int64_t rows) {
  kd_shape shape = {.rank = sample->rank + 1, .dim = {rows}};
  for (int i = 0; i < sample->rank; i++) shape.dim[i + 1] = sample->dim[i];
  return shape;
}

static const kd_loss_kind *loss_kind(const kd_output_loss *output) {
  return (const kd_loss_kind *)output->loss.kind;
}

static const kd_metric_kind *metric_kind(const kd_metric_slot *slot) {
  return (const kd_metric_kind *)slot->metric.kind;
}

static bool make_loss(kd_pool *pool, kd_diag *diag, const kd_model *model, int number,
                      const kd_output_goal *goal, kd_output_loss *output) {
  const kd_shape *prediction = output_shape(model, number);
  *output = (kd_output_loss){
      .weight = goal->loss_weight, .label_dtype = goal->label_dtype, .label_sample = goal->label_sample};
  if (!goal->loss) return true;
  const kd_value *value = goal->loss;
  kd_shape truth = with_batch(&goal->label_sample, -1);
  if (value->type == KD_V_TEXT) {
    kd_value *resolved = kd_value_text(pool, kd_metric_resolve(value->text, &truth, prediction));
    resolved->origin = value->origin;
    value = resolved;
  }
  if (!kd_object_make(pool, diag, &kd_loss_family, value, &output->loss)) return false;
  bool sparse = loss_kind(output)->sparse_labels;
  output->values_per_row = kd_loss_values_per_row(&truth, prediction, sparse);
  if (sparse) output->classes = prediction->dim[prediction->rank - 1];
  return true;
}

/* The name that logs show: the text as typed, the object's own name, or the class's default (keras.md 4.3).
 */
static const char *metric_name(const kd_value *value, const kd_metric_slot *slot) {
  const kd_metric_common *common = slot->metric.options;
  if (common->name) return common->name;
  return value->type == KD_V_TEXT ? value->text : metric_kind(slot)->log_name;
}

static bool name_taken(const kd_objective *objective, const char *name) {
  for (int i = 0; i < objective->n_metrics; i++)
    if (strcmp(objective->metrics[i].log_name, name) == 0) return true;
  return strcmp(name, "loss") == 0;
}

static const char *unique_name(kd_pool *pool, const kd_objective *objective, const char *name) {
  const char *candidate = name;
  for (int i = 1; name_taken(objective, candidate); i++) candidate = kd_pool_printf(pool, "%s_%d", name, i);
  return candidate;
}

static bool make_metric(kd_pool *pool, kd_diag *diag, const kd_model *model, int output,
                        const kd_output_goal *goal, const kd_value *value, kd_objective *objective) {
  kd_metric_slot slot = {.output = output, .tail = objective->n_tail};
  const kd_shape *prediction = output_shape(model, output);
  const kd_value *resolved = value;
  if (value->type == KD_V_TEXT) {
    kd_shape truth = with_batch(&goal->label_sample, -1);
    kd_value *text = kd_value_text(pool, kd_metric_resolve(value->text, &truth, prediction));
    text->origin = value->origin;
    resolved = text;
  }
  if (!kd_object_make(pool, diag, &kd_metric_family, resolved, &slot.metric)) return false;
  const char *name = metric_name(value, &slot);
  if (model->n_outputs > 1) name = kd_pool_printf(pool, "%s_%s", model->outputs[output].name, name);
  slot.log_name = unique_name(pool, objective, name);
  slot.n_state = metric_kind(&slot)->n_state(slot.metric.options, prediction);
  objective->n_tail += slot.n_state;
  objective->metrics[objective->n_metrics++] = slot;
  return true;
}

/* Outputs have logs of their own where there are several losses. */
static void name_losses(kd_pool *pool, const kd_model *model, kd_objective *objective) {
  int n = 0;
  for (int i = 0; i < model->n_outputs; i++) n += objective->outputs[i].loss.kind != NULL;
  for (int i = 0; n > 1 && i < model->n_outputs; i++)
    if (objective->outputs[i].loss.kind)
      objective->outputs[i].log_name = kd_pool_printf(pool, "%s_loss", model->outputs[i].name);
}

static int metric_count(const kd_output_goal *goal) {
  if (!goal->metrics || goal->metrics->type == KD_V_NONE) return 0;
  return goal->metrics->type == KD_V_LIST ? goal->metrics->count : 1;
}

bool kd_objective_make(kd_pool *pool, kd_diag *diag, const kd_model *model, const kd_output_goal *goals,
                       kd_objective *objective) {
  *objective = (kd_objective){.n_outputs = model->n_outputs};
  objective->outputs = kd_pool_alloc(pool, (size_t)model->n_outputs, sizeof *objective->outputs);
  objective->added_tail = model->n_outputs;
  objective->n_tail = model->n_outputs + 1;
  int n_metrics = 0;
  bool good = true;
  for (int i = 0; i < model->n_outputs; i++) {
    good &= make_loss(pool, diag, model, i, &goals[i], &objective->outputs[i]);
    n_metrics += metric_count(&goals[i]);
  }
  name_losses(pool, model, objective);
  objective->metrics = kd_pool_alloc(pool, (size_t)n_metrics, sizeof *objective->metrics);
  for (int i = 0; i < model->n_outputs; i++) {
    for (int m = 0; m < metric_count(&goals[i]); m++) {
      const kd_value *value =
          goals[i].metrics->type == KD_V_LIST ? &goals[i].metrics->items[m] : goals[i].metrics;
      good &= make_metric(pool, diag, model, i, &goals[i], value, objective);
    }
  }
  return good;
}

static bool has_labels(const kd_objective *objective, int output) {
  if (objective->outputs[output].loss.kind) return true;
  for (int m = 0; m < objective->n_metrics; m++)
    if (objective->metrics[m].output == output) return true;
  return false;
}

static void put_tail(kd_emitted *emitted, kd_sym sym, int at) {
  emitted->tail[emitted->n_tail] = sym;
  emitted->tail_at[emitted->n_tail++] = at;
}

/* One output's loss: returns its weighted part of the mean over the global batch. */
static kd_sym emit_loss(const kd_objective *objective, kd_graph *g, int number, kd_sym label,
                        const kd_prediction *prediction, kd_sym inv_rows, kd_emitted *emitted) {
  const kd_output_loss *output = &objective->outputs[number];
  kd_sym values = kd_loss_values(g, &output->loss, label, prediction);
  kd_sym sum = kd_reduce_all(g, KD_REDUCE_SUM, values);
  put_tail(emitted, sum, number);
  const kd_loss_common *common = output->loss.options;
  if (common->reduction == KD_RED_SUM) return kd_scale(g, sum, output->weight);
  return kd_scale(g, kd_mul(g, sum, inv_rows), output->weight / (double)output->values_per_row);
}

static kd_sym plus(kd_graph *g, kd_sym a, kd_sym b) {
  return a == KD_NO_SYM ? b : b == KD_NO_SYM ? a : kd_add(g, a, b);
}

static kd_sym emit_added(kd_graph *g, const kd_objective *objective, const kd_built *built, kd_sym inv_rows,
                         kd_emitted *emitted) {
  kd_sym added = KD_NO_SYM;
  for (int i = 0; i < built->n_losses; i++) added = plus(g, added, built->losses[i]);
  if (added == KD_NO_SYM) return KD_NO_SYM;
  put_tail(emitted, added, objective->added_tail);
  return kd_mul(g, added, inv_rows);
}

kd_status kd_objective_emit(const kd_objective *objective, kd_graph *g, const kd_model *model,
                            const kd_built *built, int64_t rows, kd_sym inv_rows, kd_emitted *emitted) {
  size_t n = (size_t)(objective->n_outputs + 1 + objective->n_metrics);
  *emitted = (kd_emitted){.loss = KD_NO_SYM};
  emitted->tail = kd_pool_alloc(g->pool, n, sizeof(kd_sym));
  emitted->tail_at = kd_pool_alloc(g->pool, n, sizeof(int));
  emitted->label = kd_pool_alloc(g->pool, (size_t)objective->n_outputs, sizeof(kd_sym));
  kd_prediction *prediction = kd_pool_alloc(g->pool, (size_t)objective->n_outputs, sizeof *prediction);
  for (int i = 0; i < objective->n_outputs; i++) {
    const kd_output_loss *output = &objective->outputs[i];
    emitted->label[i] = KD_NO_SYM;
    if (!has_labels(objective, i)) continue;
    kd_graph_scope(g, model->outputs[i].name);
    emitted->label[i] = kd_input(g, output->label_dtype, with_batch(&output->label_sample, rows),
                                 model->n_inputs + i, model->outputs[i].name);
    prediction[i] = kd_find_logits(g, built->output[i]);
    if (!output->loss.kind) continue;
    kd_graph_scope(g, "loss");
    emitted->loss = plus(g, emitted->loss,
                         emit_loss(objective, g, i, emitted->label[i], &prediction[i], inv_rows, emitted));
  }
  kd_graph_scope(g, "loss");
  emitted->loss = plus(g, emitted->loss, emit_added(g, objective, built, inv_rows, emitted));
  for (int m = 0; m < objective->n_metrics; m++) {
    const kd_metric_slot *slot = &objective->metrics[m];
    kd_graph_scope(g, slot->log_name);
    put_tail(emitted,
             metric_kind(slot)->update(g, slot->metric.options, emitted->label[slot->output],
                                       &prediction[slot->output], KD_NO_SYM),
             slot->tail);
  }
  return kd_graph_status(g);
}
