/* Plans of passes: the graph of a mode and a number of rows, its bindings, and the cache of compiled plans.
 */
#include <string.h>

#include "io/sampler.h"
#include "trainer/replica_state.h"

/* The graph of one pass, with what must be bound. */
typedef struct pass_graph {
  kd_graph *graph;
  kd_built built;
  kd_emitted emitted;
  kd_sym inv_rows, share, loss_scale;
  kd_sym *gradient;   /* per weight; KD_NO_SYM: none */
  kd_sym *old, *used; /* per table: see kd_used_rows_emit */
} pass_graph;

static kd_status differentiate(const kd_replica *r, pass_graph *p) {
  const kd_model *model = r->spec.model;
  kd_sym *wanted = kd_pool_alloc(p->graph->pool, (size_t)model->n_weights + 1, sizeof *wanted);
  kd_sym *grads = kd_pool_alloc(p->graph->pool, (size_t)model->n_weights + 1, sizeof *grads);
  int *number = kd_pool_alloc(p->graph->pool, (size_t)model->n_weights + 1, sizeof *number);
  int n = 0;
  for (int w = 0; w < model->n_weights; w++) {
    p->gradient[w] = KD_NO_SYM;
    if (!model->weights[w].trainable || p->built.weight[w] == KD_NO_SYM) continue;
    wanted[n] = p->built.weight[w];
    number[n++] = w;
  }
  kd_sym loss = p->emitted.loss;
  if (r->scaled) {
    p->loss_scale = kd_value_sym(p->graph, KD_F32, KD_SCALAR, KD_VALUE_LOSS_SCALE, "loss_scale");
    loss = kd_mul(p->graph, loss, p->loss_scale);
  }
  KD_TRY(kd_autodiff(p->graph, loss, n, wanted, grads));
  for (int i = 0; i < n; i++) p->gradient[number[i]] = grads[i];
  return KD_OK;
}

/* The shapes of the inputs as stored, with this number of rows, in a pass of this mode; NULL: the model's
 * own. */
const kd_shape *kd_passes_feed_shapes(const kd_replica *r, kd_pool *pool, kd_mode mode, int64_t rows) {
  bool tests = r->spec.test_sample && (mode == KD_MODE_EVALUATE || mode == KD_MODE_PREDICT);
  const kd_shape *samples = tests ? r->spec.test_sample : r->spec.feed_sample;
  if (!samples) return NULL;
  int n = r->spec.model->n_inputs;
  kd_shape *shapes = kd_pool_alloc(pool, (size_t)n, sizeof *shapes);
  for (int i = 0; i < n; i++) {
    const kd_shape *sample = &samples[i];
    shapes[i] = (kd_shape){.rank = sample->rank + 1, .dim = {rows}};
    for (int k = 0; k < sample->rank; k++) shapes[i].dim[k + 1] = sample->dim[k];
  }
  return shapes;
}

/* Predictions leave as float32: files and programs know no bfloat16. An input that passes through unchanged
 * is copied, since its own address is that of the data. */
static void give_floats(const kd_model *model, pass_graph *p) {
  for (int o = 0; o < model->n_outputs; o++) {
    kd_sym y = kd_cast(p->graph, p->built.output[o], KD_F32);
    p->built.output[o] = kd_producer(p->graph, y, false) ? y : kd_max(p->graph, y, y);
  }
}

