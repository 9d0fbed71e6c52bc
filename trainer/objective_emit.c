#include "layers/kinds/kinds.h"
#include "trainer/objective.h"

/* The nodes of losses and metrics. */

static kd_shape with_batch(const kd_shape *sample, int64_t rows) {
  kd_shape shape = {.rank = sample->rank + 1, .dim = {rows}};
  for (int i = 0; i < sample->rank; i++) shape.dim[i + 1] = sample->dim[i];
  return shape;
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

static kd_sym plus(kd_graph *g, kd_sym a, kd_sym b) {
  return a == KD_NO_SYM ? b : b == KD_NO_SYM ? a : kd_add(g, a, b);
}

static kd_sym times(kd_graph *g, kd_sym a, kd_sym b) {
  return a == KD_NO_SYM ? b : b == KD_NO_SYM ? a : kd_mul(g, a, b);
}

/* Weight of each row by its class (Keras's class_weight): 1 for classes without one. */
static kd_sym class_weights(kd_graph *g, const kd_output_loss *output, kd_sym label) {
  if (output->n_class_weights == 0) return KD_NO_SYM;
  const kd_shape *shape = kd_sym_shape(g, label);
  bool one_hot = shape->rank > 1 && shape->dim[shape->rank - 1] > 1;
  kd_sym number = one_hot ? kd_argmax(g, label, -1) : kd_reshape(g, label, KD_SHAPE(shape->dim[0]));
  kd_sym weight = kd_const(g, 1.0);
  for (int c = 0; c < output->n_class_weights; c++)
    weight = kd_select(g, kd_binary(g, KD_PW_EQ, number, kd_const(g, c)),
                       kd_const(g, output->class_weight[c]), weight);
  return weight;
}

/* What is known of one output while it is emitted. */
typedef struct output_syms {
  kd_sym label, mask,
      weight; /* mask, weight: KD_NO_SYM when there is none; float32 (rows) or (rows, steps) */
  kd_prediction prediction;
} output_syms;

static output_syms feed(const kd_objective *objective, kd_graph *g, const kd_model *model,
                        const kd_built *built, int o, int64_t rows, kd_emitted *emitted) {
  const kd_output_loss *output = &objective->outputs[o];
  output_syms syms = {.mask = built->output_mask[o], .weight = KD_NO_SYM};
  kd_graph_scope(g, model->outputs[o].name);
  syms.label = emitted->label[o] = kd_input(g, output->label_dtype, with_batch(&output->label_sample, rows),
                                            model->n_inputs + o, model->outputs[o].name);
  if (output->sample_weight) {
    int index = model->n_inputs + model->n_outputs + o;
    emitted->weight[o] =
        kd_input(g, output->weight_dtype, with_batch(&output->weight_sample, rows), index, "sample_weight");
    syms.weight = kd_cast(g, emitted->weight[o], KD_F32);
  }
  syms.weight = times(g, syms.weight, class_weights(g, output, syms.label));
  /* Losses and metrics compute in float32 under every policy, as Keras's do. */
  syms.prediction = kd_find_logits(g, built->output[o]);
  syms.prediction.y_pred = kd_cast(g, syms.prediction.y_pred, KD_F32);
  if (syms.prediction.logits != KD_NO_SYM)
    syms.prediction.logits = kd_cast(g, syms.prediction.logits, KD_F32);
  return syms;
}

/* A factor per row or step for values of more axes: axes of size 1 are added behind. */
static kd_sym spread(kd_graph *g, kd_sym factor, kd_sym values) {
  return factor == KD_NO_SYM ? KD_NO_SYM : kd_mask_factor(g, factor, values);
}

/* The count of a counted output: valid values, or the sum of weights (keras.md 4.1). */
static kd_sym count_values(kd_graph *g, const kd_output_loss *output, const output_syms *syms,
                           kd_sym values) {
  const kd_loss_common *common = output->loss.options;
  kd_sym counted = spread(g, syms->mask, values);
  if (common->reduction == KD_RED_MEAN_WEIGHTED) counted = times(g, counted, spread(g, syms->weight, values));
  if (counted == KD_NO_SYM) counted = kd_const(g, 1.0);
  return kd_reduce_all(g, KD_REDUCE_SUM, kd_broadcast(g, counted, *kd_sym_shape(g, values)));
}

/* A loss of the whole batch: the pass's part of the state, times the slopes of the loss. */
static kd_sym emit_whole(const kd_objective *objective, kd_graph *g, int o, const output_syms *syms,
                         bool counts_only, kd_emitted *emitted) {
  const kd_output_loss *output = &objective->outputs[o];
  if (emitted->first == KD_NO_SYM)
    emitted->first = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_FIRST, "first");
  kd_sym state =
      kd_loss_state(g, &output->loss, syms->label, &syms->prediction, emitted->first, output->n_state);
  put_tail(emitted, state, output->state_tail);
  if (counts_only) return KD_NO_SYM;
  kd_sym slope = emitted->slope[o] =
      kd_value_sym(g, KD_F32, KD_SHAPE(output->n_state), KD_VALUE_SLOPE + o, "slope");
  return kd_scale(g, kd_reduce_all(g, KD_REDUCE_SUM, kd_mul(g, state, slope)), output->weight);
}

