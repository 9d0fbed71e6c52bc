#include "comm/exchange.h"

#include <stdio.h>

#include "comm/lane.h"
#include "comm/sum.h"
#include "comm/watchdog.h"

enum {
  MOST_SHARE = 128 << 10, /* floats of a message: long enough for the full rate, short enough to overlap */
  LEAST_SHARE = 4 << 10,
  SEGMENT = 1 << 20,    /* floats of a segment, about, however many domains there are */
  TAG_RESULT = 1 << 14, /* above the number of any partial sum, which is the tag of its message */
};

struct kd_exchange {
  kd_comm *comm;
  const kd_domains *layout;
  int domain, place; /* of this rank */
  const int *n_partials;
  const kd_tree_combine *root;
  kd_local_sum local_sum;
  void *context;
  int64_t share, stride; /* floats: largest message; between own partial sums */
  float *own;            /* own partial sums: the memory itself (direct), or a segment of each */
  bool direct;
  float *const *part; /* the memories of the domain */
  float **received;   /* by domain: its partial sums of our share, `share` floats apart */
  float **local_outputs;
  const float **inputs; /* by op of root */
  MPI_Request *requests;
  int *peers;
  int n_requests;
  kd_patience patience;
  void *block; /* own and received, when they are buffers */
  size_t block_bytes;
};

/* One segment [begin, end): domain d's share is [cut(d), cut(d + 1)). */
typedef struct segment {
  int64_t begin, end;
} segment;

static int64_t cut(const kd_exchange *x, segment s, int domain) {
  return kd_lane_begin(s.begin, s.end, domain, x->layout->n_domains);
}

static kd_status allocate_buffers(kd_exchange *x) {
  int n = x->layout->n_domains;
  int64_t share = SEGMENT / n;
  x->share = share > MOST_SHARE ? MOST_SHARE : share < LEAST_SHARE ? LEAST_SHARE : share;
  int64_t floats = x->direct ? 0 : x->n_partials[x->domain] * n * x->share;
  for (int d = 0; d < n; d++)
    if (d != x->domain) floats += x->n_partials[d] * x->share;
  x->block_bytes = (size_t)floats * sizeof(float);
  KD_TRY(kd_large_alloc(x->block_bytes, &x->block));
  float *at = x->block;
  if (!x->direct) {
    x->own = at;
    x->stride = n * x->share;
    at += x->n_partials[x->domain] * x->stride;
  }
  for (int d = 0; d < n; d++) {
    if (d == x->domain) continue;
    x->received[d] = at;
    at += x->n_partials[d] * x->share;
  }
  return KD_OK;
}

kd_status kd_exchange_create(kd_comm *comm, const kd_reduce_memory *memory, const int *n_partials,
                             const kd_tree_combine *root, int64_t stride, kd_local_sum local_sum,
                             void *context, kd_exchange **exchange) {
  const kd_domains *layout = memory->layout;
  kd_exchange *x = kd_calloc(1, sizeof *x);
  *x = (kd_exchange){.comm = comm,
                     .layout = layout,
                     .domain = layout->domain[comm->rank],
                     .place = layout->index[comm->rank],
                     .n_partials = n_partials,
                     .root = root,
                     .local_sum = local_sum,
                     .context = context,
                     .stride = stride,
                     .part = memory->part};
  x->direct = kd_domains_members(layout, x->domain) == 1;
  x->own = memory->part[x->place];
  /* A counterpart may be waiting for a rank of its own host, which that host will report. */
  x->patience = layout->n_domains == comm->size ? KD_WAIT_DIRECT : KD_WAIT_INDIRECT;
  size_t n = (size_t)layout->n_domains, own = (size_t)n_partials[x->domain], messages = 2 * n + n * own;
  for (size_t d = 0; d < n; d++) messages += (size_t)n_partials[d];
  x->received = kd_calloc(n, sizeof *x->received);
  x->local_outputs = kd_calloc(own, sizeof *x->local_outputs);
  x->inputs = kd_calloc((size_t)root->n_ops, sizeof *x->inputs);
  x->requests = kd_calloc(messages, sizeof *x->requests);
  x->peers = kd_calloc(messages, sizeof *x->peers);
  kd_status status = allocate_buffers(x);
  if (status != KD_OK) {
    kd_exchange_destroy(x);
    return status;
  }
  *exchange = x;
  return KD_OK;
}

void kd_exchange_destroy(kd_exchange *x) {
  if (!x) return;
  kd_large_free(x->block, x->block_bytes);
  kd_free(x->received);
  kd_free(x->local_outputs);
  kd_free(x->inputs);
  kd_free(x->requests);
  kd_free(x->peers);
  kd_free(x);
}

/* Float `at` of own partial sum k, in a segment that begins at `begin`. */
static float *own_partial(const kd_exchange *x, int k, int64_t begin, int64_t at) {
  return x->own + k * x->stride + (x->direct ? at : at - begin);
}

