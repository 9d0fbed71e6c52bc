/* RECURRENT_GRAD: back through the steps by one kernel and products; the gradient of the recurrent kernel is
 * one product over all steps and rows at the end. */
#include "device/base/memory.h"
#include "device/cuda/kernels.h"
#include "device/cuda/recurrent_plan.h"

/* Operands and places by name. */
typedef struct backward {
  const kd_launch *launch;
  const kd_recurrent *r;
  kd_cuda *cuda;
  const float *kernel, *saved, *before, *drop;
  float *dz, *dkernel, *dbias, *dstate;
  kd_job_cell_back step;
} backward;

/* --- prepare --------------------------------------------------------------------------------------- */

/* Gradient of h: d of some gates (rows, `row` floats apart) times the transposed kernel. */
static kd_product_spec to_state(const kd_recurrent *r, int64_t gates, int64_t row, bool add) {
  int64_t u = r->cell.units;
  return (kd_product_spec){.m = r->cell.rows,
                           .n = u,
                           .k = gates * u,
                           .transpose_b = true,
                           .row_a = row,
                           .row_b = r->cell.gates * u,
                           .row_c = add ? r->cell.states * u : u,
                           .add = add};
}

/* Gradient of the kernel's columns of some gates: (rows steps, u) transposed times (rows steps, gates u). */
static kd_product_spec to_kernel(const kd_recurrent *r, int64_t gates, int64_t row) {
  int64_t u = r->cell.units;
  return (kd_product_spec){.m = u,
                           .n = gates * u,
                           .k = r->cell.rows * r->cell.steps,
                           .transpose_a = true,
                           .row_b = row,
                           .row_c = r->cell.gates * u};
}

/* Gate h of GRU has a gradient of its own (dinner), GRU_BEFORE's an operand of its own (left). */
static kd_status prepare_products(kd_recurrent *r) {
  const kd_job_cell *c = &r->cell;
  int64_t u = c->units, wide = c->gates * u;
  bool drop = c->flags & KD_RNN_DROP, gru = c->cell == KD_CELL_GRU;
  r->early = gru || c->cell == KD_CELL_GRU_BEFORE ? 2 : c->gates;
  kd_product_spec state = to_state(r, drop ? 1 : r->early, c->steps * wide, !drop);
  kd_product_spec all = to_kernel(r, drop ? 1 : r->early, wide);
  KD_TRY(kd_recurrent_product(r, &state, &r->to_state));
  KD_TRY(kd_recurrent_product(r, &all, &r->kernel_all));
  if (r->early == c->gates) return KD_OK;
  kd_product_spec left = to_state(r, 1, c->steps * (gru ? u : wide), gru && !drop);
  kd_product_spec one = to_kernel(r, 1, gru ? u : wide);
  KD_TRY(kd_recurrent_product(r, &left, &r->to_left));
  return kd_recurrent_product(r, &one, &r->kernel_one);
}

static kd_status prepare(kd_launch *launch) {
  KD_TRY(kd_cuda_float32(launch));
  kd_recurrent *r = kd_recurrent_make(launch, &launch->input[2].shape, launch->input[0].shape.dim[0]);
  const kd_job_cell *c = &r->cell;
  int64_t n = c->rows, u = c->units, all = n * c->steps;
  bool drop = c->flags & KD_RNN_DROP;
  KD_TRY(prepare_products(r));
  r->held = kd_recurrent_room(r, n * u);
  r->parts = kd_recurrent_room(r, (drop ? c->gates : 1) * n * u);
  if (c->cell == KD_CELL_GRU) r->inner = kd_recurrent_room(r, all * u);
  if (c->cell == KD_CELL_GRU_BEFORE) {
    r->left = kd_recurrent_room(r, all * u);
    r->acc = kd_recurrent_room(r, n * u);
  }
  if (drop) r->dropped = kd_recurrent_room(r, all * u);
  r->sums = kd_recurrent_room(r, kd_cuda_reduce_parts(1, all, c->gates * u));
  kd_recurrent_finish(r, launch);
  return KD_OK;
}

/* --- the steps ------------------------------------------------------------------------------------- */

static float *part(const backward *b, int64_t gate) {
  return kd_recurrent_at(b->launch, b->r->parts) + gate * b->r->cell.rows * b->r->cell.units;
}

