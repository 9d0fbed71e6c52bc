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

KD_INLINE void part(const kd_adam_step *step, bool used, int64_t i, int64_t n) {
  vf g = used ? v_load_n(step->g + i, n) : v_set(0.0f);
  moments next = move(step, v_load_n(step->w + i, n), g, v_load_n(step->m + i, n), v_load_n(step->v + i, n));
  v_store_n(step->new_w + i, next.w, n);
  v_store_n(step->new_m + i, next.m, n);
  v_store_n(step->new_v + i, next.v, n);
}

KD_INLINE void range(const kd_adam_step *step, bool used, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + KD_W <= end; i += KD_W) part(step, used, i, KD_W);
  if (i < end) part(step, used, i, end - i);
}

void KD_V(adam)(const kd_adam_step *step, int64_t begin, int64_t end) {
  if (!step->used) {
    range(step, true, begin, end);
    return;
  }
  for (int64_t i = begin; i < end;) {
    int64_t row = i / step->width, stop = (row + 1) * step->width;
    if (stop > end) stop = end;
    if (step->used[row] != 0)
      range(step, true, i, stop);
    else
      range(step, false, i, stop);
    i = stop;
  }
}
