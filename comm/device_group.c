#include "comm/device_group.h"

#include <stdio.h>

#include "comm/reducer.h"
#include "comm/watchdog.h"
#include "device/base/hash.h"
#include "device/base/log.h"
#include "device/base/text.h"

enum { TAG_FAILED = 2 }; /* beside the messages of control.c */

/* Sums end in the order in which they were started, some steps later. */
typedef struct started_sum {
  int64_t step;
  int bucket;
} started_sum;

struct kd_group_record {
  void *recorded; /* by the device */
  int n_sums, *bucket;
};

struct kd_device_group {
  kd_comm *comm;
  kd_device *device;
  const kd_device_sums *sums;
  kd_watch watch;
  int64_t watched; /* the sum that the watch is for */
  int n_buckets;
  started_sum *log; /* by number, in turn */
  int64_t log_room, n_started;
  bool over;    /* it has failed, and said so */
  void *shared; /* memory of the host's ranks, by which one speaks when several fail together */
};

kd_status kd_device_group_check(const kd_device *device) {
  KD_CHECK(!device->backend->host_memory, KD_ERR_USAGE,
           "ranks compute on the CPU, whose sums the host makes");
  KD_CHECK(device->backend->sums, KD_ERR_USAGE,
           "the plug-in for %s was built without NCCL (nccl.h was not there)", device->backend->name);
  return KD_OK;
}

/* --- the decision --- */

typedef struct seat {
  int32_t host;
  char device[KD_SUMS_SEAT];
} seat;

/* Two ranks on one device are not possible. */
static kd_status check_seats(kd_comm *comm, const seat *mine) {
  seat *all = kd_calloc((size_t)comm->size, sizeof *all);
  kd_status status = kd_comm_all_gather(comm, mine, sizeof *mine, all);
  for (int a = 0; a < comm->size && status == KD_OK; a++)
    for (int b = a + 1; b < comm->size && status == KD_OK; b++)
      if (all[a].host == all[b].host && kd_streq(all[a].device, all[b].device))
        status = kd_fail(KD_ERR_USAGE, "ranks %d and %d share the device %s of %s", a, b, all[a].device,
                         kd_comm_host(comm, a));
  kd_free(all);
  return status;
}

/* Fails alike on all ranks. */
static kd_status check_ranks(kd_device_group *g) {
  seat mine = {.host = g->comm->host_index};
  kd_status status = kd_device_group_check(g->device);
  if (status == KD_OK) {
    g->sums = g->device->backend->sums;
    status = g->sums->ready(g->device, mine.device);
  }
  KD_TRY(kd_comm_all_ok(g->comm, status));
  return check_seats(g->comm, &mine);
}

/* --- connecting --- */

/* Ranks that still wait for this one are to stop: its status follows in kd_comm_all_ok. */
static void tell_failure(kd_comm *comm) {
  for (int r = 0; r < comm->size; r++) {
    MPI_Request request;
    if (r == comm->rank) continue;
    if (MPI_Isend(NULL, 0, MPI_BYTE, r, TAG_FAILED, comm->hidden->control, &request) == MPI_SUCCESS)
      MPI_Request_free(&request);
  }
}

static bool failure_told(kd_comm *comm) {
  int there = 0;
  if (comm->alone) return false;
  return MPI_Iprobe(MPI_ANY_SOURCE, TAG_FAILED, comm->hidden->control, &there, MPI_STATUS_IGNORE) ==
             MPI_SUCCESS &&
         there;
}

/* What was told is taken by all, so that a later attempt does not find it. */
static kd_status take_failures(kd_comm *comm, bool own) {
  bool *failed = kd_calloc((size_t)comm->size, sizeof *failed);
  kd_status status = kd_comm_all_gather(comm, &own, sizeof own, failed);
  int code = MPI_SUCCESS;
  for (int r = 0; r < comm->size && status == KD_OK && code == MPI_SUCCESS; r++)
    if (failed[r] && r != comm->rank)
      code = MPI_Recv(NULL, 0, MPI_BYTE, r, TAG_FAILED, comm->hidden->control, MPI_STATUS_IGNORE);
  kd_free(failed);
  return code == MPI_SUCCESS ? status : kd_comm_mpi_status(code, "a message");
}

