/* Matrix products by cuBLASLt, said in rows: c (m, n) = a (m, k) b (k, n), each operand transposed when
 * asked. Sums are float32. Factors of float32 are true ones unless TF32 is allowed; of 16 bits they go to
 * tensor cores. No sum has an order that depends on timing. */
#ifndef KD_CUDA_PRODUCT_H
#define KD_CUDA_PRODUCT_H

#include "device/cuda/cuda.h"

typedef struct kd_product_spec {
  int64_t m, n, k;
  kd_product_types types; /* of a and b, of c */
  bool transpose_a, transpose_b;
  int64_t row_a, row_b, row_c;    /* elements between rows; 0: dense */
  int64_t batch;                  /* 0 or 1: one product */
  int64_t step_a, step_b, step_c; /* elements between products */
  bool bias, relu;                /* c = relu(c + bias (n)); bias float32, as c then */
  bool add;                       /* c += */
  bool tf32;                      /* factors of float32 may be rounded: that of the device */
} kd_product_spec;

typedef struct kd_product kd_product;

/* Chooses algorithms. workspace: the bytes that run needs. The product is the caller's. */
kd_status kd_product_make(kd_cuda *cuda, const kd_product_spec *spec, kd_product **product,
                          size_t *workspace);
void kd_product_free(kd_product *product); /* NULL is allowed */
/* Addresses may be multiples of 4; of 16 they are faster. bias: NULL without one. */
kd_status kd_product_run(const kd_product *product, kd_cuda *cuda, const void *a, const void *b,
                         const float *bias, void *c, void *workspace);

#endif
