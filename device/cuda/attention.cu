/* Attention without a matrix of scores (device/attention.h). A warp works on one query, or on one key for the
 * gradients of keys and values: its lanes take 32 steps of the other side at a time, then share the sums over
 * features. Every sum has an order that shapes alone decide. Running maxima as in Milakov and Gimelshein,
 * "Online normalizer calculation for softmax", 2018. */
#include "device/cuda/attention.cuh"
#include "device/cuda/philox.cuh"

enum { LANE_FEATURES = 8, SLICE = LANE_FEATURES * KD_WARP }; /* features of one warp; more take more warps */

/* Row b, query or key i, head h, of (b, steps, heads, features). */
static __device__ __forceinline__ const float *row_at(const float *x, int64_t b, int64_t steps, int64_t i,
                                                      int64_t heads, int64_t h, int64_t features) {
  return x + ((b * steps + i) * heads + h) * features;
}

/* The factor that dropout gives a probability. */
static __device__ __forceinline__ float kept(const kd_job_attention &a, int64_t b, int64_t h, int64_t i,
                                             int64_t j) {
  if (a.dropout <= 0) return 1.0f;
  int64_t row = b % a.rows_per_sample;
  uint64_t e = (uint64_t)(((row * a.heads + h) * a.queries + i) * a.keys + j);
  uint32_t word = philox_word(a.rng, a.node, (uint64_t)(b / a.rows_per_sample), e);
  return philox_uniform(word) >= a.dropout ? 1.0f / (1.0f - a.dropout) : 0.0f;
}

static __device__ __forceinline__ float dot(const float *x, const float *y, int64_t n) {
  float sum = 0;
  for (int64_t f = 0; f < n; f++) sum += x[f] * y[f];
  return sum;
}

/* sum[f] += weight of lane l times feature f of the row of lane l, for the features of this lane. */
static __device__ __forceinline__ void add_rows(float *sum, float weight, const float *row, int64_t stride,
                                                int64_t rows, int64_t first, int64_t features) {
  for (int l = 0; l < KD_WARP; l++) {
    float w = __shfl_sync(KD_ALL_LANES, weight, l);
    if (l >= rows || w == 0) continue;
    for (int k = 0; k < LANE_FEATURES; k++) {
      int64_t f = first + k * KD_WARP + threadIdx.x;
      if (f < features) sum[k] += w * row[l * stride + f];
    }
  }
}

static __device__ __forceinline__ void store_row(const float *sum, float scale, float *row, int64_t first,
                                                 int64_t features) {
  for (int k = 0; k < LANE_FEATURES; k++) {
    int64_t f = first + k * KD_WARP + threadIdx.x;
    if (f < features) row[f] = sum[k] * scale;
  }
}

/* A query that sees nothing: all keys alike, or none. */
static __device__ __forceinline__ float unseen_probability(const kd_job_attention &a) {
  return a.unseen == KD_UNSEEN_ZERO ? 0.0f : 1.0f / (float)a.keys;
}

/* Work item `KD_ROW` is (b, step, head). */
static __device__ __forceinline__ bool item_of(int64_t batch, int64_t steps, int64_t heads, int64_t *b,
                                               int64_t *i, int64_t *h) {
  int64_t item = KD_ROW(KD_WARP);
  *h = item % heads;
  *i = item / heads % steps;
  *b = item / heads / steps;
  return *b < batch;
}