static kd_status build(const kd_replica *r, kd_mode mode, int64_t rows, pass_graph *p) {
  kd_graph *g = p->graph;
  kd_build_spec spec = {.batch = rows,
                        .training = mode == KD_MODE_TRAIN || mode == KD_MODE_COUNT,
                        .feed_dtype = r->spec.feed_dtype,
                        .feed_shape = kd_passes_feed_shapes(r, g->pool, mode, rows)};
  KD_TRY(kd_model_build(r->spec.model, g, &spec, &p->built));
  if (mode == KD_MODE_PREDICT) {
    give_floats(r->spec.model, p);
    return kd_graph_status(g);
  }
  p->inv_rows = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_INV_ROWS, "inv_rows");
  p->share = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_SHARE, "share");
  const kd_objective *objective =
      spec.training ? r->spec.objective : kd_objective_for_evaluation(r->spec.objective, g->pool);
  KD_TRY(kd_objective_emit(objective, g, r->spec.model, &p->built, rows, p->inv_rows, mode == KD_MODE_COUNT,
                           &p->emitted));
  if (mode != KD_MODE_TRAIN) return KD_OK;
  p->gradient = kd_pool_alloc(g->pool, (size_t)r->spec.model->n_weights + 1, sizeof(kd_sym));
  KD_CHECK(p->emitted.loss != KD_NO_SYM, KD_ERR_USAGE,
           "no output has a loss: give [train] loss or [output] loss");
  KD_TRY(differentiate(r, p));
  p->old = kd_pool_alloc(g->pool, (size_t)r->n_tables + 1, sizeof(kd_sym));
  p->used = kd_pool_alloc(g->pool, (size_t)r->n_tables + 1, sizeof(kd_sym));
  KD_TRY(kd_used_rows_emit(r, g, p->gradient, p->old, p->used));
  kd_graph_scope(g, "statistics");
  for (int i = 0; i < p->built.n_moving; i++)
    p->built.moving[i].value = kd_mul(g, p->built.moving[i].value, p->share);
  return kd_graph_status(g);
}

static kd_status graph_create(const kd_replica *r, kd_mode mode, int64_t rows, pass_graph *p) {
  *p = (pass_graph){
      .graph = kd_graph_create(), .inv_rows = KD_NO_SYM, .share = KD_NO_SYM, .loss_scale = KD_NO_SYM};
  kd_status status = build(r, mode, rows, p);
  if (status != KD_OK) kd_graph_destroy(p->graph);
  return status;
}

/* Rows of one leaf or piece. */
int64_t kd_passes_nominal_rows(const kd_replica *r) {
  int64_t begin, end;
  if (kd_replica_is_world(r)) {
    kd_split(r->spec.batch_size, r->spec.micro_shards, 0, &begin, &end);
    return end > begin ? end - begin : 1;
  }
  int64_t rows = (r->spec.batch_size + r->spec.comm->size - 1) / r->spec.comm->size;
  if (r->spec.micro_batch > 0 && rows > r->spec.micro_batch) rows = r->spec.micro_batch;
  return rows > 0 ? rows : 1;
}

/* Weights sorted by the node that completes their gradient. */
static void sort_by_readiness(const kd_model *model, const pass_graph *p, int *order, int *n_order) {
  int n = 0;
  for (int w = 0; w < model->n_weights; w++) {
    if (!model->weights[w].trainable) continue;
    int node = p->gradient[w] == KD_NO_SYM ? p->graph->n_nodes : kd_sym_get(p->graph, p->gradient[w])->node;
    int at = n++;
    for (; at > 0; at--) {
      kd_sym before = p->gradient[order[at - 1]];
      int before_node = before == KD_NO_SYM ? p->graph->n_nodes : kd_sym_get(p->graph, before)->node;
      if (before_node <= node) break;
      order[at] = order[at - 1];
    }
    order[at] = w;
  }
  *n_order = n;
}

/* Lays the weights out in the order in which the backward pass completes their gradients. */
kd_status kd_passes_order(kd_replica *r) {
  kd_model *model = r->spec.model;
  int *order = kd_pool_alloc(r->pool, (size_t)model->n_weights + 1, sizeof *order);
  int n = 0;
  if (!r->spec.optimizer) {
    for (int w = 0; w < model->n_weights; w++)
      if (model->weights[w].trainable) order[n++] = w;
    kd_model_layout(model, n, order);
    return KD_OK;
  }
  pass_graph p;
  KD_TRY(graph_create(r, KD_MODE_TRAIN, kd_passes_nominal_rows(r), &p));
  sort_by_readiness(model, &p, order, &n);
  kd_used_rows_find(r, p.graph, p.gradient, n, order);
  kd_model_layout(model, n, order);
  r->unused = kd_pool_alloc(r->pool, (size_t)n + 1, sizeof *r->unused);
  for (int i = 0; i < n; i++)
    if (p.gradient[order[i]] == KD_NO_SYM) r->unused[r->n_unused++] = order[i];
  for (int i = 0; i < p.graph->n_nodes; i++) r->exchanges |= p.graph->nodes[i].op == KD_OP_EXCHANGE;
  r->plan_hash = kd_graph_hash(p.graph);
  kd_graph_destroy(p.graph);
  return KD_OK;
}

