/* Sums of gradients between ranks of one host: the reducer's shared window against MPI_Allreduce.
 *
 *   bench_allreduce [RANKS...]        prints a table for each number of ranks (default 2 4); starts mpirun
 * itself mpirun -np N bench_allreduce measure   one line a size: bytes, seconds of MPI, of the reducer, of
 * the limit
 *
 * Columns: MPI_Allreduce in place with Open MPI's defaults, the same with the settings that kdist makes (no
 * single copy), the reducer; then the speed-up over the better MPI, and the share of the limit: 2 * ranks *
 * bytes through memory (each value read once and written once for each rank) at the rate at which all ranks
 * together add two private arrays of that size. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/reducer.h"
#include "comm/sum.h"
#include "device/base/clock.h"

enum { MOST_REPEATS = 200, N_SIZES = 9 };

static const int64_t sizes[N_SIZES] = {4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20,
                                       4 << 20, 16 << 20, 25 << 20, 100 << 20};

static void check(kd_comm *comm, kd_status status) {
  if (status != KD_OK) kd_comm_fail(comm, status);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct measurement {
  kd_comm *comm;
  kd_reducer *reducer;
  float *memory, *own, *other; /* the reducer's; private arrays for the limit */
  int count;                   /* floats */
} measurement;

static void by_mpi(measurement *m) {
  MPI_Allreduce(MPI_IN_PLACE, m->memory, m->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

static void by_reducer(measurement *m) {
  kd_reducer_post(m->reducer, 0);
  check(m->comm, kd_reducer_wait(m->reducer));
}

static void by_memory(measurement *m) {
  kd_sum_add(m->own, m->own, m->other, m->count / m->comm->size);
}

/* The median over repetitions of the slowest rank's seconds. */
static double median(measurement *m, void (*run)(measurement *)) {
  double seconds[MOST_REPEATS];
  int64_t bytes = (int64_t)m->count * (int64_t)sizeof(float);
  int repeats = (int)((int64_t)400 << 20) / (int)(bytes + (2 << 20));
  if (repeats > MOST_REPEATS) repeats = MOST_REPEATS;
  if (repeats < 7) repeats = 7;
  for (int i = -2; i < repeats; i++) {
    memset(m->memory, 0, (size_t)bytes); /* warm, and no overflow to infinity */
    MPI_Barrier(MPI_COMM_WORLD);
    double start = kd_now();
    run(m);
    if (i >= 0) seconds[i] = kd_now() - start;
  }
  qsort(seconds, (size_t)repeats, sizeof *seconds, by_value);
  double mine = seconds[repeats / 2];
  check(m->comm, kd_comm_reduce_f64(m->comm, KD_COMM_MAX, &mine, 1));
  return mine;
}

static void measure_size(kd_comm *comm, int64_t bytes) {
  measurement m = {.comm = comm, .count = (int)(bytes / (int64_t)sizeof(float))};
  int64_t begin = 0, end = m.count;
  kd_reduce_spec spec = {.n_buckets = 1, .begin = &begin, .end = &end};
  void *memory, *own, *other;
  check(comm, kd_comm_alloc_reduce(comm, (size_t)bytes, &memory));
  check(comm, kd_reducer_create(comm, memory, &spec, &m.reducer));
  check(comm, kd_large_alloc((size_t)bytes, &own));
  check(comm, kd_large_alloc((size_t)bytes, &other));
  m.memory = memory;
  m.own = own;
  m.other = other;
  double mpi = median(&m, by_mpi), reducer = median(&m, by_reducer);
  double rate = 3.0 * (double)bytes / median(&m, by_memory);
  double limit = 2.0 * comm->size * (double)bytes / rate;
  if (comm->rank == 0) printf("%lld %g %g %g\n", (long long)bytes, mpi, reducer, limit);
  fflush(stdout);
  kd_large_free(own, (size_t)bytes);
  kd_large_free(other, (size_t)bytes);
  kd_reducer_destroy(m.reducer);
  kd_comm_free_reduce(comm, memory);
}

static int measure(void) {
  kd_comm *comm;
  if (kd_comm_open(&comm) != KD_OK || comm->size < 2) {
    fprintf(stderr, "%s\n", comm ? "two ranks at least: mpirun -np 2" : kd_status_text());
    return 1;
  }
  for (int i = 0; i < N_SIZES; i++) measure_size(comm, sizes[i]);
  kd_comm_close(comm);
  return 0;
}

/* --- the table --- */

typedef struct row {
  double bytes, mpi, reducer, limit;
} row;

static int run_job(const char *program, const char *ranks, const char *single_copy, row *rows) {
  char command[1024];
  snprintf(
      command, sizeof command,
      "OMPI_MCA_btl_vader_single_copy_mechanism=%s exec mpirun %s --oversubscribe --bind-to none -np %s %s "
      "measure",
      single_copy, geteuid() == 0 ? "--allow-run-as-root" : "", ranks, program);
  FILE *pipe = popen(command, "r");
  if (!pipe) return 1;
  int count = 0;
  while (count < N_SIZES && fscanf(pipe, "%lf %lf %lf %lf", &rows[count].bytes, &rows[count].mpi,
                                   &rows[count].reducer, &rows[count].limit) == 4)
    count++;
  return pclose(pipe) != 0 || count != N_SIZES;
}

static int print_table(const char *program, const char *ranks) {
  row plain[N_SIZES], tuned[N_SIZES];
  if (run_job(program, ranks, "cma", plain) || run_job(program, ranks, "none", tuned)) {
    fprintf(stderr, "mpirun -np %s failed\n", ranks);
    return 1;
  }
  printf("%s ranks\n%12s %12s %12s %12s %9s %9s\n", ranks, "bytes", "MPI us", "tuned us", "reducer us",
         "speed-up", "of limit");
  for (int i = 0; i < N_SIZES; i++) {
    double mpi = plain[i].mpi < tuned[i].mpi ? plain[i].mpi : tuned[i].mpi;
    printf("%12.0f %12.1f %12.1f %12.1f %8.1fx %8.0f%%\n", tuned[i].bytes, 1e6 * plain[i].mpi,
           1e6 * tuned[i].mpi, 1e6 * tuned[i].reducer, mpi / tuned[i].reducer,
           100 * tuned[i].limit / tuned[i].reducer);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "measure")) return measure();
  if (argc == 1) return print_table(argv[0], "2") || print_table(argv[0], "4");
  for (int i = 1; i < argc; i++)
    if (print_table(argv[0], argv[i])) return 1;
  return 0;
}
