#include <string.h>

#include "io/sampler.h"
#include "trainer/replica_state.h"

/* The graph of one pass, with what must be bound. */
typedef struct pass_graph {
  kd_graph *graph;
  kd_built built;
  kd_emitted emitted;
  kd_sym inv_rows, share;
  kd_sym *gradient; /* per weight; KD_NO_SYM: none */
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
  KD_TRY(kd_autodiff(p->graph, p->emitted.loss, n, wanted, grads));
  for (int i = 0; i < n; i++) p->gradient[number[i]] = grads[i];
  return KD_OK;
}

static kd_status build(const kd_replica *r, kd_mode mode, int64_t rows, pass_graph *p) {
  kd_graph *g = p->graph;
  kd_build_spec spec = {.batch = rows, .training = mode == KD_MODE_TRAIN, .feed_dtype = r->spec.feed_dtype};
  KD_TRY(kd_model_build(r->spec.model, g, &spec, &p->built));
  if (mode == KD_MODE_PREDICT) return kd_graph_status(g);
  p->inv_rows = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_INV_ROWS, "inv_rows");
  p->share = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_SHARE, "share");
  KD_TRY(kd_objective_emit(r->spec.objective, g, r->spec.model, &p->built, rows, p->inv_rows, &p->emitted));
  if (mode == KD_MODE_EVALUATE) return KD_OK;
  p->gradient = kd_pool_alloc(g->pool, (size_t)r->spec.model->n_weights + 1, sizeof(kd_sym));
  KD_CHECK(p->emitted.loss != KD_NO_SYM, KD_ERR_USAGE,
           "no output has a loss: give [train] loss or [output] loss");
  KD_TRY(differentiate(r, p));
  kd_graph_scope(g, "statistics");
  for (int i = 0; i < p->built.n_moving; i++)
    p->built.moving[i].value = kd_mul(g, p->built.moving[i].value, p->share);
  return kd_graph_status(g);
}

static kd_status graph_create(const kd_replica *r, kd_mode mode, int64_t rows, pass_graph *p) {
  *p = (pass_graph){.graph = kd_graph_create(), .inv_rows = KD_NO_SYM, .share = KD_NO_SYM};
  kd_status status = build(r, mode, rows, p);
  if (status != KD_OK) kd_graph_destroy(p->graph);
  return status;
}

/* Rows of one leaf or piece. */
int64_t kd_passes_nominal_rows(const kd_replica *r) {
  int64_t begin, end;
  if (r->spec.determinism == KD_DETERMINISM_WORLD) {
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
  kd_model_layout(model, n, order);
  r->unused = kd_pool_alloc(r->pool, (size_t)n + 1, sizeof *r->unused);
  for (int i = 0; i < n; i++)
    if (p.gradient[order[i]] == KD_NO_SYM) r->unused[r->n_unused++] = order[i];
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
    if (mode == KD_MODE_TRAIN) mark(r, b, p->emitted.tail[i], p->emitted.tail_at[i], 1);
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

static kd_status bind_feeds(const kd_replica *r, kd_pass_plan *plan, const pass_graph *p, binder *b) {
  const kd_model *model = r->spec.model;
  for (int i = 0; i < model->n_inputs; i++) KD_TRY(feed_alloc(r, plan, i, p, p->built.input[i], b));
  if (plan->mode != KD_MODE_PREDICT)
    for (int o = 0; o < model->n_outputs; o++)
      KD_TRY(feed_alloc(r, plan, model->n_inputs + o, p, p->emitted.label[o], b));
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
    bind(b, p->built.output[o], plan->output[o]);
  }
  return KD_OK;
}

static kd_status on_mark(void *context, int bucket);

static kd_status compile(kd_replica *r, kd_pass_plan *plan, pass_graph *p) {
  const kd_model *model = r->spec.model;
  size_t n = (size_t)(model->n_inputs + 3 * model->n_outputs + 3 * model->n_weights + p->emitted.n_tail + 8);
  kd_pool *pool = p->graph->pool;
  size_t n_marks = n + (size_t)r->buckets.count * 2 + n;
  binder b = {.bindings = kd_pool_alloc(pool, n, sizeof(kd_binding)),
              .mark_sym = kd_pool_alloc(pool, n_marks, sizeof(kd_sym)),
              .mark_id = kd_pool_alloc(pool, n_marks, sizeof(int))};
  for (int w = 0; w < model->n_weights; w++)
    bind(&b, p->built.weight[w], r->dry ? NULL : kd_replica_place(r, w));
  kd_step_values *values = r->values;
  bind(&b, p->built.rng, r->dry ? NULL : values->rng);
  bind(&b, p->inv_rows, r->dry ? NULL : &values->inv_rows);
  bind(&b, p->share, r->dry ? NULL : &values->share);
  KD_TRY(bind_feeds(r, plan, p, &b));
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
                       .on_mark = on_mark,
                       .mark_context = r,
                       .dry = r->dry};
  return kd_plan_compile(&spec, &plan->plan);
}

