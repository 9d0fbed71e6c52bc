#include "device/cuda/cuda.h"

kd_status kd_cuda_error(int error, const char *what) {
  const char *text = cudaGetErrorString((cudaError_t)error);
  KD_CHECK(error != cudaErrorMemoryAllocation, KD_ERR_NOMEM, "CUDA: %s: %s", what, text);
  /* Faults of kernels show up in a later call. */
  const char *hint =
      error >= cudaErrorIllegalAddress ? "; CUDA_LAUNCH_BLOCKING=1 makes the failing operation known" : "";
  return kd_fail(KD_ERR_RUN, "CUDA: %s: %s (error %d)%s", what, text, error, hint);
}

kd_status kd_blas_error(int error, const char *what) {
  return kd_fail(KD_ERR_RUN, "cuBLASLt: %s: %s", what, cublasLtGetStatusString((cublasStatus_t)error));
}

kd_status kd_dnn_error(int error, const char *what) {
  return kd_fail(KD_ERR_RUN, "cuDNN: %s: %s", what, cudnnGetErrorString((cudnnStatus_t)error));
}

kd_status kd_cuda_float32(const kd_launch *launch) {
  for (int i = 0; i < launch->n_inputs; i++)
    KD_CHECK(launch->input[i].dtype == KD_F32, KD_ERR_INTERNAL, "%s on CUDA takes float32, not %s",
             kd_op_get(launch->op)->name, kd_dtype_name(launch->input[i].dtype));
  return KD_OK;
}
