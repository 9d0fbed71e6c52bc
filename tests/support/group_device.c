#include "support/group_device.h"

#include <mpi.h>
#include <string.h>

#include "comm/tree.h"
#include "device/base/memory.h"
#include "support/check.h"

group_device_plan group_device_plans = {false, -1, -1};
char group_device_notes[1 << 16];

enum { MOST_BUCKETS = 64, POLLS = 3 };

typedef struct started {
  int64_t begin, end;
  float *before; /* this rank's partial sums as they were */
} started;

static struct {
  int rank, size, polls, n_started;
  int64_t n_summed;
  kd_sums_spec spec;
  float *memory;
  started started[MOST_BUCKETS];
} g;

void group_device_forget(void) {
  group_device_notes[0] = 0;
}

static void note(const char *format, int bucket, int64_t begin, int64_t end) {
  size_t used = strlen(group_device_notes);
  snprintf(group_device_notes + used, sizeof group_device_notes - used, format, bucket, (long long)begin,
           (long long)end);
}

/* --- sums --- */

static int owner(int leaf) {
  int r = 0;
  while (leaf >= kd_tree_begin(g.spec.n_leaves, g.size, r + 1)) r++;
  return r;
}

/* The node of leaves [low, low + n): a partial sum of a rank that has all of them, else left + right.
 * next[r]: the partial sum of rank r that comes next. */
static float node(const float *all, int64_t per_rank, int64_t count, int64_t i, int low, int n, int *next) {
  if (owner(low) == owner(low + n - 1)) {
    int r = owner(low);
    return all[r * per_rank + next[r]++ * count + i];
  }
  int left = 1;
  while (2 * left < n) left *= 2;
  float a = node(all, per_rank, count, i, low, left, next);
  return a + node(all, per_rank, count, i, low + left, n - left, next);
}

static int64_t partials(void) {
  return g.spec.n_leaves ? (int64_t)(g.spec.bytes / sizeof(float)) / g.spec.stride : 1;
}

/* Partial sums of floats [begin, end), one behind the other. */
static void copy_out(int64_t begin, int64_t end, float *to) {
  for (int64_t p = 0; p < partials(); p++)
    memcpy(to + p * (end - begin), g.memory + p * g.spec.stride + begin, (size_t)(end - begin) * sizeof *to);
}

static void sum(const started *s) {
  int64_t count = s->end - s->begin, per_rank = partials() * count;
  size_t bytes = (size_t)per_rank * sizeof(float);
  float *now = kd_calloc((size_t)per_rank + 1, sizeof *now);
  float *all = kd_calloc((size_t)(per_rank * g.size) + 1, sizeof *all);
  copy_out(s->begin, s->end, now);
  assert_memory_equal(now, s->before, bytes);
  if (g.size > 1)
    MPI_Allgather(now, (int)per_rank, MPI_FLOAT, all, (int)per_rank, MPI_FLOAT, MPI_COMM_WORLD);
  else
    memcpy(all, now, bytes);
  for (int64_t i = 0; i < count; i++) {
    int next[64] = {0};
    float total = 0;
    for (int r = 0; r < g.size && !g.spec.n_leaves; r++) total += all[r * per_rank + i];
    if (g.spec.n_leaves) total = node(all, per_rank, count, i, 0, g.spec.n_leaves, next);
    g.memory[s->begin + i] = total;
  }
  kd_free(now);
  kd_free(all);
}

static kd_status sums_start(kd_device *device, int64_t begin, int64_t end) {
  (void)device;
  assert_true(g.memory && g.n_started < MOST_BUCKETS);
  assert_true(begin >= 0 && end - begin <= g.spec.most);
  note("start %d [%lld, %lld)\n", g.n_started, begin, end);
  started *s = &g.started[g.n_started++];
  *s = (started){begin, end, kd_calloc((size_t)(partials() * (end - begin)) + 1, sizeof(float))};
  copy_out(begin, end, s->before);
  return KD_OK;
}

static kd_status sums_join(kd_device *device) {
  (void)device;
  note("join\n", 0, 0, 0);
  for (int i = 0; i < g.n_started; i++) {
    sum(&g.started[i]);
    kd_free(g.started[i].before);
  }
  g.n_summed += g.n_started;
  g.n_started = 0;
  return KD_OK;
}