static void plan_free(kd_replica *r, kd_pass_plan *plan) {
  kd_device *device = r->spec.device;
  kd_plan_destroy(plan->plan);
  for (int i = 0; i < plan->n_fields; i++)
    if (plan->feed[i]) device->backend->free(device, plan->feed[i], plan->feed_bytes[i]);
  for (int o = 0; o < r->spec.model->n_outputs; o++)
    if (plan->output[o]) device->backend->free(device, plan->output[o], plan->output_bytes[o]);
}

kd_status kd_passes_get(kd_replica *r, kd_mode mode, int64_t rows, kd_pass_plan **found) {
  for (kd_pass_plan *plan = r->plans; plan; plan = plan->next) {
    if (plan->mode != mode || plan->rows != rows) continue;
    *found = plan;
    return KD_OK;
  }
  const kd_model *model = r->spec.model;
  size_t fields = (size_t)(model->n_inputs + model->n_outputs), outputs = (size_t)model->n_outputs;
  kd_pass_plan *plan = kd_pool_alloc(r->pool, 1, sizeof *plan);
  *plan = (kd_pass_plan){.mode = mode,
                         .rows = rows,
                         .n_fields = (int)fields,
                         .feed = kd_pool_alloc(r->pool, fields, sizeof(void *)),
                         .feed_bytes = kd_pool_alloc(r->pool, fields, sizeof(size_t)),
                         .output = kd_pool_alloc(r->pool, outputs, sizeof(float *)),
                         .output_bytes = kd_pool_alloc(r->pool, outputs, sizeof(size_t))};
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

/* --- running --- */

static void add_up(kd_replica *r, int64_t begin, int64_t end) {
  if (r->own_leaf) kd_tree_accumulate(&r->tree, r->pass, r->leaf, r->reduce, r->n_reduce, begin, end);
}

/* Buckets are added and posted in their order on every rank, although plans of other sizes might complete
 * them in another. */
static kd_status on_mark(void *context, int bucket) {
  kd_replica *r = context;
  r->bucket_ready[bucket] = true;
  for (; r->next_bucket < r->buckets.count && r->bucket_ready[r->next_bucket]; r->next_bucket++) {
    int k = r->next_bucket;
    add_up(r, r->buckets.begin[k], r->buckets.end[k]);
    if (r->last_pass) kd_reducer_post(r->reducer, k);
  }
  return KD_OK;
}

static size_t sample_bytes(const kd_pass_plan *plan, int field) {
  return plan->feed_bytes[field] / (size_t)plan->rows;
}

static kd_status run_rows(kd_replica *r, kd_mode mode, const kd_step_data *data, int64_t begin, int64_t end,
                          kd_pass_plan **used) {
  kd_pass_plan *plan;
  kd_device *device = r->spec.device;
  KD_TRY(kd_passes_get(r, mode, end - begin, &plan));
  for (int i = 0; i < plan->n_fields; i++) {
    if (!plan->feed[i]) continue;
    const char *rows = (const char *)data->field[i] + (size_t)begin * sample_bytes(plan, i);
    KD_TRY(device->backend->upload(device, plan->feed[i], rows, plan->feed_bytes[i]));
  }
  kd_step_values *values = r->values;
  uint32_t sample = (uint32_t)(data->first + begin);
  float share = (float)((double)(end - begin) / (double)data->global_rows);
  KD_TRY(device->backend->upload(device, &values->rng[KD_RNG_SAMPLE], &sample, sizeof sample));
  KD_TRY(device->backend->upload(device, &values->share, &share, sizeof share));
  if (used) *used = plan;
  return kd_plan_run(plan->plan, r->version);
}

static kd_status set_signal(kd_replica *r) {
  kd_device *device = r->spec.device;
  return device->backend->upload(device, r->leaf + r->spec.objective->n_tail, &r->signal, sizeof r->signal);
}

void kd_replica_signal(kd_replica *r) {
  r->signal = 1.0f;
}

bool kd_replica_stop_agreed(const kd_replica *r) {
  return r->reduce[r->spec.objective->n_tail] > 0.0f;
}

/* A pass without rows gives zeros, so that the sum keeps its form. */
static kd_status run_empty(kd_replica *r, int64_t floats) {
  memset(r->leaf, 0, (size_t)floats * sizeof(float));
  KD_TRY(set_signal(r));
  if (!r->training) return KD_OK;
  for (int k = 0; k < r->buckets.count; k++) KD_TRY(on_mark(r, k));
  return KD_OK;
}

static kd_status set_step(kd_replica *r, const kd_step_data *data, int64_t step) {
  kd_device *device = r->spec.device;
  uint32_t words[] = {(uint32_t)r->spec.seed ^ (uint32_t)(r->spec.seed >> 32), (uint32_t)step,
                      (uint32_t)((uint64_t)step >> 32)};
  float inv_rows = (float)(1.0 / (double)data->global_rows);
  KD_TRY(device->backend->upload(device, r->values->rng, words, sizeof words));
  return device->backend->upload(device, &r->values->inv_rows, &inv_rows, sizeof inv_rows);
}

/* The rows of pass `pass`, counted from this rank's first row. */
static void pass_rows(const kd_replica *r, const kd_step_data *data, int pass, int64_t *begin, int64_t *end) {
  if (r->spec.determinism == KD_DETERMINISM_WORLD) {
    kd_split(data->global_rows, r->spec.micro_shards, pass, begin, end);
    *begin -= data->first;
    *end -= data->first;
    return;
  }
  int64_t limit = r->spec.micro_batch > 0 ? r->spec.micro_batch : data->rows;
  *begin = pass * limit;
  *end = *begin + limit < data->rows ? *begin + limit : data->rows;
}

static int pass_end(const kd_replica *r, const kd_step_data *data) {
  if (r->spec.determinism == KD_DETERMINISM_WORLD) return r->tree.end;
  int64_t limit = r->spec.micro_batch > 0 ? r->spec.micro_batch : data->rows;
  return data->rows <= limit ? 1 : (int)((data->rows + limit - 1) / limit);
}

static kd_status run_passes(kd_replica *r, kd_mode mode, const kd_step_data *data) {
  int last = pass_end(r, data) - 1;
  r->training = mode == KD_MODE_TRAIN;
  for (r->pass = r->tree.begin; r->pass <= last; r->pass++) {
    int64_t begin, end;
    pass_rows(r, data, r->pass, &begin, &end);
    r->last_pass = r->pass == last;
    r->next_bucket = 0;
    memset(r->bucket_ready, 0, (size_t)r->buckets.count * sizeof(bool));
    if (end > begin) {
      KD_TRY(set_signal(r));
      KD_TRY(run_rows(r, mode, data, begin, end, NULL));
    } else {
      KD_TRY(run_empty(r, r->training ? r->n_reduce : r->tail_floats));
    }
    if (!r->training) add_up(r, 0, r->tail_floats);
  }
  return KD_OK;
}

kd_status kd_replica_gradients(kd_replica *r, const kd_step_data *data, int64_t step, const float **tail) {
  KD_TRY(set_step(r, data, step));
  for (int i = 0; i < r->n_unused; i++) {
    const kd_weight *weight = &r->spec.model->weights[r->unused[i]];
    memset(kd_replica_gradient(r, r->leaf, r->unused[i]), 0, (size_t)weight->count * sizeof(float));
  }
  KD_TRY(run_passes(r, KD_MODE_TRAIN, data));
  /* A rank without leaves (more ranks than micro-shards) takes part in the sum all the same. */
  if (r->tree.begin == r->tree.end)
    for (int k = 0; k < r->buckets.count; k++) kd_reducer_post(r->reducer, k);
  KD_TRY(kd_reducer_wait(r->reducer));
  *tail = r->reduce;
  return KD_OK;
}

kd_status kd_replica_evaluate(kd_replica *r, const kd_step_data *data, const float **tail) {
  KD_TRY(set_step(r, data, 0));
  KD_TRY(run_passes(r, KD_MODE_EVALUATE, data));
  kd_reducer_post(r->tail_reducer, 0);
  KD_TRY(kd_reducer_wait(r->tail_reducer));
  *tail = r->reduce;
  return KD_OK;
}

kd_status kd_replica_predict(kd_replica *r, const kd_step_data *data, const float **output) {
  if (data->rows == 0) return KD_OK;
  KD_TRY(set_step(r, data, 0));
  kd_pass_plan *plan;
  KD_TRY(run_rows(r, KD_MODE_PREDICT, data, 0, data->rows, &plan));
  for (int o = 0; o < r->spec.model->n_outputs; o++) output[o] = plan->output[o];
  return KD_OK;
}
