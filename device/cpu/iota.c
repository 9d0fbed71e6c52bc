/* IOTA: the index along one axis. */
#include "device/cpu/kernels.h"

static kd_status run(const kd_launch *launch) {
  const kd_iota_attr *attr = launch->attr;
  const kd_shape *shape = &launch->output[0].shape;
  float *to = launch->output[0].data;
  int64_t outer = kd_shape_span(shape, 0, attr->axis), size = shape->dim[attr->axis],
          inner = kd_shape_span(shape, attr->axis + 1, shape->rank);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < size; i++)
      for (int64_t k = 0; k < inner; k++) *to++ = (float)i;
  return KD_OK;
}

const kd_kernel kd_cpu_iota = {.run = run};
