/* cuBLASLt as its manual says, in plain loops: columns first, D = epilogue(alpha op(A) op(B) + beta C + bias). */
#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define dim3 emulate_dim3
#include "cuda/emulate.h"
#undef dim3

struct layout {
  cudaDataType type;
  uint64_t rows, columns;
  int64_t lead, step;
  int32_t batch;
};
struct operation {
  cublasOperation_t a, b;
  cublasLtEpilogue_t epilogue;
  const float *bias;
  bool tf32;
};

static float load(const void *x, cudaDataType type, int64_t i) {
  if (type == CUDA_R_32F) return ((const float *)x)[i];
  uint16_t bits = ((const uint16_t *)x)[i];
  return type == CUDA_R_16F ? emulate_from_half(bits) : __uint_as_float((uint32_t)bits << 16);
}

static void store(void *x, cudaDataType type, int64_t i, float value) {
  uint32_t b = __float_as_uint(value);
  if (type == CUDA_R_32F)
    ((float *)x)[i] = value;
  else if (type == CUDA_R_16F)
    ((uint16_t *)x)[i] = emulate_to_half(value);
  else
    ((uint16_t *)x)[i] = (uint16_t)(value != value ? 0x7FC0u : (b + 0x7FFFu + (b >> 16 & 1)) >> 16);
}

/* Element (i, j) of a factor; TF32 keeps ten bits of its mantissa. */
static float at(const operation &o, const void *x, const layout &l, cublasOperation_t op, int64_t n, int64_t i,
                int64_t j) {
  float value = load(x, l.type, n * l.step + (op == CUBLAS_OP_N ? i + j * l.lead : j + i * l.lead));
  uint32_t b = __float_as_uint(value);
  return o.tf32 ? __uint_as_float((b + 0xFFFu + (b >> 13 & 1)) & ~0x1FFFu) : value;
}

static void multiply(const operation &o, float alpha, const void *a, const layout &la, const void *b,
                     const layout &lb, float beta, void *d, const layout &ld) {
  int64_t k = (int64_t)(o.a == CUBLAS_OP_N ? la.columns : la.rows);
  bool bias = o.epilogue & CUBLASLT_EPILOGUE_BIAS, relu = o.epilogue & CUBLASLT_EPILOGUE_RELU;
  for (int64_t n = 0; n < ld.batch; n++)
    for (int64_t j = 0; j < (int64_t)ld.columns; j++)
      for (int64_t i = 0; i < (int64_t)ld.rows; i++) {
        float sum = 0;
        for (int64_t p = 0; p < k; p++) sum += at(o, a, la, o.a, n, i, p) * at(o, b, lb, o.b, n, p, j);
        int64_t to = n * ld.step + i + j * ld.lead;
        float value = alpha * sum + (beta == 0 ? 0 : beta * load(d, ld.type, to)) + (bias ? o.bias[i] : 0);
        store(d, ld.type, to, relu && value < 0 ? 0 : value);
      }
}

/* Sizes must fit, as the library demands. */
static bool sizes_fit(const operation &o, const layout &a, const layout &b, const layout &d) {
  uint64_t m = o.a == CUBLAS_OP_N ? a.rows : a.columns, k = o.a == CUBLAS_OP_N ? a.columns : a.rows;
  uint64_t k2 = o.b == CUBLAS_OP_N ? b.rows : b.columns, n = o.b == CUBLAS_OP_N ? b.columns : b.rows;
  return m == d.rows && n == d.columns && k == k2 && a.lead >= (int64_t)a.rows && b.lead >= (int64_t)b.rows &&
         d.lead >= (int64_t)d.rows && a.batch == d.batch && b.batch == d.batch && a.type == b.type && (d.type == a.type || d.type == CUDA_R_32F) &&
         (d.type == CUDA_R_32F || !(o.epilogue & CUBLASLT_EPILOGUE_BIAS)); /* the bias would be of d's type */
}

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  *handle = (cublasLtHandle_t)malloc(1);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  free(handle);
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() {
  return 130100;
}
const char *cublasLtGetStatusString(cublasStatus_t) {
  return "emulated error";
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t, size_t, cudaDataType, uint64_t,
                                                 uint64_t, int64_t) {
  return CUBLAS_STATUS_NOT_SUPPORTED;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t lead) {
  if (type != CUDA_R_32F && type != CUDA_R_16F && type != CUDA_R_16BF) return CUBLAS_STATUS_NOT_SUPPORTED;
  *made = (cublasLtMatrixLayout_t) new layout{type, rows, columns, lead, 0, 1};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
  delete (layout *)l;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t name,
                                                const void *value, size_t) {
  if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
    memcpy(&((layout *)l)->batch, value, sizeof(int32_t));
  else if (name == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
    memcpy(&((layout *)l)->step, value, sizeof(int64_t));
  else
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, cublasComputeType_t compute, cudaDataType_t) {
  bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (compute != CUBLAS_COMPUTE_32F && !tf32) return CUBLAS_STATUS_NOT_SUPPORTED;
  *made = (cublasLtMatmulDesc_t) new operation{CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL, tf32};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t o) {
  delete (operation *)o;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t to, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t size) {
  operation *o = (operation *)to;
  switch (name) {
  case CUBLASLT_MATMUL_DESC_TRANSA:
    memcpy(&o->a, value, size);
    return CUBLAS_STATUS_SUCCESS;
  case CUBLASLT_MATMUL_DESC_TRANSB:
    memcpy(&o->b, value, size);
    return CUBLAS_STATUS_SUCCESS;
  case CUBLASLT_MATMUL_DESC_EPILOGUE:
    memcpy(&o->epilogue, value, size);
    return CUBLAS_STATUS_SUCCESS;
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    memcpy(&o->bias, value, size);
    return CUBLAS_STATUS_SUCCESS;
  default:
    return CUBLAS_STATUS_INVALID_VALUE;
  }
}

/* A preference is the alignment that addresses will have. */
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made) {
  *made = (cublasLtMatmulPreference_t) new uint32_t(256);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete (uint32_t *)preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t) {
  if (name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES) memcpy(preference, value, sizeof(uint32_t));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t o, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t preference, int,
                                              cublasLtMatmulHeuristicResult_t *result, int *found) {
  if (!sizes_fit(*(operation *)o, *(layout *)a, *(layout *)b, *(layout *)c)) return CUBLAS_STATUS_INVALID_VALUE;
  memset(result, 0, sizeof *result);
  result->algo.data[0] = *(uint32_t *)preference;
  result->workspaceSize = 1000;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t o, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t la, const void *b, cublasLtMatrixLayout_t lb,
                              const void *beta, const void *c, cublasLtMatrixLayout_t, void *d,
                              cublasLtMatrixLayout_t ld, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
                              size_t bytes, cudaStream_t stream) {
  uintptr_t places = (uintptr_t)a | (uintptr_t)b | (uintptr_t)d;
  if (places % algorithm->data[0] != 0 || c != d || bytes < 1000) return CUBLAS_STATUS_INVALID_VALUE;
  operation op = *(operation *)o;
  layout first = *(layout *)la, second = *(layout *)lb, result = *(layout *)ld;
  float scale = *(const float *)alpha, keep = *(const float *)beta;
  emulate_enqueue(stream, [=] {
    memset(workspace, 0x7F, bytes);
    multiply(op, scale, a, first, b, second, keep, d, result);
  });
  return CUBLAS_STATUS_SUCCESS;
}
}
