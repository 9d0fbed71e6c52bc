/* POINTWISE: programs of steps over broadcast operands, run tile by tile. */
#include <string.h>

#include "device/base/memory.h"
#include "device/base/rng.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"
#include "device/cpu/pointwise_program.h"
#include "device/cpu/random.h"

/* --- prepare --------------------------------------------------------------------------------------- */

/* Copies are only other names: source[r] is the register that register r stands for. */
static void find_sources(const kd_pointwise_attr *attr, uint8_t *source) {
  for (int r = 0; r < attr->n_inputs; r++) source[r] = (uint8_t)r;
  for (int i = 0; i < attr->n_steps; i++) {
    int r = attr->n_inputs + i;
    source[r] = attr->step[i].op == KD_PW_COPY ? source[attr->step[i].arg[0]] : (uint8_t)r;
  }
}

static bool is_random(const kd_pw_step *step) {
  return step->op == KD_PW_UNIFORM || step->op == KD_PW_NORMAL;
}

/* Inputs that steps or outputs read as numbers; access stays NONE for the others. */
static void mark_inputs(const kd_pointwise_attr *attr, const uint8_t *source, kd_pw_input *input) {
  for (int i = 0; i < attr->n_steps; i++) {
    const kd_pw_step *step = &attr->step[i];
    if (step->op == KD_PW_COPY || is_random(step)) continue;
    for (int k = 0; k < kd_pw_operands(step->op); k++)
      if (source[step->arg[k]] < attr->n_inputs) input[source[step->arg[k]]].access = KD_ACCESS_LOAD;
  }
  for (int o = 0; o < attr->n_outputs; o++)
    if (source[attr->output[o]] < attr->n_inputs) input[source[attr->output[o]]].access = KD_ACCESS_LOAD;
}

static void classify(const kd_tiling *t, kd_dtype dtype, kd_pw_input *input) {
  bool constant_rows = true, scalar, dense = true;
  int64_t step = 1;
  for (int d = t->rank - 1; d >= 0; d--) {
    if (d < t->rank - 1 && input->stride[d]) constant_rows = false;
    if (t->dim[d] > 1 && input->stride[d] != step) dense = false;
    step *= t->dim[d];
  }
  scalar = constant_rows && input->stride[t->rank - 1] == 0;
  input->dense = dense;
  if (scalar ? t->count > 1 : t->by_rows && constant_rows && !dense)
    input->access = KD_ACCESS_ONCE;
  else if (dtype == KD_F32 && (dense || (!t->by_rows && input->stride[t->rank - 1] == 1)))
    input->access = KD_ACCESS_DIRECT;
}

/* Steps become commands; those whose operands are equal for all tiles run once. */
static void make_commands(const kd_pointwise_attr *attr, const uint8_t *source, kd_pw_program *p) {
  bool once[KD_MAX_REGISTERS] = {false};
  for (int i = 0; i < attr->n_inputs; i++) once[i] = p->input[i].access == KD_ACCESS_ONCE;
  for (int i = 0; i < attr->n_steps; i++) {
    const kd_pw_step *step = &attr->step[i];
    int reg = attr->n_inputs + i, operands = kd_pw_operands(step->op);
    if (step->op == KD_PW_COPY) continue;
    if (step->op == KD_PW_CONST) {
      p->constant_reg[p->n_constants] = (uint8_t)reg;
      p->constant[p->n_constants++] = step->imm.value;
      once[reg] = true;
      continue;
    }
    kd_pw_command command = {.out = (uint8_t)reg, .a = source[step->arg[0]]};
    command.b = operands > 1 ? source[step->arg[1]] : command.a;
    command.c = operands > 2 ? source[step->arg[2]] : command.b;
    once[reg] = !is_random(step) && once[command.a] && once[command.b] && once[command.c];
    if (is_random(step)) {
      command.normal = step->op == KD_PW_NORMAL;
      command.node = step->imm.node;
    } else {
      command.run = p->vector->pointwise_step(step->op);
    }
    if (once[reg])
      p->once[p->n_once++] = command;
    else
      p->each[p->n_each++] = command;
  }
}

/* Outputs that are copies of inputs come first, so that no other output has overwritten their source. */
static void make_outputs(const kd_launch *launch, const uint8_t *source, kd_pw_program *p) {
  const kd_pointwise_attr *attr = launch->attr;
  for (int copies = 1; copies >= 0; copies--) {
    for (int o = 0; o < attr->n_outputs; o++) {
      int reg = source[attr->output[o]];
      bool copy = reg < attr->n_inputs;
      if (copy != (copies == 1)) continue;
      kd_dtype dtype = launch->output[o].dtype;
      kd_pw_output *output = &p->output[p->n_outputs++];
      *output = (kd_pw_output){.reg = reg, .index = o, .size = kd_dtype_size(dtype)};
      output->store = p->vector->store_fn(dtype);
      output->raw = copy && p->input[reg].dense && launch->input[reg].dtype == dtype;
    }
  }
}

static kd_status pointwise_prepare(kd_launch *launch) {
  const kd_pointwise_attr *attr = launch->attr;
  kd_pw_program *p = kd_calloc(1, sizeof *p);
  launch->handle = p;
  p->vector = kd_cpu_vector(launch->device);
  p->n_inputs = attr->n_inputs;
  p->n_registers = attr->n_inputs + attr->n_steps;
  uint8_t source[KD_MAX_REGISTERS];
  find_sources(attr, source);
  mark_inputs(attr, source, p->input);
  kd_tiling_make(launch, p->input, &p->tiling);
  int64_t rows = attr->shape.rank ? attr->shape.dim[0] : 1;
  p->row_elements = rows ? p->tiling.count / rows : 1;
  for (int i = 0; i < attr->n_inputs; i++) {
    kd_pw_input *input = &p->input[i];
    input->size = kd_dtype_size(launch->input[i].dtype);
    input->load = p->vector->load_fn(launch->input[i].dtype);
    if (input->access != KD_ACCESS_NONE) classify(&p->tiling, launch->input[i].dtype, input);
  }
  make_commands(attr, source, p);
  make_outputs(launch, source, p);
  return KD_OK;
}