static kd_status receive(kd_exchange *x, int domain, float *into, int64_t count, int tag) {
  if (count == 0) return KD_OK;
  int peer = kd_domains_rank(x->layout, domain, x->place);
  x->peers[x->n_requests] = peer;
  KD_MPI(MPI_Irecv(into, (int)count, MPI_FLOAT, peer, tag, x->comm->hidden->reduce,
                   &x->requests[x->n_requests]));
  x->n_requests++;
  return KD_OK;
}

static kd_status send(kd_exchange *x, int domain, const float *from, int64_t count, int tag) {
  if (count == 0) return KD_OK;
  int peer = kd_domains_rank(x->layout, domain, x->place);
  x->peers[x->n_requests] = peer;
  KD_MPI(MPI_Isend(from, (int)count, MPI_FLOAT, peer, tag, x->comm->hidden->reduce,
                   &x->requests[x->n_requests]));
  x->n_requests++;
  return KD_OK;
}

/* Partial sums of the segment set out: each domain gets those of its share. Every domain begins with its
 * right-hand neighbour, so that not all send to the same one. */
static kd_status start_scatter(kd_exchange *x, segment s) {
  int n = x->layout->n_domains, me = x->domain;
  int64_t mine = cut(x, s, me + 1) - cut(x, s, me);
  for (int i = 1; i < n; i++) {
    int d = (me + n - i) % n;
    for (int k = 0; k < x->n_partials[d]; k++) KD_TRY(receive(x, d, x->received[d] + k * x->share, mine, k));
  }
  if (!x->direct) {
    for (int k = 0; k < x->n_partials[me]; k++) x->local_outputs[k] = own_partial(x, k, s.begin, s.begin);
    x->local_sum(x->context, s.begin, s.end, x->local_outputs, 1);
  }
  for (int i = 1; i < n; i++) {
    int d = (me + i) % n;
    int64_t begin = cut(x, s, d), count = cut(x, s, d + 1) - begin;
    for (int k = 0; k < x->n_partials[me]; k++)
      KD_TRY(send(x, d, own_partial(x, k, s.begin, begin), count, k));
  }
  return KD_OK;
}

static void join_share(kd_exchange *x, segment s) {
  int64_t begin = cut(x, s, x->domain), count = cut(x, s, x->domain + 1) - begin;
  for (int i = 0; i < x->root->n_ops; i++) {
    const kd_tree_op *op = &x->root->ops[i];
    if (op->kind != KD_TREE_PUSH && op->kind != KD_TREE_PLUS) continue;
    x->inputs[i] = op->group == x->domain ? own_partial(x, op->partial, s.begin, begin)
                                          : x->received[op->group] + op->partial * x->share;
  }
  float *output = x->part[x->place] + begin;
  kd_sum_combine(x->root, x->inputs, &output, 1, count);
}

static kd_status start_gather(kd_exchange *x, segment s) {
  int n = x->layout->n_domains, me = x->domain;
  float *memory = x->part[x->place];
  for (int i = 1; i < n; i++) {
    int d = (me + n - i) % n;
    KD_TRY(receive(x, d, memory + cut(x, s, d), cut(x, s, d + 1) - cut(x, s, d), TAG_RESULT));
  }
  for (int i = 1; i < n; i++)
    KD_TRY(send(x, (me + i) % n, memory + cut(x, s, me), cut(x, s, me + 1) - cut(x, s, me), TAG_RESULT));
  return KD_OK;
}

static void spread(const kd_exchange *x, segment s) {
  for (int i = 0; i < kd_domains_members(x->layout, x->domain); i++)
    kd_sum_copy(x->part[i] + s.begin, x->part[x->place] + s.begin, s.end - s.begin);
}

kd_status kd_exchange_run(kd_exchange *x, int64_t from, int64_t to, int bucket, const _Atomic bool *urgent) {
  char what[48];
  snprintf(what, sizeof what, "the sum of bucket %d", bucket);
  int64_t step = x->share * x->layout->n_domains;
  segment previous = {from, from};
  for (int64_t at = from; at < to || previous.begin < previous.end; at += step) {
    segment s = {at < to ? at : to, at + step < to ? at + step : to};
    x->n_requests = 0;
    if (s.begin < s.end) KD_TRY(start_scatter(x, s));
    if (previous.begin < previous.end) KD_TRY(start_gather(x, previous));
    kd_watch watch;
    kd_watch_start(&watch, x->comm, x->patience, urgent);
    KD_TRY(kd_watch_requests(&watch, x->comm, x->n_requests, x->requests, x->peers, what));
    if (s.begin < s.end) join_share(x, s);
    spread(x, previous);
    previous = s;
  }
  return KD_OK;
}