/* The gradient of gate g at this step: where it begins. */
static const float *gate_gradient(const backward *b, int64_t g) {
  const kd_job_cell *c = &b->r->cell;
  if (c->cell == KD_CELL_GRU && g == 2) return b->step.dinner + b->step.at * c->units;
  return b->dz + b->step.at * c->gates * c->units + g * c->units;
}

static kd_status multiply(const backward *b, const kd_product *product, int64_t g, float *to) {
  return kd_product_run(product, b->cuda, gate_gradient(b, g), b->kernel + g * b->r->cell.units, NULL, to,
                        b->launch->workspace);
}

/* GRU_BEFORE: the gradient of (r h), then those of r and h. */
static kd_status back_reset(const backward *b) {
  const kd_job_cell *c = &b->r->cell;
  float *dleft = part(b, 0);
  KD_TRY(multiply(b, b->r->to_left, 2, dleft));
  if (b->drop) {
    float *kept = kd_recurrent_at(b->launch, b->r->acc);
    KD_CUDA(cudaMemsetAsync(kept, 0, (size_t)(c->rows * c->units) * sizeof(float), b->cuda->stream),
            "clearing memory");
    KD_CUDA(kd_cuda_cell_add_start(c, 2, 1, dleft, b->drop, kept, b->cuda->stream), "a recurrent step");
    dleft = kept;
  }
  KD_CUDA(kd_cuda_cell_back_reset_start(c, &b->step, dleft, b->cuda->stream), "a recurrent step");
  return KD_OK;
}

/* What reaches the state before through the products. */
static kd_status back_products(const backward *b) {
  const kd_recurrent *r = b->r;
  bool gru = r->cell.cell == KD_CELL_GRU;
  if (!b->drop) {
    KD_TRY(multiply(b, r->to_state, 0, b->dstate));
    return gru ? multiply(b, r->to_left, 2, b->dstate) : KD_OK;
  }
  for (int64_t g = 0; g < r->early; g++) KD_TRY(multiply(b, r->to_state, g, part(b, g)));
  if (gru) KD_TRY(multiply(b, r->to_left, 2, part(b, 2)));
  KD_CUDA(kd_cuda_cell_add_start(&r->cell, 0, (int)r->early + gru, part(b, 0), b->drop, b->dstate,
                                 b->cuda->stream),
          "a recurrent step");
  return KD_OK;
}

static kd_status run_steps(backward *b) {
  const kd_recurrent *r = b->r;
  for (int64_t s = r->cell.steps - 1; s >= 0; s--) {
    b->step.step = s;
    b->step.at = kd_recurrent_place_of(r, s);
    b->step.out = r->cell.flags & KD_RNN_REVERSED ? s : b->step.at;
    KD_CUDA(kd_cuda_cell_back_start(&r->cell, &b->step, b->cuda->stream), "a recurrent step");
    if (r->cell.cell == KD_CELL_GRU_BEFORE) KD_TRY(back_reset(b));
    KD_TRY(back_products(b));
  }
  return KD_OK;
}

/* --- the kernel and the bias ----------------------------------------------------------------------- */

static kd_status kernel_gate(const backward *b, const kd_product *product, int64_t g, const float *left,
                             const float *right) {
  const kd_recurrent *r = b->r;
  int64_t u = r->cell.units, rows = r->cell.rows * r->cell.steps;
  if (b->drop) {
    float *dropped = kd_recurrent_at(b->launch, r->dropped);
    KD_CUDA(kd_cuda_cell_drop_start(&r->cell, (int)g, 1, rows, r->cell.steps, left, u, b->drop, dropped,
                                    b->cuda->stream),
            "dropped states");
    left = dropped;
  }
  return kd_product_run(product, b->cuda, left, right, NULL, b->dkernel + g * u, b->launch->workspace);
}

static kd_status kernel_gradient(const backward *b) {
  const kd_recurrent *r = b->r;
  int64_t u = r->cell.units, calls = b->drop ? r->early : 1;
  for (int64_t g = 0; g < calls; g++) KD_TRY(kernel_gate(b, r->kernel_all, g, b->before, b->dz + g * u));
  if (r->cell.cell == KD_CELL_GRU) return kernel_gate(b, r->kernel_one, 2, b->before, b->step.dinner);
  if (r->cell.cell == KD_CELL_GRU_BEFORE)
    return kernel_gate(b, r->kernel_one, 2, b->step.left, b->dz + 2 * u);
  return KD_OK;
}

