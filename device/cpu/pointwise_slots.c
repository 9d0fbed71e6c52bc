#include "device/cpu/pointwise_program.h"

enum { AT_END = KD_MAX_STEPS }; /* a use by a store, after all steps */

/* The last command that reads each register: -1 when none does. */
static void find_last_use(const kd_pw_program *p, int *last) {
  for (int r = 0; r < p->n_registers; r++) last[r] = -1;
  for (int i = 0; i < p->n_each; i++) {
    const kd_pw_command *command = &p->each[i];
    if (!command->run) continue;
    last[command->a] = last[command->b] = last[command->c] = i;
  }
  for (int o = 0; o < p->n_outputs; o++) last[p->output[o].reg] = AT_END;
}

static int64_t bytes_of(const kd_pw_program *p, const kd_pw_input *input) {
  int64_t last = 0;
  for (int d = 0; d < p->tiling.rank; d++) last += (p->tiling.dim[d] - 1) * input->stride[d];
  return (last + 1) * (int64_t)input->size;
}

static bool overlaps(const kd_pw_program *p, const kd_pw_output *output, const kd_pw_input *input) {
  const char *end = output->data + p->tiling.count * (int64_t)output->size;
  return output->data < input->data + bytes_of(p, input) && input->data < end;
}

/* An output may take exactly the place of an input: then tiles read and write the same elements. */
static kd_status check_overlap(const kd_pw_program *p) {
  for (int o = 0; o < p->n_outputs; o++) {
    for (int i = 0; i < p->n_inputs; i++) {
      const kd_pw_output *output = &p->output[o];
      const kd_pw_input *input = &p->input[i];
      if (input->access == KD_ACCESS_NONE || !overlaps(p, output, input)) continue;
      bool same = output->data == input->data && output->size == input->size && input->dense;
      KD_CHECK(same, KD_ERR_INTERNAL, "pointwise: output %d overlaps input %d without being its place", o, i);
    }
  }
  return KD_OK;
}

/* The command that computes a register, -1 when it is not computed for each tile. */
static int producer(const kd_pw_program *p, int reg) {
  for (int i = 0; i < p->n_each; i++)
    if (p->each[i].out == reg) return i;
  return -1;
}

/* A step may write an output in place unless a later step still reads an input that lies there. */
static bool can_write_directly(const kd_pw_program *p, const int *last, int o) {
  const kd_pw_output *output = &p->output[o];
  int command = producer(p, output->reg);
  if (command < 0 || output->store != p->vector->store_fn(KD_F32)) return false;
  for (int before = 0; before < o; before++)
    if (p->output[before].reg == output->reg) return false;
  for (int i = 0; i < p->n_inputs; i++) {
    const kd_pw_input *input = &p->input[i];
    if (input->access != KD_ACCESS_NONE && overlaps(p, output, input) && last[i] > command) return false;
  }
  return true;
}

typedef struct slots {
  bool taken[KD_MAX_REGISTERS];
  int count;
} slots;

static int16_t take(slots *s) {
  int i = 0;
  while (s->taken[i]) i++;
  s->taken[i] = true;
  if (i >= s->count) s->count = i + 1;
  return (int16_t)i;
}

/* Registers that are filled before the first tile keep their slots. */
static void assign_once(kd_pw_program *p, slots *s) {
  for (int i = 0; i < p->n_inputs; i++)
    if (p->input[i].access == KD_ACCESS_ONCE) p->slot[i] = take(s);
  for (int i = 0; i < p->n_constants; i++) p->slot[p->constant_reg[i]] = take(s);
  for (int i = 0; i < p->n_once; i++) p->slot[p->once[i].out] = take(s);
}

/* Gives back the slot of an operand that dies at command `at`. */
static void drop(kd_pw_program *p, slots *s, const int *last, const bool *kept, int reg, int at) {
  if (p->slot[reg] != KD_NO_SLOT && !kept[reg] && last[reg] == at) s->taken[p->slot[reg]] = false;
}

kd_status kd_pw_assign(kd_pw_program *p) {
  KD_TRY(check_overlap(p));
  int last[KD_MAX_REGISTERS];
  find_last_use(p, last);
  bool in_place[KD_MAX_REGISTERS] = {false}, kept[KD_MAX_REGISTERS];
  for (int o = 0; o < p->n_outputs; o++) {
    p->output[o].direct = can_write_directly(p, last, o);
    if (p->output[o].direct) in_place[p->output[o].reg] = true;
  }
  slots s = {0};
  for (int r = 0; r < p->n_registers; r++) p->slot[r] = KD_NO_SLOT;
  assign_once(p, &s);
  for (int r = 0; r < p->n_registers; r++) kept[r] = p->slot[r] != KD_NO_SLOT;
  for (int i = 0; i < p->n_inputs; i++)
    if (p->input[i].access == KD_ACCESS_LOAD) p->slot[i] = take(&s);
  for (int i = 0; i < p->n_each; i++) {
    const kd_pw_command *command = &p->each[i];
    if (command->run) { /* a step may write over an operand that dies in it */
      drop(p, &s, last, kept, command->a, i);
      drop(p, &s, last, kept, command->b, i);
      drop(p, &s, last, kept, command->c, i);
    }
    if (!in_place[command->out]) p->slot[command->out] = take(&s);
  }
  p->n_slots = s.count;
  return KD_OK;
}
