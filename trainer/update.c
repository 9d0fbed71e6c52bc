#include <math.h>

#include "trainer/replica_state.h"

/* The update of a step as plans over whole ranges, in Keras's order: statistics move; the scale of the loss
 * is divided out; accumulated gradients are joined; weight penalties and per-weight clipping adjust
 * gradients; global clipping, decay and the optimizer's rule replace weights and slots. Ranges are padded
 * with zeros, which every rule keeps at zero. */

typedef struct update_builder {
  kd_replica *replica;
  kd_graph *graph;
  kd_binding *bindings;
  int n, next;
} update_builder;

static kd_sym fed(update_builder *b, kd_shape shape, void *address, const char *name) {
  kd_sym sym = kd_input(b->graph, KD_F32, shape, b->next++, name);
  b->bindings[b->n++] = (kd_binding){sym, address};
  return sym;
}

static void result(update_builder *b, kd_sym sym, void *address) {
  b->bindings[b->n++] = (kd_binding){sym, address};
}

static void builder_start(update_builder *b, kd_replica *r, const char *scope) {
  size_t ranges = 2 * (size_t)r->spec.model->n_weights + 1;
  size_t n = (4 + 2 * KD_MAX_SLOTS) * ranges + KD_MAX_UPDATE_VALUES + 16;
  *b = (update_builder){.replica = r, .graph = kd_graph_create()};
  b->bindings = kd_pool_alloc(b->graph->pool, n, sizeof(kd_binding));
  kd_graph_scope(b->graph, scope);
}

static kd_status builder_finish(update_builder *b, kd_plan **plan) {
  kd_status status = kd_graph_status(b->graph);
  kd_plan_spec spec = {.graph = b->graph,
                       .device = b->replica->spec.device,
                       .n_bindings = b->n,
                       .bindings = b->bindings,
                       .repeats = true};
  if (status == KD_OK) status = kd_plan_compile(&spec, plan);
  kd_graph_destroy(b->graph);
  return status;
}

static kd_shape range_shape(const kd_replica *r) {
  return KD_SHAPE(r->n_weight);
}

static float *gradients(const kd_replica *r) {
  return r->sum + r->n_front;
}

