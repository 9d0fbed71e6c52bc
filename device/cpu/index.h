/* Integer tensors of any type, read one by one. */
#ifndef KD_CPU_INDEX_H
#define KD_CPU_INDEX_H

#include "device/base/tensor.h"

/* Element i of an index tensor; floats are cut to whole numbers. The type has passed kd_dtype_check_index. */
static inline int64_t kd_index_at(const kd_tensor *ids, int64_t i) {
  switch (ids->dtype) {
  case KD_I32:
    return ((const int32_t *)ids->data)[i];
  case KD_I64:
    return ((const int64_t *)ids->data)[i];
  case KD_U8:
    return ((const uint8_t *)ids->data)[i];
  case KD_U32:
    return ((const uint32_t *)ids->data)[i];
  case KD_F32: {
    float x = ((const float *)ids->data)[i];
    return x > -0x1p62f && x < 0x1p62f ? (int64_t)x : -1;
  }
  default:
    return -1;
  }
}

#endif
