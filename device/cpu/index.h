/* Integer tensors of any type, read one by one. */
#ifndef KD_CPU_INDEX_H
#define KD_CPU_INDEX_H

#include "device/base/tensor.h"

/* Element i of an index tensor; floats are cut to whole numbers. A type that is no number gives -1. */
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

/* KD_ERR_INTERNAL when kd_index_at does not know the type. */
static inline kd_status kd_index_check(const kd_tensor *ids) {
  KD_CHECK(ids->dtype == KD_I32 || ids->dtype == KD_I64 || ids->dtype == KD_U8 || ids->dtype == KD_U32 ||
               ids->dtype == KD_F32,
           KD_ERR_INTERNAL, "indices of type %s are not supported on the CPU; use int32",
           kd_dtype_name(ids->dtype));
  return KD_OK;
}

#endif
