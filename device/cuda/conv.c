/* CONV, CONV_GRAD_DATA and CONV_GRAD_KERNEL by cuDNN. The library wants kernels as (f, k.., c / groups),
 * Keras has (k.., c / groups, f): a small transposition before or behind each call. */
#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/dnn.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

enum { GRAIN = 256 };

typedef struct conv {
  kd_job_conv job;
  kd_dnn_plan *plan;   /* NULL: plain loops */
  bool fused;          /* the plan adds bias and relu */
  kd_job_copy turn;    /* of the kernel to the library's order, or back */
  size_t kernel_place; /* in the workspace */
} conv;

/* The operands of the three passes by what they are. */
typedef struct operands {
  const kd_tensor *x, *kernel, *y, *bias;
} operands;

static operands operands_of(const kd_launch *launch) {
  const kd_tensor *in = launch->input, *out = launch->output;
  if (launch->op == KD_OP_CONV)
    return (operands){&in[0], &in[1], &out[0], launch->n_inputs == 3 ? &in[2] : NULL};
  if (launch->op == KD_OP_CONV_GRAD_DATA) return (operands){&out[0], &in[1], &in[0], NULL};
  return (operands){&in[0], &out[0], &in[1], NULL};
}

static kd_job_conv job_of(const kd_conv_attr *attr, const operands *o) {
  const int64_t *x = o->x->shape.dim, *k = o->kernel->shape.dim, *y = o->y->shape.dim;
  int n = attr->spatial;
  kd_job_conv job = {.batch = x[0],
                     .channels = x[n + 1],
                     .filters = k[n + 1],
                     .groups = attr->groups,
                     .in = {1, 1, 1},
                     .out = {1, 1, 1},
                     .window = {1, 1, 1},
                     .stride = {1, 1, 1},
                     .dilation = {1, 1, 1}};
  for (int s = 0; s < n; s++) {
    int to = KD_MAX_SPATIAL - n + s;
    job.in[to] = x[s + 1];
    job.out[to] = y[s + 1];
    job.window[to] = k[s];
    job.stride[to] = attr->stride[s];
    job.dilation[to] = attr->dilation[s];
    job.before[to] = attr->pad_before[s];
  }
  return job;
}

/* (taps c/groups, f) to (f, taps c/groups), or back. */
static kd_job_copy turn_of(const kd_job_conv *job, bool back) {
  int64_t inner = job->window[0] * job->window[1] * job->window[2] * job->channels / job->groups;
  int64_t rows = back ? job->filters : inner, columns = back ? inner : job->filters;
  return (kd_job_copy){.rank = 2,
                       .element = sizeof(float),
                       .count = rows * columns,
                       .size = {columns, rows},
                       .from = {1, columns},
                       .to = {rows, 1}};
}

static kd_dnn_pass pass_of(kd_op op) {
  return op == KD_OP_CONV ? KD_DNN_FORWARD : op == KD_OP_CONV_GRAD_DATA ? KD_DNN_DATA : KD_DNN_KERNEL;
}

/* With bias and relu in the library's kernel, else without, else plain loops. */
static void find_plan(const kd_launch *launch, conv *c) {
  const kd_conv_attr *attr = launch->attr;
  kd_cuda *cuda = kd_cuda_of(launch->device);
  kd_dnn_spec spec = {.pass = pass_of(launch->op),
                      .conv = c->job,
                      .spatial = attr->spatial == 1 ? 2 : attr->spatial, /* 1-D: images of one row */
                      .bias = launch->op == KD_OP_CONV && launch->n_inputs == 3,
                      .relu = launch->op == KD_OP_CONV && attr->epilogue == KD_EPI_RELU,
                      .ordered = launch->device->reproducible};
  for (int s = 0; s < attr->spatial; s++) spec.after[KD_MAX_SPATIAL - attr->spatial + s] = attr->pad_after[s];
  c->fused = spec.bias || spec.relu;
  if (kd_dnn_make(cuda->dnn_device, &spec, &c->plan) == KD_OK || !c->fused) return;
  spec.bias = spec.relu = c->fused = false;
  (void)kd_dnn_make(cuda->dnn_device, &spec, &c->plan);
}

