/* SOFTMAX and SOFTMAX_GRAD over the last axis. */
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

static int64_t row_length(const kd_launch *launch) {
  const kd_shape *shape = &launch->output[0].shape;
  return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

static kd_status prepare(kd_launch *launch) {
  KD_TRY(kd_cpu_check_types(launch));
  for (int i = 0; i < launch->n_inputs; i++)
    KD_CHECK(kd_shape_equal(&launch->input[i].shape, &launch->output[0].shape), KD_ERR_INTERNAL,
             "softmax: shapes of inputs and result differ");
  return KD_OK;
}

static void forward_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_softmax_attr *attr = launch->attr;
  kd_cpu_vector(launch->device)
      ->softmax(launch->input[0].dtype, row_length(launch), attr->log, launch->input[0].data,
                launch->output[0].data, begin, end);
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_softmax_attr *attr = launch->attr;
  kd_cpu_vector(launch->device)
      ->softmax_grad(launch->input[0].dtype, row_length(launch), attr->log, launch->input[0].data,
                     launch->input[1].data, launch->output[0].data, begin, end);
}

static kd_status run_rows(const kd_launch *launch, kd_range_fn *range) {
  int64_t n = row_length(launch), count = kd_shape_count(&launch->output[0].shape);
  if (count) kd_cpu_parallel(launch->device, count / n, kd_cpu_grain(n * 12), range, (void *)launch);
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  return run_rows(launch, forward_range);
}

static kd_status run_grad(const kd_launch *launch) {
  return run_rows(launch, grad_range);
}

const kd_kernel kd_cpu_softmax = {.prepare = prepare, .run = run};
const kd_kernel kd_cpu_softmax_grad = {.prepare = prepare, .run = run_grad};
