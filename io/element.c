#include "io/element.h"

#include "device/base/memory.h"

#include <stdio.h>
#include <string.h>

bool kd_element_dtype(kd_element element, kd_dtype *dtype) {
  static const struct {
    char kind;
    int size;
    kd_dtype dtype;
  } rows[] = {
      {'u', 1, KD_U8},  {'b', 1, KD_U8},  {'i', 1, KD_I32}, {'i', 2, KD_I32},
      {'u', 2, KD_I32}, {'i', 4, KD_I32}, {'u', 4, KD_U32}, {'i', 8, KD_I64},
      {'u', 8, KD_I64}, {'f', 2, KD_F16}, {'f', 4, KD_F32}, {'f', 8, KD_F32},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].kind == element.kind && rows[i].size == element.size) {
      *dtype = rows[i].dtype;
      return true;
    }
  return false;
}

bool kd_element_plain(kd_element element) {
  kd_dtype dtype;
  if (!kd_element_dtype(element, &dtype) || (size_t)element.size != kd_dtype_size(dtype)) return false;
  return (element.size == 1 || !element.big_endian) && !(element.kind == 'u' && element.size == 8);
}

/* Bytes of one element in the order of this machine. */
static inline uint64_t load(const unsigned char *in, int size, bool big_endian) {
  uint64_t word = 0;
  for (int b = 0; b < size; b++) word |= (uint64_t)in[b] << 8 * (big_endian ? size - 1 - b : b);
  return word;
}

static void widen_to_i32(kd_element element, const unsigned char *in, int32_t *out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t word = load(in + i * element.size, element.size, element.big_endian);
    out[i] = element.kind == 'u' ? (int32_t)word
             : element.size == 1 ? (int32_t)(int8_t)word
                                 : (int32_t)(int16_t)word;
  }
}

static void narrow_to_f32(kd_element element, const unsigned char *in, float *out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t word = load(in + 8 * i, 8, element.big_endian);
    double value;
    memcpy(&value, &word, sizeof value);
    out[i] = (float)value;
  }
}

static kd_status unsigned_to_i64(kd_element element, const unsigned char *in, int64_t *out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t word = load(in + 8 * i, 8, element.big_endian);
    KD_CHECK(word <= INT64_MAX, KD_ERR_USAGE, "the uint64 value %llu does not fit into int64",
             (unsigned long long)word);
    out[i] = (int64_t)word;
  }
  return KD_OK;
}

static void swap(const unsigned char *in, unsigned char *out, int size, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    for (int b = 0; b < size; b++) out[i * size + b] = in[i * size + size - 1 - b];
}

kd_status kd_element_convert(kd_element element, const void *in, void *out, int64_t count) {
  kd_dtype dtype;
  KD_CHECK(kd_element_dtype(element, &dtype), KD_ERR_INTERNAL, "no conversion for element %c%d", element.kind,
           element.size);
  if (kd_element_plain(element))
    memmove(out, in, (size_t)count * (size_t)element.size);
  else if (dtype == KD_I32 && element.size < 4)
    widen_to_i32(element, in, out, count);
  else if (dtype == KD_F32 && element.size == 8)
    narrow_to_f32(element, in, out, count);
  else if (element.kind == 'u' && element.size == 8)
    return unsigned_to_i64(element, in, out, count);
  else
    swap(in, out, element.size, count);
  return KD_OK;
}

kd_status kd_array_bytes(int size, int rank, const int64_t *dims, int64_t *bytes) {
  long long total = size;
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    empty = empty || dims[i] == 0;
    KD_TRY(kd_size_mul(total, dims[i] == 0 ? 1 : dims[i], &total));
  }
  KD_CHECK(total <= INT64_MAX / 4, KD_ERR_USAGE, "a size of %lld bytes is too large", total);
  *bytes = empty ? 0 : total;
  return KD_OK;
}

const char *kd_element_name(kd_element element, char buffer[16]) {
  const char *stem = element.kind == 'u' ? "uint" : element.kind == 'i' ? "int" : "float";
  if (element.kind == 'b')
    strcpy(buffer, "bool");
  else
    snprintf(buffer, 16, "%s%d", stem, 8 * (element.size & 31));
  return buffer;
}