/* --- compilation --- */

typedef struct binder {
  kd_binding *bindings;
  int n;
  kd_sym *mark_sym;
  int *mark_id;
  int n_marks;
} binder;

static void bind(binder *b, kd_sym sym, void *address) {
  if (sym != KD_NO_SYM) b->bindings[b->n++] = (kd_binding){sym, address};
}

/* A tensor of the reduce range belongs to every bucket that it overlaps. */
static void mark(const kd_replica *r, binder *b, kd_sym sym, int64_t begin, int64_t count) {
  for (int k = 0; k < r->buckets.count; k++) {
    if (r->buckets.end[k] <= begin || r->buckets.begin[k] >= begin + count) continue;
    b->mark_sym[b->n_marks] = sym;
    b->mark_id[b->n_marks++] = k;
  }
}

static void bind_results(const kd_replica *r, const pass_graph *p, kd_mode mode, binder *b) {
  const kd_model *model = r->spec.model;
  for (int i = 0; i < p->emitted.n_tail; i++) {
    bind(b, p->emitted.tail[i], r->leaf + p->emitted.tail_at[i]);
    int64_t count = kd_shape_count(kd_sym_shape(p->graph, p->emitted.tail[i]));
    if (mode == KD_MODE_TRAIN) mark(r, b, p->emitted.tail[i], p->emitted.tail_at[i], count);
  }
  if (mode != KD_MODE_TRAIN) return;
  for (int i = 0; i < p->built.n_moving; i++) {
    int64_t at = r->moving_at[p->built.moving[i].weight];
    bind(b, p->built.moving[i].value, r->leaf + at);
    mark(r, b, p->built.moving[i].value, at, model->weights[p->built.moving[i].weight].count);
  }
  for (int w = 0; w < model->n_weights; w++) {
    if (p->gradient[w] == KD_NO_SYM) continue;
    bind(b, p->gradient[w], kd_replica_gradient(r, r->leaf, w));
    mark(r, b, p->gradient[w], r->n_front + model->weights[w].offset, model->weights[w].count);
  }
  for (int i = 0; i < r->n_tables; i++) {
    const kd_table *table = &r->tables[i];
    bind(b, p->old[i], kd_replica_gradient(r, r->leaf, table->weight));
    bind(b, p->used[i], table->used);
    mark(r, b, p->gradient[table->weight], table->flags_at, table->flags);
    mark(r, b, p->used[i], table->flags_at, table->flags);
  }
}

static kd_status feed_alloc(const kd_replica *r, kd_pass_plan *plan, int field, const pass_graph *p,
                            kd_sym sym, binder *b) {
  if (sym == KD_NO_SYM) return KD_OK;
  const kd_sym_info *info = kd_sym_get(p->graph, sym);
  kd_tensor tensor = {info->dtype, info->shape, NULL};
  plan->feed_bytes[field] = kd_tensor_bytes(&tensor);
  if (!r->dry)
    KD_TRY(r->spec.device->backend->alloc(r->spec.device, plan->feed_bytes[field], &plan->feed[field]));
  bind(b, sym, plan->feed[field]);
  return KD_OK;
}

/* Fields of a step's data stand in the order inputs, labels, weights; outputs without labels or weights have
 * none. */
