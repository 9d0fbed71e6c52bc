/* A convolution by oneDNN as a launch: the primitive, the kernel in the library's layout, and its renewal. */
#ifndef KD_CPU_CONV_LIBRARY_H
#define KD_CPU_CONV_LIBRARY_H

#include "device/cpu/onednn.h"

typedef struct kd_conv_library {
  kd_conv_direction direction;
  kd_onednn *conv;
  kd_onednn *reorder;  /* NULL: the library uses the plain layout */
  size_t kernel_bytes; /* of the copy in the library's layout */
  bool kept;           /* the copy lives in launch->state and is renewed in refresh; else in the workspace */
} kd_conv_library;

/* Makes the primitives and sets the launch's sizes, note and slow. kernel_input: the input that holds the
 * kernel, -1 for KD_CONV_GRAD_W. The caller destroys *self also after a failure. */
kd_status kd_conv_library_prepare(kd_conv_library *self, kd_launch *launch, const kd_conv_shape *shape,
                                  kd_conv_direction direction, bool bias, kd_epilogue epilogue,
                                  int kernel_input);

/* x, kernel, y: the addresses of the tensors of those roles (kd_onednn_slot); bias may be NULL. */
kd_status kd_conv_library_bind(kd_conv_library *self, const kd_launch *launch, void *x, void *kernel,
                               void *bias, void *y);

kd_status kd_conv_library_refresh(const kd_conv_library *self);
kd_status kd_conv_library_run(const kd_conv_library *self);
void kd_conv_library_destroy(kd_conv_library *self);

#endif
