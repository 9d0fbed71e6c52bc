/* RECURRENT_GRAD: back through all steps. Each step is one pass of the cell's gates and one product with the
 * transposed recurrent kernel; the kernel's gradient is one product over all steps at the end. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/recurrent_plan.h"

enum { BLOCK_DH, BLOCK_DC, BLOCK_HELD, BLOCK_ZERO, N_BLOCKS };

typedef struct grad_state {
  kd_recurrent_plan plan;
  const kd_vector_table *vector;
  int64_t states, saved;
} grad_state;

static const float *operand(const kd_launch *launch, int which) {
  int place = kd_recurrent_grad_input(((const kd_recurrent_attr *)launch->attr)->flags, which);
  return place < 0 ? NULL : launch->input[place].data;
}

/* At the workspace's end: GRU the gradient of h U + b (batch, steps, G u); then the left operand of one
 * gate's kernel gradient (batch, steps, u), where it is not h. */
static int64_t dproduct_floats(const grad_state *self) {
  const kd_recurrent_plan *p = &self->plan;
  return p->attr.cell == KD_CELL_GRU ? p->batch * p->steps * p->gates * p->units : 0;
}

static float *dproduct_of(const kd_launch *launch) {
  const grad_state *self = launch->handle;
  return (float *)(void *)((char *)launch->workspace + self->plan.tail_at);
}

static float *left_of(const kd_launch *launch) {
  return dproduct_of(launch) + dproduct_floats(launch->handle);
}

static kd_status prepare(kd_launch *launch) {
  grad_state *self = launch->handle = kd_calloc(1, sizeof *self);
  const kd_recurrent_attr *attr = launch->attr;
  const kd_shape *before = &launch->input[2].shape;
  self->vector = kd_cpu_vector(launch->device);
  self->states = kd_cell_states(attr->cell);
  self->saved = kd_cell_saved(attr->cell);
  int64_t matrix = before->dim[0] * before->dim[1] * before->dim[2], floats = 0;
  if (attr->cell == KD_CELL_GRU) floats += 3 * matrix;
  if (attr->cell == KD_CELL_GRU_BEFORE || attr->flags & KD_RNN_DROP) floats += matrix;
  return kd_recurrent_plan_prepare(&self->plan, launch, true, 0, before->dim[0], before->dim[1], N_BLOCKS,
                                   (size_t)floats * sizeof(float));
}

static kd_status bind(kd_launch *launch) {
  grad_state *self = launch->handle;
  return kd_recurrent_plan_bind(&self->plan, launch, launch->input[0].data);
}

static kd_status refresh(const kd_launch *launch) {
  const grad_state *self = launch->handle;
  return self->plan.kept ? kd_recurrent_plan_pack(&self->plan) : KD_OK;
}

/* --- one chunk of rows ----------------------------------------------------------------------------- */

typedef struct chunk {
  const kd_launch *launch;
  const grad_state *self;
  float *memory;
  int64_t number, first, rows;
} chunk;

/* The gradient of the state behind the last step. */
static void start(const chunk *c) {
  const kd_recurrent_plan *plan = &c->self->plan;
  const float *dstate = operand(c->launch, KD_RNN_DSTATE);
  int64_t u = plan->units, width = u * c->self->states;
  memset(c->memory, 0, (size_t)kd_recurrent_block(plan, N_BLOCKS) * sizeof(float));
  for (int64_t row = 0; dstate && row < c->rows; row++)
    for (int block = 0; block < c->self->states; block++)
      memcpy(c->memory + kd_recurrent_block(plan, block) + row * u,
             dstate + (c->first + row) * width + block * u, (size_t)u * sizeof(float));
}

/* c before a step: saved by the step before it; given with the first state; or zeros. */
static void look_at_c(const chunk *c, int64_t s, kd_recurrent_backward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  const float *state = operand(c->launch, KD_RNN_STATE);
  int64_t u = plan->units;
  f->step.c_before = c->memory + kd_recurrent_block(plan, BLOCK_ZERO);
  f->step.c_before_row = 0;
  if (s > 0) {
    const float *saved = c->launch->input[1].data;
    f->step.c_before = saved + ((s - 1) * plan->batch + c->first) * f->saved_row + 4 * u;
    f->step.c_before_row = f->saved_row;
  } else if (state && c->self->states > 1) {
    f->step.c_before = state + c->first * 2 * u + u;
    f->step.c_before_row = 2 * u;
  }
}

