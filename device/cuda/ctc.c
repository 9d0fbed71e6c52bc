/* CTC and CTC_GRAD: own kernels. */
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

static kd_job_ctc job_of(const kd_launch *launch) {
  const kd_tensor *logs = &launch->input[0], *labels = &launch->input[1];
  return (kd_job_ctc){.batch = logs->shape.dim[0],
                      .steps = logs->shape.dim[1],
                      .classes = logs->shape.dim[2],
                      .labels = labels->shape.dim[1],
                      .logs = logs->data,
                      .label_type = labels->dtype,
                      .label = labels->data,
                      .states = launch->workspace};
}

static kd_status prepare_states(kd_launch *launch, bool grad) {
  kd_job_ctc job = job_of(launch);
  launch->note = "a block for each sample";
  launch->workspace_bytes = (size_t)kd_cuda_ctc_doubles(&job, grad) * sizeof(double);
  return kd_dtype_check_index(launch->input[1].dtype);
}

static kd_status prepare(kd_launch *launch) {
  return prepare_states(launch, false);
}

static kd_status grad_prepare(kd_launch *launch) {
  return prepare_states(launch, true);
}

static kd_status run(const kd_launch *launch) {
  kd_job_ctc job = job_of(launch);
  KD_CUDA(kd_cuda_ctc_start(&job, launch->output[0].data, kd_cuda_stream(launch)), "CTC");
  return KD_OK;
}

static kd_status grad_run(const kd_launch *launch) {
  kd_job_ctc job = job_of(launch);
  KD_CUDA(kd_cuda_ctc_grad_start(&job, launch->input[2].data, launch->output[0].data, kd_cuda_stream(launch)),
          "gradient of CTC");
  return KD_OK;
}

const kd_kernel kd_cuda_ctc = {.prepare = prepare, .run = run};
const kd_kernel kd_cuda_ctc_grad = {.prepare = grad_prepare, .run = grad_run};