/* weight = momentum * weight + (1 - momentum) * statistic */
static kd_status compile_moving(kd_replica *r, int n_moving, const kd_moving *moving) {
  if (n_moving == 0) return KD_OK;
  update_builder b;
  builder_start(&b, r, "statistics");
  for (int i = 0; i < n_moving; i++) {
    const kd_weight *weight = &r->spec.model->weights[moving[i].weight];
    kd_sym old = fed(&b, weight->shape, kd_replica_place(r, moving[i].weight), weight->path);
    kd_sym seen = fed(&b, weight->shape, r->sum + r->moving_at[moving[i].weight], weight->path);
    kd_sym moved = kd_add(b.graph, kd_scale(b.graph, old, moving[i].momentum),
                          kd_scale(b.graph, seen, 1 - moving[i].momentum));
    result(&b, moved, kd_replica_place(r, moving[i].weight));
  }
  return builder_finish(&b, &r->updates.moving);
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

/* gradients / scale in place, and whether all of them are finite: then their extremes are. */
static kd_status compile_unscale(kd_replica *r) {
  if (!r->scaled) return KD_OK;
  update_builder b;
  builder_start(&b, r, "loss scale");
  kd_graph *g = b.graph;
  kd_sym scale = fed(&b, KD_SCALAR, &r->values->loss_scale, "loss_scale");
  kd_sym gradient = fed(&b, range_shape(r), gradients(r), "gradients");
  kd_sym most = kd_unary(g, KD_PW_FINITE, kd_reduce_all(g, KD_REDUCE_MAX, gradient));
  kd_sym least = kd_unary(g, KD_PW_FINITE, kd_reduce_all(g, KD_REDUCE_MIN, gradient));
  result(&b, kd_mul(g, most, least), &r->values->finite);
  result(&b, kd_div(g, gradient, scale), gradients(r));
  return builder_finish(&b, &r->updates.unscale);
}

/* Micro-steps of gradient accumulation: sums, and at the last one the mean (Keras: (sum + gradient) / n). */
static kd_status compile_accumulation(kd_replica *r) {
  if (r->spec.optimizer->accumulation == 1) return KD_OK;
  update_builder b;
  builder_start(&b, r, "accumulation");
  kd_sym sum = fed(&b, range_shape(r), r->accumulated, "accumulated");
  kd_sym gradient = fed(&b, range_shape(r), gradients(r), "gradients");
  result(&b, kd_add(b.graph, sum, gradient), r->accumulated);
  KD_TRY(builder_finish(&b, &r->updates.accumulate));
  builder_start(&b, r, "accumulation");
  sum = fed(&b, range_shape(r), r->accumulated, "accumulated");
  gradient = fed(&b, range_shape(r), gradients(r), "gradients");
  kd_sym mean =
      kd_scale(b.graph, kd_add(b.graph, sum, gradient), 1.0 / (double)r->spec.optimizer->accumulation);
  result(&b, mean, gradients(r));
  result(&b, kd_full(b.graph, range_shape(r), 0.0), r->accumulated);
  return builder_finish(&b, &r->updates.finish);
}

/* The gradient of one weight after its penalty and clipnorm; KD_NO_SYM when nothing changes it. */
static kd_status adjusted(update_builder *b, int w, kd_sym *gradient) {
  kd_replica *r = b->replica;
  const kd_weight *weight = &r->spec.model->weights[w];
  const kd_optimizer_common *common = r->spec.optimizer->common;
  kd_graph *g = b->graph;
  bool clipped = common->clipnorm != KD_UNSET_FLOAT;
  *gradient = KD_NO_SYM;
  if (!weight->regularizer.kind && !clipped) return KD_OK;
  *gradient = fed(b, weight->shape, gradients(r) + weight->offset, weight->path);
  if (weight->regularizer.kind) {
    kd_sym values = fed(b, weight->shape, kd_replica_place(r, w), weight->path), slope;
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
  update_builder b;
  builder_start(&b, r, "gradients");
  int results = 0;
  kd_status status = KD_OK;
  for (int w = 0; w < r->spec.model->n_weights && status == KD_OK; w++) {
    kd_sym gradient = KD_NO_SYM;
    if (r->spec.model->weights[w].trainable) status = adjusted(&b, w, &gradient);
    if (gradient == KD_NO_SYM) continue;
    result(&b, gradient, gradients(r) + r->spec.model->weights[w].offset);
    results++;
  }
  if (status != KD_OK || results == 0) {
    kd_graph_destroy(b.graph);
    return status;
  }
  return builder_finish(&b, &r->updates.adjust);
}

/* Keras: gradients * c * min(1 / norm, 1 / c), and NaN everywhere when the norm is not finite. */
static kd_sym clip_globally(kd_graph *g, kd_sym gradient, double limit) {
  kd_sym norm = kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_SUMSQ, gradient));
  kd_sym factor = kd_min(g, kd_div(g, kd_const(g, limit), norm), kd_const(g, 1.0));
  kd_sym safe = kd_select(g, kd_unary(g, KD_PW_FINITE, norm), factor, kd_const(g, (double)NAN));
  return kd_mul(g, gradient, safe);
}

/* The slots of a rule; those that a weight has not stay KD_NO_SYM. */
static void feed_slots(update_builder *b, int64_t at, kd_shape shape, kd_update *u) {
  kd_replica *r = b->replica;
  const kd_optimizer *optimizer = r->spec.optimizer;
  for (int s = 0; s < optimizer->n_rule_slots; s++) {
    u->slot[s] = KD_NO_SYM;
    if (u->weight && !kd_optimizer_slot_shape(optimizer, s, u->weight, &shape)) continue;
    u->slot[s] = fed(b, shape, r->slots + s * r->n_weight + at, optimizer->slot_name[s]);
  }
}

static double decay_of(const kd_optimizer *optimizer, const kd_weight *weight) {
  return weight && optimizer->kind->decay ? optimizer->kind->decay(optimizer->common, weight)
                                          : optimizer->common->weight_decay;
}

/* The rule for the floats from `at` on of all ranges. common: the update's scalars, the weight and the
 * gradient. */
static void emit_rule(update_builder *b, int64_t at, kd_shape shape, const kd_update *common, kd_sym rate) {
  kd_replica *r = b->replica;
  const kd_optimizer *optimizer = r->spec.optimizer;
  double decay = decay_of(optimizer, common->weight);
  kd_graph *g = b->graph;
  kd_update u = *common;
  u.w = u.before = fed(b, shape, r->weights + at, "weights");
  feed_slots(b, at, shape, &u);
  if (decay != KD_UNSET_FLOAT && decay != 0) u.w = kd_sub(g, u.w, kd_mul(g, kd_scale(g, u.w, decay), rate));
  optimizer->kind->update(g, optimizer->common, &u);
  result(b, u.w, r->weights + at);
  for (int s = 0; s < optimizer->n_rule_slots; s++)
    if (u.slot[s] != KD_NO_SYM) result(b, u.slot[s], r->slots + s * r->n_weight + at);
}

