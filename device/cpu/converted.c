/* Kernels of float32 for operands of all float types: operands are converted into the workspace, the kernel
 * runs on them, results are converted back, but for those that a kernel takes as they are (half_kernels.h). A
 * product whose factors are bfloat16 gets them in that type where the library multiplies it by instructions
 * of the processor; else rounded to their type, in float32. Copies of weights are kept and renewed with them.
 */
#include "device/cpu/converted.h"

#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/onednn.h"
#include "device/cpu/parallel.h"

enum { PART = 1024 }; /* elements that are converted at a time */

typedef struct conversion {
  kd_tensor *from, *to; /* the caller's tensor and the kernel's, or the other way round */
  kd_dtype rounding;    /* of factors that stay float32; else KD_F32 */
  kd_dtype type;        /* of the copy */
  size_t offset;        /* of the copy in the workspace, or in the state */
  bool kept;            /* a weight: in the state */
} conversion;

typedef struct converted {
  const kd_kernel *kernel;
  kd_launch launch; /* what the kernel sees */
  kd_tensor input[KD_MAX_INPUTS], output[KD_MAX_OUTPUTS];
  unsigned as_they_are; /* inputs, and with them the first result: see kd_cpu_half_inputs */
  conversion before[KD_MAX_INPUTS], after[KD_MAX_OUTPUTS];
  int n_before, n_after;
  size_t workspace_bytes, state_bytes; /* of the copies */
} converted;

