/* Adam's rule in one pass: its speed is that of memory, where the interpreter of steps needs three times as
 * long. */
#include "device/cpu/vector_simd.h"

typedef struct moments {
  vf w, m, v;
} moments;

static inline moments move(const kd_adam_step *step, vf w, vf g, vf m, vf v) {
  m = m + (g - m) * v_set(step->rise_m);
  v = v + (g * g - v) * v_set(step->rise_v);
  w = w - m * v_set(step->alpha) / (v_sqrt(v) + v_set(step->epsilon));
  return (moments){w, m, v};
}

void KD_V(adam)(const kd_adam_step *step, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + KD_W <= end; i += KD_W) {
    moments next =
        move(step, v_load(step->w + i), v_load(step->g + i), v_load(step->m + i), v_load(step->v + i));
    v_store(step->new_w + i, next.w);
    v_store(step->new_m + i, next.m);
    v_store(step->new_v + i, next.v);
  }
  if (i == end) return;
  int64_t n = end - i;
  moments next = move(step, v_load_part(step->w + i, n), v_load_part(step->g + i, n),
                      v_load_part(step->m + i, n), v_load_part(step->v + i, n));
  v_store_part(step->new_w + i, next.w, n);
  v_store_part(step->new_m + i, next.m, n);
  v_store_part(step->new_v + i, next.v, n);
}
