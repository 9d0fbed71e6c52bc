#include "comm/reducer_hidden.h"
#include "device/base/hash.h"

/* Everything that all ranks must have in common. */
static uint64_t hash_spec(const kd_reduce_spec *spec) {
  size_t n = (size_t)spec->n_buckets;
  uint64_t hash = kd_hash(&spec->n_leaves, sizeof spec->n_leaves, (uint64_t)n);
  if (spec->n_leaves) hash = kd_hash(&spec->stride, sizeof spec->stride, hash);
  hash = kd_hash(spec->begin, n * sizeof *spec->begin, hash);
  return kd_hash(spec->end, n * sizeof *spec->end, hash);
}

static kd_status check_spec(const kd_reduce_memory *memory, const kd_reduce_spec *spec, int n_partials) {
  int64_t floats = (int64_t)(memory->bytes / sizeof(float)), largest = 0;
  for (int b = 0; b < spec->n_buckets; b++) {
    KD_CHECK(spec->begin[b] >= 0 && spec->begin[b] <= spec->end[b], KD_ERR_INTERNAL,
             "bucket %d is [%lld, %lld)", b, (long long)spec->begin[b], (long long)spec->end[b]);
    if (spec->end[b] > largest) largest = spec->end[b];
  }
  int64_t stride = spec->n_leaves ? spec->stride : largest;
  KD_CHECK(stride >= largest && (n_partials > 1 ? (n_partials - 1) * stride + largest : largest) <= floats,
           KD_ERR_INTERNAL,
           "%d partial sums of %lld floats, %lld apart, do not fit into the %lld floats of the memory",
           n_partials, (long long)largest, (long long)stride, (long long)floats);
  return KD_OK;
}

/* Who holds each leaf: owner by rank, domain by domain of the layout. Without micro-shards each rank is a
 * leaf. */
typedef struct leaves {
  int count;
  int *owner, *domain, *all; /* all: one group */
} leaves;

static kd_status place_leaves(kd_pool *pool, const kd_comm *comm, const kd_domains *layout, int n_leaves,
                              leaves *result) {
  leaves l = {.count = n_leaves ? n_leaves : comm->size};
  KD_CHECK(l.count >= 1 && l.count <= KD_TREE_LEAVES, KD_ERR_USAGE, "%d micro-shards or ranks: at most %d",
           l.count, KD_TREE_LEAVES);
  l.owner = kd_pool_alloc(pool, (size_t)l.count, sizeof(int));
  l.domain = kd_pool_alloc(pool, (size_t)l.count, sizeof(int));
  l.all = kd_pool_alloc(pool, (size_t)l.count, sizeof(int));
  for (int r = 0; r < comm->size; r++) {
    for (int i = kd_tree_begin(l.count, comm->size, r); i < kd_tree_begin(l.count, comm->size, r + 1); i++) {
      l.owner[i] = r;
      l.domain[i] = layout->domain[r];
    }
  }
  *result = l;
  return KD_OK;
}

static void plan_local(kd_reducer *r, const leaves *l, int64_t stride) {
  const kd_domains *layout = r->memory->layout;
  kd_tree_join(r->pool, l->count, l->owner, l->domain, r->domain, &r->local);
  size_t n = (size_t)r->local.n_ops;
  r->starts = kd_pool_alloc(r->pool, n, sizeof *r->starts);
  r->inputs = kd_pool_alloc(r->pool, n, sizeof *r->inputs);
  r->outputs = kd_pool_alloc(r->pool, (size_t)r->members, sizeof *r->outputs);
  for (int i = 0; i < r->local.n_ops; i++) {
    const kd_tree_op *op = &r->local.ops[i];
    if (op->kind == KD_TREE_PUSH || op->kind == KD_TREE_PLUS)
      r->starts[i] = r->memory->part[layout->index[op->group]] + op->partial * stride;
  }
}

static kd_status plan_exchange(kd_reducer *r, const leaves *l, int64_t stride) {
  const kd_domains *layout = r->memory->layout;
  int *n_partials = kd_pool_alloc(r->pool, (size_t)layout->n_domains, sizeof(int));
  for (int d = 0; d < layout->n_domains; d++) n_partials[d] = kd_tree_partials(l->count, l->domain, d);
  kd_tree_join(r->pool, l->count, l->domain, l->all, 0, &r->root);
  return kd_exchange_create(r->comm, r->memory, n_partials, &r->root, stride, kd_reducer_sum_local, r,
                            &r->exchange);
}

static kd_status plan(kd_reducer *r, const kd_reduce_spec *spec) {
  leaves l = {0};
  const kd_domains *layout = r->memory->layout;
  KD_TRY(place_leaves(r->pool, r->comm, layout, spec->n_leaves, &l));
  KD_TRY(check_spec(r->memory, spec, kd_tree_partials(l.count, l.owner, r->comm->rank)));
  size_t n = (size_t)spec->n_buckets;
  r->n_buckets = spec->n_buckets;
  r->n_late = spec->n_late;
  r->begin = kd_pool_alloc(r->pool, n, sizeof *r->begin);
  r->end = kd_pool_alloc(r->pool, n, sizeof *r->end);
  r->queue = kd_pool_alloc(r->pool, n, sizeof *r->queue);
  for (size_t b = 0; b < n; b++) {
    r->begin[b] = spec->begin[b];
    r->end[b] = spec->end[b];
  }
  r->domain = layout->domain[r->comm->rank];
  r->place = layout->index[r->comm->rank];
  r->members = kd_domains_members(layout, r->domain);
  plan_local(r, &l, spec->stride);
  if (layout->n_domains > 1) KD_TRY(plan_exchange(r, &l, spec->stride));
  if (r->comm->size > 1 && r->n_buckets > 1) KD_TRY(kd_reducer_start_thread(r));
  return KD_OK;
}

kd_status kd_reducer_create(kd_comm *comm, void *base, const kd_reduce_spec *spec, kd_reducer **result) {
  *result = NULL;
  kd_reduce_memory *memory = kd_reduce_memory_find(comm, base);
  KD_CHECK(memory, KD_ERR_INTERNAL, "the memory of a reducer comes from kd_comm_alloc_reduce");
  KD_TRY(kd_comm_agree(comm, "gradient buckets", hash_spec(spec)));
  kd_reducer *r = kd_calloc(1, sizeof *r);
  r->comm = comm;
  r->memory = memory;
  r->pool = kd_pool_create();
  pthread_mutex_init(&r->work, NULL);
  pthread_cond_init(&r->more, NULL);
  kd_status status = kd_comm_all_ok(comm, plan(r, spec));
  if (status != KD_OK) {
    kd_reducer_destroy(r);
    return status;
  }
  *result = r;
  return KD_OK;
}

void kd_reducer_destroy(kd_reducer *r) {
  if (!r) return;
  kd_reducer_stop_thread(r);
  kd_exchange_destroy(r->exchange);
  pthread_cond_destroy(&r->more);
  pthread_mutex_destroy(&r->work);
  kd_pool_destroy(r->pool);
  kd_free(r);
}

const char *kd_reducer_transport(const kd_reducer *r) {
  if (r->comm->size == 1) return "self";
  if (!r->exchange) return "shared memory";
  return r->memory->layout->n_domains == r->comm->size ? "MPI" : "shared memory + MPI";
}
