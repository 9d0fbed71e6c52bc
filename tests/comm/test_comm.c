// ctest: ranks=1,2,3,4 timeout=60
/* The control path: small collectives against what each rank can compute alone, agreement, shared errors. */
#include "comm/bucket.h"
#include "device/base/text.h"
#include "support/mpi_unit.h"

static void test_identity(void **state) {
  (void)state;
  int rank = 0, size = 1;
  if (unit_comm->size > 1) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
  } else {
    int started;
    MPI_Initialized(&started);
    assert_false(started); /* one rank never starts MPI */
  }
  assert_int_equal(unit_comm->rank, rank);
  assert_int_equal(unit_comm->size, size);
  assert_int_equal(unit_comm->local_rank, rank);
  assert_int_equal(unit_comm->local_size, size);
  assert_int_equal(unit_comm->n_hosts, 1);
  assert_int_equal(unit_comm->host_index, 0);
  char host[KD_HOST_LENGTH] = "";
  gethostname(host, sizeof host - 1);
  assert_string_equal(unit_comm->host, host);
  assert_string_equal(kd_comm_host(unit_comm, size - 1), host);
  assert_string_equal(kd_comm_host(unit_comm, size), "?");
  int promised;
  assert_ok(kd_comm_promised_size(&promised));
  assert_int_equal(promised, size);
}

static void test_broadcast(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 1000, 64 << 10, (64 << 10) + 1, 3 << 20};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    unsigned char *data = kd_calloc(sizes[s], 1);
    for (size_t i = 0; i < sizes[s]; i++) data[i] = unit_comm->rank == 0 ? (unsigned char)(i * 7 + s) : 0xEE;
    assert_ok(kd_comm_broadcast(unit_comm, data, sizes[s]));
    bool right = true;
    for (size_t i = 0; i < sizes[s]; i++) right = right && data[i] == (unsigned char)(i * 7 + s);
    assert_all(right);
    kd_free(data);
  }
  kd_pool *pool = kd_pool_create();
  const char *copy;
  assert_ok(kd_comm_broadcast_text(unit_comm, pool, unit_comm->rank == 0 ? "a text" : "other", &copy));
  assert_all(kd_streq(copy, "a text"));
  assert_ok(kd_comm_broadcast_text(unit_comm, pool, unit_comm->rank == 0 ? "" : NULL, &copy));
  assert_all(kd_streq(copy, ""));
  assert_ok(kd_comm_broadcast_text(unit_comm, pool, unit_comm->rank == 0 ? NULL : "other", &copy));
  assert_all(copy == NULL);
  kd_pool_destroy(pool);
}

static void test_gathers(void **state) {
  (void)state;
  enum { MOST = 16 };
  int n = unit_comm->size, rank = unit_comm->rank;
  int64_t mine = 100 + rank, all[MOST] = {0};
  assert_ok(kd_comm_all_gather(unit_comm, &mine, sizeof mine, all));
  bool right = true;
  for (int r = 0; r < n; r++) right = right && all[r] == 100 + r;
  assert_all(right);

  /* Rank r gives r * 5 bytes of the letter 'a' + r; rank 0 gives none. */
  char letters[5 * MOST];
  void *joined;
  size_t sizes[MOST];
  memset(letters, 'a' + rank, sizeof letters);
  assert_ok(kd_comm_gather(unit_comm, letters, (size_t)rank * 5, &joined, sizes));
  if (rank == 0) {
    const char *at = joined;
    for (int r = 0; r < n; r++) {
      assert_int_equal(sizes[r], r * 5);
      for (int i = 0; i < r * 5; i++) assert_int_equal(*at++, 'a' + r);
    }
    kd_free(joined);
  } else {
    assert_null(joined);
  }
}

static void test_gather_rows(void **state) {
  (void)state;
  int n = unit_comm->size, rank = unit_comm->rank;
  int64_t rows[16], total = 0, before = 0;
  for (int r = 0; r < n; r++) {
    rows[r] = (r * 3 + 2) % 5; /* 2, 0, 3, 1: one rank has no rows */
    if (r < rank) before += rows[r];
    total += rows[r];
  }
  float *mine = kd_calloc((size_t)rows[rank] * 3, sizeof(float));
  for (int64_t i = 0; i < rows[rank] * 3; i++) mine[i] = (float)(before * 3 + i);
  float *all = rank == 0 ? kd_calloc((size_t)total * 3, sizeof(float)) : NULL;
  assert_ok(kd_comm_gather_rows(unit_comm, mine, rows, 3 * sizeof(float), all));
  for (int64_t i = 0; rank == 0 && i < total * 3; i++) assert_true(all[i] == (float)i);
  kd_free(mine);
  kd_free(all);
}

