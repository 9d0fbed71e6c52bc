#include "trainer/update_builder.h"

/* The update of a step as plans over whole ranges, in Keras's order: statistics move; the scale of the loss
 * is divided out; accumulated gradients are joined; weight penalties and per-weight clipping adjust
 * gradients; global clipping, decay and the optimizer's rule replace weights and slots; averages follow; last
 * constraints hold weights. Ranges are padded with zeros, which every rule keeps at zero. */

/* weight = momentum * weight + (1 - momentum) * statistic */
static kd_status compile_moving(kd_replica *r, int n_moving, const kd_moving *moving) {
  if (n_moving == 0) return KD_OK;
  kd_update_builder b;
  kd_update_start(&b, r, "statistics");
  for (int i = 0; i < n_moving; i++) {
    const kd_weight *weight = &r->spec.model->weights[moving[i].weight];
    kd_sym old = kd_update_weight(&b, moving[i].weight);
    kd_sym seen = kd_update_fed(&b, weight->shape, r->sum + r->moving_at[moving[i].weight], weight->path);
    kd_sym moved = kd_add(b.graph, kd_scale(b.graph, old, moving[i].momentum),
                          kd_scale(b.graph, seen, 1 - moving[i].momentum));
    kd_update_result(&b, kd_cast(b.graph, moved, weight->dtype), kd_replica_place(r, moving[i].weight));
  }
  return kd_update_finish(&b, &r->updates.moving);
}

/* New values from old ones, in place. */
static kd_status compile_prepared(kd_replica *r, const kd_graph *graph, const kd_built *built) {
  if (built->n_prepared == 0) return KD_OK;
  const kd_model *model = r->spec.model;
  kd_binding *bindings =
      kd_pool_alloc(graph->pool, (size_t)(model->n_weights + built->n_prepared), sizeof *bindings);
  int n = 0;
  for (int w = 0; w < model->n_weights; w++)
    if (built->weight[w] != KD_NO_SYM) bindings[n++] = (kd_binding){built->weight[w], kd_replica_place(r, w)};
  for (int i = 0; i < built->n_prepared; i++)
    bindings[n++] = (kd_binding){built->prepared[i].value, kd_replica_place(r, built->prepared[i].weight)};
  kd_plan_spec spec = {.graph = graph, .device = r->spec.device, .n_bindings = n, .bindings = bindings};
  return kd_plan_compile(&spec, &r->updates.prepare);
}

/* Micro-steps of gradient accumulation: sums, and at the last one the mean (Keras: (sum + gradient) / n). */
static kd_status compile_accumulation(kd_replica *r) {
  if (r->spec.optimizer->accumulation == 1) return KD_OK;
  kd_update_builder b;
  kd_update_start(&b, r, "accumulation");
  kd_update_guard(&b);
  kd_sym sum = kd_update_fed(&b, kd_update_range(r), r->accumulated, "accumulated");
  kd_sym gradient = kd_update_fed(&b, kd_update_range(r), kd_update_gradients(r), "gradients");
  kd_update_replace(&b, kd_add(b.graph, sum, gradient), sum, KD_F32, r->accumulated);
  KD_TRY(kd_update_finish(&b, &r->updates.accumulate));
  kd_update_start(&b, r, "accumulation");
  kd_update_guard(&b);
  sum = kd_update_fed(&b, kd_update_range(r), r->accumulated, "accumulated");
  gradient = kd_update_fed(&b, kd_update_range(r), kd_update_gradients(r), "gradients");
  kd_sym mean =
      kd_scale(b.graph, kd_add(b.graph, sum, gradient), 1.0 / (double)r->spec.optimizer->accumulation);
  kd_update_result(&b, mean, kd_update_gradients(r));
  kd_update_replace(&b, kd_full(b.graph, kd_update_range(r), 0.0), sum, KD_F32, r->accumulated);
  return kd_update_finish(&b, &r->updates.finish);
}

/* The gradient of one weight after its penalty and clipnorm; KD_NO_SYM when nothing changes it. */
static kd_status adjusted(kd_update_builder *b, int w, kd_sym *gradient) {
  kd_replica *r = b->replica;
  const kd_weight *weight = &r->spec.model->weights[w];
  const kd_optimizer_common *common = r->spec.optimizer->common;
  kd_graph *g = b->graph;
  bool clipped = common->clipnorm != KD_UNSET_FLOAT;
  *gradient = KD_NO_SYM;
  if (!weight->regularizer.kind && !clipped) return KD_OK;
  *gradient = kd_update_fed(b, weight->shape, kd_update_gradients(r) + weight->offset, weight->path);
  if (weight->regularizer.kind) {
    kd_sym values = kd_cast(g, kd_update_weight(b, w), KD_F32), slope;
    KD_TRY(kd_autodiff(g, kd_penalty(g, &weight->regularizer, values), 1, &values, &slope));
    if (slope != KD_NO_SYM) *gradient = kd_add(g, *gradient, slope);
  }
  if (clipped) {
    kd_sym norm = kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_SUMSQ, *gradient));
    kd_sym limit = kd_max(g, norm, kd_const(g, common->clipnorm));
    *gradient = kd_mul(g, *gradient, kd_div(g, kd_const(g, common->clipnorm), limit));
  }
  return KD_OK;
}

