/* Operations of cuDNN's graphs in plain loops, after the library's manual. */
#include "cuda/dnn_double.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define dim3 emulate_dim3
#include "cuda/emulate.h"
#undef dim3

enum { AXES = 5 };

/* A tensor as it is computed with: float32 values, and where they come from or go to. */
struct tensor {
  int rank;
  int64_t size[AXES], stride[AXES], uid;
  cudnnDataType_t type;
  bool inner;
  std::vector<float> values; /* in order of sizes, the last axis dense */
  int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < rank; d++) n *= size[d];
    return n;
  }
};

struct run {
  const std::map<int64_t, void *> *address;
  std::map<int64_t, std::vector<float>> inner;
  bool tf32;
};

static tensor describe(const dnn_part &t) {
  tensor x = {};
  x.rank = (int)t.get(CUDNN_ATTR_TENSOR_DIMENSIONS).count;
  for (int d = 0; d < x.rank; d++) {
    x.size[d] = t.values<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)[d];
    x.stride[d] = t.values<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)[d];
  }
  x.uid = t.value<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  x.type = t.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  x.inner = t.has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && t.value<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  return x;
}

/* --- memory ---------------------------------------------------------------------------------------- */

static int64_t place_of(const tensor &t, int64_t i) {
  int64_t place = 0;
  for (int d = t.rank - 1; d >= 0; d--) {
    place += i % t.size[d] * t.stride[d];
    i /= t.size[d];
  }
  return place;
}

static float from_half(cudnnDataType_t type, uint16_t bits) {
  return type == CUDNN_DATA_HALF ? emulate_from_half(bits) : __uint_as_float((uint32_t)bits << 16);
}

static float read(const void *from, cudnnDataType_t type, int64_t i) {
  return type == CUDNN_DATA_FLOAT ? ((const float *)from)[i] : from_half(type, ((const uint16_t *)from)[i]);
}

static uint16_t to_half(cudnnDataType_t type, float value) {
  uint32_t b = __float_as_uint(value);
  if (type == CUDNN_DATA_HALF) return emulate_to_half(value);
  return (uint16_t)(value != value ? 0x7FC0u : (b + 0x7FFFu + (b >> 16 & 1)) >> 16);
}

/* An address that is not as aligned as its tensor says would be a fault. */
static void *address_of(const run &r, const dnn_part &t) {
  void *address = r.address->at(t.value<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
  if ((uintptr_t)address % (uintptr_t)t.value<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT) != 0) {
    fprintf(stderr, "emulated cuDNN: a misaligned address\n");
    abort();
  }
  return address;
}

static tensor load(const run &r, const dnn_ref &part) {
  tensor t = describe(*part);
  if (t.inner) {
    t.values = r.inner.at(t.uid);
    return t;
  }
  const void *from = address_of(r, *part);
  t.values.resize((size_t)t.count());
  for (int64_t i = 0; i < t.count(); i++) t.values[(size_t)i] = read(from, t.type, place_of(t, i));
  return t;
}

/* Values inside are rounded to their type too. */
static void store(run &r, const dnn_ref &part, const tensor &t) {
  bool half = t.type == CUDNN_DATA_HALF || t.type == CUDNN_DATA_BFLOAT16;
  if (t.inner) {
    std::vector<float> &to = r.inner[t.uid] = t.values;
    for (float &value : to)
      if (half) value = from_half(t.type, to_half(t.type, value));
    return;
  }
  void *to = address_of(r, *part);
  for (int64_t i = 0; i < t.count(); i++)
    if (half)
      ((uint16_t *)to)[place_of(t, i)] = to_half(t.type, t.values[(size_t)i]);
    else
      ((float *)to)[place_of(t, i)] = t.values[(size_t)i];
}

/* Factors of tensor cores: ten bits of mantissa are left of float32. */
static void lose_bits(const run &r, tensor &t) {
  if (!r.tf32 || t.type != CUDNN_DATA_FLOAT) return;
  for (float &value : t.values) {
    uint32_t b = __float_as_uint(value);
    value = __uint_as_float((b + 0xFFFu + (b >> 13 & 1)) & ~0x1FFFu);
  }
}

