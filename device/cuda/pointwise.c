/* POINTWISE: a kernel generated for the program and its sizes. */
#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/module.h"
#include "device/cuda/program.h"

typedef struct generated {
  const void *kernel;
  unsigned blocks;
} generated;

static kd_status pointwise_prepare(kd_launch *launch) {
  const kd_pointwise_attr *attr = launch->attr;
  int64_t count = kd_shape_count(&attr->shape), per_block = KD_PROGRAM_THREADS * KD_PROGRAM_ELEMENTS;
  generated *g = kd_calloc(1, sizeof *g);
  launch->handle = g;
  launch->note = "generated";
  if (count == 0) return KD_OK;
  g->blocks = (unsigned)((count + per_block - 1) / per_block);
  char *text = kd_cuda_program_text(launch);
  kd_status status = kd_module_kernel(kd_cuda_of(launch->device), text, KD_PROGRAM_NAME, &g->kernel);
  kd_free(text);
  return status;
}

static kd_status pointwise_run(const kd_launch *launch) {
  const generated *g = launch->handle;
  void *argument[KD_MAX_INPUTS + KD_MAX_OUTPUTS];
  if (!g->kernel) return KD_OK;
  for (int i = 0; i < launch->n_inputs; i++) argument[i] = &launch->input[i].data;
  for (int o = 0; o < launch->n_outputs; o++) argument[launch->n_inputs + o] = &launch->output[o].data;
  KD_CUDA(cudaLaunchKernel(g->kernel, (dim3){g->blocks, 1, 1}, (dim3){KD_PROGRAM_THREADS, 1, 1}, argument, 0,
                           kd_cuda_of(launch->device)->stream),
          "a generated kernel");
  return KD_OK;
}

static void pointwise_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_pointwise = {
    .prepare = pointwise_prepare, .run = pointwise_run, .release = pointwise_release};