static void look_at(const chunk *c, int64_t s, kd_recurrent_backward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  int64_t u = plan->units, steps = plan->steps, gates = plan->gates * u, first = c->first;
  int64_t t = plan->attr.flags & KD_RNN_BACKWARDS ? steps - 1 - s : s;
  int64_t out = plan->attr.flags & KD_RNN_REVERSED ? s : t;
  const float *mask = operand(c->launch, KD_RNN_MASK), *dy = operand(c->launch, KD_RNN_DY);
  const float *saved = c->launch->input[1].data, *before = c->launch->input[2].data;
  f->step.mask = mask ? mask + first * steps + t : NULL;
  f->saved = saved + (s * plan->batch + first) * f->saved_row;
  f->h = before + (first * steps + t) * u;
  f->dy = dy ? dy + (first * steps + out) * u : NULL;
  f->dz = (float *)c->launch->output[0].data + (first * steps + t) * gates;
  f->dproduct = plan->attr.cell == KD_CELL_GRU ? dproduct_of(c->launch) + (first * steps + t) * gates : NULL;
  if (plan->attr.cell == KD_CELL_GRU_BEFORE) f->step.reset = left_of(c->launch) + (first * steps + t) * u;
  look_at_c(c, s, f);
}

static kd_status run_parts(const chunk *c, int from, int to) {
  for (int i = from; i < to; i++) KD_TRY(kd_onednn_run(c->self->plan.part[i].product[c->number]));
  return KD_OK;
}

static kd_status run_steps(const chunk *c, kd_recurrent_backward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  bool before = plan->attr.cell == KD_CELL_GRU_BEFORE;
  int last = plan->n_parts - 1, n_back = before ? last : last + 1;
  for (int i = 0; i <= last; i++) f->back[i] = c->memory + plan->part[i].narrow_at;
  for (int64_t s = plan->steps - 1; s >= 0; s--) {
    look_at(c, s, f);
    c->self->vector->recurrent_grad(f, 0, c->rows);
    if (before) {
      KD_TRY(run_parts(c, last, last + 1));
      c->self->vector->recurrent_reset_grad(f, f->back[last], 0, c->rows);
    }
    KD_TRY(run_parts(c, 0, n_back));
    f->n_back = n_back;
  }
  c->self->vector->recurrent_state_grad(f, 0, c->rows);
  return KD_OK;
}

static void finish(const chunk *c, const kd_recurrent_backward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  int64_t u = plan->units, width = u * c->self->states;
  float *state = (float *)c->launch->output[3].data + c->first * width;
  for (int64_t row = 0; row < c->rows; row++) {
    memcpy(state + row * width, f->dh + row * u, (size_t)u * sizeof(float));
    if (c->self->states > 1) memcpy(state + row * width + u, f->dc + row * u, (size_t)u * sizeof(float));
  }
}

static kd_status run_chunk(const kd_launch *launch, int64_t number) {
  const grad_state *self = launch->handle;
  const kd_recurrent_plan *plan = &self->plan;
  int64_t u = plan->units, steps = plan->steps, end;
  chunk c = {.launch = launch, .self = self, .number = number};
  kd_recurrent_chunk_rows(plan, number, &c.first, &end);
  c.rows = end - c.first;
  c.memory = kd_recurrent_chunk(plan, launch, number);
  const float *drop = operand(launch, KD_RNN_DROP);
  bool held = plan->attr.flags & KD_RNN_MASK && !(plan->attr.flags & KD_RNN_ZERO_MASKED);
  kd_recurrent_backward f = {.step = {.attr = plan->attr,
                                      .units = u,
                                      .mask_row = steps,
                                      .drop = drop ? drop + c.first * plan->gates * u : NULL,
                                      .drop_row = plan->gates * u,
                                      .reset_row = steps * u},
                             .saved_row = self->saved * u,
                             .h_row = steps * u,
                             .dy_row = steps * u,
                             .dh = c.memory + kd_recurrent_block(plan, BLOCK_DH),
                             .dc = c.memory + kd_recurrent_block(plan, BLOCK_DC),
                             .dheld = held ? c.memory + kd_recurrent_block(plan, BLOCK_HELD) : NULL,
                             .dz_row = steps * plan->gates * u};
  kd_recurrent_gates(plan, c.memory, &f.step);
  start(&c);
  KD_TRY(run_steps(&c, &f));
  finish(&c, &f);
  return KD_OK;
}