static kd_status bind_feeds(const kd_replica *r, kd_pass_plan *plan, const pass_graph *p, binder *b) {
  const kd_model *model = r->spec.model;
  int n = 0;
  for (int i = 0; i < model->n_inputs; i++) KD_TRY(feed_alloc(r, plan, n++, p, p->built.input[i], b));
  if (plan->mode == KD_MODE_PREDICT) return KD_OK;
  for (int o = 0; o < model->n_outputs; o++)
    if (p->emitted.label[o] != KD_NO_SYM) KD_TRY(feed_alloc(r, plan, n++, p, p->emitted.label[o], b));
  for (int o = 0; o < model->n_outputs; o++)
    if (p->emitted.weight[o] != KD_NO_SYM) KD_TRY(feed_alloc(r, plan, n++, p, p->emitted.weight[o], b));
  return KD_OK;
}

static kd_status bind_outputs(const kd_replica *r, kd_pass_plan *plan, const pass_graph *p, binder *b) {
  for (int o = 0; o < r->spec.model->n_outputs; o++) {
    const kd_sym_info *info = kd_sym_get(p->graph, p->built.output[o]);
    kd_tensor tensor = {info->dtype, info->shape, NULL};
    plan->output_bytes[o] = kd_tensor_bytes(&tensor);
    if (!r->dry)
      KD_TRY(
          r->spec.device->backend->alloc(r->spec.device, plan->output_bytes[o], (void **)&plan->output[o]));
    plan->read[o] = plan->output[o];
    if (!r->dry && r->apart) KD_TRY(kd_large_alloc(plan->output_bytes[o], (void **)&plan->read[o]));
    bind(b, p->built.output[o], plan->output[o]);
  }
  return KD_OK;
}

/* What is kept is replaced in place; a pass that only counts leaves it. */
static kd_status bind_kept(const kd_replica *r, kd_pass_plan *plan, const pass_graph *p, binder *b) {
  for (int i = 0; i < r->spec.model->n_kept; i++) {
    plan->kept_bytes[i] = (size_t)(plan->rows * r->spec.model->kept[i].width) * sizeof(float);
    if (!r->dry) KD_TRY(r->spec.device->backend->alloc(r->spec.device, plan->kept_bytes[i], &plan->kept[i]));
    bind(b, p->built.kept_before[i], plan->kept[i]);
    if (plan->mode != KD_MODE_COUNT) bind(b, p->built.kept_after[i], plan->kept[i]);
  }
  return KD_OK;
}

/* The record of a whole step holds the passes of training. */
static bool recorded_by_step(const kd_replica *r, kd_mode mode) {
  return r->whole && (mode == KD_MODE_TRAIN || mode == KD_MODE_COUNT);
}

static kd_status compile(kd_replica *r, kd_pass_plan *plan, pass_graph *p) {
  const kd_model *model = r->spec.model;
  size_t n = (size_t)(model->n_inputs + 6 * model->n_outputs + 5 * model->n_weights + 2 * model->n_kept +
                      p->emitted.n_tail + 9);
  kd_pool *pool = p->graph->pool;
  size_t n_marks = n + (size_t)r->buckets.count * 2 + n;
  binder b = {.bindings = kd_pool_alloc(pool, n, sizeof(kd_binding)),
              .mark_sym = kd_pool_alloc(pool, n_marks, sizeof(kd_sym)),
              .mark_id = kd_pool_alloc(pool, n_marks, sizeof(int))};
  for (int w = 0; w < model->n_weights; w++)
    bind(&b, p->built.weight[w], r->dry ? NULL : kd_replica_place(r, w));
  kd_step_values *values = r->values;
  bind(&b, p->built.rng, r->dry ? NULL : values->given.rng);
  bind(&b, p->inv_rows, r->dry ? NULL : &values->given.inv_rows);
  bind(&b, p->loss_scale, r->dry ? NULL : &values->loss_scale);
  bind(&b, p->share, r->dry ? NULL : &values->given.share);
  if (plan->mode != KD_MODE_PREDICT) bind(&b, p->emitted.first, r->dry ? NULL : &values->given.first);
  for (int o = 0; plan->mode == KD_MODE_TRAIN && o < model->n_outputs; o++) {
    bind(&b, p->emitted.inv_count[o], r->dry ? NULL : &r->inv_count[o]);
    bind(&b, p->emitted.slope[o], r->dry ? NULL : kd_replica_slope(r, &r->spec.objective->outputs[o]));
  }
  KD_TRY(bind_feeds(r, plan, p, &b));
  KD_TRY(bind_kept(r, plan, p, &b));
  if (plan->mode == KD_MODE_PREDICT)
    KD_TRY(bind_outputs(r, plan, p, &b));
  else
    bind_results(r, p, plan->mode, &b);
  kd_plan_spec spec = {.graph = p->graph,
                       .device = r->spec.device,
                       .n_bindings = b.n,
                       .bindings = b.bindings,
                       .n_marks = b.n_marks,
                       .n_mark_ids = b.n_marks ? r->buckets.count : 0,
                       .mark_sym = b.mark_sym,
                       .mark_id = b.mark_id,
                       .on_mark = kd_passes_on_mark,
                       .mark_context = r,
                       .recompute = r->spec.recompute,
                       .repeats =
                           !recorded_by_step(r, plan->mode) && !(r->exchanges && r->spec.comm->size > 1),
                       .dry = r->dry};
  return kd_plan_compile(&spec, &plan->plan);
}