/* One output's loss: returns its weighted part of the mean over the global batch. */
static kd_sym emit_loss(const kd_objective *objective, kd_graph *g, int o, const output_syms *syms,
                        kd_sym inv_rows, bool counts_only, kd_emitted *emitted) {
  const kd_output_loss *output = &objective->outputs[o];
  const kd_loss_common *common = output->loss.options;
  if (output->n_state > 0) return emit_whole(objective, g, o, syms, counts_only, emitted);
  kd_sym values = kd_loss_values(g, &output->loss, syms->label, &syms->prediction);
  if (values == KD_NO_SYM) return KD_NO_SYM;
  if (output->counted) put_tail(emitted, count_values(g, output, syms, values), objective->count_tail + o);
  if (counts_only) return KD_NO_SYM;
  kd_sym factor = times(g, spread(g, syms->mask, values), spread(g, syms->weight, values));
  kd_sym sum = kd_reduce_all(g, KD_REDUCE_SUM, times(g, values, factor));
  put_tail(emitted, sum, o);
  if (common->reduction == KD_RED_SUM) return kd_scale(g, sum, output->weight);
  if (!output->counted)
    return kd_scale(g, kd_mul(g, sum, inv_rows), output->weight / (double)output->values_per_row);
  emitted->inv_count[o] = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_INV_COUNT + o, "inv_count");
  return kd_scale(g, kd_mul(g, sum, emitted->inv_count[o]), output->weight);
}

static kd_sym emit_added(kd_graph *g, const kd_objective *objective, const kd_built *built, kd_sym inv_rows,
                         kd_emitted *emitted) {
  kd_sym added = KD_NO_SYM;
  for (int i = 0; i < built->n_losses; i++) added = plus(g, added, built->losses[i]);
  if (added == KD_NO_SYM) return KD_NO_SYM;
  put_tail(emitted, added, objective->added_tail);
  return kd_mul(g, added, inv_rows);
}

static kd_status emit_metrics(const kd_objective *objective, kd_graph *g, const kd_model *model,
                              const output_syms *syms, kd_emitted *emitted) {
  for (int m = 0; m < objective->n_metrics; m++) {
    const kd_metric_slot *slot = &objective->metrics[m];
    const kd_metric_kind *kind = (const kd_metric_kind *)slot->metric.kind;
    const output_syms *output = &syms[slot->output];
    kd_graph_scope(g, slot->log_name);
    kd_sym weight = slot->weighted ? output->weight : KD_NO_SYM;
    kd_sym mask = kind->ignores_mask ? KD_NO_SYM : output->mask;
    if (mask != KD_NO_SYM && weight != KD_NO_SYM) weight = spread(g, weight, mask);
    weight = times(g, mask, weight);
    put_tail(emitted, kind->update(g, slot->metric.options, output->label, &output->prediction, weight),
             slot->tail);
    kd_status status = kd_graph_status(g);
    if (status != KD_OK)
      return kd_fail_context(status, "output %s, metric %s", model->outputs[slot->output].name,
                             kind->base.name);
  }
  return KD_OK;
}

static void prepare(const kd_objective *objective, kd_graph *g, kd_emitted *emitted) {
  size_t outputs = (size_t)objective->n_outputs, tails = 2 * outputs + 1 + (size_t)objective->n_metrics;
  *emitted = (kd_emitted){.loss = KD_NO_SYM,
                          .first = KD_NO_SYM,
                          .slope = kd_pool_alloc(g->pool, outputs, sizeof(kd_sym)),
                          .tail = kd_pool_alloc(g->pool, tails, sizeof(kd_sym)),
                          .tail_at = kd_pool_alloc(g->pool, tails, sizeof(int)),
                          .label = kd_pool_alloc(g->pool, outputs, sizeof(kd_sym)),
                          .weight = kd_pool_alloc(g->pool, outputs, sizeof(kd_sym)),
                          .inv_count = kd_pool_alloc(g->pool, outputs, sizeof(kd_sym))};
  for (size_t i = 0; i < outputs; i++)
    emitted->label[i] = emitted->weight[i] = emitted->inv_count[i] = emitted->slope[i] = KD_NO_SYM;
}

kd_status kd_objective_emit(const kd_objective *objective, kd_graph *g, const kd_model *model,
                            const kd_built *built, int64_t rows, kd_sym inv_rows, bool counts_only,
                            kd_emitted *emitted) {
  prepare(objective, g, emitted);
  output_syms *syms = kd_pool_alloc(g->pool, (size_t)objective->n_outputs, sizeof *syms);
  for (int o = 0; o < objective->n_outputs; o++) {
    const kd_output_loss *output = &objective->outputs[o];
    if (!has_labels(objective, o)) continue;
    syms[o] = feed(objective, g, model, built, o, rows, emitted);
    if (!output->loss.kind || (counts_only && !output->counted && output->n_state == 0)) continue;
    kd_graph_scope(g, "loss");
    emitted->loss =
        plus(g, emitted->loss, emit_loss(objective, g, o, &syms[o], inv_rows, counts_only, emitted));
  }
  if (counts_only) return kd_graph_status(g);
  kd_graph_scope(g, "loss");
  emitted->loss = plus(g, emitted->loss, emit_added(g, objective, built, inv_rows, emitted));
  KD_TRY(kd_graph_status(g));
  return emit_metrics(objective, g, model, syms, emitted);
}
