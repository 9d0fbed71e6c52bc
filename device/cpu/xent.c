/* SPARSE_XENT and SPARSE_XENT_GRAD. */
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

static kd_status prepare(kd_launch *launch) {
  const kd_tensor *logits = &launch->input[0], *labels = &launch->input[1];
  KD_TRY(kd_cpu_check_types(launch));
  KD_CHECK(labels->dtype == KD_I32 || labels->dtype == KD_I64 || labels->dtype == KD_U32 ||
               labels->dtype == KD_U8,
           KD_ERR_USAGE,
           "sparse cross-entropy: labels are %s, but class numbers are int32, int64, uint32 or uint8",
           kd_dtype_name(labels->dtype));
  const kd_shape *shape = &logits->shape;
  KD_CHECK(shape->rank >= 1 && shape->dim[shape->rank - 1] > 0 &&
               kd_shape_count(&labels->shape) == kd_shape_span(shape, 0, shape->rank - 1),
           KD_ERR_INTERNAL, "sparse cross-entropy: %lld labels for %lld rows of logits",
           (long long)kd_shape_count(&labels->shape), (long long)kd_shape_span(shape, 0, shape->rank - 1));
  return KD_OK;
}

static void forward_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_xent_attr *attr = launch->attr;
  const kd_shape *shape = &launch->input[0].shape;
  kd_cpu_vector(launch->device)
      ->xent(launch->input[0].dtype, shape->dim[shape->rank - 1], attr->ignore, launch->input[0].data,
             &launch->input[1], launch->output[0].data, launch->output[1].data, launch->output[2].data, begin,
             end);
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_xent_attr *attr = launch->attr;
  const kd_shape *shape = &launch->input[0].shape;
  kd_cpu_vector(launch->device)
      ->xent_grad(launch->input[0].dtype, shape->dim[shape->rank - 1], attr->ignore, launch->input[0].data,
                  &launch->input[1], launch->input[2].data, launch->input[3].data, launch->input[4].data,
                  launch->output[0].data, begin, end);
}

static kd_status run_rows(const kd_launch *launch, kd_range_fn *range) {
  const kd_shape *shape = &launch->input[0].shape;
  int64_t grain = kd_cpu_grain(shape->dim[shape->rank - 1] * 12);
  kd_cpu_parallel(launch->device, kd_shape_count(&launch->input[1].shape), grain, range, (void *)launch);
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  return run_rows(launch, forward_range);
}

static kd_status run_grad(const kd_launch *launch) {
  return run_rows(launch, grad_range);
}

const kd_kernel kd_cpu_sparse_xent = {.prepare = prepare, .run = run};
const kd_kernel kd_cpu_sparse_xent_grad = {.prepare = prepare, .run = run_grad};