/* --- convolution ----------------------------------------------------------------------------------- */

struct names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t geometry, x, kernel, y;
  int result; /* 0 x, 1 kernel, 2 y */
};
static const names convolutions[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 2},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, 0},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, 1},
};

static const names *convolution_of(const dnn_part &operation) {
  for (const names &n : convolutions)
    if (n.type == operation.type) return &n;
  return NULL;
}

static int64_t geometry(const dnn_part &g, int name, int axis) {
  return g.values<int64_t>(name)[axis];
}

/* (n, c, spatial..) of flat index i. */
static void split(const tensor &t, int64_t i, int64_t *at) {
  for (int d = t.rank - 1; d >= 0; d--) {
    at[d] = i % t.size[d];
    i /= t.size[d];
  }
}
static int64_t join(const tensor &t, const int64_t *at) {
  int64_t i = 0;
  for (int d = 0; d < t.rank; d++) i = i * t.size[d] + at[d];
  return i;
}

/* Every product x[xi] * kernel[ki] that belongs to y[yi], added to the result in double. */
static void convolve(run &r, const dnn_part &operation, const names &n) {
  const dnn_part &g = *operation.part(n.geometry);
  dnn_ref parts[] = {operation.part(n.x), operation.part(n.kernel), operation.part(n.y)};
  tensor t[3];
  for (int i = 0; i < 3; i++) {
    t[i] = i == n.result ? describe(*parts[i]) : load(r, parts[i]);
    if (i != n.result) lose_bits(r, t[i]);
    else t[i].values.assign((size_t)t[i].count(), 0.0f);
  }
  std::vector<double> sum((size_t)t[n.result].count(), 0.0);
  const tensor &x = t[0], &k = t[1], &y = t[2];
  int64_t groups = x.size[1] / k.size[1], filters = k.size[0] / groups, yat[AXES], kat[AXES], xat[AXES];
  for (int64_t yi = 0; yi < y.count(); yi++)
    for (int64_t tap = 0; tap < k.count() / k.size[0]; tap++) {
      split(y, yi, yat);
      split(k, tap, kat); /* (0, c, taps..) */
      kat[0] = yat[1];
      bool inside = true;
      xat[0] = yat[0];
      xat[1] = yat[1] / filters * k.size[1] + kat[1];
      for (int s = 0; s < x.rank - 2; s++) {
        xat[2 + s] = yat[2 + s] * geometry(g, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, s) +
                     kat[2 + s] * geometry(g, CUDNN_ATTR_CONVOLUTION_DILATIONS, s) -
                     geometry(g, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, s);
        inside = inside && xat[2 + s] >= 0 && xat[2 + s] < x.size[2 + s];
      }
      if (!inside) continue;
      int64_t at[] = {join(x, xat), join(k, kat), yi};
      int a = n.result == 0 ? 2 : 0, b = n.result == 1 ? 2 : 1;
      sum[(size_t)at[n.result]] += (double)t[a].values[(size_t)at[a]] * t[b].values[(size_t)at[b]];
    }
  for (size_t i = 0; i < sum.size(); i++) t[n.result].values[i] = (float)sum[i];
  store(r, parts[n.result], t[n.result]);
}

/* Sizes as the manual derives them; factors and result of one type, as the library's engines demand. */
static bool convolution_fits(const dnn_part &operation, const names &n) {
  const dnn_part &g = *operation.part(n.geometry);
  tensor x = describe(*operation.part(n.x)), k = describe(*operation.part(n.kernel)),
         y = describe(*operation.part(n.y));
  bool fits = x.type == k.type && (y.type == x.type || y.inner) && x.size[0] == y.size[0] &&
              k.size[0] == y.size[1] && x.size[1] % k.size[1] == 0;
  for (int s = 0; s < x.rank - 2; s++) {
    int64_t window = (k.size[2 + s] - 1) * geometry(g, CUDNN_ATTR_CONVOLUTION_DILATIONS, s) + 1;
    int64_t padded = x.size[2 + s] + geometry(g, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, s) +
                     geometry(g, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, s);
    fits = fits && y.size[2 + s] == (padded - window) / geometry(g, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, s) + 1;
  }
  return fits;
}

