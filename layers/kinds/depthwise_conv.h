/* The depthwise product, which SeparableConv uses too. */
#ifndef KD_DEPTHWISE_CONV_H
#define KD_DEPTHWISE_CONV_H

#include "layers/kinds/window.h"

/* Declares a kernel (window.., channels, multiplier) and convolves each channel with its own part. */
kd_sym kd_depthwise(kd_build *build, kd_sym x, const kd_window *window, const char *name, int64_t multiplier,
                    const kd_object *initializer, const kd_object *regularizer, const kd_object *constraint);

#endif
