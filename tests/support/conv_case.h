/* Convolutions for tests: a table of cases, their shapes, and a walk over all products of one. */
#ifndef KD_TEST_CONV_CASE_H
#define KD_TEST_CONV_CASE_H

#include "device/op.h"

typedef struct conv_case {
  const char *name;
  int spatial;
  int64_t batch, channels, filters, groups;
  int64_t in[3], window[3], stride[3], dilation[3], before[3], after[3];
  bool bias;
  kd_epilogue epilogue;
} conv_case;

kd_shape conv_image(const conv_case *c, bool result); /* of x, or of y */
kd_shape conv_kernel(const conv_case *c);
kd_conv_attr conv_attribute(const conv_case *c, kd_shape shape);
int64_t conv_product(int count, const int64_t *size);

/* Called for every product of the convolution: y[yi] += x[xi] * kernel[ki]. */
typedef void (*conv_visit_fn)(void *context, int64_t xi, int64_t ki, int64_t yi);
void conv_visit(const conv_case *c, conv_visit_fn fn, void *context);

#endif
