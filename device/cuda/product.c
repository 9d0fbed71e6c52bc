/* Libraries count columns: a matrix of rows is the transposed one there, so c' = b' a' is asked for. */
#include "device/cuda/product.h"

#include "device/base/memory.h"
#include "device/cuda/launch.h"

enum { MOST_WORKSPACE = 32 << 20, ALIGNED = 16, UNALIGNED = 4 };

struct kd_product {
  kd_product_spec spec;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t a, b, c;
  cublasLtMatmulAlgo_t aligned, unaligned; /* for addresses that are multiples of 16, of 4 */
  size_t aligned_bytes, unaligned_bytes;
};

#define BLAS(call, what)                                                                                     \
  do {                                                                                                       \
    int blas_error_ = (int)(call);                                                                           \
    if (blas_error_) return kd_blas_error(blas_error_, what);                                                \
  } while (0)

static cudaDataType_t library_type(kd_dtype dtype) {
  return dtype == KD_BF16 ? CUDA_R_16BF : dtype == KD_F16 ? CUDA_R_16F : CUDA_R_32F;
}

/* The layout of a matrix stored as (rows, columns) in rows of `row` elements. */
static kd_status make_layout(cublasLtMatrixLayout_t *layout, kd_dtype dtype, int64_t rows, int64_t columns,
                             int64_t row, int64_t batch, int64_t step) {
  BLAS(cublasLtMatrixLayoutCreate(layout, library_type(dtype), (uint64_t)columns, (uint64_t)rows, row),
       "a layout");
  int32_t count = (int32_t)batch;
  if (batch <= 1) return KD_OK;
  BLAS(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
       "a layout");
  BLAS(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step,
                                        sizeof step),
       "a layout");
  return KD_OK;
}

static kd_status make_layouts(kd_product *p) {
  const kd_product_spec *s = &p->spec;
  int64_t rows_a = s->transpose_a ? s->k : s->m, columns_a = s->transpose_a ? s->m : s->k;
  int64_t rows_b = s->transpose_b ? s->n : s->k, columns_b = s->transpose_b ? s->k : s->n;
  KD_TRY(make_layout(&p->a, s->types.factors, rows_a, columns_a, s->row_a ? s->row_a : columns_a, s->batch,
                     s->step_a));
  KD_TRY(make_layout(&p->b, s->types.factors, rows_b, columns_b, s->row_b ? s->row_b : columns_b, s->batch,
                     s->step_b));
  return make_layout(&p->c, s->types.result, s->m, s->n, s->row_c ? s->row_c : s->n, s->batch, s->step_c);
}

static kd_status set_operation(kd_product *p) {
  const kd_product_spec *s = &p->spec;
  cublasComputeType_t compute =
      s->tf32 && s->types.factors == KD_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasOperation_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  cublasOperation_t second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = s->bias   ? s->relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS
                                : s->relu ? CUBLASLT_EPILOGUE_RELU
                                          : CUBLASLT_EPILOGUE_DEFAULT;
  BLAS(cublasLtMatmulDescCreate(&p->operation, compute, CUDA_R_32F), "a product");
  BLAS(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
       "a product");
  BLAS(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
       "a product");
  BLAS(
      cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
      "an epilogue");
  return KD_OK;
}

static kd_status set_preference(cublasLtMatmulPreference_t preference, uint32_t alignment) {
  static const cublasLtMatmulPreferenceAttributes_t operands[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  size_t room = MOST_WORKSPACE;
  uint32_t orders = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE; /* NONE is always allowed */
  BLAS(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                            sizeof room),
       "its workspace");
  BLAS(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &orders,
                                            sizeof orders),
       "its order of sums");
  for (int i = 0; i < 4; i++)
    BLAS(cublasLtMatmulPreferenceSetAttribute(preference, operands[i], &alignment, sizeof alignment),
         "its alignment");
  return KD_OK;
}