static kd_status conv_prepare(kd_launch *launch) {
  operands o = operands_of(launch);
  KD_TRY(kd_cuda_float32(launch));
  conv *c = kd_calloc(1, sizeof *c);
  launch->handle = c;
  c->job = job_of(launch->attr, &o);
  c->turn = turn_of(&c->job, launch->op == KD_OP_CONV_GRAD_KERNEL);
  if (kd_shape_count(&launch->output[0].shape) > 0 && kd_shape_count(&launch->input[0].shape) > 0)
    find_plan(launch, c);
  launch->slow = !c->plan;
  launch->note = !c->plan ? "plain loops" : c->fused ? "cuDNN, fused" : "cuDNN";
  if (!c->plan) return KD_OK;
  c->kernel_place = (kd_dnn_workspace(c->plan) + GRAIN - 1) / GRAIN * GRAIN;
  launch->workspace_bytes = c->kernel_place + kd_tensor_bytes(o.kernel);
  return KD_OK;
}

static float *kernel_copy(const kd_launch *launch, const conv *c) {
  return (float *)(void *)((char *)launch->workspace + c->kernel_place);
}

static kd_status conv_bind(kd_launch *launch) {
  conv *c = launch->handle;
  operands o = operands_of(launch);
  if (!c->plan) return KD_OK;
  return kd_dnn_bind(c->plan, o.x->data, kernel_copy(launch, c), o.bias ? o.bias->data : NULL, o.y->data,
                     launch->workspace);
}

static kd_status run_loops(const kd_launch *launch, const conv *c, const operands *o) {
  void *stream = kd_cuda_stream(launch);
  int error = 0;
  if (launch->op == KD_OP_CONV)
    error = kd_cuda_conv_start(&c->job, o->x->data, o->kernel->data, o->y->data, stream);
  else if (launch->op == KD_OP_CONV_GRAD_DATA)
    error = kd_cuda_conv_data_start(&c->job, o->y->data, o->kernel->data, o->x->data, stream);
  else
    error = kd_cuda_conv_kernel_start(&c->job, o->x->data, o->y->data, o->kernel->data, stream);
  KD_CUDA(error, "a convolution");
  return KD_OK;
}

static kd_status run_plan(const kd_launch *launch, const conv *c, const operands *o) {
  kd_cuda *cuda = kd_cuda_of(launch->device);
  float *copy = kernel_copy(launch, c);
  bool gradient = launch->op == KD_OP_CONV_GRAD_KERNEL;
  if (!gradient)
    KD_CUDA(kd_cuda_copy_start(&c->turn, o->kernel->data, copy, cuda->stream), "a kernel's order");
  KD_TRY(kd_dnn_run(c->plan, cuda->dnn));
  if (gradient)
    KD_CUDA(kd_cuda_copy_start(&c->turn, copy, o->kernel->data, cuda->stream), "a kernel's order");
  return KD_OK;
}

/* What the plan has not done: bias and activation of the forward pass. */
static kd_status run_epilogue(const kd_launch *launch, const conv *c, const operands *o) {
  kd_epilogue kind = ((const kd_conv_attr *)launch->attr)->epilogue;
  const float *bias = o->bias && !c->fused ? o->bias->data : NULL;
  if (c->fused && kind == KD_EPI_RELU) kind = KD_EPI_NONE;
  int64_t width = c->job.filters, count = kd_shape_count(&o->y->shape);
  if (count)
    KD_CUDA(kd_cuda_epilogue_start((int)kind, bias, count / width, width, o->y->data, KD_F32, o->y->data,
                                   kd_cuda_stream(launch)),
            "an activation");
  return KD_OK;
}

static kd_status conv_run(const kd_launch *launch) {
  const conv *c = launch->handle;
  operands o = operands_of(launch);
  KD_TRY(c->plan ? run_plan(launch, c, &o) : run_loops(launch, c, &o));
  return launch->op == KD_OP_CONV ? run_epilogue(launch, c, &o) : KD_OK;
}

static void conv_release(kd_launch *launch) {
  conv *c = launch->handle;
  if (c) kd_dnn_free(c->plan);
  kd_free(c);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_conv = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
const kd_kernel kd_cuda_conv_grad_data = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
const kd_kernel kd_cuda_conv_grad_kernel = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