static void plan_free(kd_replica *r, kd_pass_plan *plan) {
  kd_device *device = r->spec.device;
  kd_plan_destroy(plan->plan);
  for (int i = 0; i < plan->n_fields; i++)
    if (plan->feed[i]) device->backend->free(device, plan->feed[i], plan->feed_bytes[i]);
  for (int o = 0; o < r->spec.model->n_outputs; o++)
    if (r->apart && plan->read[o]) kd_large_free(plan->read[o], plan->output_bytes[o]);
  for (int o = 0; o < r->spec.model->n_outputs; o++)
    if (plan->output[o]) device->backend->free(device, plan->output[o], plan->output_bytes[o]);
  for (int i = 0; i < r->spec.model->n_kept; i++)
    if (plan->kept[i]) device->backend->free(device, plan->kept[i], plan->kept_bytes[i]);
}

kd_status kd_passes_get(kd_replica *r, kd_mode mode, int64_t rows, kd_pass_plan **found) {
  for (kd_pass_plan *plan = r->plans; plan; plan = plan->next) {
    if (plan->mode != mode || plan->rows != rows) continue;
    *found = plan;
    return KD_OK;
  }
  /* What a plan asks of the device waits for sums without a limit of time. */
  if (r->group && !r->dry) KD_TRY(r->spec.device->backend->finish(r->spec.device));
  const kd_model *model = r->spec.model;
  size_t fields = (size_t)(model->n_inputs + 2 * model->n_outputs), outputs = (size_t)model->n_outputs,
         kept = (size_t)model->n_kept + 1;
  kd_pass_plan *plan = kd_pool_alloc(r->pool, 1, sizeof *plan);
  *plan = (kd_pass_plan){.mode = mode,
                         .rows = rows,
                         .n_fields = (int)fields,
                         .feed = kd_pool_alloc(r->pool, fields, sizeof(void *)),
                         .feed_bytes = kd_pool_alloc(r->pool, fields, sizeof(size_t)),
                         .output = kd_pool_alloc(r->pool, outputs, sizeof(float *)),
                         .read = kd_pool_alloc(r->pool, outputs, sizeof(float *)),
                         .output_bytes = kd_pool_alloc(r->pool, outputs, sizeof(size_t)),
                         .kept = kd_pool_alloc(r->pool, kept, sizeof(void *)),
                         .kept_bytes = kd_pool_alloc(r->pool, kept, sizeof(size_t))};
  pass_graph p;
  KD_TRY(graph_create(r, mode, rows, &p));
  kd_status status = compile(r, plan, &p);
  kd_graph_destroy(p.graph);
  if (status != KD_OK) {
    plan_free(r, plan);
    return status;
  }
  plan->next = r->plans;
  r->plans = plan;
  *found = plan;
  return KD_OK;
}

void kd_passes_free(kd_replica *r) {
  for (kd_pass_plan *plan = r->plans; plan; plan = plan->next) plan_free(r, plan);
  r->plans = NULL;
}
