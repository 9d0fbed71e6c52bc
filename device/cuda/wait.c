/* The host waits for the device. Where the device itself may wait for other ranks, the host looks again and
 * again, so that it can give up. */
#include "device/cuda/cuda.h"

typedef struct awaited {
  cudaStream_t stream; /* or, NULL, */
  cudaEvent_t event;
} awaited;

static int look(awaited a) {
  int error = (int)(a.stream ? cudaStreamQuery(a.stream) : cudaEventQuery(a.event));
  if (error == cudaErrorNotReady) (void)cudaGetLastError(); /* the next launch is not to see it */
  return error;
}

static int sleep_for(awaited a) {
  return (int)(a.stream ? cudaStreamSynchronize(a.stream) : cudaEventSynchronize(a.event));
}

static kd_status await(kd_device *device, awaited a, const char *what) {
  int error = look(a);
  if (error == cudaErrorNotReady && !device->patience) error = sleep_for(a);
  for (bool first = true; error == cudaErrorNotReady; first = false) {
    KD_TRY(device->patience(device->patience_context, first));
    error = look(a);
  }
  KD_CUDA(error, what);
  return KD_OK;
}

kd_status kd_cuda_wait_stream(kd_device *device, cudaStream_t stream, const char *what) {
  return await(device, (awaited){.stream = stream}, what);
}

kd_status kd_cuda_wait_event(kd_device *device, cudaEvent_t event, const char *what) {
  return await(device, (awaited){.event = event}, what);
}
