/* CONV: oneDNN on channels-last memory with the kernel in a layout of the library's choice. */
#include "device/base/memory.h"
#include "device/cpu/conv_library.h"
#include "device/cpu/kernels.h"

static kd_status prepare(kd_launch *launch) {
  const kd_conv_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *kernel = &launch->input[1], *y = &launch->output[0];
  kd_conv_shape shape;
  KD_TRY(kd_conv_shape_read(launch, x, kernel, y, &shape));
  bool bias = launch->n_inputs > 2;
  if (bias)
    KD_CHECK(launch->input[2].dtype == KD_F32 && kd_shape_count(&launch->input[2].shape) == shape.filters,
             KD_ERR_INTERNAL, "convolution: the bias has %lld values of %s for %lld filters",
             (long long)kd_shape_count(&launch->input[2].shape), kd_dtype_name(launch->input[2].dtype),
             (long long)shape.filters);
  kd_conv_library *self = launch->handle = kd_calloc(1, sizeof *self);
  return kd_conv_library_prepare(self, launch, &shape, KD_CONV_FORWARD, bias, attr->epilogue, 1);
}

static kd_status bind(kd_launch *launch) {
  void *bias = launch->n_inputs > 2 ? launch->input[2].data : NULL;
  return kd_conv_library_bind(launch->handle, launch, launch->input[0].data, launch->input[1].data, bias,
                              launch->output[0].data);
}

static kd_status refresh(const kd_launch *launch) {
  return kd_conv_library_refresh(launch->handle);
}

static kd_status run(const kd_launch *launch) {
  return kd_conv_library_run(launch->handle);
}

static void release(kd_launch *launch) {
  if (launch->handle) kd_conv_library_destroy(launch->handle);
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_conv = {
    .prepare = prepare, .bind = bind, .refresh = refresh, .run = run, .release = release};
