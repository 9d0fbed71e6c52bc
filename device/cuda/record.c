/* Sequences of launches as CUDA graphs: one call starts them all. */
#include <stdlib.h>

#include "device/base/text.h"
#include "device/cuda/cuda.h"

kd_status kd_cuda_record_start(kd_device *device) {
  const char *wish = getenv("KDIST_CUDA_RECORD");
  KD_CHECK(!wish || !kd_streq(wish, "off"), KD_ERR_RUN, "KDIST_CUDA_RECORD=off");
  KD_CUDA(cudaStreamBeginCapture(kd_cuda_of(device)->stream, cudaStreamCaptureModeThreadLocal),
          "recording launches");
  return KD_OK;
}

kd_status kd_cuda_record_end(kd_device *device, void **recorded) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t ready = NULL;
  *recorded = NULL;
  int error = (int)cudaStreamEndCapture(kd_cuda_of(device)->stream, &graph);
  if (!error) error = (int)cudaGraphInstantiate(&ready, graph, 0);
  if (graph) (void)cudaGraphDestroy(graph);
  if (error) (void)cudaGetLastError(); /* the next launch is not to see it */
  KD_CUDA(error, "recorded launches");
  *recorded = ready;
  return KD_OK;
}

kd_status kd_cuda_replay(kd_device *device, void *recorded) {
  KD_CUDA(cudaGraphLaunch(recorded, kd_cuda_of(device)->stream), "recorded launches");
  return KD_OK;
}

void kd_cuda_forget(kd_device *device, void *recorded) {
  (void)device;
  if (recorded) (void)cudaGraphExecDestroy(recorded);
}
