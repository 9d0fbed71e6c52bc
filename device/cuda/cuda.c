#include "device/cuda/cuda.h"

#include <nvrtc.h>
#include <stdio.h>

#include "device/base/memory.h"
#include "device/cuda/dnn_plan.h"
#include "device/cuda/kernels.h"
#include "device/cuda/module.h"

enum { OLDEST_CAPABILITY = 75 };

void kd_cuda_libraries(char *text, size_t size) {
  int runtime = 0, driver = 0, major = 0, minor = 0;
  size_t dnn = cudnnGetVersion(), blas = cublasLtGetVersion();
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cudaDriverGetVersion(&driver);
  (void)nvrtcVersion(&major, &minor);
  snprintf(text, size, "CUDA %d.%d, driver for %d.%d, cuDNN %zu.%zu.%zu, cuBLASLt %zu.%zu, NVRTC %d.%d",
           runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10, dnn / 10000,
           dnn / 100 % 100, dnn % 100, blas / 10000, blas / 100 % 100, major, minor);
}

static kd_status describe(kd_cuda *cuda) {
  struct cudaDeviceProp property;
  KD_CUDA(cudaGetDeviceProperties(&property, cuda->ordinal), "properties of the device");
  cuda->capability = property.major * 10 + property.minor;
  KD_CHECK(cuda->capability >= OLDEST_CAPABILITY, KD_ERR_USAGE,
           "%s has compute capability %d.%d, kdist needs %d.%d", property.name, property.major,
           property.minor, OLDEST_CAPABILITY / 10, OLDEST_CAPABILITY % 10);
  snprintf(cuda->text, sizeof cuda->text, "cuda:%d, %s, %.0f GiB, compute capability %d.%d, cuDNN %zu",
           cuda->ordinal, property.name, (double)property.totalGlobalMem / (1 << 30), property.major,
           property.minor, cudnnGetVersion());
  return KD_OK;
}

static kd_status make_streams(kd_cuda *cuda) {
  KD_CUDA(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking), "a stream");
  KD_CUDA(cudaStreamCreateWithFlags(&cuda->copies, cudaStreamNonBlocking), "a stream");
  KD_CUDA(cudaStreamCreateWithFlags(&cuda->feeding, cudaStreamNonBlocking), "a stream");
  KD_CUDA(cudaEventCreateWithFlags(&cuda->reached, cudaEventDisableTiming), "an event");
  return KD_OK;
}

static kd_status open_libraries(kd_cuda *cuda) {
  int error = (int)cublasLtCreate(&cuda->blas);
  if (error) return kd_blas_error(error, "start");
  error = (int)cudnnCreate(&cuda->dnn);
  if (error) return kd_dnn_error(error, "start");
  error = (int)cudnnSetStream(cuda->dnn, cuda->stream);
  if (error) return kd_dnn_error(error, "its stream");
  return kd_dnn_device(cuda->ordinal, NULL, &cuda->dnn_device);
}

static void cuda_close(kd_device *device) {
  kd_cuda *cuda = kd_cuda_of(device);
  if (!cuda) return;
  if (cuda->stream) (void)cudaStreamSynchronize(cuda->stream);
  kd_modules_close(cuda);
  kd_cuda_memory_close(cuda);
  kd_cuda_feed_close(cuda);
  kd_dnn_forget(cuda->dnn_device);
  if (cuda->dnn) (void)cudnnDestroy(cuda->dnn);
  if (cuda->blas) (void)cublasLtDestroy(cuda->blas);
  if (cuda->reached) (void)cudaEventDestroy(cuda->reached);
  if (cuda->copies) (void)cudaStreamDestroy(cuda->copies);
  if (cuda->feeding) (void)cudaStreamDestroy(cuda->feeding);
  if (cuda->stream) (void)cudaStreamDestroy(cuda->stream);
  kd_free(cuda);
  device->state = NULL;
}

static kd_status cuda_open(kd_device *device, int ordinal) {
  kd_cuda *cuda = kd_calloc(1, sizeof *cuda);
  cuda->ordinal = ordinal;
  device->state = cuda;
  if (device->threads <= 0) device->threads = 1;
  int error = (int)cudaSetDevice(ordinal);
  kd_status status = error ? kd_cuda_error(error, "choosing the device") : describe(cuda);
  if (status == KD_OK) status = make_streams(cuda);
  if (status == KD_OK) status = open_libraries(cuda);
  if (status != KD_OK) cuda_close(device);
  return status;
}

static kd_status cuda_finish(kd_device *device) {
  return kd_cuda_wait_stream(device, kd_cuda_of(device)->stream, "waiting for the device");
}

static const char *cuda_describe(kd_device *device) {
  return kd_cuda_of(device)->text;
}

/* Products in 16 bits are instructions of every device from sm_80 on, the oldest that is built for. */
static bool cuda_multiplies(kd_dtype dtype) {
  return dtype == KD_F32 || dtype == KD_BF16 || dtype == KD_F16;
}

static bool cuda_has_tf32(const kd_device *device) {
  return kd_cuda_of(device)->capability >= 80;
}

const kd_backend kd_cuda_backend = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .alloc = kd_cuda_alloc,
    .free = kd_cuda_free,
    .upload = kd_cuda_upload,
    .download = kd_cuda_download,
    .clear = kd_cuda_clear,
    .copy = kd_cuda_copy,
    .add = kd_cuda_add,
    .finish = cuda_finish,
    .fetch_start = kd_cuda_fetch_start,
    .fetch_wait = kd_cuda_fetch_wait,
    .feed = kd_cuda_feed_start,
    .read_start = kd_cuda_read_start,
    .read_wait = kd_cuda_read_wait,
    .pin = kd_cuda_pin,
    .unpin = kd_cuda_unpin,
    .record_start = kd_cuda_record_start,
    .record_end = kd_cuda_record_end,
    .replay = kd_cuda_replay,
    .forget = kd_cuda_forget,
#ifdef KDIST_WITH_NCCL
    .sums = &kd_nccl_sums,
#endif
    .free_bytes = kd_cuda_free_bytes,
    .kernel = kd_cuda_kernel,
    .multiplies = cuda_multiplies,
    .has_tf32 = cuda_has_tf32,
    .describe = cuda_describe,
};
