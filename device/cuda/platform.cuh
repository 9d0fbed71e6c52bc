/* What kernels need of CUDA, and the launch of one. Without nvcc a test compiles the same kernels for the
 * processor: tests/cuda/emulate.h runs the threads of a block one after another. */
#ifndef KD_CUDA_PLATFORM_CUH
#define KD_CUDA_PLATFORM_CUH

#include <stdint.h>

#include "device/cuda/launch.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

template <typename... Parameters, typename... Arguments>
static int kd_start(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, void *stream,
                    Arguments... arguments) {
  kernel<<<blocks, threads, 0, (cudaStream_t)stream>>>(arguments...);
  return (int)cudaGetLastError();
}

static __device__ __forceinline__ float kd_half_to_float(uint16_t half) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
}

static __device__ __forceinline__ uint16_t kd_float_to_half(float value) {
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
}
#else
#include "cuda/emulate.h"
#endif

enum { KD_WARP = 32, KD_BLOCK = 256, KD_MOST_BLOCKS = 1 << 20 };
#define KD_ALL_LANES 0xffffffffu

static inline int64_t kd_ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Blocks of KD_BLOCK threads for n items; kernels go on in strides when there are more. */
static inline dim3 kd_blocks(int64_t n) {
  int64_t blocks = kd_ceil_div(n, KD_BLOCK);
  return dim3((unsigned)(blocks < KD_MOST_BLOCKS ? blocks : KD_MOST_BLOCKS));
}

/* for (each item of this thread) */
#define KD_EACH(i, n)                                                                                        \
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                                  \
       i += (int64_t)gridDim.x * blockDim.x)

/* --- numbers of any type --------------------------------------------------------------------------- */

static __device__ __forceinline__ float kd_bf16_to_float(uint16_t bits) {
  return __uint_as_float((uint32_t)bits << 16);
}

/* To nearest even; NaN stays NaN. */
static __device__ __forceinline__ uint16_t kd_float_to_bf16(float value) {
  uint32_t b = __float_as_uint(value);
  if ((b & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)((b | 0x400000u) >> 16);
  return (uint16_t)((b + 0x7FFFu + (b >> 16 & 1)) >> 16);
}

static __device__ __forceinline__ float kd_load(kd_dtype dtype, const void *from, int64_t i) {
  switch (dtype) {
  case KD_F32:
    return ((const float *)from)[i];
  case KD_BF16:
    return kd_bf16_to_float(((const uint16_t *)from)[i]);
  case KD_F16:
    return kd_half_to_float(((const uint16_t *)from)[i]);
  case KD_F64:
    return (float)((const double *)from)[i];
  case KD_I32:
    return (float)((const int32_t *)from)[i];
  case KD_I64:
    return (float)((const int64_t *)from)[i];
  case KD_U8:
    return (float)((const uint8_t *)from)[i];
  default:
    return (float)((const uint32_t *)from)[i];
  }
}

/* Only floating types: results of sums. */
static __device__ __forceinline__ void kd_store(kd_dtype dtype, void *to, int64_t i, float value) {
  switch (dtype) {
  case KD_BF16:
    ((uint16_t *)to)[i] = kd_float_to_bf16(value);
    break;
  case KD_F16:
    ((uint16_t *)to)[i] = kd_float_to_half(value);
    break;
  case KD_F64:
    ((double *)to)[i] = (double)value;
    break;
  default:
    ((float *)to)[i] = value;
  }
}

/* Index i; floats are cut to whole numbers. */
static __device__ __forceinline__ int64_t kd_index(kd_dtype dtype, const void *ids, int64_t i) {
  switch (dtype) {
  case KD_I32:
    return ((const int32_t *)ids)[i];
  case KD_I64:
    return ((const int64_t *)ids)[i];
  case KD_U8:
    return ((const uint8_t *)ids)[i];
  case KD_U32:
    return ((const uint32_t *)ids)[i];
  default: {
    float x = ((const float *)ids)[i];
    return x > -0x1p62f && x < 0x1p62f ? (int64_t)x : -1;
  }
  }
}

/* --- sums of a warp and of a block, in an order that shapes alone decide ---------------------------- */

static __device__ __forceinline__ float kd_warp_sum(float x) {
  for (int mask = KD_WARP / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(KD_ALL_LANES, x, mask);
  return x;
}

static __device__ __forceinline__ float kd_max(float a, float b) {
  return a != a || a > b ? a : b; /* a NaN wins */
}

static __device__ __forceinline__ float kd_warp_max(float x) {
  for (int mask = KD_WARP / 2; mask > 0; mask /= 2) x = kd_max(x, __shfl_xor_sync(KD_ALL_LANES, x, mask));
  return x;
}

/* A row of a matrix is worked on by `threads` = 32 or KD_BLOCK threads (x) of a block; several rows (y) share
 * a block when it is 32. All threads of the row get the result. */
template <int THREADS> static __device__ __forceinline__ float kd_row_sum(float x) {
  x = kd_warp_sum(x);
  if (THREADS == KD_WARP) return x;
  __shared__ float part[KD_BLOCK / KD_WARP];
  __syncthreads();
  if (threadIdx.x % KD_WARP == 0) part[threadIdx.x / KD_WARP] = x;
  __syncthreads();
  float sum = 0;
  for (int w = 0; w < THREADS / KD_WARP; w++) sum += part[w];
  return sum;
}

template <int THREADS> static __device__ __forceinline__ float kd_row_max(float x) {
  x = kd_warp_max(x);
  if (THREADS == KD_WARP) return x;
  __shared__ float part[KD_BLOCK / KD_WARP];
  __syncthreads();
  if (threadIdx.x % KD_WARP == 0) part[threadIdx.x / KD_WARP] = x;
  __syncthreads();
  float most = part[0];
  for (int w = 1; w < THREADS / KD_WARP; w++) most = kd_max(most, part[w]);
  return most;
}

enum { KD_LONG_ROW = 1024 }; /* from here on a block works on a row */

/* Starts kernel<32> or kernel<KD_BLOCK> for `rows` rows of `width` numbers. */
#define KD_START_ROWS(kernel, rows, width, stream, ...)                                                      \
  ((width) < KD_LONG_ROW                                                                                     \
       ? kd_start(kernel<KD_WARP>, dim3((unsigned)kd_ceil_div(rows, KD_BLOCK / KD_WARP)),                    \
                  dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, __VA_ARGS__)                                    \
       : kd_start(kernel<KD_BLOCK>, dim3((unsigned)(rows)), dim3(KD_BLOCK), stream, __VA_ARGS__))
/* The row of this thread. */
#define KD_ROW(THREADS) ((int64_t)blockIdx.x * (KD_BLOCK / THREADS) + threadIdx.y)

#endif
