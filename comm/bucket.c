#include "comm/bucket.h"

enum { MOST_GROUPS = 256, CACHE_LINE_FLOATS = KD_ALIGNMENT / (int)sizeof(float), LEAST_LIMIT = 4096 };

/* Neighbouring tensors as the planner sees them: group g ends at float end[g], complete at ready[g]. */
typedef struct group_list {
  int count;
  int64_t *end;
  double *ready;
} group_list;

static double bytes_of(int64_t floats) {
  return (double)floats * (double)sizeof(float);
}

static int64_t pieces_of(int64_t floats, int64_t limit) {
  return limit == 0 || floats <= limit ? 1 : (floats + limit - 1) / limit;
}

/* Seconds to sum `floats` in as many pieces as the limit asks for. */
static double cost_of(kd_bucket_cost cost, int64_t floats, int64_t limit) {
  return (double)pieces_of(floats, limit) * cost.latency + bytes_of(floats) / cost.bytes_per_second;
}

/* Tensors are joined until a group has 1/MOST_GROUPS of all floats, when there are too many of them. */
static group_list make_groups(kd_pool *pool, int n, const int64_t *sizes, const double *ready,
                              kd_bucket_cost cost) {
  int64_t total = 0, at = 0, start = 0;
  for (int i = 0; i < n; i++) total += sizes[i];
  int64_t least = n > MOST_GROUPS ? total / MOST_GROUPS : 0;
  group_list groups = {.end = kd_pool_alloc(pool, (size_t)n, sizeof(int64_t)),
                       .ready = kd_pool_alloc(pool, (size_t)n, sizeof(double))};
  for (int i = 0; i < n; i++) {
    at += sizes[i];
    if (at == start || (at - start < least && i + 1 < n)) continue;
    groups.end[groups.count] = start = at;
    groups.ready[groups.count++] = ready ? ready[i] : 2 * bytes_of(at) / cost.bytes_per_second;
  }
  /* Empty tensors at the end may still be the last to be ready; nothing waits for them. */
  return groups;
}

typedef struct planner {
  const group_list *groups;
  kd_bucket_cost cost;
  int64_t limit;
} planner;

static double finish_after(const planner *p, double before, int from, int to) {
  int64_t begin = from ? p->groups->end[from - 1] : 0;
  double ready = p->groups->ready[to - 1];
  return (before > ready ? before : ready) + cost_of(p->cost, p->groups->end[to - 1] - begin, p->limit);
}

/* The least finish time over all cuts: F[j] = min over i < j of max(F[i], r_j) + c(i, j). A smaller F[i] is
 * never worse, so the best cut of the first i groups is part of a best cut of the first j. */
static double least_finish(const planner *p, double *finish) {
  int n = p->groups->count;
  finish[0] = 0;
  for (int j = 1; j <= n; j++) {
    finish[j] = finish_after(p, finish[0], 0, j);
    for (int i = 1; i < j; i++) {
      double f = finish_after(p, finish[i], i, j);
      if (f < finish[j]) finish[j] = f;
    }
  }
  return finish[n];
}

/* The fewest buckets that reach `goal`: the same recurrence with the number of buckets fixed, one more each
 * round. from[k * (n + 1) + j] is the cut before group j when it ends bucket k. Returns the number. */
static int fewest_buckets(const planner *p, double goal, double *finish, int *from) {
  int n = p->groups->count;
  for (int j = 1; j <= n; j++) {
    finish[j] = finish_after(p, 0, 0, j);
    from[j] = 0;
  }
  int k = 0;
  /* Rounding: the same sums are formed in the same order, so the goal is met exactly in round n at the
   * latest. */
  while (finish[n] > goal && k + 1 < n) {
    k++;
    for (int j = n; j > k; j--) {
      double best = finish_after(p, finish[j - 1], j - 1, j);
      int cut = j - 1;
      for (int i = k; i < j - 1; i++) {
        double f = finish_after(p, finish[i], i, j);
        if (f < best) best = f, cut = i;
      }
      finish[j] = best;
      from[k * (n + 1) + j] = cut;
    }
  }
  return k + 1;
}

