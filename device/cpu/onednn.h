/* The only door to oneDNN (2.6). Everything that differs between versions of the library is behind it: no
 * type of the library appears here. Statuses of the library become kd_status with its name in the text. */
#ifndef KD_CPU_ONEDNN_H
#define KD_CPU_ONEDNN_H

#include "device/cpu/conv_shape.h"

/* A primitive of the library: a product, one direction of a convolution, or a change of layout, together with
 * its arguments. Made at prepare, given its addresses at bind, run in steps. */
typedef struct kd_onednn kd_onednn;

/* The arguments of a primitive. A convolution names the tensors of its forward direction in all three
 * directions: KD_ONEDNN_X is x or its gradient, W the kernel or its gradient, Y y or its gradient. A product
 * reads X and W and writes Y. A change of layout reads X and writes Y. */
typedef enum kd_onednn_slot {
  KD_ONEDNN_X,
  KD_ONEDNN_W,
  KD_ONEDNN_BIAS,
  KD_ONEDNN_Y,
  KD_ONEDNN_SCRATCH, /* kd_onednn_scratch_bytes of working memory */
  KD_ONEDNN_N_SLOTS,
} kd_onednn_slot;

typedef enum kd_conv_direction { KD_CONV_FORWARD, KD_CONV_GRAD_X, KD_CONV_GRAD_W } kd_conv_direction;

/* y (batch.., m, n) = a (batch.., m, k) * b (batch.., k, n) [+ bias (n)], then the epilogue. Sizes are those
 * after transposition; strides are in elements, 0 extents are not allowed. Batch sizes of a and b are equal
 * to those of y or 1. */
typedef struct kd_onednn_product {
  int n_batch; /* leading axes */
  int64_t a_batch[KD_MAX_RANK], b_batch[KD_MAX_RANK], y_batch[KD_MAX_RANK];
  int64_t m, k, n;
  bool transpose_a, transpose_b; /* stored as (k, m) and (n, k) */
  bool bias;                     /* float32 */
  kd_epilogue epilogue;
  kd_product_types types; /* of a and b, and of y: KD_F32, KD_BF16 */
  /* Products without batch: b is taken in a layout of the library's choice (kd_onednn_kernel_bytes,
   * kd_onednn_reorder_create). Its plain rows are b_row elements apart; 0: dense. */
  bool pack;
  int64_t b_row;
} kd_onednn_product;

/* Starts the library at its first call (kd_isa_limit_onednn comes before) and sets the number of compute
 * threads of the calling thread. The create functions do this; whoever uses only kd_onednn_sgemm calls it in
 * prepare. */
kd_status kd_onednn_start(int threads);

/* threads: the number of compute threads of the device; small operations take fewer.
 * On success the caller owns *primitive and releases it with kd_onednn_destroy. */
kd_status kd_onednn_product_create(const kd_onednn_product *product, int threads, kd_onednn **primitive);

/* One direction of a convolution of channels-last tensors with the kernel in a layout of the library's
 * choice; see kd_onednn_kernel_bytes. bias and epilogue: KD_CONV_FORWARD only. */
kd_status kd_onednn_conv_create(const kd_conv_shape *shape, kd_conv_direction direction, bool bias,
                                kd_epilogue epilogue, int threads, kd_onednn **primitive);

/* Bytes of a convolution's kernel, or of b of a packed product, in the library's layout; 0 when that is the
 * plain layout. */
size_t kd_onednn_kernel_bytes(const kd_onednn *primitive);

/* The change of that layout: from plain to the library's (to_library) or back. */
kd_status kd_onednn_reorder_create(const kd_onednn *of, bool to_library, kd_onednn **primitive);

size_t kd_onednn_scratch_bytes(const kd_onednn *primitive);

/* Gives an argument its address; it must stay valid while the primitive is run. */
kd_status kd_onednn_bind(kd_onednn *primitive, kd_onednn_slot slot, void *address);

kd_status kd_onednn_run(const kd_onednn *primitive);

void kd_onednn_destroy(kd_onednn *primitive); /* NULL is allowed */

/* Name of the implementation ("brgconv:avx512_core"); lives as long as the primitive. */
const char *kd_onednn_note(const kd_onednn *primitive);
/* True when the library fell to reference code, or to im2col in a convolution. */
bool kd_onednn_slow(const kd_onednn *primitive);

/* y (m, n) = op(a) * op(b) in plain row-major memory; a is (m, k) or, transposed, (k, m); b likewise. The
 * bits of a row do not depend on m, except for m = 1. */
kd_status kd_onednn_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                          const float *b, float *y, int threads);

/* y (m, n) = alpha op(a) op(b) + beta y; rows of the matrices as they lie in memory are `stride` floats
 * apart. No sizes may be 0. kd_onednn_start comes before, in prepare. */
typedef struct kd_gemm {
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  float alpha;
  const float *a;
  int64_t a_stride;
  const float *b;
  int64_t b_stride;
  float beta;
  float *y;
  int64_t y_stride;
  int threads; /* 0: the calling thread alone */
} kd_gemm;
kd_status kd_onednn_gemm(const kd_gemm *gemm);

/* Whether the processor multiplies bfloat16: elsewhere the library imitates it, at half the speed of float32.
 */
bool kd_onednn_has_bf16(void);

/* Version and instruction set in effect: "oneDNN 2.6.3 avx512_core_bf16". Static text. */
const char *kd_onednn_describe(void);

#endif
