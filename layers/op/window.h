/* Output sizes of sliding windows, shared by convolution and pooling. */
#ifndef KD_OP_WINDOW_H
#define KD_OP_WINDOW_H

#include "device/base/tensor.h"

/* *output = (input + pad_before + pad_after - ((window - 1) * dilation + 1)) / stride + 1. Fails when a
 * parameter is out of range or the window does not fit; `what` begins the text. axis counts spatial axes. */
kd_status kd_window_output(const char *what, int axis, int64_t input, int64_t window, int64_t stride,
                           int64_t dilation, int64_t pad_before, int64_t pad_after, int64_t *output);

#endif
