/* ATTENTION and ATTENTION_GRAD (device/attention.h): operands of 16 bits by cuDNN (attention_dnn.c), float32
 * by own kernels. */
#include "device/cuda/attention.h"

#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"

/* Strides of a mask (b or 1, h or 1, tq or 1, tk or 1); 0 where it broadcasts. */
static void add_mask(kd_job_attention *a, int m, const kd_tensor *mask) {
  int64_t next = 1;
  a->mask[m] = mask->data;
  a->mask_type[m] = mask->dtype;
  for (int d = 3; d >= 0; d--) {
    a->mask_stride[m][d] = mask->shape.dim[d] > 1 ? next : 0;
    next *= mask->shape.dim[d];
  }
}

kd_job_attention kd_cuda_attention_job(const kd_launch *launch) {
  const kd_attention_attr *attr = launch->attr;
  int fixed = launch->op == KD_OP_ATTENTION ? KD_ATTENTION_FIXED : KD_ATTENTION_GRAD_FIXED;
  const int64_t *q = launch->input[0].shape.dim, *v = launch->input[2].shape.dim;
  kd_job_attention a = {.scale = attr->scale,
                        .dropout = attr->dropout,
                        .node = attr->node,
                        .rows_per_sample = attr->rows_per_sample,
                        .causal = attr->causal,
                        .window = attr->window,
                        .unseen = attr->unseen,
                        .n_masks = attr->n_masks,
                        .batch = q[0],
                        .queries = q[1],
                        .heads = q[2],
                        .features = q[3],
                        .keys = v[1],
                        .groups = v[2],
                        .width = v[3],
                        .q = launch->input[0].data,
                        .k = launch->input[1].data,
                        .v = launch->input[2].data};
  for (int m = 0; m < attr->n_masks; m++) add_mask(&a, m, &launch->input[fixed + m]);
  if (attr->dropout > 0) a.rng = launch->input[launch->n_inputs - 1].data;
  return a;
}

/* --- by own kernels -------------------------------------------------------------------------------- */

static kd_status prepare(kd_launch *launch) {
  const kd_attention_attr *attr = launch->attr;
  int numbers = launch->n_inputs - (attr->dropout > 0);
  for (int i = 0; i < numbers; i++)
    if (launch->input[i].dtype != KD_F32) return kd_attention_dnn_prepare(launch);
  launch->note = "running sums";
  if (launch->op == KD_OP_ATTENTION_GRAD)
    launch->workspace_bytes = kd_tensor_bytes(&launch->input[4]); /* a float per query and head */
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  return launch->handle ? kd_attention_dnn_bind(launch) : KD_OK;
}

static kd_status forward_run(const kd_launch *launch) {
  if (launch->handle) return kd_attention_dnn_run(launch);
  kd_job_attention a = kd_cuda_attention_job(launch);
  KD_CUDA(kd_cuda_attention_start(&a, launch->output[0].data, launch->output[1].data, kd_cuda_stream(launch)),
          "attention");
  return KD_OK;
}

static kd_status gradient_run(const kd_launch *launch) {
  if (launch->handle) return kd_attention_dnn_run(launch);
  kd_job_attention a = kd_cuda_attention_job(launch);
  KD_CUDA(kd_cuda_attention_grad_start(&a, launch->input[3].data, launch->input[4].data,
                                       launch->input[5].data, launch->output[0].data, launch->output[1].data,
                                       launch->output[2].data, launch->workspace, kd_cuda_stream(launch)),
          "gradient of attention");
  return KD_OK;
}

const kd_kernel kd_cuda_attention = {
    .prepare = prepare, .bind = bind, .run = forward_run, .release = kd_attention_dnn_release};
const kd_kernel kd_cuda_attention_grad = {
    .prepare = prepare, .bind = bind, .run = gradient_run, .release = kd_attention_dnn_release};