static kd_status sum_rows(const backward *b, const float *x, int64_t width, float *to) {
  const kd_recurrent *r = b->r;
  kd_job_reduce sum = {
      .kind = KD_REDUCE_SUM, .outer = 1, .n = r->cell.rows * r->cell.steps, .inner = width, .divisor = 1};
  KD_CUDA(kd_cuda_reduce_start(&sum, x, to, kd_recurrent_at(b->launch, r->sums), b->cuda->stream),
          "gradient of a bias");
  return KD_OK;
}

static kd_status bias_gradient(const backward *b) {
  const kd_job_cell *c = &b->r->cell;
  int64_t u = c->units;
  if (!(c->flags & KD_RNN_BIAS)) {
    KD_CUDA(cudaMemsetAsync(b->dbias, 0, kd_tensor_bytes(&b->launch->output[2]), b->cuda->stream),
            "clearing memory");
    return KD_OK;
  }
  KD_TRY(sum_rows(b, b->dz, c->gates * u, b->dbias));
  return c->cell == KD_CELL_GRU ? sum_rows(b, b->step.dinner, u, b->dbias + 2 * u) : KD_OK;
}

/* --- run ------------------------------------------------------------------------------------------- */

static kd_status start(const backward *b, const float *dstate) {
  const kd_job_cell *c = &b->r->cell;
  size_t bytes = kd_tensor_bytes(&b->launch->output[3]);
  KD_CUDA(cudaMemsetAsync(b->step.dheld, 0, (size_t)(c->rows * c->units) * sizeof(float), b->cuda->stream),
          "clearing memory");
  if (dstate)
    KD_CUDA(cudaMemcpyAsync(b->dstate, dstate, bytes, cudaMemcpyDeviceToDevice, b->cuda->stream), "a copy");
  else
    KD_CUDA(cudaMemsetAsync(b->dstate, 0, bytes, b->cuda->stream), "clearing memory");
  return KD_OK;
}

static backward backward_of(const kd_launch *launch) {
  const kd_recurrent *r = launch->handle;
  int flags = r->cell.flags;
  backward b = {.launch = launch,
                .r = r,
                .cuda = kd_cuda_of(launch->device),
                .kernel = launch->input[0].data,
                .saved = launch->input[1].data,
                .before = launch->input[2].data,
                .drop = kd_recurrent_optional(launch, kd_recurrent_grad_input(flags, KD_RNN_DROP)),
                .dz = launch->output[0].data,
                .dkernel = launch->output[1].data,
                .dbias = launch->output[2].data,
                .dstate = launch->output[3].data};
  b.step = (kd_job_cell_back){
      .saved = b.saved,
      .before = b.before,
      .state = kd_recurrent_optional(launch, kd_recurrent_grad_input(flags, KD_RNN_STATE)),
      .mask = kd_recurrent_optional(launch, kd_recurrent_grad_input(flags, KD_RNN_MASK)),
      .dy = kd_recurrent_optional(launch, kd_recurrent_grad_input(flags, KD_RNN_DY)),
      .dstate = b.dstate,
      .dheld = kd_recurrent_at(launch, r->held),
      .dz = b.dz,
      .dinner = r->cell.cell == KD_CELL_GRU ? kd_recurrent_at(launch, r->inner) : NULL,
      .left = r->cell.cell == KD_CELL_GRU_BEFORE ? kd_recurrent_at(launch, r->left) : NULL};
  return b;
}

static kd_status run(const kd_launch *launch) {
  backward b = backward_of(launch);
  int flags = b.r->cell.flags;
  if (kd_tensor_bytes(&launch->output[3]) > 0) {
    KD_TRY(start(&b, kd_recurrent_optional(launch, kd_recurrent_grad_input(flags, KD_RNN_DSTATE))));
    KD_TRY(run_steps(&b));
  }
  KD_TRY(kernel_gradient(&b));
  return bias_gradient(&b);
}

const kd_kernel kd_cuda_recurrent_grad = {.prepare = prepare, .run = run, .release = kd_recurrent_release};
