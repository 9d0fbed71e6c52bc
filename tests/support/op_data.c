#include <math.h>
#include <string.h>

#include "device/base/rng.h"
#include "support/op_case.h"

static const double special[] = {
    0.0,    -0.0,  1.0,    -1.0,    INFINITY, -INFINITY, NAN,  0x1p-149, -0x1p-140, 0x1p-126, 1e-20,
    -1e-20, 1e-4,  -1e-4,  0.25,    -0.25,    0.5,       -0.5, 1.5,      -1.5,      2.5,      -3.5,
    7.0,    -7.0,  16.625, -16.625, 43.0,     -43.0,     87.5, -87.5,    88.75,     -88.75,   95.0,
    -95.0,  104.5, -104.5, 1e5,     -1e5,     8388609.0, -3e7, 1e10,     -1e10,     3e38,     -3e38,
};
enum { N_SPECIAL = sizeof special / sizeof special[0] };

static double one_value(const op_input *input, int which, int64_t i, uint64_t random) {
  switch (input->data) {
  case DATA_NORMAL: {
    int sum = 0;
    for (int k = 0; k < 6; k++) sum += (int)(random >> (8 * k) & 15) - 7;
    return (sum - 3) / 16.0 * 1.75 == 0 ? 0.0625 : (sum - 3) / 16.0;
  }
  case DATA_POSITIVE:
    return (8 + (double)(random % 24)) / 16.0;
  case DATA_IDS:
    return (double)(random % (uint64_t)input->range);
  case DATA_RANDOM:
    return (double)(random & 0xFFFFFFFFu);
  case DATA_SPECIAL:
    return (double)(float)special[which == 0 ? i % N_SPECIAL : i / N_SPECIAL % N_SPECIAL];
  default:
    return 0;
  }
}

/* A shuffled arithmetic progression around 0. */
static void fill_spaced(double *values, int64_t count, uint64_t key) {
  for (int64_t i = 0; i < count; i++) {
    int64_t j = (int64_t)(kd_mix64(key, (uint64_t)i) % (uint64_t)(i + 1));
    values[i] = values[j];
    values[j] = ((double)i - (double)count / 2) / 16;
  }
}

void op_data_fill(const op_input *input, int which, double *values) {
  int64_t count = kd_shape_count(&input->shape);
  uint64_t key = 1000 + (uint64_t)which;
  if (input->data == DATA_SPACED) {
    fill_spaced(values, count, key);
    return;
  }
  for (int64_t i = 0; i < count; i++) values[i] = one_value(input, which, i, kd_mix64(key, (uint64_t)i));
}

/* Types of 16 bits: the values of the tables above are exact in them, so cutting is enough. */
static uint16_t encode_half(double value) {
  if (value == 0) return 0;
  if (isnan(value)) return 0x7E00;
  if (isinf(value)) return value < 0 ? 0xFC00 : 0x7C00;
  int exponent;
  double mantissa = frexp(fabs(value), &exponent);
  return (uint16_t)((value < 0 ? 0x8000 : 0) | ((exponent + 14) << 10) | ((int)(mantissa * 2048) & 1023));
}

static double decode_half(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  if (exponent == 31) magnitude = mantissa ? NAN : INFINITY;
  return bits >> 15 ? -magnitude : magnitude;
}

static uint16_t encode_bfloat(double value) {
  float single = (float)value;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static double decode_bfloat(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float single;
  memcpy(&single, &bits, sizeof single);
  return single;
}

void op_data_encode(const double *values, int64_t count, kd_dtype dtype, void *to) {
  for (int64_t i = 0; i < count; i++) {
    double v = values[i];
    switch (dtype) {
    case KD_F32:
      ((float *)to)[i] = (float)v;
      break;
    case KD_F64:
      ((double *)to)[i] = v;
      break;
    case KD_BF16:
      ((uint16_t *)to)[i] = encode_bfloat(v);
      break;
    case KD_F16:
      ((uint16_t *)to)[i] = encode_half(v);
      break;
    case KD_I32:
      ((int32_t *)to)[i] = (int32_t)v;
      break;
    case KD_I64:
      ((int64_t *)to)[i] = (int64_t)v;
      break;
    case KD_U8:
      ((uint8_t *)to)[i] = (uint8_t)v;
      break;
    default:
      ((uint32_t *)to)[i] = (uint32_t)v;
      break;
    }
  }
}

double op_data_decode(const kd_tensor *tensor, int64_t i) {
  const void *from = tensor->data;
  switch (tensor->dtype) {
  case KD_F32:
    return ((const float *)from)[i];
  case KD_F64:
    return ((const double *)from)[i];
  case KD_BF16:
    return decode_bfloat(((const uint16_t *)from)[i]);
  case KD_F16:
    return decode_half(((const uint16_t *)from)[i]);
  case KD_I32:
    return ((const int32_t *)from)[i];
  case KD_I64:
    return (double)((const int64_t *)from)[i];
  case KD_U8:
    return ((const uint8_t *)from)[i];
  default:
    return ((const uint32_t *)from)[i];
  }
}
