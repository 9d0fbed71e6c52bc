/* The geometry of a convolution, read once from a launch and shared by all its kernels. */
#ifndef KD_CPU_CONV_SHAPE_H
#define KD_CPU_CONV_SHAPE_H

#include "device/op.h"

/* Spatial sizes stand in the last `spatial` places of an image, outermost first. One spatial axis is stored
 * as two with a height of 1, because oneDNN's fast code is two- and three-dimensional. */
typedef struct kd_conv_shape {
  int spatial;            /* 2 or 3 */
  kd_product_types types; /* of the two operands in memory, and of the result: KD_F32 or KD_BF16 */
  int64_t batch, channels, filters, groups;
  int64_t in[KD_MAX_SPATIAL], out[KD_MAX_SPATIAL], window[KD_MAX_SPATIAL];
  int64_t stride[KD_MAX_SPATIAL], dilation[KD_MAX_SPATIAL];
  int64_t before[KD_MAX_SPATIAL], after[KD_MAX_SPATIAL];
} kd_conv_shape;

/* Fills the geometry from the launch's attribute and the shapes of x, kernel (k.., c/groups, f) and y, and
 * the types from the launch. KD_ERR_INTERNAL when they disagree. */
kd_status kd_conv_shape_read(const kd_launch *launch, const kd_tensor *x, const kd_tensor *kernel,
                             const kd_tensor *y, kd_conv_shape *shape);

/* True for a 1x1 convolution with stride 1, no padding and one group: a product of (pixels, channels) and
 * (channels, filters). */
bool kd_conv_shape_is_product(const kd_conv_shape *shape);

/* Output pixels of the whole batch. */
int64_t kd_conv_shape_pixels(const kd_conv_shape *shape);

#endif