static kd_status await_connection(kd_device_group *g) {
  kd_watch_start(&g->watch, g->comm, KD_WAIT_DIRECT, NULL);
  for (int64_t state;;) {
    KD_TRY(g->sums->poll(g->device, &state));
    if (state != KD_SUMS_CONNECTING || failure_told(g->comm)) return KD_OK;
    KD_CHECK(kd_watch_pause(&g->watch), KD_ERR_RUN,
             "%s did not connect the ranks within %.3g s; NCCL_DEBUG=INFO tells how far it came, a longer "
             "limit is [distributed] timeout",
             g->sums->describe(), g->watch.limit);
  }
}

static kd_status connect_rank(kd_device_group *g, const char *id) {
  KD_TRY(g->sums->connect(g->device, id, g->comm->rank, g->comm->size));
  return await_connection(g);
}

static kd_status connect(kd_device_group *g) {
  char id[KD_SUMS_ID] = {0};
  kd_status status = g->comm->rank == 0 ? g->sums->identify(g->device, id) : KD_OK;
  KD_TRY(kd_comm_all_ok(g->comm, status));
  KD_TRY(kd_comm_broadcast(g->comm, id, sizeof id));
  status = connect_rank(g, id);
  if (status != KD_OK) tell_failure(g->comm);
  KD_TRY(take_failures(g->comm, status != KD_OK));
  return kd_comm_all_ok(g->comm, status);
}

/* --- waiting --- */

/* The first sum that has not ended; NULL: all have. */
static const started_sum *first_open(const kd_device_group *g, int64_t ended) {
  return ended < g->n_started ? &g->log[ended % g->log_room] : NULL;
}

/* Which rank is missing is known to none of those that wait: all of them answer, or one is late. */
static kd_status call_roll(kd_device_group *g, const started_sum *sum) {
  kd_comm *comm = g->comm;
  double waited = g->watch.limit, timeout = comm->hidden->timeout;
  char what[64];
  snprintf(what, sizeof what, "the sum of bucket %d of %d", sum->bucket, g->n_buckets);
  kd_comm_set_step(comm, sum->step);
  comm->hidden->timeout = waited / 2;
  kd_status status = kd_comm_barrier(comm);
  comm->hidden->timeout = timeout;
  if (status != KD_OK) return kd_fail_context(status, "%s did not end", what);
  return kd_fail(KD_ERR_RUN,
                 "%s by %s at step %lld did not end within %.3g s, although all ranks are there; "
                 "NCCL_DEBUG=INFO tells what it waits for, a longer limit is [distributed] timeout",
                 what, g->sums->describe(), (long long)sum->step, waited);
}

/* sum: the one that cannot end; NULL: all have, so the host's own step is all that is known. */
static kd_status failed(kd_device_group *g, kd_status status, const started_sum *sum) {
  if (g->over) return status;
  g->over = true;
  g->sums->abort(g->device);
  if (!sum) return kd_fail_context(status, "step %lld", (long long)atomic_load(&g->comm->hidden->step));
  return kd_fail_context(status, "step %lld, bucket %d of %d", (long long)sum->step, sum->bucket,
                         g->n_buckets);
}

/* Only sums depend on other ranks: other work of the device has no limit. */
static kd_status keep_waiting(void *context, bool first) {
  kd_device_group *g = context;
  int rounds = first ? 0 : g->watch.rounds;
  int64_t ended;
  if (g->over) return KD_ERR_RUN;
  kd_status status = g->sums->poll(g->device, &ended);
  const started_sum *sum = first_open(g, ended);
  if (status != KD_OK) return failed(g, status, sum);
  if (first || !sum || ended != g->watched) kd_watch_start(&g->watch, g->comm, KD_WAIT_DIRECT, NULL);
  g->watch.rounds = rounds;
  g->watched = ended;
  if (kd_watch_pause(&g->watch)) return KD_OK;
  status = call_roll(g, sum);
  g->over = true;
  g->sums->abort(g->device);
  return status;
}

/* What cannot be recorded may yet be possible. */
static kd_status refused(kd_device_group *g, kd_status status, const started_sum *sum) {
  return g->device->recording ? status : failed(g, status, sum);
}

static kd_status write_down(kd_device_group *g, int bucket) {
  int64_t ended;
  kd_status status = g->sums->poll(g->device, &ended);
  if (status != KD_OK) return failed(g, status, first_open(g, ended));
  KD_CHECK(g->n_started - ended < g->log_room, KD_ERR_INTERNAL, "more sums on their way than were announced");
  g->log[g->n_started++ % g->log_room] =
      (started_sum){.step = atomic_load(&g->comm->hidden->step), .bucket = bucket};
  return KD_OK;
}

kd_status kd_device_group_start(kd_device_group *g, int bucket, int64_t begin, int64_t end) {
  KD_TRY(write_down(g, bucket));
  kd_status status = g->sums->start(g->device, begin, end);
  return status == KD_OK ? KD_OK : refused(g, status, first_open(g, g->n_started - 1));
}

