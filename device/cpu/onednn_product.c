/* Products of matrices by oneDNN. */
#include <omp.h>

#include "device/base/memory.h"
#include "device/cpu/onednn_internal.h"

/* A row-major matrix (rows, columns), or its transpose in memory, under leading axes. */
static kd_status matrix_desc(kd_dtype type, int n_batch, const int64_t *batch, int64_t rows, int64_t columns,
                             bool transposed, dnnl_memory_desc_t *desc) {
  dnnl_dims_t dims, strides;
  int64_t stride = rows * columns;
  for (int i = n_batch - 1; i >= 0; i--) {
    dims[i] = batch[i];
    strides[i] = stride;
    stride *= batch[i];
  }
  dims[n_batch] = rows;
  dims[n_batch + 1] = columns;
  strides[n_batch] = transposed ? 1 : columns;
  strides[n_batch + 1] = transposed ? rows : 1;
  return kd_onednn_check(
      dnnl_memory_desc_init_by_strides(desc, n_batch + 2, dims, kd_onednn_type(type), strides), "matrix");
}

/* b as it is stored, and without a layout. */
static kd_status packed_descs(const kd_onednn_product *p, dnnl_memory_desc_t *plain,
                              dnnl_memory_desc_t *any) {
  dnnl_dims_t dims = {p->k, p->n};
  int64_t row = p->b_row ? p->b_row : p->transpose_b ? p->k : p->n;
  dnnl_dims_t strides = {p->transpose_b ? 1 : row, p->transpose_b ? row : 1};
  dnnl_data_type_t type = kd_onednn_type(p->types.factors);
  KD_TRY(kd_onednn_check(dnnl_memory_desc_init_by_strides(plain, 2, dims, type, strides), "matrix"));
  return kd_onednn_check(dnnl_memory_desc_init_by_tag(any, 2, dims, type, dnnl_format_tag_any), "matrix");
}

static kd_status build_product(kd_onednn *self, const kd_onednn_product *p) {
  static const int64_t ones[KD_MAX_RANK] = {1, 1, 1, 1, 1, 1};
  dnnl_memory_desc_t a, b, y, bias;
  const kd_dtype factors = p->types.factors, result = p->types.result;
  KD_TRY(matrix_desc(factors, p->n_batch, p->a_batch, p->m, p->k, p->transpose_a, &a));
  if (p->pack)
    KD_TRY(packed_descs(p, &self->plain_kernel, &b));
  else
    KD_TRY(matrix_desc(factors, p->n_batch, p->b_batch, p->k, p->n, p->transpose_b, &b));
  KD_TRY(matrix_desc(result, p->n_batch, p->y_batch, p->m, p->n, false, &y));
  KD_TRY(matrix_desc(KD_F32, p->n_batch, ones, 1, p->n, false, &bias));
  dnnl_matmul_desc_t operation;
  KD_TRY(kd_onednn_check(dnnl_matmul_desc_init(&operation, &a, &b, p->bias ? &bias : NULL, &y), "matmul"));
  KD_TRY(kd_onednn_make_desc(self, &operation, p->epilogue, NULL, NULL, NULL, "matmul"));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_X, DNNL_ARG_SRC, &a));
  self->kernel = *kd_onednn_query(self, DNNL_ARG_WEIGHTS);
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_W, DNNL_ARG_WEIGHTS, &self->kernel));
  if (p->bias) KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_BIAS, DNNL_ARG_BIAS, &bias));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_Y, DNNL_ARG_DST, &y));
  return kd_onednn_finish(self, "matmul", false);
}

kd_status kd_onednn_product_create(const kd_onednn_product *product, int threads, kd_onednn **primitive) {
  double flops = 2.0 * (double)product->m * (double)product->n * (double)product->k;
  for (int i = 0; i < product->n_batch; i++) flops *= (double)product->y_batch[i];
  threads = kd_onednn_team(threads, flops);
  KD_TRY(kd_onednn_start(threads));
  kd_onednn *self = kd_calloc(1, sizeof *self);
  self->threads = threads;
  return kd_onednn_deliver(self, build_product(self, product), primitive);
}

kd_status kd_onednn_gemm(const kd_gemm *g) {
  omp_set_num_threads(kd_onednn_team(g->threads, 2.0 * (double)g->m * (double)g->n * (double)g->k));
  return kd_onednn_check(dnnl_sgemm(g->transpose_a ? 'T' : 'N', g->transpose_b ? 'T' : 'N', g->m, g->n, g->k,
                                    g->alpha, g->a, g->a_stride, g->b, g->b_stride, g->beta, g->y,
                                    g->y_stride),
                         "gemm");
}

kd_status kd_onednn_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                          const float *b, float *y, int threads) {
  return kd_onednn_gemm(&(kd_gemm){.transpose_a = transpose_a,
                                   .transpose_b = transpose_b,
                                   .m = m,
                                   .n = n,
                                   .k = k,
                                   .alpha = 1,
                                   .a = a,
                                   .a_stride = transpose_a ? m : k,
                                   .b = b,
                                   .b_stride = transpose_b ? k : n,
                                   .y = y,
                                   .y_stride = n,
                                   .threads = threads});
}
