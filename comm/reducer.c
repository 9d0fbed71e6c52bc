#include "comm/reducer_hidden.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "comm/lane.h"
#include "comm/sum.h"
#include "comm/watchdog.h"
#include "device/base/clock.h"

enum { NAP_NS = 100000 }; /* the compute thread keeps the processor meanwhile */

/* --- one bucket --- */

void kd_reducer_sum_local(void *context, int64_t from, int64_t to, float *const *outputs, int n_copies) {
  kd_reducer *r = context;
  for (int i = 0; i < r->local.n_ops; i++)
    if (r->starts[i]) r->inputs[i] = r->starts[i] + from;
  kd_sum_combine(&r->local, r->inputs, outputs, n_copies, to - from);
}

static uint64_t sequence(const kd_reducer *r, int entry) {
  return r->memory->rounds + (uint64_t)entry + 1;
}

/* The first member of the domain that has not posted that many buckets, or -1. */
static int first_absent(const kd_reducer *r, uint64_t count) {
  for (int i = 0; i < r->members; i++)
    if (atomic_load_explicit(&r->memory->progress[i]->posted, memory_order_acquire) < count) return i;
  return -1;
}

static int first_unfinished(const kd_reducer *r, uint64_t count) {
  for (int i = 0; i < r->members; i++)
    if (atomic_load_explicit(&r->memory->progress[i]->summed, memory_order_acquire) < count) return i;
  return -1;
}

static kd_status wait_members(kd_reducer *r, int (*missing)(const kd_reducer *, uint64_t), uint64_t count,
                              int bucket) {
  kd_watch watch;
  kd_watch_start(&watch, r->comm, KD_WAIT_DIRECT, &r->draining);
  for (int late; (late = missing(r, count)) >= 0;) {
    if (kd_watch_pause(&watch)) continue;
    char what[64];
    snprintf(what, sizeof what, "bucket %d of %d", bucket, r->n_buckets);
    return kd_watch_late(&watch, r->comm, kd_domains_rank(r->memory->layout, r->domain, late), what);
  }
  return KD_OK;
}

static kd_status sum_bucket(kd_reducer *r, int bucket, uint64_t count) {
  KD_TRY(wait_members(r, first_absent, count, bucket));
  int lanes = r->memory->layout->n_lanes;
  if (r->place >= lanes) return KD_OK;
  int64_t from = kd_lane_begin(r->begin[bucket], r->end[bucket], r->place, lanes);
  int64_t to = kd_lane_begin(r->begin[bucket], r->end[bucket], r->place + 1, lanes);
  if (r->exchange) return kd_exchange_run(r->exchange, from, to, bucket, &r->draining);
  for (int i = 0; i < r->members; i++) r->outputs[i] = r->memory->part[i] + from;
  kd_reducer_sum_local(r, from, to, r->outputs, r->members);
  return KD_OK;
}

/* The next entry of the queue; the caller holds work. */
static void sum_next(kd_reducer *r) {
  double start = kd_now();
  uint64_t count = sequence(r, r->summed);
  r->status = sum_bucket(r, r->queue[r->summed], count);
  if (r->status != KD_OK) {
    snprintf(r->text, sizeof r->text, "%s", kd_status_text());
    return;
  }
  r->summed++;
  atomic_store_explicit(&r->memory->progress[r->place]->summed, count, memory_order_release);
  r->busy += kd_now() - start;
}

/* --- the thread --- */

static bool has_work(const kd_reducer *r) {
  return r->status == KD_OK && !atomic_load(&r->draining) && r->summed < atomic_load(&r->posted);
}

/* Holds work, except while it sleeps or naps. A bucket that other ranks of the host have not posted yet is
 * left alone, so that wait can take over at any time and the compute thread keeps the processor. */
static void *run_thread(void *argument) {
  kd_reducer *r = argument;
  pthread_mutex_lock(&r->work);
  while (!r->stop) {
    if (!has_work(r)) {
      atomic_store(&r->asleep, true);
      if (!r->stop && !has_work(r)) pthread_cond_wait(&r->more, &r->work);
      atomic_store(&r->asleep, false);
    } else if (first_absent(r, sequence(r, r->summed)) >= 0) {
      struct timespec nap = {.tv_nsec = NAP_NS};
      pthread_mutex_unlock(&r->work);
      nanosleep(&nap, NULL);
      pthread_mutex_lock(&r->work);
    } else {
      sum_next(r);
    }
  }
  pthread_mutex_unlock(&r->work);
  return NULL;
}

/* Signals are for the main thread. */
kd_status kd_reducer_start_thread(kd_reducer *r) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&r->thread, NULL, run_thread, r);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  KD_CHECK(code == 0, KD_ERR_RUN, "the communication thread does not start: %s", strerror(code));
  r->has_thread = true;
  return KD_OK;
}

static void wake(kd_reducer *r) {
  pthread_mutex_lock(&r->work);
  pthread_cond_signal(&r->more);
  pthread_mutex_unlock(&r->work);
}

void kd_reducer_stop_thread(kd_reducer *r) {
  if (!r->has_thread) return;
  pthread_mutex_lock(&r->work);
  r->stop = true;
  pthread_cond_signal(&r->more);
  pthread_mutex_unlock(&r->work);
  pthread_join(r->thread, NULL);
}

void kd_reducer_post(kd_reducer *r, int bucket) {
  int entry = atomic_load_explicit(&r->posted, memory_order_relaxed);
  r->queue[entry] = bucket;
  atomic_store_explicit(&r->memory->progress[r->place]->posted, sequence(r, entry), memory_order_release);
  atomic_store(&r->posted, entry + 1);
  /* The last buckets are left to wait, which follows at once. */
  bool late = entry + 1 == r->n_buckets || bucket >= r->n_buckets - r->n_late;
  if (r->has_thread && !late && atomic_load(&r->asleep)) wake(r);
}

void kd_reducer_shorten(kd_reducer *r, int bucket, int64_t floats) {
  r->end[bucket] = r->begin[bucket] + floats;
}

kd_status kd_reducer_wait(kd_reducer *r) {
  int posted = atomic_load(&r->posted);
  if (posted == 0) return KD_OK;
  double start = kd_now();
  atomic_store(&r->draining, true);
  pthread_mutex_lock(&r->work);
  while (r->status == KD_OK && r->summed < posted) sum_next(r);
  if (r->status == KD_OK) {
    r->status = wait_members(r, first_unfinished, r->memory->rounds + (uint64_t)posted, r->queue[posted - 1]);
    if (r->status != KD_OK) snprintf(r->text, sizeof r->text, "%s", kd_status_text());
  }
  r->memory->rounds += (uint64_t)posted;
  r->summed = 0;
  atomic_store(&r->posted, 0);
  kd_status status = r->status;
  r->exposed += kd_now() - start;
  atomic_store(&r->draining, false);
  pthread_mutex_unlock(&r->work);
  return status == KD_OK ? KD_OK : kd_fail(status, "%s", r->text);
}

void kd_reducer_times(kd_reducer *r, double *exposed, double *busy) {
  pthread_mutex_lock(&r->work);
  *exposed = r->exposed;
  *busy = r->busy;
  r->exposed = r->busy = 0;
  pthread_mutex_unlock(&r->work);
}
