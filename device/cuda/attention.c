/* ATTENTION and ATTENTION_GRAD (device/attention.h): by cuDNN for operands of 16 bits where it knows the
 * form, else by own kernels in float32. Dropout is always own: its bits are those of the CPU. */
#include "device/attention.h"

#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/dnn_attention.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

/* Strides of a mask (b or 1, h or 1, tq or 1, tk or 1); 0 where it broadcasts. */
static void add_mask(kd_job_attention *a, int m, const kd_tensor *mask) {
  int64_t next = 1;
  a->mask[m] = mask->data;
  for (int d = 3; d >= 0; d--) {
    a->mask_stride[m][d] = mask->shape.dim[d] > 1 ? next : 0;
    next *= mask->shape.dim[d];
  }
}

static kd_job_attention attention_of(const kd_launch *launch, int fixed) {
  const kd_attention_attr *attr = launch->attr;
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

/* --- by cuDNN -------------------------------------------------------------------------------------- */

enum { GRAIN = 256, MOST_WORKSPACE = 1 << 30 };

typedef struct fast {
  kd_dnn_attention attention;
  kd_dnn_attention_values values;
  kd_dnn_call call;
  size_t total_place, sums_place, sums_bytes; /* in the workspace */
} fast;

/* Whether all operands but lse are of the same 16 bits. */
static bool has_halves(const kd_launch *launch) {
  kd_dtype dtype = launch->input[0].dtype;
  bool gradient = launch->op == KD_OP_ATTENTION_GRAD, same = kd_dtype_is_half(dtype);
  for (int i = 0; i < (gradient ? KD_ATTENTION_GRAD_FIXED : KD_ATTENTION_FIXED); i++)
    same = same && (i == 4 ? launch->input[i].dtype == KD_F32 : launch->input[i].dtype == dtype);
  for (int o = 0; o < launch->n_outputs; o++)
    same = same && launch->output[o].dtype == (!gradient && o == 1 ? KD_F32 : dtype);
  return same;
}

/* The forms that the library has kernels for; that each query sees a key is part of them. */
static bool is_known(const kd_launch *launch, const kd_job_attention *a) {
  return has_halves(launch) && a->dropout <= 0 && a->n_masks == 0 && a->window == 0 &&
         a->heads == a->groups && a->features % 8 == 0 && a->width % 8 == 0 &&
         a->batch * a->queries * a->keys * a->heads > 0;
}

static size_t take(kd_launch *launch, size_t bytes) {
  size_t place = launch->workspace_bytes;
  launch->workspace_bytes = (place + bytes + GRAIN - 1) / GRAIN * GRAIN;
  return place;
}

/* KD_ERR_RUN where own kernels are to run. */
static kd_status prepare_fast(kd_launch *launch, const kd_job_attention *a) {
  bool gradient = launch->op == KD_OP_ATTENTION_GRAD;
  KD_CHECK(is_known(launch, a), KD_ERR_RUN, "cuDNN has no attention of this form");
  fast *f = kd_calloc(1, sizeof *f);
  launch->handle = f;
  f->values = (kd_dnn_attention_values){.scale = a->scale, .hidden = -1e30f, .one = 1};
  f->attention =
      (kd_dnn_attention){.dtype = launch->input[0].dtype,
                         .gradient = gradient,
                         .causal = a->causal,
                         .batch = a->batch,
                         .queries = a->queries,
                         .keys = a->keys,
                         .heads = a->heads,
                         .features = a->features,
                         .width = a->width,
                         .wish = {.ordered = launch->device->reproducible, .workspace = MOST_WORKSPACE}};
  KD_TRY(kd_dnn_attention_plan(kd_cuda_of(launch->device)->dnn_device, &f->attention, &f->call.plan));
  int64_t rows = a->batch * a->heads * a->queries;
  (void)take(launch, kd_dnn_plan_workspace(f->call.plan));
  if (gradient) f->total_place = take(launch, (size_t)rows * sizeof(float));
  if (kd_dnn_attention_adds(&f->attention)) f->sums_bytes = (size_t)(rows * a->features) * sizeof(float);
  f->sums_place = take(launch, f->sums_bytes);
  launch->note = "cuDNN, no matrix of scores";
  return KD_OK;
}

static kd_status bind_fast(kd_launch *launch) {
  fast *f = launch->handle;
  const kd_tensor *in = launch->input, *out = launch->output;
  if (!f) return KD_OK;
  char *workspace = launch->workspace;
  kd_dnn_attention_data data = {.q = in[0].data, .k = in[1].data, .v = in[2].data};
  if (!f->attention.gradient) {
    data.y = out[0].data;
    data.lse = out[1].data;
  } else {
    data.y = in[3].data;
    data.lse = in[4].data;
    data.dy = in[5].data;
    data.dq = out[0].data;
    data.dk = out[1].data;
    data.dv = out[2].data;
    data.total = workspace + f->total_place;
    data.sums = workspace + f->sums_place;
  }
  return kd_dnn_attention_bind(&f->call, &f->attention, &data, &f->values, workspace);
}

static kd_status run_fast(const kd_launch *launch) {
  const fast *f = launch->handle;
  kd_cuda *cuda = kd_cuda_of(launch->device);
  if (f->sums_bytes)
    KD_CUDA(cudaMemsetAsync((char *)launch->workspace + f->sums_place, 0, f->sums_bytes, cuda->stream),
            "clearing memory");
  return kd_dnn_run(&f->call, cuda->dnn);
}

static void release_fast(kd_launch *launch) {
  fast *f = launch->handle;
  if (f) kd_dnn_call_release(&f->call);
  kd_free(f);
  launch->handle = NULL;
}

/* --- by own kernels -------------------------------------------------------------------------------- */

static kd_status prepare(kd_launch *launch, int fixed) {
  const kd_attention_attr *attr = launch->attr;
  int numbers = launch->n_inputs - (attr->dropout > 0);
  for (int i = 0; i < numbers; i++)
    if (launch->input[i].dtype != KD_F32) {
      kd_job_attention a = attention_of(launch, fixed);
      return prepare_fast(launch, &a);
    }
  launch->note = "running sums";
  return KD_OK;
}

static kd_status attention_prepare(kd_launch *launch) {
  return prepare(launch, KD_ATTENTION_FIXED);
}

static kd_status attention_run(const kd_launch *launch) {
  if (launch->handle) return run_fast(launch);
  kd_job_attention a = attention_of(launch, KD_ATTENTION_FIXED);
  KD_CUDA(kd_cuda_attention_start(&a, launch->output[0].data, launch->output[1].data, kd_cuda_stream(launch)),
          "attention");
  return KD_OK;
}

static kd_status attention_grad_prepare(kd_launch *launch) {
  KD_TRY(prepare(launch, KD_ATTENTION_GRAD_FIXED));
  if (!launch->handle)
    launch->workspace_bytes = kd_tensor_bytes(&launch->input[4]); /* a float per query and head */
  return KD_OK;
}

static kd_status attention_grad_run(const kd_launch *launch) {
  if (launch->handle) return run_fast(launch);
  kd_job_attention a = attention_of(launch, KD_ATTENTION_GRAD_FIXED);
  KD_CUDA(kd_cuda_attention_grad_start(&a, launch->input[3].data, launch->input[4].data,
                                       launch->input[5].data, launch->output[0].data, launch->output[1].data,
                                       launch->output[2].data, launch->workspace, kd_cuda_stream(launch)),
          "gradient of attention");
  return KD_OK;
}

const kd_kernel kd_cuda_attention = {
    .prepare = attention_prepare, .bind = bind_fast, .run = attention_run, .release = release_fast};
const kd_kernel kd_cuda_attention_grad = {
    .prepare = attention_grad_prepare, .bind = bind_fast, .run = attention_grad_run, .release = release_fast};
