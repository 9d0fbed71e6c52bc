#include "device/cpu/pointwise_program.h"

/* Rows of a broadcast operand, one after the other: copied when the last axis is its own, else one value is
 * repeated. `index` counts the outer dimensions like an odometer. */
static void load_rows(const kd_pw_program *program, const kd_pw_input *input, const kd_tile *tile,
                      float *slot) {
  const kd_tiling *t = &program->tiling;
  int last = t->rank - 1;
  int64_t index[KD_MAX_RANK] = {0}, offset = 0, rest = tile->row;
  for (int d = last - 1; d >= 0; d--) {
    index[d] = rest % t->dim[d];
    rest /= t->dim[d];
    offset += index[d] * input->stride[d];
  }
  bool repeat = input->stride[last] == 0;
  for (float *end = slot + tile->n; slot < end; slot += t->inner) {
    const char *from = input->data + offset * (int64_t)input->size;
    if (repeat) {
      float value;
      input->load(&value, from, 1);
      program->vector->fill(slot, value, t->inner);
    } else {
      input->load(slot, from, t->inner);
    }
    for (int d = last - 1; d >= 0; d--) {
      offset += input->stride[d];
      if (++index[d] < t->dim[d]) break;
      offset -= index[d] * input->stride[d];
      index[d] = 0;
    }
  }
}

void kd_pw_load(const kd_pw_program *program, const kd_pw_input *input, const kd_tile *tile, float *slot) {
  const kd_tiling *t = &program->tiling;
  bool one_value = input->access == KD_ACCESS_ONCE && input->stride[t->rank - 1] == 0;
  if (one_value) {
    input->load(slot, input->data, 1);
    program->vector->fill(slot, slot[0], tile->n);
  } else if (input->dense) {
    input->load(slot, input->data + tile->start * (int64_t)input->size, tile->n);
  } else if (t->by_rows) {
    load_rows(program, input, tile, slot);
  } else {
    int64_t inner = input->stride[t->rank - 1];
    int64_t offset = kd_tiling_offset(t, input->stride, tile->row) + tile->column * inner;
    input->load(slot, input->data + offset * (int64_t)input->size, inner ? tile->n : 1);
    if (!inner) program->vector->fill(slot, slot[0], tile->n);
  }
}