/* --- pointwise ------------------------------------------------------------------------------------- */

static bool function_of(cudnnPointwiseMode_t mode, float a, float b, float *y) {
  switch (mode) {
  case CUDNN_POINTWISE_ADD:
    *y = a + b;
    return true;
  case CUDNN_POINTWISE_SUB:
    *y = a - b;
    return true;
  case CUDNN_POINTWISE_MUL:
    *y = a * b;
    return true;
  case CUDNN_POINTWISE_DIV:
    *y = a / b;
    return true;
  case CUDNN_POINTWISE_EXP:
    *y = expf(a);
    return true;
  case CUDNN_POINTWISE_LOG:
    *y = logf(a);
    return true;
  case CUDNN_POINTWISE_IDENTITY:
    *y = a;
    return true;
  case CUDNN_POINTWISE_RELU_FWD:
    *y = a < 0 ? 0 : a;
    return true;
  case CUDNN_POINTWISE_CMP_GE:
    *y = a >= b;
    return true;
  default:
    return false;
  }
}

static bool is_special(cudnnPointwiseMode_t mode) {
  return mode == CUDNN_POINTWISE_GEN_INDEX || mode == CUDNN_POINTWISE_BINARY_SELECT;
}

/* Element i of y in an operand that broadcasts along axes of size 1. */
static float element(const tensor &x, const tensor &y, int64_t i) {
  int64_t at[AXES];
  split(y, i, at);
  for (int d = 0; d < x.rank; d++)
    if (x.size[d] == 1) at[d] = 0;
  return x.values[(size_t)join(x, at)];
}

