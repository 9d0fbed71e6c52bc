#include "device/cpu/conv_library.h"

#include "device/backend.h"
#include "device/base/memory.h"

static size_t padded(size_t bytes) {
  return (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

kd_status kd_conv_library_prepare(kd_conv_library *self, kd_launch *launch, const kd_conv_shape *shape,
                                  kd_conv_direction direction, bool bias, kd_epilogue epilogue,
                                  int kernel_input) {
  *self = (kd_conv_library){.direction = direction};
  KD_TRY(kd_onednn_conv_create(shape, direction, bias, epilogue, launch->device->threads, &self->conv));
  self->kernel_bytes = padded(kd_onednn_kernel_bytes(self->conv));
  if (self->kernel_bytes)
    KD_TRY(kd_onednn_reorder_create(self->conv, direction != KD_CONV_GRAD_W, &self->reorder));
  self->kept =
      self->kernel_bytes && kernel_input >= 0 && launch->weight_input && launch->weight_input[kernel_input];
  size_t scratch = kd_onednn_scratch_bytes(self->conv);
  if (self->reorder) scratch = larger(scratch, kd_onednn_scratch_bytes(self->reorder));
  launch->workspace_bytes = scratch + (self->kept ? 0 : self->kernel_bytes);
  launch->state_bytes = self->kept ? self->kernel_bytes : 0;
  launch->note = kd_onednn_note(self->conv);
  launch->slow = kd_onednn_slow(self->conv);
  return KD_OK;
}

kd_status kd_conv_library_bind(kd_conv_library *self, const kd_launch *launch, void *x, void *kernel,
                               void *bias, void *y) {
  void *copy = self->kept ? launch->state : launch->workspace;
  char *scratch = launch->workspace;
  if (self->reorder && !self->kept) scratch += self->kernel_bytes;
  KD_TRY(kd_onednn_bind(self->conv, KD_ONEDNN_X, x));
  KD_TRY(kd_onednn_bind(self->conv, KD_ONEDNN_W, self->reorder ? copy : kernel));
  KD_TRY(kd_onednn_bind(self->conv, KD_ONEDNN_BIAS, bias));
  KD_TRY(kd_onednn_bind(self->conv, KD_ONEDNN_Y, y));
  KD_TRY(kd_onednn_bind(self->conv, KD_ONEDNN_SCRATCH, scratch));
  if (!self->reorder) return KD_OK;
  bool gradient = self->direction == KD_CONV_GRAD_W;
  KD_TRY(kd_onednn_bind(self->reorder, KD_ONEDNN_X, gradient ? copy : kernel));
  KD_TRY(kd_onednn_bind(self->reorder, KD_ONEDNN_Y, gradient ? kernel : copy));
  return kd_onednn_bind(self->reorder, KD_ONEDNN_SCRATCH, scratch);
}

kd_status kd_conv_library_refresh(const kd_conv_library *self) {
  return self->kept ? kd_onednn_run(self->reorder) : KD_OK;
}

kd_status kd_conv_library_run(const kd_conv_library *self) {
  bool gradient = self->direction == KD_CONV_GRAD_W;
  if (self->reorder && !self->kept && !gradient) KD_TRY(kd_onednn_run(self->reorder));
  KD_TRY(kd_onednn_run(self->conv));
  return self->reorder && gradient ? kd_onednn_run(self->reorder) : KD_OK;
}

void kd_conv_library_destroy(kd_conv_library *self) {
  kd_onednn_destroy(self->reorder);
  kd_onednn_destroy(self->conv);
  *self = (kd_conv_library){0};
}
