/* RECURRENT: all steps of a sequence. Each step is one product of the state with the recurrent kernel, in a
 * layout of the library's choice, and one pass of the cell's gates. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/recurrent_plan.h"

enum { BLOCK_H, BLOCK_C, N_BLOCKS };

typedef struct forward_state {
  kd_recurrent_plan plan;
  const kd_vector_table *vector;
  int64_t kept_steps, states, saved;
} forward_state;

/* Address of an optional operand; NULL when it is not there. */
static const float *operand(const kd_launch *launch, int which) {
  int place = kd_recurrent_input(((const kd_recurrent_attr *)launch->attr)->flags, which);
  return place < 0 ? NULL : launch->input[place].data;
}

static kd_status prepare(kd_launch *launch) {
  forward_state *self = launch->handle = kd_calloc(1, sizeof *self);
  const kd_shape *y = &launch->output[0].shape;
  const kd_recurrent_attr *attr = launch->attr;
  self->vector = kd_cpu_vector(launch->device);
  self->kept_steps = launch->output[2].shape.dim[0];
  self->states = kd_cell_states(attr->cell);
  self->saved = kd_cell_saved(attr->cell);
  return kd_recurrent_plan_prepare(&self->plan, launch, false, 1, y->dim[0], y->dim[1], N_BLOCKS, 0);
}

static kd_status bind(kd_launch *launch) {
  forward_state *self = launch->handle;
  return kd_recurrent_plan_bind(&self->plan, launch, launch->input[1].data);
}

static kd_status refresh(const kd_launch *launch) {
  const forward_state *self = launch->handle;
  return self->plan.kept ? kd_recurrent_plan_pack(&self->plan) : KD_OK;
}

/* --- one chunk of rows ----------------------------------------------------------------------------- */

typedef struct chunk {
  const kd_launch *launch;
  const forward_state *self;
  float *memory;
  int64_t number, first, rows; /* rows of the batch */
} chunk;

/* The state before the first step. */
static void start(const chunk *c) {
  const kd_recurrent_plan *plan = &c->self->plan;
  const float *state = operand(c->launch, KD_RNN_STATE);
  int64_t u = plan->units, width = u * c->self->states;
  memset(c->memory, 0, (size_t)kd_recurrent_block(plan, N_BLOCKS) * sizeof(float));
  for (int64_t row = 0; state && row < c->rows; row++)
    for (int block = 0; block < c->self->states; block++)
      memcpy(c->memory + kd_recurrent_block(plan, block) + row * u,
             state + (c->first + row) * width + block * u, (size_t)u * sizeof(float));
}

/* Where the rows of this chunk stand at a step. */
static void look_at(const chunk *c, int64_t s, kd_recurrent_forward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  int64_t u = plan->units, steps = plan->steps, gates = plan->gates * u, first = c->first;
  int64_t t = plan->attr.flags & KD_RNN_BACKWARDS ? steps - 1 - s : s;
  int64_t out = plan->attr.flags & KD_RNN_REVERSED ? s : t;
  int64_t kept = c->self->kept_steps > 1 ? s : 0;
  const float *mask = operand(c->launch, KD_RNN_MASK);
  float *saved = c->launch->output[2].data, *before = saved + 4 * u;
  f->step.mask = mask ? mask + first * steps + t : NULL;
  f->z = (const float *)c->launch->input[0].data + (first * steps + t) * gates;
  f->saved = saved + (kept * plan->batch + first) * f->saved_row;
  f->y_before = s > 0 ? f->y : NULL;
  f->y = (float *)c->launch->output[0].data + (first * steps + out) * u;
  f->step.c_before = c->memory + kd_recurrent_block(plan, BLOCK_C);
  f->step.c_before_row = u;
  if (s > 0) {
    int64_t last = c->self->kept_steps > 1 ? s - 1 : 0;
    f->step.c_before = before + (last * plan->batch + first) * f->saved_row;
    f->step.c_before_row = f->saved_row;
  }
}