static kd_status ask(kd_product *p, cublasLtHandle_t handle, cublasLtMatmulPreference_t preference,
                     uint32_t alignment, cublasLtMatmulAlgo_t *algorithm, size_t *bytes) {
  cublasLtMatmulHeuristicResult_t result;
  int found = 0;
  KD_TRY(set_preference(preference, alignment));
  BLAS(cublasLtMatmulAlgoGetHeuristic(handle, p->operation, p->b, p->a, p->c, p->c, preference, 1, &result,
                                      &found),
       "choosing an algorithm");
  KD_CHECK(found > 0, KD_ERR_RUN, "cuBLASLt has no algorithm for a product of (%lld, %lld) and (%lld, %lld)",
           (long long)p->spec.m, (long long)p->spec.k, (long long)p->spec.k, (long long)p->spec.n);
  *algorithm = result.algo;
  *bytes = result.workspaceSize;
  return KD_OK;
}

static kd_status choose(kd_product *p, cublasLtHandle_t handle) {
  cublasLtMatmulPreference_t preference;
  BLAS(cublasLtMatmulPreferenceCreate(&preference), "choosing an algorithm");
  kd_status status = ask(p, handle, preference, ALIGNED, &p->aligned, &p->aligned_bytes);
  if (status == KD_OK) status = ask(p, handle, preference, UNALIGNED, &p->unaligned, &p->unaligned_bytes);
  (void)cublasLtMatmulPreferenceDestroy(preference);
  return status;
}

kd_status kd_product_make(kd_cuda *cuda, const kd_product_spec *spec, kd_product **product,
                          size_t *workspace) {
  kd_product *p = kd_calloc(1, sizeof *p);
  *product = p;
  *workspace = 0;
  p->spec = *spec;
  if (p->spec.batch < 1) p->spec.batch = 1;
  if (spec->m == 0 || spec->n == 0 || spec->k == 0 || cuda->described > 0) return KD_OK;
  kd_status status = make_layouts(p);
  if (status == KD_OK) status = set_operation(p);
  if (status == KD_OK) status = choose(p, cuda->blas);
  *workspace = p->aligned_bytes > p->unaligned_bytes ? p->aligned_bytes : p->unaligned_bytes;
  if (status == KD_OK) return KD_OK;
  kd_product_free(p);
  *product = NULL;
  return status;
}

void kd_product_free(kd_product *p) {
  if (!p) return;
  if (p->a) (void)cublasLtMatrixLayoutDestroy(p->a);
  if (p->b) (void)cublasLtMatrixLayoutDestroy(p->b);
  if (p->c) (void)cublasLtMatrixLayoutDestroy(p->c);
  if (p->operation) (void)cublasLtMatmulDescDestroy(p->operation);
  kd_free(p);
}

/* The sum over nothing: zeros, then what the library would have done to them. */
static kd_status run_empty(const kd_product *p, kd_cuda *cuda, const float *bias, void *c) {
  const kd_product_spec *s = &p->spec;
  size_t size = kd_dtype_size(s->types.result), row = (size_t)(s->row_c ? s->row_c : s->n) * size;
  int kind = s->relu ? KD_EPI_RELU : KD_EPI_NONE;
  if (s->add) return KD_OK;
  for (int64_t b = 0; b < s->batch && s->m * s->n > 0; b++) {
    void *to = (char *)c + (size_t)(b * s->step_c) * size;
    KD_CUDA(cudaMemset2DAsync(to, row, 0, (size_t)s->n * size, (size_t)s->m, cuda->stream),
            "clearing memory");
    if (bias) KD_CUDA(kd_cuda_epilogue_start(kind, bias, s->m, s->n, to, KD_F32, to, cuda->stream), "a bias");
  }
  return KD_OK;
}

kd_status kd_product_run(const kd_product *p, kd_cuda *cuda, const void *a, const void *b, const float *bias,
                         void *c, void *workspace) {
  static const float one = 1.0f, zero = 0.0f;
  if (!p->operation) return run_empty(p, cuda, bias, c);
  bool aligned = ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % ALIGNED == 0;
  if (bias)
    BLAS(cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
         "a bias");
  BLAS(cublasLtMatmul(cuda->blas, p->operation, &one, b, p->b, a, p->a, p->spec.add ? &one : &zero, c, p->c,
                      c, p->c, aligned ? &p->aligned : &p->unaligned, workspace,
                      aligned ? p->aligned_bytes : p->unaligned_bytes, cuda->stream),
       "a product");
  return KD_OK;
}
