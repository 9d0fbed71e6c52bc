/* The layout of a replica: its passes, the places in the reduce range, buckets and reducers. */
#include "trainer/replica_state.h"

enum { ALIGN_FLOATS = 16 };

static int64_t padded(int64_t floats) {
  return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* The passes of this rank: micro-shards of the tree, or pieces of at most micro_batch rows added in order. */
static kd_status plan_passes(kd_replica *r) {
  const kd_comm *comm = r->spec.comm;
  if (kd_replica_is_world(r)) {
    KD_TRY(kd_tree_local(r->pool, r->spec.micro_shards, comm->size, comm->rank, &r->tree));
    r->own_leaf = r->tree.end - r->tree.begin > 1;
    return KD_OK;
  }
  int64_t rows = (r->spec.largest_batch + comm->size - 1) / comm->size;
  int64_t limit = r->spec.micro_batch > 0 ? r->spec.micro_batch : rows;
  int passes = (int)(rows > limit ? (rows + limit - 1) / limit : 1);
  int *first = kd_pool_alloc(r->pool, (size_t)passes + 1, sizeof *first);
  kd_tree_step *steps = kd_pool_alloc(r->pool, (size_t)passes, sizeof *steps);
  for (int i = 0; i < passes; i++) {
    first[i + 1] = i + 1;
    steps[i] = (kd_tree_step){.kind = i ? KD_TREE_ADD : KD_TREE_COPY};
  }
  r->tree = (kd_tree_program){
      .n_leaves = passes, .end = passes, .n_partials = 1, .n_slots = 1, .first = first, .steps = steps};
  r->own_leaf = passes > 1;
  return KD_OK;
}

/* Places of the tail and of the moving statistics at the front of the reduce range: forward writes them
 * first. */
static void plan_front(kd_replica *r) {
  const kd_model *model = r->spec.model;
  r->tail_floats = r->spec.objective ? padded(r->spec.objective->n_tail + 1) : 0; /* and the signal */
  r->moving_at = kd_pool_alloc(r->pool, (size_t)model->n_weights + 1, sizeof *r->moving_at);
  int64_t at = r->tail_floats;
  for (int w = 0; w < model->n_weights; w++) {
    r->moving_at[w] = -1;
    if (model->weights[w].trainable || !r->spec.optimizer) continue;
    r->moving_at[w] = at;
    at += padded(model->weights[w].count);
  }
  r->n_front = at;
}

/* Behind all others the bucket of the tables' flags, and then those of their rows. */
static void add_table_buckets(kd_replica *r) {
  kd_buckets *buckets = &r->buckets;
  size_t n = (size_t)buckets->count, all = n + 1 + (size_t)r->n_tables;
  int64_t *begin = kd_pool_alloc(r->pool, all, sizeof *begin),
          *end = kd_pool_alloc(r->pool, all, sizeof *end);
  for (size_t k = 0; k < n; k++) {
    begin[k] = buckets->begin[k];
    end[k] = buckets->end[k];
  }
  begin[n] = r->tables[0].flags_at;
  end[n++] = r->n_reduce;
  for (int i = 0; i < r->n_tables; i++) {
    const kd_weight *weight = &r->spec.model->weights[r->tables[i].weight];
    begin[n] = r->n_front + weight->offset;
    end[n++] = r->n_front + weight->offset + weight->count;
  }
  *buckets = (kd_buckets){buckets->count + 1, begin, end, buckets->finish};
}

/* Buckets over the reduce range: the front is one tensor, then the gradients in their order. Rows of tables
 * have none: row_sums.c. */
static kd_status plan_buckets(kd_replica *r) {
  const kd_model *model = r->spec.model;
  int n = 0;
  int64_t end = r->n_whole - r->n_front;
  int64_t *sizes = kd_pool_alloc(r->pool, (size_t)model->n_weights + 1, sizeof *sizes);
  int64_t *starts = kd_pool_alloc(r->pool, (size_t)model->n_weights + 1, sizeof *starts);
  for (int w = 0; w < model->n_weights; w++) {
    if (!model->weights[w].trainable || model->weights[w].offset >= end) continue;
    int at = n++;
    for (; at > 0 && starts[at - 1] > model->weights[w].offset; at--) starts[at] = starts[at - 1];
    starts[at] = model->weights[w].offset;
  }
  for (int i = 0; i < n; i++) sizes[i + 1] = (i + 1 < n ? starts[i + 1] : end) - starts[i];
  sizes[0] = r->n_front;
  KD_TRY(kd_bucket_plan(r->pool, n + 1, sizes, NULL, kd_bucket_default_cost(r->spec.comm),
                        r->spec.bucket_bytes, &r->buckets));
  if (r->row_sums) add_table_buckets(r);
  return KD_OK;
}

static bool is_whole(const kd_replica *r) {
  bool one_pass = !r->own_leaf && r->tree.end - r->tree.begin == 1, kept = r->spec.model->n_kept > 0;
  const kd_objective *objective = r->spec.objective;
  if (objective && objective->n_tail > objective->n_logged) return false; /* the host computes slopes */
  bool talks = r->exchanges && r->spec.comm->size > 1;
  return r->on_device && !talks && one_pass && !kept;
}

kd_status kd_layout_plan(kd_replica *r) {
  KD_TRY(plan_passes(r));
  KD_TRY(kd_sums_choose(r));
  r->records = r->spec.device->backend->record_start != NULL;
  plan_front(r);
  KD_TRY(kd_passes_order(r));
  r->n_weight = r->spec.model->trainable_floats;
  r->n_reduce = r->n_whole = r->n_front + (r->spec.optimizer ? r->n_weight : 0);
  if (r->n_tables > 0) r->n_whole = r->n_front + r->spec.model->weights[r->tables[0].weight].offset;
  kd_row_sums_place(r);
  KD_TRY(plan_buckets(r));
  r->bucket_ready = kd_pool_alloc(r->pool, (size_t)r->buckets.count + 1, sizeof(bool));
  size_t partials = (size_t)(r->tree.n_slots > 1 ? r->tree.n_slots : 1);
  /* All ranks ask for the same size, although their numbers of partial sums may differ. */
  int64_t most = (int64_t)partials, whole = is_whole(r);
  KD_TRY(kd_comm_reduce_i64(r->spec.comm, KD_COMM_MAX, &most, 1));
  KD_TRY(kd_comm_reduce_i64(r->spec.comm, KD_COMM_MIN, &whole, 1));
  r->whole = whole;
  r->reduce_bytes = (size_t)most * (size_t)(r->n_reduce ? r->n_reduce : 1) * sizeof(float);
  return KD_OK;
}

kd_status kd_layout_reducers(kd_replica *r) {
  int leaves = kd_replica_is_world(r) ? r->spec.micro_shards : 0, tables = kd_row_sums_buckets(r);
  kd_reduce_spec all = {.n_buckets = r->buckets.count + tables,
                        .n_late = r->row_sums ? tables + 1 : 0,
                        .begin = r->buckets.begin,
                        .end = r->buckets.end,
                        .n_leaves = leaves,
                        .stride = r->n_reduce};
  KD_TRY(kd_reducer_create(r->spec.comm, r->reduce, &all, &r->reducer));
  if (!r->spec.objective) return KD_OK;
  int64_t begin = 0, end = r->tail_floats;
  kd_reduce_spec tail = {
      .n_buckets = 1, .begin = &begin, .end = &end, .n_leaves = leaves, .stride = r->n_reduce};
  return kd_reducer_create(r->spec.comm, r->reduce, &tail, &r->tail_reducer);
}