static kd_status pointwise_bind(kd_launch *launch) {
  kd_pw_program *p = launch->handle;
  for (int i = 0; i < p->n_inputs; i++) p->input[i].data = launch->input[i].data;
  for (int o = 0; o < p->n_outputs; o++) p->output[o].data = launch->output[p->output[o].index].data;
  KD_TRY(kd_pw_assign(p));
  launch->note = "tiles";
  if ((p->whole = kd_pw_adam_find(p, &p->adam)))
    launch->note = "adam";
  else if ((p->whole = kd_pw_gelu_find(p, &p->gelu)))
    launch->note = "gelu";
  return KD_OK;
}

/* --- run ------------------------------------------------------------------------------------------- */

/* What all tiles share: constants, scalars and repeated vectors, and the steps that need nothing else. The
 * first tile is the longest. */
static void fill_once(const kd_pw_program *p, float **reg) {
  kd_tile first = kd_tiling_tile(&p->tiling, 0);
  for (int i = 0; i < p->n_constants; i++) p->vector->fill(reg[p->constant_reg[i]], p->constant[i], first.n);
  for (int i = 0; i < p->n_inputs; i++)
    if (p->input[i].access == KD_ACCESS_ONCE) kd_pw_load(p, &p->input[i], &first, reg[i]);
  for (int i = 0; i < p->n_once; i++) {
    const kd_pw_command *c = &p->once[i];
    c->run(reg[c->out], reg[c->a], reg[c->b], reg[c->c], first.n);
  }
}

static void read_inputs(const kd_pw_program *p, const kd_tile *tile, float **reg) {
  for (int i = 0; i < p->n_inputs; i++) {
    const kd_pw_input *input = &p->input[i];
    if (input->access == KD_ACCESS_LOAD) {
      kd_pw_load(p, input, tile, reg[i]);
    } else if (input->access == KD_ACCESS_DIRECT) {
      int64_t offset = tile->start;
      if (!input->dense) offset = kd_tiling_offset(&p->tiling, input->stride, tile->row) + tile->column;
      reg[i] = (float *)input->data + offset;
    }
  }
}

static void write_outputs(const kd_pw_program *p, const kd_tile *tile, float **reg) {
  for (int o = 0; o < p->n_outputs; o++) {
    const kd_pw_output *output = &p->output[o];
    if (output->direct) continue;
    int64_t offset = tile->start * (int64_t)output->size;
    char *to = output->data + offset;
    if (!output->raw) {
      output->store(to, reg[output->reg], tile->n);
    } else if (output->data != p->input[output->reg].data) {
      memcpy(to, p->input[output->reg].data + offset, (size_t)tile->n * output->size);
    }
  }
}

/* The random numbers of a tile. */
static void draw(const kd_pw_program *p, const kd_pw_command *command, const kd_tile *tile, float *out) {
  const uint32_t *rng = (const uint32_t *)(const void *)p->input[command->a].data;
  kd_cpu_draw(p->vector, command->normal, kd_rng_key(rng, command->node), rng[KD_RNG_SAMPLE], p->row_elements,
              tile->start, tile->n, out);
}

static void run_tiles(void *context, int64_t begin, int64_t end) {
  const kd_pw_program *p = context;
  if (p->whole) {
    p->whole(p, begin, end);
    return;
  }
  char scratch[(size_t)(p->n_slots * KD_TILE) * sizeof(float) + KD_ALIGNMENT];
  float *slots = (float *)(scratch + KD_ALIGNMENT - (uintptr_t)scratch % KD_ALIGNMENT);
  float *reg[KD_MAX_REGISTERS];
  for (int r = 0; r < p->n_registers; r++)
    reg[r] = p->slot[r] == KD_NO_SLOT ? NULL : slots + p->slot[r] * KD_TILE;
  fill_once(p, reg);
  for (int64_t i = begin; i < end; i++) {
    kd_tile tile = kd_tiling_tile(&p->tiling, i);
    read_inputs(p, &tile, reg);
    for (int o = 0; o < p->n_outputs; o++)
      if (p->output[o].direct) reg[p->output[o].reg] = (float *)p->output[o].data + tile.start;
    for (int k = 0; k < p->n_each; k++) {
      const kd_pw_command *c = &p->each[k];
      if (c->run)
        c->run(reg[c->out], reg[c->a], reg[c->b], reg[c->c], tile.n);
      else
        draw(p, c, &tile, reg[c->out]);
    }
    write_outputs(p, &tile, reg);
  }
}

static kd_status pointwise_run(const kd_launch *launch) {
  const kd_pw_program *p = launch->handle;
  int64_t work = p->n_inputs + p->n_outputs + p->n_each;
  kd_cpu_parallel(launch->device, p->tiling.tiles, kd_cpu_grain(work * KD_TILE * (int64_t)sizeof(float)),
                  run_tiles, launch->handle);
  return KD_OK;
}

static void pointwise_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_pointwise = {
    .prepare = pointwise_prepare,
    .bind = pointwise_bind,
    .run = pointwise_run,
    .release = pointwise_release,
};
