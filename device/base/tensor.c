#include "device/base/tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  size_t size;
  bool is_float;
} dtypes[KD_N_DTYPES] = {
    [KD_F32] = {"float32", 4, true}, [KD_BF16] = {"bfloat16", 2, true}, [KD_F16] = {"float16", 2, true},
    [KD_F64] = {"float64", 8, true}, [KD_I32] = {"int32", 4, false},    [KD_I64] = {"int64", 8, false},
    [KD_U8] = {"uint8", 1, false},   [KD_U32] = {"uint32", 4, false},
};

size_t kd_dtype_size(kd_dtype dtype) {
  return dtypes[dtype].size;
}

const char *kd_dtype_name(kd_dtype dtype) {
  return dtypes[dtype].name;
}

bool kd_dtype_is_float(kd_dtype dtype) {
  return dtypes[dtype].is_float;
}

bool kd_dtype_is_half(kd_dtype dtype) {
  return dtype == KD_BF16 || dtype == KD_F16;
}

kd_status kd_dtype_check_index(kd_dtype dtype) {
  KD_CHECK(!kd_dtype_is_half(dtype) && dtype != KD_F64, KD_ERR_INTERNAL,
           "numbers of rows or classes cannot be %s; cast them to int32", kd_dtype_name(dtype));
  return KD_OK;
}

bool kd_dtype_parse(const char *name, kd_dtype *dtype) {
  for (int i = 0; i < KD_N_DTYPES; i++) {
    if (strcmp(dtypes[i].name, name) == 0) {
      *dtype = (kd_dtype)i;
      return true;
    }
  }
  return false;
}

kd_shape kd_shape_make(int rank, const int64_t *dims) {
  kd_shape shape = {.rank = rank};
  for (int i = 0; i < rank && i < KD_MAX_RANK; i++) shape.dim[i] = dims[i];
  return shape;
}

int64_t kd_shape_span(const kd_shape *shape, int from, int to) {
  int64_t count = 1;
  for (int i = from; i < to; i++) count *= shape->dim[i];
  return count;
}

int64_t kd_shape_count(const kd_shape *shape) {
  return kd_shape_span(shape, 0, shape->rank);
}

bool kd_shape_equal(const kd_shape *a, const kd_shape *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i]) return false;
  return true;
}

bool kd_shape_broadcast(const kd_shape *a, const kd_shape *b, kd_shape *out) {
  int rank = a->rank > b->rank ? a->rank : b->rank;
  kd_shape result = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    int ia = i - (rank - a->rank), ib = i - (rank - b->rank);
    int64_t da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
    if (da != db && da != 1 && db != 1) return false;
    result.dim[i] = da == 1 ? db : da;
  }
  *out = result;
  return true;
}

const char *kd_shape_text(const kd_shape *shape, char buffer[KD_SHAPE_TEXT]) {
  int used = snprintf(buffer, KD_SHAPE_TEXT, "(");
  for (int i = 0; i < shape->rank; i++) {
    const char *separator = i ? ", " : "";
    if (shape->dim[i] < 0)
      used += snprintf(buffer + used, (size_t)(KD_SHAPE_TEXT - used), "%sNone", separator);
    else
      used += snprintf(buffer + used, (size_t)(KD_SHAPE_TEXT - used), "%s%lld", separator,
                       (long long)shape->dim[i]);
  }
  snprintf(buffer + used, (size_t)(KD_SHAPE_TEXT - used), shape->rank == 1 ? ",)" : ")");
  return buffer;
}

size_t kd_tensor_bytes(const kd_tensor *tensor) {
  return (size_t)kd_shape_count(&tensor->shape) * kd_dtype_size(tensor->dtype);
}
