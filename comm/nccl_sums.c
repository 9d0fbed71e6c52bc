/* Sums of buckets on the device: by ncclAllReduce, or (n_leaves > 0) in the order of the fixed tree.
 *
 * The tree: each rank sums one lane of a bucket. All partial sums travel to the rank of their lane, a kernel
 * joins them as comm/sum.c does, and the sums travel back. That is the traffic of an all-reduce as long as
 * each rank has one partial sum; the order of additions follows from the tree alone. */
#include "comm/lane.h"
#include "comm/nccl_hidden.h"

_Static_assert((int)KD_JOIN_DEPTH == (int)KD_TREE_DEPTH, "the kernel's stack holds any tree");

/* --- memory and plan --- */

static int64_t lane_room(const kd_nccl *nccl) {
  return (nccl->spec.most / nccl->size / KD_LANE_LINE + 2) * KD_LANE_LINE;
}

/* Which rank holds which leaf, and so how many partial sums each has. */
static void plan_ranks(kd_nccl *nccl, int *owner) {
  int n = nccl->spec.n_leaves;
  for (int r = 0; r < nccl->size; r++)
    for (int i = kd_tree_begin(n, nccl->size, r); i < kd_tree_begin(n, nccl->size, r + 1); i++) owner[i] = r;
  nccl->n_partials = kd_pool_alloc(nccl->pool, (size_t)nccl->size, sizeof *nccl->n_partials);
  for (int r = 0; r < nccl->size; r++) nccl->n_partials[r] = kd_tree_partials(n, owner, r);
  nccl->received = kd_pool_alloc(nccl->pool, (size_t)nccl->size, sizeof *nccl->received);
  nccl->share = lane_room(nccl);
}

static int64_t received_floats(const kd_nccl *nccl) {
  int64_t floats = 0;
  for (int r = 0; r < nccl->size; r++)
    if (r != nccl->rank) floats += nccl->n_partials[r] * nccl->share;
  return floats;
}

/* Inputs by rank and number of the partial sum become addresses. */
static kd_status plan_joins(kd_device *device, const int *owner) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  int n = nccl->spec.n_leaves, *all = kd_pool_alloc(nccl->pool, (size_t)n, sizeof *all);
  kd_tree_combine tree;
  kd_tree_join(nccl->pool, n, owner, all, 0, &tree);
  kd_job_join *joins = kd_pool_alloc(nccl->pool, (size_t)tree.n_ops, sizeof *joins);
  for (int i = 0; i < tree.n_ops; i++) {
    const kd_tree_op *op = &tree.ops[i];
    if (op->kind == KD_TREE_OUT) continue; /* the last one: what is left is the sum */
    kd_job_join *join = &joins[nccl->n_joins++];
    if (op->kind == KD_TREE_FOLD) continue;
    bool own = op->group == nccl->rank;
    join->input = own ? nccl->memory + op->partial * nccl->spec.stride
                      : nccl->received[op->group] + op->partial * nccl->share;
    join->moves = own;
    join->push = op->kind == KD_TREE_PUSH;
  }
  size_t bytes = (size_t)nccl->n_joins * sizeof *joins;
  KD_TRY(kd_cuda_alloc(device, bytes, (void **)&nccl->joins));
  return kd_cuda_upload(device, nccl->joins, joins, bytes);
}

/* Memory that the network and the other devices can reach: no copies on the way. */
static kd_status make_memory(kd_device *device, size_t bytes) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  ncclResult_t result = nccl->library->MemAlloc((void **)&nccl->memory, bytes);
  KD_TRY(kd_nccl_status(nccl, result, "memory for sums"));
  KD_TRY(kd_cuda_clear(device, nccl->memory, bytes));
  result = nccl->library->CommRegister(nccl->comm, nccl->memory, bytes, &nccl->registered);
  return kd_nccl_settle(device, result, "registering memory");
}

static kd_status make_counter(kd_nccl *nccl) {
  void *memory;
  KD_CUDA(cudaMallocHost(&memory, sizeof *nccl->ended), "pinned memory");
  nccl->ended = memory;
  *nccl->ended = 0;
  return KD_OK;
}

kd_status kd_nccl_alloc(kd_device *device, const kd_sums_spec *spec, void **memory) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  nccl->pool = kd_pool_create();
  nccl->spec = *spec;
  KD_TRY(make_counter(nccl));
  int *owner = kd_pool_alloc(nccl->pool, (size_t)spec->n_leaves + 1, sizeof *owner);
  size_t own = (spec->bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT, others = 0;
  if (spec->n_leaves) {
    plan_ranks(nccl, owner);
    others = (size_t)received_floats(nccl) * sizeof(float);
  }
  KD_TRY(make_memory(device, own + others));
  *memory = nccl->memory;
  if (!spec->n_leaves) return KD_OK;
  float *at = nccl->memory + own / sizeof(float);
  for (int r = 0; r < nccl->size; r++) {
    if (r == nccl->rank) continue;
    nccl->received[r] = at;
    at += nccl->n_partials[r] * nccl->share;
  }
  return plan_joins(device, owner);
}