static void test_reduce(void **state) {
  (void)state;
  int64_t n = unit_comm->size, rank = unit_comm->rank;
  int64_t sum[] = {rank, 1}, least[] = {-rank}, most[] = {rank, -rank};
  assert_ok(kd_comm_reduce_i64(unit_comm, KD_COMM_SUM, sum, 2));
  assert_ok(kd_comm_reduce_i64(unit_comm, KD_COMM_MIN, least, 1));
  assert_ok(kd_comm_reduce_i64(unit_comm, KD_COMM_MAX, most, 2));
  assert_all(sum[0] == n * (n - 1) / 2 && sum[1] == n && least[0] == 1 - n && most[0] == n - 1 &&
             most[1] == 0);
  double parts[] = {0.1 * (double)(rank + 1)}, expected = 0.1;
  for (int r = 1; r < n; r++) expected += 0.1 * (double)(r + 1);
  assert_ok(kd_comm_reduce_f64(unit_comm, KD_COMM_SUM, parts, 1));
  assert_all(parts[0] == expected); /* rank order, on every rank */
}

static void test_messages(void **state) {
  (void)state;
  enum { BYTES = 5 << 20 };
  char *data = kd_calloc(BYTES, 1);
  if (unit_comm->rank == 0) {
    for (int r = 1; r < unit_comm->size; r++) {
      memset(data, r, BYTES);
      assert_ok(kd_comm_send(unit_comm, r, data, BYTES));
      assert_ok(kd_comm_send(unit_comm, r, data, 3));
    }
  } else {
    assert_ok(kd_comm_receive(unit_comm, 0, data, BYTES));
    assert_int_equal(data[BYTES - 1], unit_comm->rank);
    assert_fails(kd_comm_receive(unit_comm, 0, data, 4), KD_ERR_INTERNAL, "3 bytes");
  }
  kd_free(data);
  assert_fails(kd_comm_send(unit_comm, unit_comm->rank, "x", 1), KD_ERR_INTERNAL, "cannot exchange");
  assert_ok(kd_comm_barrier(unit_comm));
}

static void test_agreement(void **state) {
  (void)state;
  assert_ok(kd_comm_agree(unit_comm, "configuration", 42));
  if (unit_comm->size == 1) return;
  /* A planted mismatch, seen by all. */
  int odd = unit_comm->size - 1;
  kd_status status = kd_comm_agree(unit_comm, "configuration", unit_comm->rank == odd ? 43 : 42);
  char expected[128];
  snprintf(expected, sizeof expected, "configuration: rank %d @ %s", odd, kd_comm_host(unit_comm, odd));
  assert_all(status == KD_ERR_USAGE && strstr(kd_status_text(), expected));
}

static void test_shared_errors(void **state) {
  (void)state;
  assert_ok(kd_comm_all_ok(unit_comm, KD_OK));
  if (unit_comm->size == 1) {
    assert_int_equal(kd_comm_all_ok(unit_comm, KD_ERR_RUN), KD_ERR_RUN);
    return;
  }
  for (int failing = 0; failing < unit_comm->size; failing++) {
    kd_status mine = KD_OK;
    if (unit_comm->rank >= failing) mine = kd_fail(KD_ERR_USAGE, "row %d is damaged", unit_comm->rank);
    kd_status status = kd_comm_all_ok(unit_comm, mine);
    char expected[128];
    snprintf(expected, sizeof expected, "[rank %d @ %s] row %d is damaged", failing,
             kd_comm_host(unit_comm, failing), failing);
    const char *whole = expected;
    if (failing == 0) whole = strstr(expected, "row"); /* rank 0 speaks for all */
    assert_all(status == KD_ERR_USAGE && kd_streq(kd_status_text(), whole));
  }
}

static void test_limits(void **state) {
  (void)state;
  assert_true(kd_comm_limit(unit_comm) == 600);
  kd_comm_expect_step(unit_comm, 100);
  assert_true(kd_comm_limit(unit_comm) == 1000); /* ten steps */
  kd_comm_set_timeout(unit_comm, 0);
  kd_comm_expect_step(unit_comm, 0.05);
  assert_true(kd_comm_limit(unit_comm) == 5);
  kd_comm_expect_step(unit_comm, 0);
  assert_true(kd_comm_limit(unit_comm) == 600);
  kd_comm_set_timeout(unit_comm, 600);
  assert_true(kd_bucket_default_cost(unit_comm).bytes_per_second > 1e9);
}

/* Without ranks to talk to, a plain srun is refused and a batch script is alone. */
static void test_launchers(void **state) {
  (void)state;
  if (getenv("OMPI_COMM_WORLD_SIZE")) return;
  int size;
  setenv("SLURM_NTASKS", "8", 1);
  assert_ok(kd_comm_promised_size(&size));
  assert_int_equal(size, 1);
  setenv("SLURM_STEP_NUM_TASKS", "4", 1);
  assert_fails(kd_comm_promised_size(&size), KD_ERR_USAGE, "--mpi=pmix");
  setenv("PMIX_RANK", "2", 1);
  assert_ok(kd_comm_promised_size(&size));
  assert_int_equal(size, 4);
  unsetenv("PMIX_RANK");
  unsetenv("SLURM_NTASKS");
  unsetenv("SLURM_STEP_NUM_TASKS");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_identity),  cmocka_unit_test(test_broadcast),     cmocka_unit_test(test_gathers),
    cmocka_unit_test(test_reduce),    cmocka_unit_test(test_gather_rows),   cmocka_unit_test(test_messages),
    cmocka_unit_test(test_agreement), cmocka_unit_test(test_shared_errors), cmocka_unit_test(test_limits),
    cmocka_unit_test(test_launchers),
};

KD_MPI_UNIT_MAIN(tests, 50)
