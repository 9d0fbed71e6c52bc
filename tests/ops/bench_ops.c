/* Times the OP_BENCH rows of cases.def: bench_ops [part of a name] [threads] [bfloat16|float16]. */
#include "device/base/clock.h"
#include "support/check.h"
#include "support/op_case.h"

static double best_time(op_run *run) {
  double best = 1e9, stop = kd_now() + 0.3;
  for (int i = 0; i < 5 || kd_now() < stop; i++) {
    double start = kd_now();
    assert_ok(run->launch.run(&run->launch));
    double time = kd_now() - start;
    best = time < best ? time : best;
  }
  return best;
}

static void bench(const op_case *what, kd_device *device) {
  op_run run;
  op_run_open(&run, what, false);
  /* Programs of several results are optimizers, which write in place. */
  op_run_prepare(&run, device, 0, what->op == KD_OP_POINTWISE && run.node->n_outputs > 1);
  op_run_once(&run);
  double time = best_time(&run);
  printf("%-18s %-40s %12.2f us %8.1f GB/s\n", kd_op_get(what->op)->name, what->name, time * 1e6,
         (double)op_run_bytes(&run) / time * 1e-9);
  op_run_finish(&run);
  op_run_close(&run);
}

/* What the machine does at this moment: the measure of all that is bound by memory. */
static void bench_copy(size_t bytes) {
  char *from = kd_calloc(bytes, 1), *to = kd_calloc(bytes, 1);
  double best = 1e9, stop = kd_now() + 0.3;
  memset(from, 1, bytes);
  while (kd_now() < stop) {
    double start = kd_now();
    memcpy(to, from, bytes);
    double time = kd_now() - start;
    best = time < best ? time : best;
  }
  printf("%-18s %5zu MiB %43.2f us %8.1f GB/s\n", "memcpy", bytes >> 20, best * 1e6,
         2 * (double)bytes / best * 1e-9);
  kd_free(from);
  kd_free(to);
}

int main(int argc, char **argv) {
  kd_device device;
  kd_dtype type = KD_F32;
  if (argc > 3 && !kd_dtype_parse(argv[3], &type)) return 2;
  if (kd_device_open("cpu", 0, argc > 2 ? atoi(argv[2]) : 1, true, &device) != KD_OK) {
    fprintf(stderr, "%s\n", kd_status_text());
    return 1;
  }
  printf("%s\n", device.backend->describe(&device));
  bench_copy(16u << 20);
  bench_copy(64u << 20);
  for (int i = 0; i < n_op_benches; i++) {
    const char *name = kd_op_get(op_benches[i].op)->name;
    if (argc > 1 && !strstr(name, argv[1]) && !strstr(op_benches[i].name, argv[1])) continue;
    op_typed_case typed;
    if (type == KD_F32)
      bench(&op_benches[i], &device);
    else if (op_benches[i].op != KD_OP_POINTWISE && op_case_convert(&op_benches[i], type, &typed))
      bench(&typed.what, &device);
  }
  kd_device_close(&device);
  return 0;
}
