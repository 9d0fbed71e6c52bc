// ctest: mpirun timeout=120
/* Ranks that fail, hang, stop or die: how the job ends and what it says. The test starts itself under mpirun:
 *   test_faults MODE   is one rank of such a job. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/reducer.h"
#include "device/base/log.h"
#include "support/check.h"

enum { FLOATS = 100000, STEPS = 20, BAD_STEP = 17, CULPRIT = 1 };

static const int64_t begin[] = {0, 50000}, end[] = {50000, FLOATS};

/* What the culprit does instead of posting its second bucket in step BAD_STEP. */
static void misbehave(kd_comm *comm, const char *mode) {
  if (!strcmp(mode, "error")) kd_comm_fail(comm, kd_fail(KD_ERR_USAGE, "train.h5: row 7 is damaged"));
  if (!strcmp(mode, "stop")) raise(SIGSTOP);
  if (!strcmp(mode, "kill")) raise(SIGKILL);
  if (!strcmp(mode, "hang")) pause();
}

static void train(kd_comm *comm, const char *mode) {
  kd_reduce_spec spec = {.n_buckets = 2, .begin = begin, .end = end};
  void *memory;
  kd_reducer *reducer;
  kd_status status = kd_comm_alloc_reduce(comm, FLOATS * sizeof(float), &memory);
  if (status == KD_OK) status = kd_reducer_create(comm, memory, &spec, &reducer);
  for (int step = 0; step < STEPS && status == KD_OK; step++) {
    kd_comm_set_step(comm, step);
    kd_reducer_post(reducer, 0);
    if (step == BAD_STEP && comm->rank == CULPRIT) misbehave(comm, mode);
    kd_reducer_post(reducer, 1);
    status = kd_reducer_wait(reducer);
  }
  if (status != KD_OK) kd_comm_fail(comm, status);
}

/* No file may be longer than this: stands in for a host without room for shared memory. */
static void forbid_files(void) {
  struct rlimit limit = {.rlim_cur = 8192, .rlim_max = 8192};
  signal(SIGXFSZ, SIG_IGN);
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) kd_fail(KD_ERR_RUN, "setrlimit");
}

static int run_rank(const char *mode) {
  kd_comm *comm;
  if (kd_comm_open(&comm) != KD_OK) return 1;
  kd_comm_set_timeout(comm, 1);
  if (!strcmp(mode, "no room") && comm->rank == CULPRIT) forbid_files();
  if (!strcmp(mode, "barrier")) {
    if (comm->rank == CULPRIT) pause();
    if (kd_comm_barrier(comm) != KD_OK) kd_comm_fail(comm, KD_ERR_RUN);
  } else if (!strcmp(mode, "shared")) {
    kd_status mine = comm->rank == CULPRIT ? kd_fail(KD_ERR_USAGE, "train.h5: no such file") : KD_OK;
    kd_status status = kd_comm_all_ok(comm, mine);
    if (comm->rank == 0) kd_log(KD_LOG_ERROR, "%s", kd_status_text());
    kd_comm_close(comm);
    return kd_status_exit_code(status);
  } else {
    train(comm, mode);
  }
  kd_comm_close(comm);
  return 0;
}

/* --- the test's side --- */

static const char *self;
static char output[1 << 16];

static int run_job(int ranks, const char *transport, const char *mode) {
  char command[1024];
  snprintf(command, sizeof command, "KDIST_TRANSPORT=%s exec mpirun -np %d %s '%s' 2>&1", transport, ranks,
           self, mode);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t used = fread(output, 1, sizeof output - 1, pipe);
  output[used] = '\0';
  int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(int ranks, const char *transport, const char *mode, int code, const char *part) {
  int found = run_job(ranks, transport, mode);
  if (found != code || !strstr(output, part))
    fail_msg("%s, %d ranks, %s: exit code %d (expected %d), '%s' expected in:\n%s", mode, ranks, transport,
             found, code, part, output);
}

static void host_text(char text[160], const char *format) {
  char host[KD_HOST_LENGTH] = "";
  gethostname(host, sizeof host - 1);
  snprintf(text, 160, format, host);
}

static const char *const transports[] = {"shm", "mpi", "hosts:2"};
enum { TRANSPORTS = sizeof transports / sizeof *transports };

static int times_said(const char *part) {
  int count = 0;
  for (const char *at = output; (at = strstr(at, part)); at++) count++;
  return count;
}

/* An error of one rank reaches the user once, with its rank and its exit code. */
static void test_error(void **state) {
  (void)state;
  char text[160];
  host_text(text, "[rank 1 @ %s] train.h5: row 7 is damaged");
  for (int t = 0; t < TRANSPORTS; t++) {
    expect(3, transports[t], "error", 2, text);
    assert_int_equal(times_said("row 7"), 1);
  }
}

static void test_hang(void **state) {
  (void)state;
  char text[160];
  host_text(text, "rank 1 @ %s is late");
  for (int t = 0; t < TRANSPORTS; t++) {
    expect(3, transports[t], "hang", 1, text);
    assert_non_null(strstr(output, "bucket 1"));
    assert_non_null(strstr(output, "step 17"));
  }
}

static void test_stop(void **state) {
  (void)state;
  expect(2, "shm", "stop", 1, "rank 1 @");
  expect(2, "mpi", "stop", 1, "rank 1 @");
}

static void test_kill(void **state) {
  (void)state;
  expect(2, "shm", "kill", 137, "signal 9");
}

static void test_barrier(void **state) {
  (void)state;
  char text[160];
  host_text(text, "rank 1 @ %s is late");
  expect(3, "shm", "barrier", 1, text);
  assert_non_null(strstr(output, "a barrier"));
}

static void test_shared(void **state) {
  (void)state;
  char text[160];
  host_text(text, "[rank 1 @ %s] train.h5: no such file");
  expect(3, "shm", "shared", 2, text);
  assert_null(strstr(output, "[rank 0 @")); /* one rank is named, not two */
}

/* A host that refuses shared memory: slower, but it trains. */
static void test_no_room(void **state) {
  (void)state;
  expect(3, "shm", "no room", 0, "exchange messages instead");
  assert_non_null(strstr(output, "File too large"));
  expect(3, "hosts:2", "no room", 0, "exchange messages instead");
}

static void test_transport_name(void **state) {
  (void)state;
  expect(2, "carrier-pigeon", "hang", 1, "");
}

int main(int argc, char **argv) {
  if (argc > 1) return run_rank(argv[1]);
  self = argv[0];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_error),   cmocka_unit_test(test_hang),           cmocka_unit_test(test_stop),
      cmocka_unit_test(test_kill),    cmocka_unit_test(test_barrier),        cmocka_unit_test(test_shared),
      cmocka_unit_test(test_no_room), cmocka_unit_test(test_transport_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