kd_status kd_device_group_join(kd_device_group *g) {
  kd_status status = g->sums->join(g->device);
  return status == KD_OK ? KD_OK : refused(g, status, NULL);
}

/* --- records --- */

/* What was written down meanwhile has not begun: it does with each replay. */
static kd_group_record *take_back(kd_device_group *g, int64_t n_before) {
  kd_group_record *record = kd_calloc(1, sizeof *record);
  record->n_sums = (int)(g->n_started - n_before);
  record->bucket = kd_calloc((size_t)record->n_sums + 1, sizeof *record->bucket);
  for (int i = 0; i < record->n_sums; i++) record->bucket[i] = g->log[(n_before + i) % g->log_room].bucket;
  g->n_started = n_before;
  return record;
}

kd_status kd_device_group_record(kd_device_group *g, kd_status (*enqueue)(void *context), void *context,
                                 kd_group_record **record) {
  int64_t n_before = g->n_started;
  void *recorded;
  *record = NULL;
  kd_status status = kd_device_record(g->device, enqueue, context, &recorded);
  kd_group_record *made = take_back(g, n_before);
  made->recorded = recorded;
  if (status == KD_OK)
    *record = made;
  else
    kd_device_group_forget(g, made);
  return status;
}

kd_status kd_device_group_replay(kd_device_group *g, const kd_group_record *record) {
  for (int i = 0; i < record->n_sums; i++) KD_TRY(write_down(g, record->bucket[i]));
  return g->device->backend->replay(g->device, record->recorded);
}

void kd_device_group_forget(kd_device_group *g, kd_group_record *record) {
  if (!record) return;
  if (record->recorded) g->device->backend->forget(g->device, record->recorded);
  kd_free(record->bucket);
  kd_free(record);
}

bool kd_device_group_over(const kd_device_group *g) {
  return g->over;
}

/* --- the group --- */

static kd_status open_group(kd_device_group *g) {
  KD_TRY(check_ranks(g));
  KD_TRY(connect(g));
  KD_TRY(kd_comm_alloc_reduce(g->comm, KD_ALIGNMENT, &g->shared));
  g->device->patience = keep_waiting;
  g->device->patience_context = g;
  return KD_OK;
}

kd_status kd_device_group_open(kd_comm *comm, kd_device *device, kd_group_wish wish,
                               kd_device_group **group) {
  *group = NULL;
  if (wish == KD_GROUP_NEVER || (wish == KD_GROUP_AUTO && (comm->size == 1 || device->backend->host_memory)))
    return KD_OK;
  kd_device_group *g = kd_calloc(1, sizeof *g);
  *g = (kd_device_group){.comm = comm, .device = device};
  kd_status status = open_group(g);
  if (status == KD_OK) {
    *group = g;
    return KD_OK;
  }
  kd_device_group_close(g);
  if (wish == KD_GROUP_ALWAYS) return kd_fail_context(status, "[distributed] backend = nccl");
  if (comm->rank == 0) kd_log(KD_LOG_INFO, "sums pass through the host: %s", kd_status_text());
  return KD_OK;
}

void kd_device_group_close(kd_device_group *g) {
  if (!g) return;
  if (g->sums) g->sums->close(g->device);
  if (g->device->patience_context == g) {
    g->device->patience = NULL;
    g->device->patience_context = NULL;
  }
  if (g->shared) kd_comm_free_reduce(g->comm, g->shared);
  kd_free(g->log);
  kd_free(g);
}

kd_status kd_device_group_alloc(kd_device_group *g, const kd_sums_spec *spec, int n_buckets, int n_steps,
                                void **memory) {
  int64_t numbers[] = {(int64_t)spec->bytes, spec->stride, spec->most, spec->n_leaves, n_buckets, n_steps};
  KD_TRY(kd_comm_agree(g->comm, "memory of gradients", kd_hash(numbers, sizeof numbers, 0)));
  g->n_buckets = n_buckets;
  g->n_started = 0;
  g->log_room = (int64_t)n_steps * (n_buckets + 1);
  g->log = kd_realloc(g->log, (size_t)g->log_room, sizeof *g->log);
  return kd_comm_all_ok(g->comm, g->sums->alloc(g->device, spec, memory));
}

void kd_device_group_free(kd_device_group *g) {
  g->sums->free(g->device);
}

const char *kd_device_group_describe(const kd_device_group *g) {
  return g->sums->describe();
}