static void point(run &r, const dnn_part &operation) {
  dnn_part step = *operation.part(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  cudnnPointwiseMode_t mode = step.value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  dnn_ref second = operation.part(CUDNN_ATTR_OPERATION_POINTWISE_BDESC),
          third = operation.part(CUDNN_ATTR_OPERATION_POINTWISE_TDESC),
          to = operation.part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  tensor a = load(r, operation.part(CUDNN_ATTR_OPERATION_POINTWISE_XDESC)), y = describe(*to),
         b = second ? load(r, second) : a, t = third ? load(r, third) : a;
  y.values.resize((size_t)y.count());
  for (int64_t i = 0; i < y.count(); i++) {
    float &value = y.values[(size_t)i];
    int64_t at[AXES];
    split(y, i, at);
    if (mode == CUDNN_POINTWISE_GEN_INDEX)
      value = (float)at[step.value<int64_t>(CUDNN_ATTR_POINTWISE_AXIS)];
    else if (mode == CUDNN_POINTWISE_BINARY_SELECT)
      value = element(t, y, i) != 0 ? element(a, y, i) : element(b, y, i);
    else
      (void)function_of(mode, element(a, y, i), element(b, y, i), &value);
  }
  store(r, to, y);
}

/* --- products, reductions, orders of axes ---------------------------------------------------------- */

static void multiply(run &r, const dnn_part &operation) {
  dnn_ref to = operation.part(CUDNN_ATTR_OPERATION_MATMUL_CDESC);
  tensor a = load(r, operation.part(CUDNN_ATTR_OPERATION_MATMUL_ADESC)),
         b = load(r, operation.part(CUDNN_ATTR_OPERATION_MATMUL_BDESC)), c = describe(*to);
  int last = c.rank - 1;
  lose_bits(r, a);
  lose_bits(r, b);
  c.values.resize((size_t)c.count());
  for (int64_t i = 0; i < c.count(); i++) {
    int64_t at[AXES], left[AXES], right[AXES];
    split(c, i, at);
    memcpy(left, at, sizeof at);
    memcpy(right, at, sizeof at);
    for (int d = 0; d < last - 1; d++) right[d] /= a.size[d] / b.size[d]; /* heads of a group read the same */
    double sum = 0;
    for (int64_t k = 0; k < a.size[last]; k++) {
      left[last] = right[last - 1] = k;
      sum += (double)a.values[(size_t)join(a, left)] * b.values[(size_t)join(b, right)];
    }
    c.values[(size_t)i] = (float)sum;
  }
  store(r, to, c);
}

static void reduce(run &r, const dnn_part &operation) {
  dnn_ref to = operation.part(CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
  bool sum = operation.part(CUDNN_ATTR_OPERATION_REDUCTION_DESC)
                 ->value<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR) == CUDNN_REDUCE_TENSOR_ADD;
  tensor x = load(r, operation.part(CUDNN_ATTR_OPERATION_REDUCTION_XDESC)), y = describe(*to);
  y.values.assign((size_t)y.count(), sum ? 0.0f : -INFINITY);
  for (int64_t i = 0; i < x.count(); i++) {
    int64_t at[AXES];
    split(x, i, at);
    for (int d = 0; d < y.rank; d++) at[d] /= x.size[d] / y.size[d];
    float &value = y.values[(size_t)join(y, at)], given = x.values[(size_t)i];
    value = sum ? value + given : given > value ? given : value;
  }
  store(r, to, y);
}

/* kdist exchanges the last two axes by it: sizes of y are those of x so exchanged, and memory is the same. */
static void turn(run &r, const dnn_part &operation) {
  dnn_ref to = operation.part(CUDNN_ATTR_OPERATION_RESHAPE_YDESC);
  tensor x = load(r, operation.part(CUDNN_ATTR_OPERATION_RESHAPE_XDESC)), y = describe(*to);
  y.values.resize((size_t)y.count());
  for (int64_t i = 0; i < y.count(); i++) y.values[(size_t)i] = x.values[(size_t)place_of(y, i)];
  store(r, to, y);
}

static bool product_fits(const dnn_part &operation) {
  tensor a = describe(*operation.part(CUDNN_ATTR_OPERATION_MATMUL_ADESC)),
         b = describe(*operation.part(CUDNN_ATTR_OPERATION_MATMUL_BDESC)),
         c = describe(*operation.part(CUDNN_ATTR_OPERATION_MATMUL_CDESC));
  int last = c.rank - 1;
  bool fits = a.type == b.type && a.size[last] == b.size[last - 1] && a.size[last - 1] == c.size[last - 1] &&
              b.size[last] == c.size[last];
  for (int d = 0; d < last - 1; d++) fits = fits && a.size[d] == c.size[d] && a.size[d] % b.size[d] == 0;
  return fits;
}

/* --- graphs ---------------------------------------------------------------------------------------- */

static bool is_known(const dnn_part &operation) {
  float unused;
  if (const names *n = convolution_of(operation)) return convolution_fits(operation, *n);
  switch (operation.type) {
  case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
    return product_fits(operation);
  case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
  case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
    return true;
  case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: {
    cudnnPointwiseMode_t mode = operation.part(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)
                                    ->value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
    return is_special(mode) || function_of(mode, 0, 0, &unused);
  }
  default:
    return false;
  }
}

bool dnn_graph_is_known(const dnn_part &graph) {
  for (const dnn_ref &operation : graph.get(CUDNN_ATTR_OPERATIONGRAPH_OPS).parts)
    if (!is_known(*operation)) return false;
  return true;
}

static void run_operation(run &r, const dnn_part &operation) {
  if (const names *n = convolution_of(operation))
    convolve(r, operation, *n);
  else if (operation.type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
    multiply(r, operation);
  else if (operation.type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
    reduce(r, operation);
  else if (operation.type == CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)
    turn(r, operation);
  else
    point(r, operation);
}

void dnn_graph_run(const dnn_part &graph, const std::map<int64_t, void *> &address, bool tf32) {
  run r = {&address, {}, tf32};
  for (const dnn_ref &operation : graph.get(CUDNN_ATTR_OPERATIONGRAPH_OPS).parts) run_operation(r, *operation);
}