static __global__ void attention(kd_job_attention a, float *y, float *lse) {
  int64_t b, i, h, first = (int64_t)blockIdx.y * SLICE;
  if (!item_of(a.batch, a.queries, a.heads, &b, &i, &h)) return;
  int64_t g = h / (a.heads / a.groups);
  const float *q = row_at(a.q, b, a.queries, i, a.heads, h, a.features);
  float sum[LANE_FEATURES] = {0}, most = -INFINITY, total = 0;
  for (int64_t j0 = 0; j0 < a.keys; j0 += KD_WARP) {
    int64_t j = j0 + threadIdx.x, here = a.keys - j0 < KD_WARP ? a.keys - j0 : KD_WARP;
    bool seen = j < a.keys && sees(a, b, h, i, j);
    float score =
        seen ? a.scale * dot(q, row_at(a.k, b, a.keys, j, a.groups, g, a.features), a.features) : -INFINITY;
    float top = kd_max(most, kd_warp_max(score));
    if (top == -INFINITY) continue;
    float p = seen ? expf(score - top) : 0.0f, shrink = most == -INFINITY ? 0.0f : expf(most - top);
    total = total * shrink + kd_warp_sum(p);
    for (int k = 0; k < LANE_FEATURES; k++) sum[k] *= shrink;
    most = top;
    if (seen) p *= kept(a, b, h, i, j);
    add_rows(sum, p, row_at(a.v, b, a.keys, j0, a.groups, g, a.width), a.groups * a.width, here, first,
             a.width);
  }
  bool blind = most == -INFINITY;
  for (int64_t j0 = 0; blind && j0 < a.keys; j0 += KD_WARP) {
    int64_t j = j0 + threadIdx.x, here = a.keys - j0 < KD_WARP ? a.keys - j0 : KD_WARP;
    float p = j < a.keys ? unseen_probability(a) * kept(a, b, h, i, j) : 0.0f;
    add_rows(sum, p, row_at(a.v, b, a.keys, j0, a.groups, g, a.width), a.groups * a.width, here, first,
             a.width);
  }
  store_row(sum, blind ? 1.0f : 1.0f / total, y + ((b * a.queries + i) * a.heads + h) * a.width, first,
            a.width);
  if (threadIdx.x == 0 && blockIdx.y == 0)
    lse[(b * a.heads + h) * a.queries + i] = blind ? -INFINITY : most + logf(total);
}

/* A block a slice of features; at least one, for the logarithms. */
static dim3 items(int64_t batch, int64_t steps, int64_t heads, int64_t features) {
  int64_t slices = features > SLICE ? kd_ceil_div(features, SLICE) : 1;
  return dim3((unsigned)kd_ceil_div(batch * steps * heads, KD_BLOCK / KD_WARP), (unsigned)slices);
}

int kd_cuda_attention_start(const kd_job_attention *a, float *y, float *lse, void *stream) {
  if (a->batch * a->queries * a->heads == 0) return 0;
  return kd_start(attention, items(a->batch, a->queries, a->heads, a->width),
                  dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, *a, y, lse);
}

/* --- backward -------------------------------------------------------------------------------------- */

typedef struct gradients {
  const float *y, *lse, *dy;
  float *dq, *dk, *dv, *total; /* total (b, h, tq): the sum of y dy over features */
} gradients;

static __global__ void sum_products(kd_job_attention a, gradients g) {
  int64_t b, i, h;
  if (!item_of(a.batch, a.queries, a.heads, &b, &i, &h)) return;
  int64_t at = ((b * a.queries + i) * a.heads + h) * a.width;
  float sum = 0;
  for (int64_t f = threadIdx.x; f < a.width; f += KD_WARP) sum += g.y[at + f] * g.dy[at + f];
  sum = kd_warp_sum(sum);
  if (threadIdx.x == 0) g.total[(b * a.heads + h) * a.queries + i] = sum;
}

/* The probability of (i, j), what dropout leaves of it, and the gradient of the score times the scale. */
typedef struct pair {
  float probability, slope;
} pair;