/* --- the group --- */

static kd_status sums_ready(kd_device *device, char seat[KD_SUMS_SEAT]) {
  (void)device;
  KD_CHECK(g.rank != group_device_plans.refuses, KD_ERR_USAGE, "no library of sums");
  snprintf(seat, KD_SUMS_SEAT, "seat %d", group_device_plans.one_seat ? 0 : g.rank);
  return KD_OK;
}

static kd_status sums_identify(kd_device *device, char id[KD_SUMS_ID]) {
  (void)device;
  snprintf(id, KD_SUMS_ID, "the only group");
  return KD_OK;
}

static kd_status sums_connect(kd_device *device, const char id[KD_SUMS_ID], int rank, int size) {
  (void)device;
  assert_string_equal(id, "the only group");
  assert_int_equal(rank, g.rank);
  assert_int_equal(size, g.size);
  g.polls = 0;
  return KD_OK;
}

/* A rank that fails leaves the others waiting. */
static kd_status sums_poll(kd_device *device, int64_t *ended) {
  (void)device;
  *ended = g.n_summed;
  if (g.polls > POLLS) return KD_OK;
  g.polls += group_device_plans.unconnected < 0 || group_device_plans.unconnected == g.rank;
  *ended = KD_SUMS_CONNECTING;
  if (g.polls > POLLS && group_device_plans.unconnected != g.rank) note("connected\n", 0, 0, 0);
  KD_CHECK(g.polls <= POLLS || group_device_plans.unconnected != g.rank, KD_ERR_RUN, "no way to the others");
  return KD_OK;
}

static kd_status sums_alloc(kd_device *device, const kd_sums_spec *spec, void **memory) {
  (void)device;
  g.spec = *spec;
  KD_TRY(kd_large_alloc(spec->bytes, memory));
  g.memory = *memory;
  g.n_summed = 0;
  return KD_OK;
}

static void sums_free(kd_device *device) {
  (void)device;
  if (g.memory) kd_large_free(g.memory, g.spec.bytes);
  g.memory = NULL;
}

static void sums_nothing(kd_device *device) {
  (void)device;
}

static const char *sums_describe(void) {
  return "plain sums";
}

/* --- the backend --- */

static kd_status copy(kd_device *device, float *to, const float *from, int64_t count) {
  (void)device;
  memcpy(to, from, (size_t)count * sizeof *to);
  return KD_OK;
}

static kd_status add(kd_device *device, float *to, const float *from, int64_t count) {
  (void)device;
  for (int64_t i = 0; i < count; i++) to[i] += from[i];
  return KD_OK;
}

static kd_status fetch_start(kd_device *device, int number, void *host, const void *from, size_t bytes) {
  (void)device, (void)number;
  memcpy(host, from, bytes);
  return KD_OK;
}

static kd_status fetch_wait(kd_device *device, int number) {
  (void)device, (void)number;
  return KD_OK;
}

static kd_status feed(kd_device *device, int number, void *to, const void *host, size_t bytes) {
  (void)device, (void)number;
  memcpy(to, host, bytes);
  return KD_OK;
}

static void pin(kd_device *device, void *host, size_t bytes) {
  (void)device, (void)host, (void)bytes;
}

static void unpin(kd_device *device, void *host) {
  (void)device, (void)host;
}

void group_device_wrap(kd_device *device, int rank, int size) {
  static const kd_device_sums sums = {.ready = sums_ready,
                                      .identify = sums_identify,
                                      .connect = sums_connect,
                                      .poll = sums_poll,
                                      .alloc = sums_alloc,
                                      .free = sums_free,
                                      .start = sums_start,
                                      .join = sums_join,
                                      .abort = sums_nothing,
                                      .close = sums_nothing,
                                      .describe = sums_describe};
  static kd_backend backend;
  backend = kd_cpu_backend;
  backend.host_memory = false;
  backend.copy = copy;
  backend.add = add;
  backend.fetch_start = fetch_start;
  backend.fetch_wait = fetch_wait;
  backend.feed = feed;
  backend.read_start = fetch_start;
  backend.read_wait = fetch_wait;
  backend.pin = pin;
  backend.unpin = unpin;
  backend.sums = &sums;
  device->backend = &backend;
  g.rank = rank;
  g.size = size;
}
