/* CONV, CONV_GRAD_DATA and CONV_GRAD_KERNEL by cuDNN, in float32 or with factors of 16 bits on tensor cores.
 * The library wants kernels as (f, k.., c / groups), Keras has (k.., c / groups, f): a small transposition
 * before or behind each call. In 16 bits a bias is rounded as Keras rounds it, and a kernel's gradient comes
 * in 16 bits (no plan gives another); it is float32 from there on where float32 is wanted. */
#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/dnn_conv.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

enum { GRAIN = 256 };

typedef struct conv {
  kd_job_conv job;
  kd_dtype factors;
  kd_dnn_call call;    /* without a plan: plain loops */
  bool bias, relu;     /* the plan adds them */
  kd_job_copy turn;    /* of the kernel to the library's order, or back */
  size_t kernel_place; /* of the turned kernel in the workspace */
  size_t wide_place;   /* of a float32 copy: of the kernel's gradient, or of y before its activation */
  size_t bias_place;   /* of a bias in the type of the factors */
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
static kd_job_copy turn_of(const kd_job_conv *job, kd_dtype dtype, bool back) {
  int64_t inner = job->window[0] * job->window[1] * job->window[2] * job->channels / job->groups;
  int64_t rows = back ? job->filters : inner, columns = back ? inner : job->filters;
  return (kd_job_copy){.rank = 2,
                       .element = (int)kd_dtype_size(dtype),
                       .count = rows * columns,
                       .size = {columns, rows},
                       .from = {1, columns},
                       .to = {rows, 1}};
}

static kd_dnn_pass pass_of(kd_op op) {
  return op == KD_OP_CONV ? KD_DNN_FORWARD : op == KD_OP_CONV_GRAD_DATA ? KD_DNN_DATA : KD_DNN_KERNEL;
}

static bool find_plan(const kd_launch *launch, conv *c, kd_dnn_conv *spec, bool bias, bool relu) {
  spec->bias = c->bias = bias;
  spec->relu = c->relu = relu;
  return kd_dnn_conv_plan(kd_cuda_of(launch->device)->dnn_device, spec, &c->call.plan) == KD_OK;
}

/* With bias and relu in the library's kernel, else without, else plain loops. In 16 bits the bias is added
 * before the sum is rounded, or not at all. */
static void find_plans(const kd_launch *launch, conv *c) {
  const kd_conv_attr *attr = launch->attr;
  bool forward = launch->op == KD_OP_CONV, bias = forward && launch->n_inputs == 3,
       relu = forward && attr->epilogue == KD_EPI_RELU, half = c->factors != KD_F32;
  kd_dnn_conv spec = {.pass = pass_of(launch->op),
                      .conv = c->job,
                      .types = {c->factors, c->factors},
                      .spatial = attr->spatial == 1 ? 2 : attr->spatial, /* 1-D: images of one row */
                      .wish = {.ordered = launch->device->reproducible,
                               .exact = !half && !launch->device->tf32,
                               .workspace = KD_DNN_WORKSPACE}};
  for (int s = 0; s < attr->spatial; s++) spec.after[KD_MAX_SPATIAL - attr->spatial + s] = attr->pad_after[s];
  if (find_plan(launch, c, &spec, bias, relu)) return;
  if (relu && bias && half && find_plan(launch, c, &spec, true, false)) return;
  if (bias ? !half : relu) (void)find_plan(launch, c, &spec, false, false);
}

/* Whether y passes through float32 for an activation that the plan has not done. */
static bool activates_apart(const kd_launch *launch, const conv *c) {
  kd_epilogue kind = ((const kd_conv_attr *)launch->attr)->epilogue;
  return launch->op == KD_OP_CONV && kind != KD_EPI_NONE && !(kind == KD_EPI_RELU && c->relu);
}

static size_t take(kd_launch *launch, size_t bytes) {
  size_t place = launch->workspace_bytes;
  launch->workspace_bytes = (place + bytes + GRAIN - 1) / GRAIN * GRAIN;
  return place;
}

static void plan_workspace(kd_launch *launch, conv *c, const operands *o) {
  size_t kernel = (size_t)kd_shape_count(&o->kernel->shape), wide = 0;
  (void)take(launch, kd_dnn_plan_workspace(c->call.plan));
  c->kernel_place = take(launch, kernel * kd_dtype_size(c->factors));
  if (c->factors == KD_F32) return;
  if (activates_apart(launch, c)) wide = (size_t)kd_shape_count(&o->y->shape);
  if (launch->op == KD_OP_CONV_GRAD_KERNEL && o->kernel->dtype == KD_F32) wide = kernel;
  c->wide_place = take(launch, wide * sizeof(float));
  c->bias_place = take(launch, (size_t)c->job.filters * kd_dtype_size(c->factors));
}

/* Operands in one float type, and a bias in float32. A result of 16 bits has factors of that type; the
 * gradient of a kernel may be float32 all the same. */
static kd_status check_types(const kd_launch *launch, const operands *o, kd_dtype *factors) {
  bool gradient = launch->op == KD_OP_CONV_GRAD_KERNEL;
  *factors = o->y->dtype;
  KD_CHECK(o->x->dtype == *factors &&
               (o->kernel->dtype == *factors || (gradient && o->kernel->dtype == KD_F32)),
           KD_ERR_RUN, "no convolution on CUDA of %s and %s to %s", kd_dtype_name(o->x->dtype),
           kd_dtype_name(o->kernel->dtype), kd_dtype_name(o->y->dtype));
  return KD_OK;
}

static const char *note_of(const conv *c, bool tf32) {
  bool fused = c->bias || c->relu;
  if (!c->call.plan) return "plain loops";
  if (c->factors == KD_F32 && tf32) return fused ? "cuDNN, TF32 allowed, fused" : "cuDNN, TF32 allowed";
  if (c->factors == KD_F32) return fused ? "cuDNN, fused" : "cuDNN";
  return fused ? "cuDNN, 16 bits, fused" : "cuDNN, 16 bits";
}

/* KD_ERR_RUN when the types are of 16 bits and the library has no plan for them. */
static kd_status conv_prepare(kd_launch *launch) {
  operands o = operands_of(launch);
  kd_dtype factors;
  KD_TRY(check_types(launch, &o, &factors));
  conv *c = kd_calloc(1, sizeof *c);
  launch->handle = c;
  c->job = job_of(launch->attr, &o);
  c->factors = factors;
  bool gradient = launch->op == KD_OP_CONV_GRAD_KERNEL;
  c->turn = turn_of(&c->job, gradient ? o.kernel->dtype : factors, gradient);
  if (kd_shape_count(&launch->output[0].shape) > 0 && kd_shape_count(&launch->input[0].shape) > 0)
    find_plans(launch, c);
  KD_CHECK(c->call.plan || factors == KD_F32, KD_ERR_RUN, "cuDNN has no plan in %s", kd_dtype_name(factors));
  launch->slow = !c->call.plan;
  launch->note = note_of(c, launch->device->tf32);
  if (c->call.plan) plan_workspace(launch, c, &o);
  return KD_OK;
}

static void *at(const kd_launch *launch, size_t place) {
  return (char *)launch->workspace + place;
}

static kd_status conv_bind(kd_launch *launch) {
  conv *c = launch->handle;
  operands o = operands_of(launch);
  if (!c->call.plan) return KD_OK;
  const void *bias = !c->bias ? NULL : c->factors == KD_F32 ? o.bias->data : at(launch, c->bias_place);
  return kd_dnn_conv_bind(&c->call, o.x->data, at(launch, c->kernel_place), bias, o.y->data,
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

static kd_status convert(const kd_launch *launch, kd_dtype from_type, const void *from, kd_dtype to_type,
                         int64_t count, void *to) {
  KD_CUDA(kd_cuda_convert_start(from_type, to_type, KD_F32, count, from, to, kd_cuda_stream(launch)),
          "a conversion");
  return KD_OK;
}

/* The kernel in the library's order; a bias of 16 bits. */
static kd_status give_weights(const kd_launch *launch, const conv *c, const operands *o) {
  KD_CUDA(kd_cuda_copy_start(&c->turn, o->kernel->data, at(launch, c->kernel_place), kd_cuda_stream(launch)),
          "a kernel's order");
  if (!c->bias || c->factors == KD_F32) return KD_OK;
  return convert(launch, KD_F32, o->bias->data, c->factors, c->job.filters, at(launch, c->bias_place));
}

static kd_status take_gradient(const kd_launch *launch, const conv *c, const operands *o) {
  const void *from = at(launch, c->kernel_place);
  if (o->kernel->dtype != c->factors) {
    void *wide = at(launch, c->wide_place);
    KD_TRY(convert(launch, c->factors, from, KD_F32, kd_shape_count(&o->kernel->shape), wide));
    from = wide;
  }
  KD_CUDA(kd_cuda_copy_start(&c->turn, from, o->kernel->data, kd_cuda_stream(launch)), "a kernel's order");
  return KD_OK;
}

static kd_status run_plan(const kd_launch *launch, const conv *c, const operands *o) {
  bool gradient = launch->op == KD_OP_CONV_GRAD_KERNEL;
  if (!gradient) KD_TRY(give_weights(launch, c, o));
  KD_TRY(kd_dnn_run(&c->call, kd_cuda_of(launch->device)->dnn));
  return gradient ? take_gradient(launch, c, o) : KD_OK;
}

/* What the plan has not done: bias and activation of the forward pass. */
static kd_status run_epilogue(const kd_launch *launch, const conv *c, const operands *o) {
  kd_epilogue kind = ((const kd_conv_attr *)launch->attr)->epilogue;
  const float *bias = o->bias && !c->bias ? o->bias->data : NULL, *from = o->y->data;
  if (c->relu) kind = KD_EPI_NONE;
  int64_t width = c->job.filters, count = kd_shape_count(&o->y->shape);
  if (count == 0 || (!bias && kind == KD_EPI_NONE)) return KD_OK;
  if (c->factors != KD_F32) {
    float *wide = at(launch, c->wide_place);
    KD_TRY(convert(launch, c->factors, o->y->data, KD_F32, count, wide));
    from = wide;
  }
  KD_CUDA(kd_cuda_epilogue_start((int)kind, bias, count / width, width, from, o->y->dtype, o->y->data,
                                 kd_cuda_stream(launch)),
          "an activation");
  return KD_OK;
}

static kd_status conv_run(const kd_launch *launch) {
  const conv *c = launch->handle;
  operands o = operands_of(launch);
  KD_TRY(c->call.plan ? run_plan(launch, c, &o) : run_loops(launch, c, &o));
  return launch->op == KD_OP_CONV ? run_epilogue(launch, c, &o) : KD_OK;
}

static void conv_release(kd_launch *launch) {
  conv *c = launch->handle;
  if (c) kd_dnn_call_release(&c->call);
  kd_free(c);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_conv = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
const kd_kernel kd_cuda_conv_grad_data = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
const kd_kernel kd_cuda_conv_grad_kernel = {
    .prepare = conv_prepare, .bind = conv_bind, .run = conv_run, .release = conv_release};