/* One range, or each weight alone. */
static void emit_whole(update_builder *b, kd_update *u, kd_sym rate) {
  kd_replica *r = b->replica;
  const kd_optimizer *optimizer = r->spec.optimizer;
  const kd_optimizer_common *common = optimizer->common;
  kd_graph *g = b->graph;
  kd_sym all = fed(b, range_shape(r), gradients(r), "gradients");
  if (common->clipvalue != KD_UNSET_FLOAT)
    all = kd_max(g, kd_min(g, all, kd_const(g, common->clipvalue)), kd_const(g, -common->clipvalue));
  if (common->global_clipnorm != KD_UNSET_FLOAT) all = clip_globally(g, all, common->global_clipnorm);
  u->g = all;
  if (!optimizer->kind->per_weight) emit_rule(b, 0, range_shape(r), u, rate);
  for (int w = 0; optimizer->kind->per_weight && w < r->spec.model->n_weights; w++) {
    const kd_weight *weight = &r->spec.model->weights[w];
    if (!weight->trainable) continue;
    u->g = kd_reshape(g, kd_slice_axis(g, all, 0, weight->offset, weight->count), weight->shape);
    u->weight = weight;
    emit_rule(b, weight->offset, weight->shape, u, rate);
  }
}

/* The range between tables, up to the table or the end. */
static void emit_between(update_builder *b, int64_t at, int64_t end, kd_update *u, kd_sym rate) {
  if (at == end) return;
  u->g = fed(b, KD_SHAPE(end - at), gradients(b->replica) + at, "gradients");
  emit_rule(b, at, KD_SHAPE(end - at), u, rate);
}

/* Tables of which only the used rows have a gradient, and the ranges between them. */
static void emit_tables(update_builder *b, kd_update *u, kd_sym rate) {
  kd_replica *r = b->replica;
  int64_t at = 0;
  for (int i = 0; i < r->n_tables; i++) {
    const kd_weight *weight = &r->spec.model->weights[r->tables[i].weight];
    emit_between(b, at, weight->offset, u, rate);
    kd_sym used = fed(b, KD_SHAPE(weight->shape.dim[0], 1), r->tables[i].used, weight->path);
    kd_sym rows = fed(b, weight->shape, gradients(r) + weight->offset, weight->path);
    u->g = kd_select(b->graph, used, rows, kd_const(b->graph, 0));
    emit_rule(b, weight->offset, weight->shape, u, rate);
    at = weight->offset + weight->count;
  }
  emit_between(b, at, r->n_weight, u, rate);
}

static kd_status compile_rule(kd_replica *r) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  update_builder b;
  builder_start(&b, r, optimizer->kind->base.name);
  kd_update u = {0};
  kd_sym rate = fed(&b, KD_SCALAR, &r->values->rate, "rate");
  for (int v = 0; v < optimizer->kind->n_values; v++)
    u.value[v] = fed(&b, KD_SCALAR, &r->values->update[v], "value");
  if (r->n_tables > 0)
    emit_tables(&b, &u, rate);
  else
    emit_whole(&b, &u, rate);
  return builder_finish(&b, &r->updates.update);
}

static float *averages(const kd_replica *r) {
  return r->slots + r->spec.optimizer->n_rule_slots * r->n_weight;
}

/* Moving averages of the weights, after each batch: average = momentum * average + (1 - momentum) * weight,
 * and the average as the weight when it is time. Keras: Optimizer._update_model_variables_moving_average. */
static kd_status compile_averages(kd_replica *r) {
  const kd_optimizer_common *common = r->spec.optimizer->common;
  if (!common->use_ema) return KD_OK;
  update_builder b;
  builder_start(&b, r, "averages");
  kd_graph *g = b.graph;
  kd_sym momentum = fed(&b, KD_SCALAR, &r->values->momentum, "momentum");
  kd_sym weights = fed(&b, range_shape(r), r->weights, "weights");
  kd_sym old = fed(&b, range_shape(r), averages(r), "average");
  kd_sym seen = kd_mul(g, weights, kd_sub(g, kd_const(g, 1), momentum));
  kd_sym average = kd_add(g, kd_mul(g, old, momentum), seen);
  result(&b, average, averages(r));
  if (common->ema_overwrite_frequency != KD_UNSET_INT) {
    kd_sym overwrite = fed(&b, KD_SCALAR, &r->values->overwrite, "overwrite");
    result(&b, kd_select(g, overwrite, average, weights), r->weights);
  }
  KD_TRY(builder_finish(&b, &r->updates.average));
  builder_start(&b, r, "averages");
  result(&b, kd_unary(b.graph, KD_PW_COPY, fed(&b, range_shape(r), averages(r), "average")), r->weights);
  return builder_finish(&b, &r->updates.finalize);
}