/* Keeps the state for backward and makes the left operands of the products. */
static void spread_state(const chunk *c, int64_t s, const kd_recurrent_forward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  int64_t u = plan->units, kept = c->self->kept_steps;
  int64_t t = plan->attr.flags & KD_RNN_BACKWARDS ? plan->steps - 1 - s : s;
  float *previous = (float *)c->launch->output[3].data + (c->first * kept + (kept > 1 ? t : 0)) * u;
  for (int64_t row = 0; row < c->rows; row++)
    memcpy(previous + row * kept * u, f->h + row * u, (size_t)u * sizeof(float));
  if (!f->step.drop) return;
  int last = plan->attr.cell == KD_CELL_GRU_BEFORE ? plan->n_parts - 1 : plan->n_parts;
  for (int g = 0; g < last; g++) {
    float *narrow = c->memory + plan->part[g].narrow_at;
    for (int64_t row = 0; row < c->rows; row++)
      for (int64_t i = 0; i < u; i++)
        narrow[row * u + i] = f->h[row * u + i] * f->step.drop[row * f->step.drop_row + g * u + i];
  }
}

static kd_status run_parts(const chunk *c, int from, int to) {
  for (int i = from; i < to; i++) KD_TRY(kd_onednn_run(c->self->plan.part[i].product[c->number]));
  return KD_OK;
}

static kd_status run_steps(const chunk *c, kd_recurrent_forward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  bool before = plan->attr.cell == KD_CELL_GRU_BEFORE;
  int n_parts = plan->n_parts;
  for (int64_t s = 0; s < plan->steps; s++) {
    look_at(c, s, f);
    spread_state(c, s, f);
    KD_TRY(run_parts(c, 0, before ? n_parts - 1 : n_parts));
    if (before) {
      c->self->vector->recurrent_reset(f, 0, c->rows);
      KD_TRY(run_parts(c, n_parts - 1, n_parts));
    }
    c->self->vector->recurrent(f, 0, c->rows);
  }
  return KD_OK;
}

/* The state behind the last step; c stands in the values saved last. */
static void finish(const chunk *c, const kd_recurrent_forward *f) {
  const kd_recurrent_plan *plan = &c->self->plan;
  int64_t u = plan->units, width = u * c->self->states;
  float *state = (float *)c->launch->output[1].data + c->first * width;
  for (int64_t row = 0; row < c->rows; row++) {
    memcpy(state + row * width, f->h + row * u, (size_t)u * sizeof(float));
    if (c->self->states > 1)
      memcpy(state + row * width + u, f->saved + row * f->saved_row + 4 * u, (size_t)u * sizeof(float));
  }
}

static kd_status run_chunk(const kd_launch *launch, int64_t number) {
  const forward_state *self = launch->handle;
  const kd_recurrent_plan *plan = &self->plan;
  int64_t u = plan->units, end;
  chunk c = {.launch = launch, .self = self, .number = number};
  kd_recurrent_chunk_rows(plan, number, &c.first, &end);
  c.rows = end - c.first;
  c.memory = kd_recurrent_chunk(plan, launch, number);
  const float *drop = operand(launch, KD_RNN_DROP);
  kd_recurrent_forward f = {.step = {.attr = plan->attr,
                                     .units = u,
                                     .mask_row = plan->steps,
                                     .drop = drop ? drop + c.first * plan->gates * u : NULL,
                                     .drop_row = plan->gates * u,
                                     .reset = c.memory + plan->part[plan->n_parts - 1].narrow_at,
                                     .reset_row = u},
                            .z_row = plan->steps * plan->gates * u,
                            .bias = operand(launch, KD_RNN_BIAS),
                            .h = c.memory + kd_recurrent_block(plan, BLOCK_H),
                            .saved_row = self->saved * u,
                            .y_row = plan->steps * u};
  kd_recurrent_gates(plan, c.memory, &f.step);
  start(&c);
  KD_TRY(run_steps(&c, &f));
  finish(&c, &f);
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  return kd_recurrent_plan_run(&((const forward_state *)launch->handle)->plan, launch, run_chunk);
}

static void release(kd_launch *launch) {
  forward_state *self = launch->handle;
  if (self) kd_recurrent_plan_destroy(&self->plan);
  kd_free(self);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_recurrent = {
    .prepare = prepare, .bind = bind, .refresh = refresh, .run = run, .release = release};