static size_t padded(size_t bytes) {
  return (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
}

static bool is_plain(const kd_launch *launch) {
  bool plain = kd_launch_product_types(launch)->factors == KD_F32;
  for (int i = 0; i < launch->n_inputs; i++) plain = plain && !kd_dtype_is_half(launch->input[i].dtype);
  for (int o = 0; o < launch->n_outputs; o++) plain = plain && !kd_dtype_is_half(launch->output[o].dtype);
  return plain;
}

/* --- sizes ----------------------------------------------------------------------------------------- */

static bool is_kept(const kd_launch *launch, int input) {
  return launch->weight_input && launch->weight_input[input];
}

static void place(converted *self, conversion *c, const kd_tensor *like) {
  size_t bytes = padded((size_t)kd_shape_count(&like->shape) * kd_dtype_size(c->type));
  size_t *used = c->kept ? &self->state_bytes : &self->workspace_bytes;
  c->offset = *used;
  *used += bytes;
}

/* What the kernel sees of the inputs. `native`: factors of bfloat16 stay what they are. */
static void convert_inputs(converted *self, kd_launch *launch, bool native) {
  const kd_dtype factors = kd_launch_product_types(launch)->factors;
  for (int i = 0; i < launch->n_inputs; i++) {
    kd_tensor *from = &launch->input[i], *to = &self->input[i];
    kd_dtype rounding = i < 2 ? factors : KD_F32, type = rounding != KD_F32 && native ? rounding : KD_F32;
    *to = *from;
    if (!kd_dtype_is_float(from->dtype) || self->as_they_are >> i & 1) continue;
    bool exact = from->dtype == KD_F32 && rounding != KD_F32 ? false : from->dtype == type;
    if (exact) continue;
    to->dtype = type;
    conversion *c = &self->before[self->n_before++];
    *c = (conversion){.from = from, .to = to, .rounding = rounding, .type = type, .kept = is_kept(launch, i)};
    place(self, c, from);
  }
}

static void convert_outputs(converted *self, kd_launch *launch, bool native) {
  for (int o = 0; o < launch->n_outputs; o++) {
    kd_tensor *to = &launch->output[o], *from = &self->output[o];
    *from = *to;
    if (!kd_dtype_is_half(to->dtype) || (native && to->dtype == KD_BF16) || (self->as_they_are && o == 0))
      continue;
    from->dtype = KD_F32;
    conversion *c = &self->after[self->n_after++];
    *c = (conversion){.from = from, .to = to, .rounding = KD_F32, .type = KD_F32};
    place(self, c, to);
  }
}

static kd_status prepare_inner(converted *self, kd_launch *launch, bool native) {
  const kd_kernel *kernel = self->kernel;
  *self = (converted){.kernel = kernel, .launch = *launch, .as_they_are = kd_cpu_half_inputs(launch)};
  convert_inputs(self, launch, native);
  convert_outputs(self, launch, native);
  self->launch.handle = NULL;
  self->launch.input = self->input;
  self->launch.output = self->output;
  self->launch.run = kernel->run;
  return kernel->prepare ? kernel->prepare(&self->launch) : KD_OK;
}

static void release_inner(converted *self) {
  if (self->kernel->release) self->kernel->release(&self->launch);
}

/* The library may lack a product in bfloat16, or have slow code for it only: then float32 does it. */
static kd_status prepare_best(converted *self, kd_launch *launch) {
  if (kd_launch_product_types(launch)->factors == KD_BF16 && kd_onednn_has_bf16()) {
    kd_status status = prepare_inner(self, launch, true);
    if (status == KD_OK && !self->launch.slow) return KD_OK;
    release_inner(self);
  }
  return prepare_inner(self, launch, false);
}

/* --- conversions ----------------------------------------------------------------------------------- */

typedef struct range {
  const conversion *conversion;
  const kd_vector_table *vector;
  int64_t count;
} range;

static void convert_parts(void *context, int64_t begin, int64_t end) {
  const range *r = context;
  const kd_tensor *from = r->conversion->from, *to = r->conversion->to;
  kd_dtype rounding = r->conversion->rounding;
  kd_load_fn *load = r->vector->load_fn(from->dtype);
  kd_store_fn *store = r->vector->store_fn(to->dtype);
  size_t from_size = kd_dtype_size(from->dtype), to_size = kd_dtype_size(to->dtype);
  float values[PART];
  uint16_t half[PART];
  for (int64_t part = begin; part < end; part++) {
    int64_t first = part * PART, n = r->count - first < PART ? r->count - first : PART;
    load(values, (const char *)from->data + (size_t)first * from_size, n);
    if (to->dtype == KD_F32 && from->dtype != rounding && rounding != KD_F32) {
      r->vector->store_fn(rounding)(half, values, n);
      r->vector->load_fn(rounding)(values, half, n);
    }
    store((char *)to->data + (size_t)first * to_size, values, n);
  }
}

static void convert(const kd_launch *launch, const conversion *c) {
  int64_t count = kd_shape_count(&c->from->shape);
  range r = {c, kd_cpu_vector(launch->device), count};
  kd_cpu_parallel(launch->device, (count + PART - 1) / PART, kd_cpu_grain(PART * 6), convert_parts, &r);
}

/* --- kernel ---------------------------------------------------------------------------------------- */

static kd_status run(const kd_launch *launch) {
  const converted *self = launch->handle;
  for (int i = 0; i < self->n_before; i++)
    if (!self->before[i].kept) convert(launch, &self->before[i]);
  KD_TRY(self->launch.run(&self->launch));
  for (int o = 0; o < self->n_after; o++) convert(launch, &self->after[o]);
  return KD_OK;
}

static const kd_kernel *inner_of(const kd_launch *launch) {
  return kd_cpu_plain_kernel(launch->op);
}

/* Launches without such operands are the kernel's own: nothing stands between. */
static bool is_own(const kd_launch *launch) {
  return launch->run != run;
}

static kd_status prepare(kd_launch *launch) {
  const kd_kernel *kernel = inner_of(launch);
  if (is_plain(launch)) {
    launch->run = kernel->run;
    return kernel->prepare ? kernel->prepare(launch) : KD_OK;
  }
  converted *self = launch->handle = kd_calloc(1, sizeof *self);
  self->kernel = kernel;
  launch->run = run;
  KD_TRY(prepare_best(self, launch));
  launch->workspace_bytes = self->workspace_bytes + self->launch.workspace_bytes;
  launch->state_bytes = self->state_bytes + self->launch.state_bytes;
  launch->note = self->launch.note;
  launch->slow = self->launch.slow;
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  const kd_kernel *kernel = inner_of(launch);
  if (is_own(launch)) return kernel->bind ? kernel->bind(launch) : KD_OK;
  converted *self = launch->handle;
  char *workspace = launch->workspace, *state = launch->state;
  for (int i = 0; i < launch->n_inputs; i++) self->input[i].data = launch->input[i].data;
  for (int o = 0; o < launch->n_outputs; o++) self->output[o].data = launch->output[o].data;
  for (int i = 0; i < self->n_before; i++) {
    const conversion *c = &self->before[i];
    c->to->data = (c->kept ? state : workspace) + c->offset;
  }
  for (int o = 0; o < self->n_after; o++) self->after[o].from->data = workspace + self->after[o].offset;
  self->launch.workspace = workspace ? workspace + self->workspace_bytes : NULL;
  self->launch.state = state ? state + self->state_bytes : NULL;
  return kernel->bind ? kernel->bind(&self->launch) : KD_OK;
}

static kd_status refresh(const kd_launch *launch) {
  const kd_kernel *kernel = inner_of(launch);
  if (is_own(launch)) return kernel->refresh ? kernel->refresh(launch) : KD_OK;
  const converted *self = launch->handle;
  for (int i = 0; i < self->n_before; i++)
    if (self->before[i].kept) convert(launch, &self->before[i]);
  return kernel->refresh ? kernel->refresh(&self->launch) : KD_OK;
}

static void release(kd_launch *launch) {
  const kd_kernel *kernel = inner_of(launch);
  if (is_own(launch)) {
    if (kernel->release) kernel->release(launch);
    return;
  }
  if (launch->handle) release_inner(launch->handle);
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_converted = {
    .prepare = prepare, .bind = bind, .refresh = refresh, .run = run, .release = release};
