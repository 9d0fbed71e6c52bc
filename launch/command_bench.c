#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "device/base/clock.h"
#include "launch/commands.h"
#include "launch/session.h"

typedef struct bench {
  long long steps, warmup;
  double first_step; /* seconds from process start to the end of the first step */
  double *seconds;   /* of each measured step */
  int64_t samples;
  double total;
  double cpu; /* seconds of all threads during the measured steps */
} bench;

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double rate_after(void *session, int64_t updates) {
  return kd_rate_at(&((kd_session *)session)->config->optimizer.rate, updates);
}

/* Reads results until at most `most` steps are on their way. */
static kd_status settle(kd_session *s, int most) {
  kd_step_result result;
  while (kd_replica_pending(s->replica) > most) KD_TRY(kd_replica_result(s->replica, &result));
  return KD_OK;
}

/* One training step from the feeder, which starts a new epoch when the old one is used up. */
static kd_status step(kd_session *s, kd_feeder *feeder, int64_t number, int64_t *rows) {
  int64_t epoch_steps = kd_feeder_steps(feeder);
  if (number % epoch_steps == 0) {
    kd_sampler order;
    kd_sampler_start(&order, kd_feeder_count(feeder), true, 1, (uint64_t)s->config->run.run.seed,
                     number / epoch_steps);
    KD_TRY(kd_feeder_start(feeder, &order, 0, epoch_steps));
  }
  kd_step_data data;
  KD_TRY(kd_feeder_next(feeder, &data));
  KD_TRY(kd_replica_step(s->replica, &data, number, rate_after, s));
  *rows = data.global_rows;
  return KD_OK;
}

/* Steps of a device may go on when their call has returned: the total includes the wait for the last one. */
static kd_status measure(kd_session *s, kd_feeder *feeder, bench *b) {
  const kd_backend *backend = s->device.backend;
  for (long long i = 0; i < b->warmup + b->steps; i++) {
    if (i == b->warmup) {
      KD_TRY(backend->finish(&s->device));
      b->cpu = cpu_seconds();
    }
    double start = kd_now();
    int64_t rows;
    KD_TRY(step(s, feeder, i, &rows));
    bool edge = i == 0 || i + 1 == b->warmup || i + 1 == b->warmup + b->steps; /* what is timed is done */
    KD_TRY(settle(s, edge ? 0 : kd_replica_ahead(s->replica)));
    if (i == 0) b->first_step = kd_since_process_start();
    if (i < b->warmup) continue;
    b->seconds[i - b->warmup] = kd_now() - start;
    b->total += b->seconds[i - b->warmup];
    b->samples += rows;
  }
  double end = kd_now();
  KD_TRY(backend->finish(&s->device));
  b->total += kd_now() - end;
  b->cpu = cpu_seconds() - b->cpu;
  qsort(b->seconds, (size_t)b->steps, sizeof *b->seconds, by_value);
  return KD_OK;
}

static void print(kd_session *s, const bench *b) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double median = 1e3 * b->seconds[b->steps / 2], least = 1e3 * b->seconds[0];
  double rss = (double)usage.ru_maxrss / 1024, cpu = 1e3 * b->cpu / (double)b->steps;
  if (kd_cli_flag(s->cli, "json")) {
    printf("{\"step_ms\":%.6g,\"step_ms_min\":%.6g,\"first_step_s\":%.6g,\"rss_mb\":%.6g,\"ranks\":%d,"
           "\"threads\":%d,\"samples_per_s\":%.6g,\"cpu_ms\":%.6g}\n",
           median, least, b->first_step, rss, s->comm->size, s->device.threads, (double)b->samples / b->total,
           cpu);
    return;
  }
  printf("%s: %lld steps of %lld rows on %d ranks of %d threads (%s)\n", s->model->name, b->steps,
         (long long)s->config->run.train.batch_size, s->comm->size, s->device.threads,
         s->device.backend->describe(&s->device));
  printf("  step        %.3f ms median, %.3f ms least\n", median, least);
  printf("  processor   %.3f ms a step on rank 0, all threads\n", cpu);
  printf("  speed       %.0f samples/s\n", (double)b->samples / b->total);
  printf("  first step  %.3f s after the start of the process\n", b->first_step);
  printf("  memory      %.1f MB resident on rank 0\n", rss);
}

static kd_status run_steps(kd_session *s) {
  bench b = {0};
  KD_TRY(kd_cli_int(s->cli, "steps", 1, 50, &b.steps));
  KD_TRY(kd_cli_int(s->cli, "warmup", 0, 5, &b.warmup));
  KD_TRY(kd_session_start(s));
  kd_feeder *feeder;
  KD_TRY(kd_feeder_open(s->comm, s->replica, &s->train.stream, &feeder));
  b.seconds = kd_calloc((size_t)b.steps, sizeof *b.seconds);
  kd_status status = kd_session_guard(s, measure(s, feeder, &b));
  if (status == KD_OK && s->comm->rank == 0) print(s, &b);
  kd_free(b.seconds);
  kd_feeder_destroy(feeder);
  return status;
}

static kd_status run_bench(kd_cli *cli) {
  kd_session session = {.synthetic = kd_cli_flag(cli, "synthetic") != NULL};
  kd_status status = kd_session_open(&session, cli, KD_FOR_TRAINING);
  if (status == KD_OK) status = run_steps(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "synthetic", .help = "made data in place of [data]"},
    {.name = "steps", .value = "N", .help = "steps that are measured (50)"},
    {.name = "warmup", .value = "N", .help = "steps before them (5)"},
    {.name = "json", .help = "one JSON object"},
    {0},
};

const kd_command kd_command_bench = {
    .name = "bench",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "measure training steps of a configuration",
    .flags = flags,
    .takes_files = true,
    .computes = true,
    .run = run_bench,
};