void kd_nccl_free(kd_device *device) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  if (!nccl || !nccl->pool) return;
  if (nccl->joins) (void)cudaFree(nccl->joins);
  if (nccl->registered && !nccl->aborted) (void)nccl->library->CommDeregister(nccl->comm, nccl->registered);
  if (nccl->memory) (void)nccl->library->MemFree(nccl->memory);
  if (nccl->ended) (void)cudaFreeHost((void *)(uintptr_t)nccl->ended);
  kd_pool_destroy(nccl->pool);
  *nccl = (kd_nccl){.library = nccl->library,
                    .comm = nccl->comm,
                    .rank = nccl->rank,
                    .size = nccl->size,
                    .connected = nccl->connected,
                    .aborted = nccl->aborted,
                    .stream = nccl->stream,
                    .reached = nccl->reached};
}

/* --- one bucket --- */

typedef struct bucket {
  int64_t begin, end;
} bucket;

static int64_t lane(const kd_nccl *nccl, bucket b, int rank) {
  return kd_lane_begin(b.begin, b.end, rank, nccl->size);
}

/* Within a group calls may say that they are in progress. */
static bool failed(ncclResult_t result) {
  return result != ncclSuccess && result != ncclInProgress;
}

static ncclResult_t send(const kd_nccl *nccl, const float *from, int64_t count, int other) {
  return nccl->library->Send(from, (size_t)count, ncclFloat32, other, nccl->comm, nccl->stream);
}

static ncclResult_t receive(const kd_nccl *nccl, float *to, int64_t count, int other) {
  return nccl->library->Recv(to, (size_t)count, ncclFloat32, other, nccl->comm, nccl->stream);
}

typedef ncclResult_t (*move_fn)(const kd_nccl *nccl, bucket b, int other);

static ncclResult_t move_partials(const kd_nccl *nccl, bucket b, int other) {
  ncclResult_t result = ncclSuccess;
  int64_t own = lane(nccl, b, nccl->rank), from = lane(nccl, b, other);
  int64_t n_own = lane(nccl, b, nccl->rank + 1) - own, n_other = lane(nccl, b, other + 1) - from;
  for (int p = 0; p < nccl->n_partials[nccl->rank] && n_other && !failed(result); p++)
    result = send(nccl, nccl->memory + p * nccl->spec.stride + from, n_other, other);
  for (int p = 0; p < nccl->n_partials[other] && n_own && !failed(result); p++)
    result = receive(nccl, nccl->received[other] + p * nccl->share, n_own, other);
  return result;
}

static ncclResult_t move_sums(const kd_nccl *nccl, bucket b, int other) {
  ncclResult_t result = ncclSuccess;
  int64_t own = lane(nccl, b, nccl->rank), from = lane(nccl, b, other);
  int64_t n_own = lane(nccl, b, nccl->rank + 1) - own, n_other = lane(nccl, b, other + 1) - from;
  if (n_own) result = send(nccl, nccl->memory + own, n_own, other);
  if (n_other && !failed(result)) result = receive(nccl, nccl->memory + from, n_other, other);
  return result;
}

/* With every other rank at the same time: calls of a group begin at its end. */
static kd_status exchange(kd_device *device, bucket b, move_fn move) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  ncclResult_t result = nccl->library->GroupStart();
  KD_TRY(kd_nccl_status(nccl, result, "sending sums"));
  for (int i = 1; i < nccl->size && !failed(result); i++)
    result = move(nccl, b, (nccl->rank + i) % nccl->size);
  ncclResult_t end = nccl->library->GroupEnd();
  return kd_nccl_settle(device, failed(result) ? result : end, "sending sums");
}

static kd_status sum_along_tree(kd_device *device, bucket b) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  KD_TRY(exchange(device, b, move_partials));
  int64_t from = lane(nccl, b, nccl->rank), count = lane(nccl, b, nccl->rank + 1) - from;
  KD_CUDA(kd_cuda_join_start(nccl->joins, nccl->n_joins, from, count, nccl->memory + from, nccl->stream),
          "sums over ranks");
  return exchange(device, b, move_sums);
}

static kd_status sum_by_library(kd_device *device, bucket b) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  float *range = nccl->memory + b.begin;
  ncclResult_t result = nccl->library->AllReduce(range, range, (size_t)(b.end - b.begin), ncclFloat32,
                                                 ncclSum, nccl->comm, nccl->stream);
  return kd_nccl_settle(device, result, "a sum over ranks");
}

/* The device itself counts: the host can look without a call, also for sums that are part of a record. */
kd_status kd_nccl_start(kd_device *device, int64_t begin, int64_t end) {
  kd_cuda *cuda = kd_cuda_of(device);
  kd_nccl *nccl = cuda->nccl;
  bucket b = {begin, end};
  KD_CUDA(cudaEventRecord(nccl->reached, cuda->stream), "sums over ranks");
  KD_CUDA(cudaStreamWaitEvent(nccl->stream, nccl->reached, 0), "sums over ranks");
  KD_TRY(nccl->spec.n_leaves ? sum_along_tree(device, b) : sum_by_library(device, b));
  KD_CUDA(kd_cuda_count_start((int64_t *)(uintptr_t)nccl->ended, nccl->stream), "sums over ranks");
  return KD_OK;
}

kd_status kd_nccl_join(kd_device *device) {
  kd_cuda *cuda = kd_cuda_of(device);
  KD_CUDA(cudaEventRecord(cuda->nccl->reached, cuda->nccl->stream), "sums over ranks");
  KD_CUDA(cudaStreamWaitEvent(cuda->stream, cuda->nccl->reached, 0), "sums over ranks");
  return KD_OK;
}
