// ctest: ranks=1,2 timeout=60
/* A program that has started MPI itself keeps it: the library joins, leaves, and does not finalise. */
#include <mpi.h>

#include "api/api_unit.h"

static void joins_and_leaves(void **state) {
  (void)state;
  static float points[6][2] = {{1, 2}, {3, 1}, {0, 1}}, targets[6] = {1, 0, 1};
  int rank, size, finalized;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  assert_ok(kd_init());
  assert_int_equal(kd_world_rank(), rank);
  assert_int_equal(kd_world_size(), size);
  kd_net *net;
  assert_ok(kd_net_create("net", &net));
  kd_dense(kd_net_input(net, "x", KD_F32, 1, (int64_t[]){2}), 1);
  assert_ok(kd_compile(net, .loss = "mse"));
  kd_data data = {.count = 6, .x = {{.data = points}}, .y = {{.data = targets}}};
  assert_ok(kd_fit(net, &data, .epochs = 2, .batch_size = 4));
  kd_net_destroy(net);
  assert_ok(kd_finalize());
  assert_int_equal(MPI_Finalized(&finalized), MPI_SUCCESS);
  assert_false(finalized);
  int sum = 0;
  assert_int_equal(MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD), MPI_SUCCESS);
  assert_int_equal(sum, size * (size - 1) / 2);
  if (size > 1) assert_fails(kd_init(), KD_ERR_USAGE, "kd_finalize");
}

int main(int argc, char **argv) {
  int level;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS) return 95;
  alarm(50);
  const struct CMUnitTest tests[] = {cmocka_unit_test(joins_and_leaves)};
  int failures = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failures;
}