static __device__ __forceinline__ pair pair_at(const kd_job_attention &a, const gradients &g, int64_t b,
                                               int64_t h, int64_t i, int64_t j) {
  int64_t group = h / (a.heads / a.groups);
  float lse = g.lse[(b * a.heads + h) * a.queries + i], p = 0, drop = kept(a, b, h, i, j);
  bool blind = lse == -INFINITY;
  if (blind)
    p = unseen_probability(a);
  else if (sees(a, b, h, i, j))
    p = expf(a.scale * dot(row_at(a.q, b, a.queries, i, a.heads, h, a.features),
                           row_at(a.k, b, a.keys, j, a.groups, group, a.features), a.features) -
             lse);
  float dp = p == 0 ? 0.0f
                    : dot(row_at(g.dy, b, a.queries, i, a.heads, h, a.width),
                          row_at(a.v, b, a.keys, j, a.groups, group, a.width), a.width);
  float total = g.total[(b * a.heads + h) * a.queries + i];
  pair result = {p * drop, 0.0f};
  if (!blind || a.unseen == KD_UNSEEN_SHIFT) result.slope = p * (drop * dp - total) * a.scale;
  return result;
}

static __global__ void query_gradient(kd_job_attention a, gradients g) {
  int64_t b, i, h, first = (int64_t)blockIdx.y * SLICE;
  if (!item_of(a.batch, a.queries, a.heads, &b, &i, &h)) return;
  int64_t group = h / (a.heads / a.groups);
  float sum[LANE_FEATURES] = {0};
  for (int64_t j0 = 0; j0 < a.keys; j0 += KD_WARP) {
    int64_t j = j0 + threadIdx.x, here = a.keys - j0 < KD_WARP ? a.keys - j0 : KD_WARP;
    float slope = j < a.keys ? pair_at(a, g, b, h, i, j).slope : 0.0f;
    add_rows(sum, slope, row_at(a.k, b, a.keys, j0, a.groups, group, a.features), a.groups * a.features, here,
             first, a.features);
  }
  store_row(sum, 1.0f, g.dq + ((b * a.queries + i) * a.heads + h) * a.features, first, a.features);
}

/* All heads of the group in order, 32 queries at a time. */
static __global__ void key_gradient(kd_job_attention a, gradients g) {
  int64_t b, j, group, first = (int64_t)blockIdx.y * SLICE, share = a.heads / a.groups;
  if (!item_of(a.batch, a.keys, a.groups, &b, &j, &group)) return;
  float dk[LANE_FEATURES] = {0}, dv[LANE_FEATURES] = {0};
  for (int64_t h = group * share; h < (group + 1) * share; h++) {
    for (int64_t i0 = 0; i0 < a.queries; i0 += KD_WARP) {
      int64_t i = i0 + threadIdx.x, here = a.queries - i0 < KD_WARP ? a.queries - i0 : KD_WARP;
      pair p = {0, 0};
      if (i < a.queries) p = pair_at(a, g, b, h, i, j);
      add_rows(dk, p.slope, row_at(a.q, b, a.queries, i0, a.heads, h, a.features), a.heads * a.features, here,
               first, a.features);
      add_rows(dv, p.probability, row_at(g.dy, b, a.queries, i0, a.heads, h, a.width), a.heads * a.width,
               here, first, a.width);
    }
  }
  store_row(dk, 1.0f, g.dk + ((b * a.keys + j) * a.groups + group) * a.features, first, a.features);
  store_row(dv, 1.0f, g.dv + ((b * a.keys + j) * a.groups + group) * a.width, first, a.width);
}

int kd_cuda_attention_grad_start(const kd_job_attention *a, const float *y, const float *lse, const float *dy,
                                 float *dq, float *dk, float *dv, float *total, void *stream) {
  gradients g = {y, lse, dy, dq, dk, dv, total};
  dim3 threads(KD_WARP, KD_BLOCK / KD_WARP);
  int error = 0;
  if (a->batch * a->queries * a->heads > 0) {
    error = kd_start(sum_products, items(a->batch, a->queries, a->heads, 1), threads, stream, *a, g);
    if (!error)
      error = kd_start(query_gradient, items(a->batch, a->queries, a->heads, a->features), threads, stream,
                       *a, g);
  }
  if (error || a->batch * a->keys * a->groups == 0) return error;
  int64_t features = a->features > a->width ? a->features : a->width;
  return kd_start(key_gradient, items(a->batch, a->keys, a->groups, features), threads, stream, *a, g);
}
