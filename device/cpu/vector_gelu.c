/* gelu and its gradient in one pass, step by step as pointwise programs compute them: bits are the same. */
#include "device/cpu/vector_math.h"

/* The compiler must not contract a product into a sum, which a program has as two steps. */
KD_INLINE vf step(vf x) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(x));
#else
  __asm__("" : "+x"(x));
#endif
  return x;
}

KD_INLINE void forward_part(const kd_gelu_step *s, int64_t i, int64_t n) {
  vf x = v_load_n(s->x + i, n);
  vf u = step(v_erf(step(x * v_set(s->a)))) + v_set(1.0f);
  if (s->new_u) v_store_n(s->new_u + i, u, n);
  v_store_n(s->y + i, step(x * u) * v_set(s->c), n);
}

KD_INLINE void gradient_part(const kd_gelu_step *s, int64_t i, int64_t n) {
  vf x = v_load_n(s->x + i, n), dy = step(v_load_n(s->dy + i, n) * v_set(s->c));
  vf scaled = step(x * v_set(s->a)), square = step(scaled * scaled);
  vf slope = step(step(v_exp(step(-square))) * v_set(s->k));
  vf through = step(step(step(dy * x) * slope) * v_set(s->a));
  v_store_n(s->y + i, step(dy * v_load_n(s->u + i, n)) + through, n);
}

KD_INLINE void range(const kd_gelu_step *s, bool gradient, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + KD_W <= end; i += KD_W)
    if (gradient)
      gradient_part(s, i, KD_W);
    else
      forward_part(s, i, KD_W);
  if (i == end) return;
  if (gradient)
    gradient_part(s, i, end - i);
  else
    forward_part(s, i, end - i);
}

void KD_V(gelu)(const kd_gelu_step *s, int64_t begin, int64_t end) {
  if (s->dy)
    range(s, true, begin, end);
  else
    range(s, false, begin, end);
}
