/* Windows over spatial axes: what convolutions and pooling have in common. */
#ifndef KD_WINDOW_H
#define KD_WINDOW_H

#include "layers/kinds/kinds.h"

enum { KD_PADDING_VALID, KD_PADDING_SAME, KD_PADDING_CAUSAL };
#define KD_PADDING_CHOICES        "valid|same"
#define KD_PADDING_CHOICES_CAUSAL "valid|same|causal"

typedef struct kd_window {
  int spatial; /* number of spatial axes */
  int padding;
  int64_t size[KD_MAX_SPATIAL], stride[KD_MAX_SPATIAL], dilation[KD_MAX_SPATIAL];
  int64_t before[KD_MAX_SPATIAL], after[KD_MAX_SPATIAL]; /* cells of padding */
} kd_window;

/* Options as written: one number for all axes or one for each. strides with count 0: the size itself;
 * dilation NULL: 1. Fails when a list has another length. */
kd_status kd_window_make(int spatial, int padding, const char *size_name, const kd_ints *size,
                         const kd_ints *stride, const kd_ints *dilation, kd_window *window);

/* Checks the rank of x (batch, spatial axes, channels) and sets the padding for its sizes: "same" gives
 * ceil(size / stride) results with the odd cell of padding at the end, "causal" pads in front only. Fails
 * when the window does not fit. */
kd_status kd_window_fit(kd_window *window, const kd_graph *graph, kd_sym x);

kd_conv_attr kd_window_conv(const kd_window *window, int64_t groups);

/* Keras refuses strides together with dilation in Conv layers. */
void kd_window_check(const kd_ints *stride, const kd_ints *dilation, kd_diag *diag, kd_origin origin);

#endif
