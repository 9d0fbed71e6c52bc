/* GATHER and SCATTER_ADD: rows of a table by number. */
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

static kd_status gather_prepare(kd_launch *launch) {
  launch->note = "rows";
  KD_CHECK(launch->input[0].shape.dim[0] > 0 || kd_shape_count(&launch->input[1].shape) == 0, KD_ERR_USAGE,
           "a look-up in a table without rows");
  return kd_dtype_check_index(launch->input[1].dtype);
}

static kd_status gather_run(const kd_launch *launch) {
  const kd_tensor *table = &launch->input[0], *ids = &launch->input[1];
  int64_t width = kd_shape_span(&table->shape, 1, table->shape.rank);
  KD_CUDA(kd_cuda_gather_start(ids->dtype, ids->data, kd_shape_count(&ids->shape), table->shape.dim[0],
                               width * (int64_t)kd_dtype_size(table->dtype), table->data,
                               launch->output[0].data, kd_cuda_stream(launch)),
          "a look-up");
  return KD_OK;
}

static kd_job_scatter scatter_of(const kd_launch *launch) {
  const kd_tensor *y = &launch->output[0], *ids = &launch->input[0];
  return (kd_job_scatter){.id_type = ids->dtype,
                          .dtype = y->dtype,
                          .n_ids = kd_shape_count(&ids->shape),
                          .table_rows = y->shape.dim[0],
                          .width = kd_shape_span(&y->shape, 1, y->shape.rank)};
}

static kd_status scatter_prepare(kd_launch *launch) {
  const kd_tensor *y = &launch->output[0];
  kd_job_scatter job = scatter_of(launch);
  launch->note = "rows in order";
  KD_CHECK(kd_dtype_is_float(y->dtype) && job.n_ids < INT32_MAX && job.table_rows < INT32_MAX, KD_ERR_USAGE,
           "scatter_add of %lld rows of %s to %lld", (long long)job.n_ids, kd_dtype_name(y->dtype),
           (long long)job.table_rows);
  launch->workspace_bytes = kd_cuda_scatter_bytes(&job);
  return kd_dtype_check_index(launch->input[0].dtype);
}

static kd_status scatter_run(const kd_launch *launch) {
  const kd_tensor *y = &launch->output[0];
  kd_job_scatter job = scatter_of(launch);
  void *stream = kd_cuda_stream(launch);
  const void *base = launch->n_inputs > 2 ? launch->input[2].data : NULL;
  if (!base)
    KD_CUDA(cudaMemsetAsync(y->data, 0, kd_tensor_bytes(y), stream), "clearing memory");
  else if (base != y->data)
    KD_CUDA(cudaMemcpyAsync(y->data, base, kd_tensor_bytes(y), cudaMemcpyDeviceToDevice, stream), "a copy");
  KD_CUDA(kd_cuda_scatter_start(&job, launch->input[0].data, launch->input[1].data, y->data,
                                launch->workspace, stream),
          "a sum of rows");
  return KD_OK;
}

const kd_kernel kd_cuda_gather = {.prepare = gather_prepare, .run = gather_run};
const kd_kernel kd_cuda_scatter_add = {.prepare = scatter_prepare, .run = scatter_run};