static kd_status compile_penalty(kd_replica *r) {
  update_builder b;
  builder_start(&b, r, "penalty");
  kd_sym total = KD_NO_SYM;
  for (int w = 0; w < r->spec.model->n_weights; w++) {
    const kd_weight *weight = &r->spec.model->weights[w];
    if (!weight->regularizer.kind) continue;
    kd_sym penalty = kd_penalty(b.graph, &weight->regularizer,
                                fed(&b, weight->shape, kd_replica_place(r, w), weight->path));
    total = total == KD_NO_SYM ? penalty : kd_add(b.graph, total, penalty);
  }
  if (total == KD_NO_SYM) {
    kd_graph_destroy(b.graph);
    return KD_OK;
  }
  result(&b, total, &r->values->penalty);
  return builder_finish(&b, &r->updates.penalty);
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
  if (r->n_weight == 0) return KD_OK;
  KD_TRY(compile_unscale(r));
  KD_TRY(compile_accumulation(r));
  KD_TRY(compile_adjust(r));
  KD_TRY(compile_averages(r));
  return compile_rule(r);
}

void kd_updates_free(kd_replica *r) {
  kd_updates *u = &r->updates;
  kd_plan *plans[] = {u->prepare, u->moving, u->unscale, u->accumulate, u->finish,
                      u->adjust,  u->update, u->penalty, u->average,    u->finalize};
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) kd_plan_destroy(plans[i]);
}

static kd_status run(kd_plan *plan) {
  return plan ? kd_plan_run(plan, 0) : KD_OK;
}

kd_status kd_updates_prepare(kd_replica *r) {
  if (!r->updates.prepare) return KD_OK;
  r->version++;
  return run(r->updates.prepare);
}

kd_status kd_replica_penalty(kd_replica *r, double *penalty) {
  *penalty = 0;
  if (!r->updates.penalty) return KD_OK;
  KD_TRY(run(r->updates.penalty));
  float value;
  KD_TRY(r->spec.device->backend->download(r->spec.device, &value, &r->values->penalty, sizeof value));
  *penalty = (double)value;
  return KD_OK;
}

static kd_status set_values(kd_replica *r, int64_t t, double rate) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  kd_device *device = r->spec.device;
  float single = (float)rate, values[KD_MAX_UPDATE_VALUES] = {0};
  optimizer->kind->values(optimizer->common, rate, t, values);
  KD_TRY(device->backend->upload(device, &r->values->rate, &single, sizeof single));
  return device->backend->upload(device, r->values->update, values, sizeof values);
}

/* iterations: updates before this one, as Keras's optimizer counts them. */
static kd_status run_averages(kd_replica *r, int64_t iterations) {
  const kd_optimizer_common *common = r->spec.optimizer->common;
  if (!r->updates.average) return KD_OK;
  int64_t every = common->ema_overwrite_frequency;
  float momentum = iterations == 0 ? 0.0f : (float)common->ema_momentum;
  float overwrite = every != KD_UNSET_INT && (iterations + 1) % every == 0;
  kd_device *device = r->spec.device;
  KD_TRY(device->backend->upload(device, &r->values->momentum, &momentum, sizeof momentum));
  KD_TRY(device->backend->upload(device, &r->values->overwrite, &overwrite, sizeof overwrite));
  return run(r->updates.average);
}

static kd_status run_rule(kd_replica *r, int64_t t, double rate) {
  KD_TRY(set_values(r, t, rate));
  KD_TRY(run(r->updates.finish));
  KD_TRY(run(r->updates.adjust));
  return run(r->updates.update);
}

kd_status kd_replica_update(kd_replica *r, int64_t iteration, double rate) {
  int64_t n = r->spec.optimizer->accumulation;
  bool apply;
  r->version++;
  KD_TRY(run(r->updates.moving));
  iteration -= r->scale.skipped;
  KD_TRY(kd_loss_scale_unscale(r, &apply));
  if (!apply) return KD_OK;
  KD_TRY((iteration + 1) % n != 0 ? run(r->updates.accumulate) : run_rule(r, iteration / n + 1, rate));
  return run_averages(r, iteration / n);
}

kd_status kd_replica_finalize(kd_replica *r) {
  if (!r->updates.finalize) return KD_OK;
  r->version++;
  return run(r->updates.finalize);
}
