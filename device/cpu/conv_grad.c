/* CONV_GRAD_DATA and CONV_GRAD_KERNEL. A 1x1 convolution with stride 1 is a product of (pixels, channels) and
 * (channels, filters): as such its gradients ran up to 1.3 (data) and 1.9 times (kernel) faster than the
 * library's convolutions, and at least as fast for all sizes of ResNet-50. */
#include "device/backend.h"
#include "device/base/memory.h"
#include "device/cpu/conv_library.h"
#include "device/cpu/kernels.h"

typedef struct conv_grad {
  kd_conv_library library; /* unused in products */
  kd_onednn *product;      /* but CONV_GRAD_KERNEL in float32 is sgemm */
  kd_conv_shape shape;
} conv_grad;

/* --- gradient of the data ------------------------------------------------------------------------- */

static kd_status run_library(const kd_launch *launch) {
  const conv_grad *self = launch->handle;
  return kd_conv_library_run(&self->library);
}

static kd_status run_product(const kd_launch *launch) {
  const conv_grad *self = launch->handle;
  return kd_onednn_run(self->product);
}

static kd_status prepare_product(conv_grad *self, kd_launch *launch, const kd_onednn_product *product) {
  KD_TRY(kd_onednn_product_create(product, launch->device->threads, &self->product));
  launch->workspace_bytes = kd_onednn_scratch_bytes(self->product);
  launch->note = kd_onednn_note(self->product);
  launch->slow = kd_onednn_slow(self->product);
  launch->run = run_product;
  return KD_OK;
}

static kd_status bind_product(const conv_grad *self, kd_launch *launch) {
  KD_TRY(kd_onednn_bind(self->product, KD_ONEDNN_X, launch->input[0].data));
  KD_TRY(kd_onednn_bind(self->product, KD_ONEDNN_W, launch->input[1].data));
  KD_TRY(kd_onednn_bind(self->product, KD_ONEDNN_Y, launch->output[0].data));
  return kd_onednn_bind(self->product, KD_ONEDNN_SCRATCH, launch->workspace);
}

static kd_status prepare_data(kd_launch *launch) {
  conv_grad *self = launch->handle = kd_calloc(1, sizeof *self);
  const kd_tensor *dy = &launch->input[0], *kernel = &launch->input[1], *dx = &launch->output[0];
  KD_TRY(kd_conv_shape_read(launch, dx, kernel, dy, &self->shape));
  if (kd_conv_shape_is_product(&self->shape))
    return prepare_product(self, launch,
                           &(kd_onednn_product){.m = kd_conv_shape_pixels(&self->shape),
                                                .k = self->shape.filters,
                                                .n = self->shape.channels,
                                                .transpose_b = true,
                                                .types = self->shape.types});
  return kd_conv_library_prepare(&self->library, launch, &self->shape, KD_CONV_GRAD_X, false, KD_EPI_NONE, 1);
}

static kd_status bind_data(kd_launch *launch) {
  conv_grad *self = launch->handle;
  void *dy = launch->input[0].data, *kernel = launch->input[1].data, *dx = launch->output[0].data;
  if (self->product) return bind_product(self, launch);
  return kd_conv_library_bind(&self->library, launch, dx, kernel, NULL, dy);
}

static kd_status refresh_data(const kd_launch *launch) {
  const conv_grad *self = launch->handle;
  return self->product ? KD_OK : kd_conv_library_refresh(&self->library);
}

/* --- gradient of the kernel ----------------------------------------------------------------------- */

/* dkernel (channels, filters) = x^T (channels, pixels) * dy (pixels, filters) */
static kd_status run_sgemm(const kd_launch *launch) {
  const conv_grad *self = launch->handle;
  return kd_onednn_sgemm(true, false, self->shape.channels, self->shape.filters,
                         kd_conv_shape_pixels(&self->shape), launch->input[0].data, launch->input[1].data,
                         launch->output[0].data, launch->device->threads);
}

static kd_status prepare_kernel(kd_launch *launch) {
  conv_grad *self = launch->handle = kd_calloc(1, sizeof *self);
  const kd_tensor *x = &launch->input[0], *dy = &launch->input[1], *dkernel = &launch->output[0];
  KD_TRY(kd_conv_shape_read(launch, x, dkernel, dy, &self->shape));
  if (!kd_conv_shape_is_product(&self->shape))
    return kd_conv_library_prepare(&self->library, launch, &self->shape, KD_CONV_GRAD_W, false, KD_EPI_NONE,
                                   -1);
  if (self->shape.types.factors != KD_F32)
    return prepare_product(self, launch,
                           &(kd_onednn_product){.m = self->shape.channels,
                                                .k = kd_conv_shape_pixels(&self->shape),
                                                .n = self->shape.filters,
                                                .transpose_a = true,
                                                .types = self->shape.types});
  launch->note = "sgemm";
  launch->run = run_sgemm;
  return kd_onednn_start(launch->device->threads);
}

static kd_status bind_kernel(kd_launch *launch) {
  conv_grad *self = launch->handle;
  if (self->product) return bind_product(self, launch);
  if (kd_conv_shape_is_product(&self->shape)) return KD_OK;
  return kd_conv_library_bind(&self->library, launch, launch->input[0].data, launch->output[0].data, NULL,
                              launch->input[1].data);
}

static void release(kd_launch *launch) {
  conv_grad *self = launch->handle;
  if (self) {
    kd_conv_library_destroy(&self->library);
    kd_onednn_destroy(self->product);
  }
  kd_free(self);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_conv_grad_data = {.prepare = prepare_data,
                                         .bind = bind_data,
                                         .refresh = refresh_data,
                                         .run = run_library,
                                         .release = release};
const kd_kernel kd_cpu_conv_grad_kernel = {
    .prepare = prepare_kernel, .bind = bind_kernel, .run = run_library, .release = release};
