/* Kernels of float32 for operands of all float types: operands are converted into the workspace, the kernel
 * runs on them, results are converted back. Products take factors of 16 bits as they are, for tensor cores;
 * where only one factor is of that type the other is converted. Attention takes all operands as they are. A
 * kernel that has no way for these 16 bits on this device (KD_ERR_RUN from prepare) gets float32. */
#include "device/cuda/converted.h"

#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

enum { GRAIN = 256 };

typedef struct conversion {
  kd_tensor *from, *to; /* the caller's tensor and the kernel's, or the other way round */
  kd_dtype rounding;    /* of factors that stay float32; else KD_F32 */
  size_t offset;        /* of the copy in the workspace */
} conversion;

typedef struct converted {
  const kd_kernel *kernel;
  kd_launch launch; /* what the kernel sees */
  kd_tensor input[KD_MAX_INPUTS], output[KD_MAX_OUTPUTS];
  conversion before[KD_MAX_INPUTS], after[KD_MAX_OUTPUTS];
  int n_before, n_after;
  size_t copies_bytes; /* in front of the kernel's own workspace */
} converted;

static bool is_plain(const kd_launch *launch) {
  bool plain = kd_launch_product_types(launch)->factors == KD_F32;
  for (int i = 0; i < launch->n_inputs; i++)
    plain = plain && (!kd_dtype_is_float(launch->input[i].dtype) || launch->input[i].dtype == KD_F32);
  for (int o = 0; o < launch->n_outputs; o++) plain = plain && !kd_dtype_is_half(launch->output[o].dtype);
  return plain;
}

static bool is_attention(kd_op op) {
  return op == KD_OP_ATTENTION || op == KD_OP_ATTENTION_GRAD;
}

static void add(converted *self, conversion *c, kd_tensor *from, kd_tensor *to, const kd_tensor *copy) {
  *c = (conversion){.from = from, .to = to, .rounding = KD_F32, .offset = self->copies_bytes};
  self->copies_bytes += (kd_tensor_bytes(copy) + GRAIN - 1) / GRAIN * GRAIN;
}

/* `native`: factors come in their type, results leave in theirs. */
static void convert_inputs(converted *self, kd_launch *launch, bool native) {
  const kd_dtype factors = kd_launch_product_types(launch)->factors;
  bool as_they_are = native && is_attention(launch->op);
  for (int i = 0; i < launch->n_inputs; i++) {
    kd_tensor *from = &launch->input[i], *to = &self->input[i];
    bool factor = i < 2 && factors != KD_F32, rounds = factor && !native && from->dtype != factors;
    *to = *from;
    if (!kd_dtype_is_float(from->dtype) || as_they_are) continue;
    to->dtype = factor && native ? factors : KD_F32;
    if (to->dtype == from->dtype && !rounds) continue;
    conversion *c = &self->before[self->n_before++];
    add(self, c, from, to, to);
    if (rounds) c->rounding = factors;
  }
}

static void convert_outputs(converted *self, kd_launch *launch, bool native) {
  for (int o = 0; o < launch->n_outputs; o++) {
    kd_tensor *to = &launch->output[o], *from = &self->output[o];
    *from = *to;
    if (native || !kd_dtype_is_half(to->dtype)) continue;
    from->dtype = KD_F32;
    add(self, &self->after[self->n_after++], from, to, from);
  }
}

static kd_status convert(const kd_launch *launch, const conversion *c) {
  KD_CUDA(kd_cuda_convert_start(c->from->dtype, c->to->dtype, c->rounding, kd_shape_count(&c->from->shape),
                                c->from->data, c->to->data, kd_cuda_stream(launch)),
          "a conversion");
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  const converted *self = launch->handle;
  for (int i = 0; i < self->n_before; i++) KD_TRY(convert(launch, &self->before[i]));
  KD_TRY(self->launch.run(&self->launch));
  for (int o = 0; o < self->n_after; o++) KD_TRY(convert(launch, &self->after[o]));
  return KD_OK;
}

/* Launches without such operands are the kernel's own: nothing stands between. */
static bool is_own(const kd_launch *launch) {
  return launch->run != run;
}

/* Prepares the kernel with operands as it takes them. */
static kd_status adopt(converted *self, kd_launch *launch, bool native) {
  const kd_kernel *kernel = self->kernel;
  *self = (converted){.kernel = kernel, .launch = *launch};
  convert_inputs(self, launch, native);
  convert_outputs(self, launch, native);
  self->launch.handle = NULL;
  self->launch.input = self->input;
  self->launch.output = self->output;
  self->launch.run = kernel->run;
  return kernel->prepare ? kernel->prepare(&self->launch) : KD_OK;
}

static kd_status prepare(kd_launch *launch) {
  const kd_kernel *kernel = kd_cuda_plain_kernel(launch->op);
  if (is_plain(launch)) {
    launch->run = kernel->run;
    return kernel->prepare ? kernel->prepare(launch) : KD_OK;
  }
  converted *self = launch->handle = kd_calloc(1, sizeof *self);
  self->kernel = kernel;
  launch->run = run;
  bool native = kd_launch_product_types(launch)->factors != KD_F32 || is_attention(launch->op);
  kd_status status = adopt(self, launch, native);
  if (native && status == KD_ERR_RUN) {
    if (kernel->release) kernel->release(&self->launch);
    status = adopt(self, launch, false);
  }
  KD_TRY(status);
  launch->workspace_bytes = self->copies_bytes + self->launch.workspace_bytes;
  launch->state_bytes = self->launch.state_bytes;
  launch->note = self->launch.note;
  launch->slow = self->launch.slow;
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  const kd_kernel *kernel = kd_cuda_plain_kernel(launch->op);
  if (is_own(launch)) return kernel->bind ? kernel->bind(launch) : KD_OK;
  converted *self = launch->handle;
  char *workspace = launch->workspace;
  for (int i = 0; i < launch->n_inputs; i++) self->input[i].data = launch->input[i].data;
  for (int o = 0; o < launch->n_outputs; o++) self->output[o].data = launch->output[o].data;
  for (int i = 0; i < self->n_before; i++) self->before[i].to->data = workspace + self->before[i].offset;
  for (int o = 0; o < self->n_after; o++) self->after[o].from->data = workspace + self->after[o].offset;
  self->launch.workspace = workspace ? workspace + self->copies_bytes : NULL;
  self->launch.state = launch->state;
  return kernel->bind ? kernel->bind(&self->launch) : KD_OK;
}

static void release(kd_launch *launch) {
  const kd_kernel *kernel = kd_cuda_plain_kernel(launch->op);
  converted *self = launch->handle;
  if (is_own(launch)) {
    if (kernel->release) kernel->release(launch);
    return;
  }
  if (self && kernel->release) kernel->release(&self->launch);
  kd_free(self);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_converted = {.prepare = prepare, .bind = bind, .run = run, .release = release};
