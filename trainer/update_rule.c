/* The optimizer's rule, and moving averages of weights, over the contiguous ranges.
 *
 * Where weights are stored in a half type, so are their slots. The gradient, a float32 sum over all rows of
 * all ranks, is rounded to that type once, when the rule reads it; the rule computes in float32 and what it
 * gives is rounded when it is stored. */
#include <math.h>
#include <string.h>

#include "trainer/update_builder.h"

/* Keras: gradients * c * min(1 / norm, 1 / c), and NaN everywhere when the norm is not finite. */
static kd_sym clip_globally(kd_graph *g, kd_sym gradient, double limit) {
  kd_sym norm = kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_SUMSQ, gradient));
  kd_sym factor = kd_min(g, kd_div(g, kd_const(g, limit), norm), kd_const(g, 1.0));
  kd_sym safe = kd_select(g, kd_unary(g, KD_PW_FINITE, norm), factor, kd_const(g, (double)NAN));
  return kd_mul(g, gradient, safe);
}

/* The scalars that rules read. */
typedef struct rule_scalars {
  kd_sym rate, value[KD_MAX_UPDATE_VALUES];
} rule_scalars;

/* A stored range as float32. */
static kd_sym fed_as_float(kd_update_builder *b, kd_dtype dtype, kd_shape shape, void *address,
                           const char *name) {
  return kd_cast(b->graph, kd_update_stored(b, dtype, shape, address, name), KD_F32);
}

/* The slots of a rule; those that a weight has not stay KD_NO_SYM. */
static void feed_slots(kd_update_builder *b, const kd_update_run *run, kd_shape shape, kd_update *u) {
  const kd_optimizer *optimizer = b->replica->spec.optimizer;
  for (int s = 0; s < optimizer->n_rule_slots; s++) {
    u->slot[s] = KD_NO_SYM;
    if (u->weight && !kd_optimizer_slot_shape(optimizer, s, u->weight, &shape)) continue;
    u->slot[s] = fed_as_float(b, run->dtype, shape, kd_replica_slots(b->replica, s, run->place),
                              optimizer->slot_name[s]);
  }
}

static double decay_of(const kd_optimizer *optimizer, const kd_weight *weight) {
  return weight && optimizer->kind->decay ? optimizer->kind->decay(optimizer->common, weight)
                                          : optimizer->common->weight_decay;
}

/* The rule for a run seen in a shape, or for one weight. */
static void emit_rule(kd_update_builder *b, const kd_update_run *run, kd_shape shape, kd_sym gradient,
                      const kd_weight *weight, const rule_scalars *scalars) {
  kd_replica *r = b->replica;
  const kd_optimizer *optimizer = r->spec.optimizer;
  double decay = decay_of(optimizer, weight);
  kd_graph *g = b->graph;
  char *weights = r->weights + run->place;
  kd_update u = {.weight = weight, .g = kd_cast(g, kd_cast(g, gradient, run->dtype), KD_F32)};
  for (int v = 0; v < optimizer->kind->n_values; v++) u.value[v] = scalars->value[v];
  u.w = u.before = fed_as_float(b, run->dtype, shape, weights, "weights");
  feed_slots(b, run, shape, &u);
  kd_sym slot[KD_MAX_SLOTS];
  memcpy(slot, u.slot, sizeof slot);
  if (decay != KD_UNSET_FLOAT && decay != 0)
    u.w = kd_sub(g, u.w, kd_mul(g, kd_scale(g, u.w, decay), scalars->rate));
  optimizer->kind->update(g, optimizer->common, &u);
  kd_update_replace(b, u.w, u.before, run->dtype, weights);
  for (int s = 0; s < optimizer->n_rule_slots; s++)
    if (u.slot[s] != KD_NO_SYM)
      kd_update_replace(b, u.slot[s], slot[s], run->dtype, kd_replica_slots(r, s, run->place));
}

/* The place of one weight as a run. */
static kd_update_run alone(const kd_weight *weight) {
  return (kd_update_run){weight->offset, weight->count, weight->dtype, weight->place};
}

/* Each weight alone, or run by run, from the clipped gradients of all. */
static void emit_whole(kd_update_builder *b, const rule_scalars *scalars) {
  kd_replica *r = b->replica;
  const kd_model *model = r->spec.model;
  const kd_optimizer_common *common = r->spec.optimizer->common;
  kd_graph *g = b->graph;
  kd_sym all = kd_update_fed(b, kd_update_range(r), kd_update_gradients(r), "gradients");
  if (common->clipvalue != KD_UNSET_FLOAT)
    all = kd_max(g, kd_min(g, all, kd_const(g, common->clipvalue)), kd_const(g, -common->clipvalue));
  if (common->global_clipnorm != KD_UNSET_FLOAT) all = clip_globally(g, all, common->global_clipnorm);
  if (r->spec.optimizer->kind->per_weight) {
    for (int w = 0; w < model->n_weights; w++) {
      const kd_weight *weight = &model->weights[w];
      if (!weight->trainable) continue;
      kd_update_run run = alone(weight);
      kd_sym gradient = kd_reshape(g, kd_slice_axis(g, all, 0, run.at, run.count), weight->shape);
      emit_rule(b, &run, weight->shape, gradient, weight, scalars);
    }
    return;
  }
  for (int64_t at = 0; at < r->n_weight;) {
    kd_update_run run = kd_update_run_from(r, at, r->n_weight);
    emit_rule(b, &run, KD_SHAPE(run.count), kd_slice_axis(g, all, 0, at, run.count), NULL, scalars);
    at += run.count;
  }
}