/* Cuts [begin, end) into equal pieces within the limit, at cache lines. */
static void add_pieces(kd_buckets *buckets, int64_t *begins, int64_t *ends, int64_t begin, int64_t end,
                       int64_t limit) {
  int64_t pieces = pieces_of(end - begin, limit);
  int64_t size = (end - begin + pieces - 1) / pieces;
  if (pieces > 1) size = (size + CACHE_LINE_FLOATS - 1) / CACHE_LINE_FLOATS * CACHE_LINE_FLOATS;
  for (int64_t at = begin; at < end; at += size) {
    begins[buckets->count] = at;
    ends[buckets->count++] = at + size < end ? at + size : end;
  }
}

kd_status kd_bucket_plan(kd_pool *pool, int n_tensors, const int64_t *sizes, const double *ready,
                         kd_bucket_cost cost, int64_t limit_bytes, kd_buckets *buckets) {
  *buckets = (kd_buckets){0};
  KD_CHECK(limit_bytes == 0 || limit_bytes >= LEAST_LIMIT, KD_ERR_USAGE,
           "a limit of %lld bytes for a bucket is too small: at least %d", (long long)limit_bytes,
           LEAST_LIMIT);
  KD_CHECK(cost.latency >= 0 && cost.bytes_per_second > 0, KD_ERR_USAGE,
           "a message cannot take %g s and pass at %g bytes/s", cost.latency, cost.bytes_per_second);
  group_list groups = make_groups(pool, n_tensors, sizes, ready, cost);
  int n = groups.count;
  if (n == 0) return KD_OK;
  /* A multiple of a cache line, so that rounding a piece up never passes the limit. */
  int64_t limit = limit_bytes / KD_ALIGNMENT * CACHE_LINE_FLOATS;
  planner p = {.groups = &groups, .cost = cost, .limit = limit};
  double *finish = kd_pool_alloc(pool, (size_t)n + 1, sizeof(double));
  int *from = kd_pool_alloc(pool, (size_t)n * (size_t)(n + 1), sizeof(int));
  buckets->finish = least_finish(&p, finish);
  int count = fewest_buckets(&p, buckets->finish, finish, from);

  int *cut = kd_pool_alloc(pool, (size_t)count + 1, sizeof(int));
  cut[count] = n;
  for (int k = count - 1; k > 0; k--) cut[k] = from[k * (n + 1) + cut[k + 1]];
  int64_t most = count + (limit ? groups.end[n - 1] / limit : 0) + count;
  int64_t *begins = kd_pool_alloc(pool, (size_t)most, sizeof(int64_t));
  int64_t *ends = kd_pool_alloc(pool, (size_t)most, sizeof(int64_t));
  for (int k = 0; k < count; k++)
    add_pieces(buckets, begins, ends, cut[k] ? groups.end[cut[k] - 1] : 0, groups.end[cut[k + 1] - 1], limit);
  buckets->begin = begins;
  buckets->end = ends;
  return KD_OK;
}

/* Shared memory: one barrier, every byte read and written once per rank (measured: about 10 GB/s at two
 * ranks). Network: a message of Open MPI over TCP costs about 50 us, and both directions carry 2 (n - 1) / n
 * of the data. */
kd_bucket_cost kd_bucket_default_cost(const kd_comm *comm) {
  if (comm->n_hosts <= 1) return (kd_bucket_cost){.latency = 10e-6, .bytes_per_second = 16e9 / comm->size};
  double share = 2.0 * (comm->n_hosts - 1) / comm->n_hosts;
  return (kd_bucket_cost){.latency = 200e-6, .bytes_per_second = 1.1e9 / share};
}