/* --- gradients of kernel and bias ------------------------------------------------------------------ */

/* h with the dropout factors of a gate, for all rows and steps. */
static const float *dropped(const kd_launch *launch, int gate) {
  const kd_recurrent_plan *plan = &((const grad_state *)launch->handle)->plan;
  const float *h = launch->input[2].data, *drop = operand(launch, KD_RNN_DROP);
  float *left = left_of(launch);
  int64_t u = plan->units;
  for (int64_t row = 0; row < plan->batch; row++) {
    const float *factor = drop + (row * plan->gates + gate) * u;
    for (int64_t t = 0; t < plan->steps; t++)
      for (int64_t i = 0; i < u; i++)
        left[(row * plan->steps + t) * u + i] = h[(row * plan->steps + t) * u + i] * factor[i];
  }
  return left;
}

/* Left operand transposed, times the gradient of the product, summed over all rows and steps. The last gate
 * of GRU_BEFORE comes first: its left operand was written by the steps where `dropped` writes. */
static kd_status kernel_grad(const kd_launch *launch) {
  const grad_state *self = launch->handle;
  const kd_recurrent_plan *plan = &self->plan;
  int64_t u = plan->units, width = plan->gates * u, rows = plan->batch * plan->steps;
  const float *d = plan->attr.cell == KD_CELL_GRU ? dproduct_of(launch) : launch->output[0].data;
  float *dkernel = launch->output[1].data;
  for (int i = plan->n_parts - 1; i >= 0; i--) {
    const kd_recurrent_part *part = &plan->part[i];
    const float *left = launch->input[2].data;
    if (plan->attr.cell == KD_CELL_GRU_BEFORE && i == plan->n_parts - 1)
      left = left_of(launch);
    else if (plan->attr.flags & KD_RNN_DROP)
      left = dropped(launch, part->first);
    int64_t at = part->first * u;
    KD_TRY(kd_onednn_gemm(&(kd_gemm){.transpose_a = true,
                                     .m = u,
                                     .n = part->count * u,
                                     .k = rows,
                                     .alpha = 1,
                                     .a = left,
                                     .a_stride = u,
                                     .b = d + at,
                                     .b_stride = width,
                                     .y = dkernel + at,
                                     .y_stride = width,
                                     .threads = launch->device->threads}));
  }
  return KD_OK;
}

static void bias_grad(const kd_launch *launch) {
  const grad_state *self = launch->handle;
  const kd_recurrent_plan *plan = &self->plan;
  float *dbias = launch->output[2].data;
  int64_t width = plan->gates * plan->units;
  if (plan->attr.flags & KD_RNN_BIAS)
    self->vector->reduce_columns(KD_REDUCE_SUM, dproduct_of(launch), plan->batch * plan->steps, width, width,
                                 dbias);
  else
    dbias[0] = 0;
}

static kd_status run(const kd_launch *launch) {
  const grad_state *self = launch->handle;
  KD_TRY(kd_recurrent_plan_run(&self->plan, launch, run_chunk));
  bias_grad(launch);
  return kernel_grad(launch);
}

static void release(kd_launch *launch) {
  grad_state *self = launch->handle;
  if (self) kd_recurrent_plan_destroy(&self->plan);
  kd_free(self);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_recurrent_grad = {
    .prepare = prepare, .bind = bind, .refresh = refresh, .run = run, .release = release};