static kd_status compile_adjust(kd_replica *r) {
  kd_update_builder b;
  kd_update_start(&b, r, "gradients");
  int results = 0;
  kd_status status = KD_OK;
  for (int w = 0; w < r->spec.model->n_weights && status == KD_OK; w++) {
    kd_sym gradient = KD_NO_SYM;
    if (r->spec.model->weights[w].trainable) status = adjusted(&b, w, &gradient);
    if (gradient == KD_NO_SYM) continue;
    kd_update_result(&b, gradient, kd_update_gradients(r) + r->spec.model->weights[w].offset);
    results++;
  }
  if (status != KD_OK || results == 0) {
    kd_graph_destroy(b.graph);
    return status;
  }
  return kd_update_finish(&b, &r->updates.adjust);
}

/* Weights are brought to what their constraints say. */
static kd_status compile_constraints(kd_replica *r) {
  kd_update_builder b;
  kd_update_start(&b, r, "constraints");
  kd_update_guard(&b);
  int results = 0;
  for (int w = 0; w < r->spec.model->n_weights; w++) {
    const kd_weight *weight = &r->spec.model->weights[w];
    if (!weight->trainable || !weight->constraint.kind) continue;
    const kd_constraint_kind *kind = (const kd_constraint_kind *)weight->constraint.kind;
    kd_graph_scope(b.graph, weight->path);
    kd_sym values = kd_cast(b.graph, kd_update_weight(&b, w), KD_F32);
    kd_sym held = kind->project(b.graph, weight->constraint.options, values);
    kd_update_replace(&b, held, values, weight->dtype, kd_replica_place(r, w));
    results++;
  }
  if (results == 0) {
    kd_graph_destroy(b.graph);
    return KD_OK;
  }
  return kd_update_finish(&b, &r->updates.constrain);
}

static kd_status compile_penalty(kd_replica *r) {
  kd_update_builder b;
  kd_update_start(&b, r, "penalty");
  kd_sym total = KD_NO_SYM;
  for (int w = 0; w < r->spec.model->n_weights; w++) {
    const kd_weight *weight = &r->spec.model->weights[w];
    if (!weight->regularizer.kind) continue;
    kd_sym penalty = kd_penalty(b.graph, &weight->regularizer, kd_update_weight(&b, w));
    total = total == KD_NO_SYM ? penalty : kd_add(b.graph, total, penalty);
  }
  if (total == KD_NO_SYM) {
    kd_graph_destroy(b.graph);
    return KD_OK;
  }
  kd_update_result(&b, total, &r->values->penalty);
  return kd_update_finish(&b, &r->updates.penalty);
}

kd_status kd_updates_compile(kd_replica *r) {
  KD_TRY(compile_penalty(r));
  if (!r->spec.optimizer) return KD_OK;
  /* A throw-away build tells which statistics move, and how. */
  kd_graph *graph = kd_graph_create();
  kd_build_spec spec = {.batch = kd_passes_nominal_rows(r),
                        .training = true,
                        .feed_dtype = r->spec.feed_dtype,
                        .feed_shape =
                            kd_passes_feed_shapes(r, graph->pool, KD_MODE_TRAIN, kd_passes_nominal_rows(r))};
  kd_built built;
  kd_status status = kd_model_build(r->spec.model, graph, &spec, &built);
  if (status == KD_OK) status = compile_moving(r, built.n_moving, built.moving);
  if (status == KD_OK) status = compile_prepared(r, graph, &built);
  kd_graph_destroy(graph);
  KD_TRY(status);
  KD_TRY(kd_update_compile_inverse(r));
  if (r->n_weight == 0) return KD_OK;
  KD_TRY(kd_update_compile_scale(r));
  KD_TRY(compile_accumulation(r));
  KD_TRY(compile_adjust(r));
  KD_TRY(kd_update_compile_averages(r));
  KD_TRY(compile_constraints(r));
  return kd_update_compile_rule(r);
}

void kd_updates_free(kd_replica *r) {
  kd_updates *u = &r->updates;
  kd_plan *plans[] = {u->prepare, u->inverse, u->moving,  u->unscale, u->choose,   u->accumulate, u->finish,
                      u->adjust,  u->update,  u->penalty, u->average, u->finalize, u->constrain};
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) kd_plan_destroy(plans[i]);
}