/* The range between tables, up to the table or the end. */
static void emit_between(kd_update_builder *b, int64_t at, int64_t end, const rule_scalars *scalars) {
  while (at < end) {
    kd_update_run run = kd_update_run_from(b->replica, at, end);
    kd_sym gradient =
        kd_update_fed(b, KD_SHAPE(run.count), kd_update_gradients(b->replica) + at, "gradients");
    emit_rule(b, &run, KD_SHAPE(run.count), gradient, NULL, scalars);
    at += run.count;
  }
}

/* Tables whose other rows are ignored, and the ranges between them. */
static void emit_tables(kd_update_builder *b, const rule_scalars *scalars) {
  kd_replica *r = b->replica;
  int64_t at = 0;
  for (int i = 0; i < r->n_tables; i++) {
    const kd_weight *weight = &r->spec.model->weights[r->tables[i].weight];
    if (r->tables[i].rest != KD_REST_IGNORED) continue;
    kd_update_run run = alone(weight);
    emit_between(b, at, weight->offset, scalars);
    kd_sym used = kd_update_fed(b, KD_SHAPE(weight->shape.dim[0], 1), r->tables[i].used, weight->path);
    kd_sym rows = kd_update_fed(b, weight->shape, kd_update_gradients(r) + weight->offset, weight->path);
    kd_sym gradient = kd_select(b->graph, used, rows, kd_const(b->graph, 0));
    emit_rule(b, &run, weight->shape, gradient, NULL, scalars);
    at = kd_update_next(r, weight->offset);
  }
  emit_between(b, at, r->n_weight, scalars);
}

kd_status kd_update_compile_rule(kd_replica *r) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  kd_update_builder b;
  kd_update_values *values = kd_update_scalars(r);
  kd_update_start(&b, r, optimizer->kind->base.name);
  kd_update_guard(&b);
  rule_scalars scalars = {.rate = kd_update_fed(&b, KD_SCALAR, &values->rate, "rate")};
  for (int v = 0; v < optimizer->kind->n_values; v++)
    scalars.value[v] = kd_update_fed(&b, KD_SCALAR, &values->rule[v], "value");
  bool ignored = false;
  for (int i = 0; i < r->n_tables; i++) ignored |= r->tables[i].rest == KD_REST_IGNORED;
  if (ignored)
    emit_tables(&b, &scalars);
  else
    emit_whole(&b, &scalars);
  return kd_update_finish(&b, &r->updates.update);
}

static char *averages(const kd_replica *r, const kd_update_run *run) {
  return kd_replica_slots(r, r->spec.optimizer->n_rule_slots, run->place);
}

static void emit_average(kd_update_builder *b, const kd_update_run *run, kd_sym momentum, kd_sym overwrite) {
  kd_graph *g = b->graph;
  kd_shape shape = KD_SHAPE(run->count);
  char *at = averages(b->replica, run), *weights_at = b->replica->weights + run->place;
  kd_sym weights = kd_update_stored(b, run->dtype, shape, weights_at, "weights");
  kd_sym old = kd_update_stored(b, run->dtype, shape, at, "average");
  kd_sym seen = kd_mul(g, weights, kd_sub(g, kd_const(g, 1), momentum));
  kd_sym average = kd_cast(g, kd_add(g, kd_mul(g, old, momentum), seen), run->dtype);
  kd_update_replace(b, average, old, run->dtype, at);
  if (overwrite != KD_NO_SYM)
    kd_update_replace(b, kd_select(g, overwrite, average, weights), weights, run->dtype, weights_at);
}

/* Moving averages of the weights, after each batch: average = momentum * average + (1 - momentum) * weight,
 * and the average as the weight when it is time. Keras: Optimizer._update_model_variables_moving_average. */
kd_status kd_update_compile_averages(kd_replica *r) {
  const kd_optimizer_common *common = r->spec.optimizer->common;
  if (!common->use_ema) return KD_OK;
  kd_update_builder b;
  kd_update_run run;
  kd_update_values *values = kd_update_scalars(r);
  kd_update_start(&b, r, "averages");
  kd_update_guard(&b);
  kd_sym momentum = kd_update_fed(&b, KD_SCALAR, &values->momentum, "momentum"), overwrite = KD_NO_SYM;
  if (common->ema_overwrite_frequency != KD_UNSET_INT)
    overwrite = kd_update_fed(&b, KD_SCALAR, &values->overwrite, "overwrite");
  for (int64_t at = 0; at < r->n_weight; at += run.count) {
    run = kd_update_run_from(r, at, r->n_weight);
    emit_average(&b, &run, momentum, overwrite);
  }
  KD_TRY(kd_update_finish(&b, &r->updates.average));
  kd_update_start(&b, r, "averages");
  for (int64_t at = 0; at < r->n_weight; at += run.count) {
    run = kd_update_run_from(r, at, r->n_weight);
    kd_sym average = kd_update_stored(&b, run.dtype, KD_SHAPE(run.count), averages(r, &run), "average");
    kd_update_result(&b, kd_cast(b.graph, kd_unary(b.graph, KD_PW_COPY, average), run.dtype),
                     r->weights + run.place);
  }
  return kd_update_finish(&b, &r->updates.finalize);
}
