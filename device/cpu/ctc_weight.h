/* Positive numbers part * 2^power of any size, for products of thousands of probabilities: they are added
 * without logarithms. `power` is a whole number; a NaN stands in `part`. */
#ifndef KD_CPU_CTC_WEIGHT_H
#define KD_CPU_CTC_WEIGHT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct kd_weight {
  double part, power;
} kd_weight;

/* 2^n for whole n < 1024; 0 below the normal numbers. */
static inline double kd_weight_scale(double n) {
  uint64_t bits = n < -1022 ? 0 : (uint64_t)((int64_t)n + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, sizeof scale);
  return scale;
}

/* exp(x), of infinities a power that no float reaches. */
static inline kd_weight kd_weight_exp(double x) {
  const double whole = 0x1.8p52, log2e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1,
               ln2_low = 0x1.a39ef35793c76p-33;
  if (isnan(x)) return (kd_weight){x, 0};
  if (fabs(x) > 0x1p50) return (kd_weight){1, fmin(fmax(rint(x * log2e), -0x1p140), 0x1p140)};
  double power = (x * log2e + whole) - whole;
  return (kd_weight){exp((x - power * ln2_high) - power * ln2_low), power};
}

static inline double kd_weight_log(kd_weight a) {
  return log(a.part) + a.power * M_LN2;
}

static inline kd_weight kd_weight_times(kd_weight a, kd_weight b) {
  return (kd_weight){a.part * b.part, a.power + b.power};
}

static inline kd_weight kd_weight_plus(kd_weight a, kd_weight b) {
  double most = a.power > b.power ? a.power : b.power;
  return (kd_weight){a.part * kd_weight_scale(a.power - most) + b.part * kd_weight_scale(b.power - most),
                     most};
}

/* a / (a + b) */
static inline double kd_weight_share(kd_weight a, kd_weight b) {
  double most = a.power > b.power ? a.power : b.power;
  double part = a.part * kd_weight_scale(a.power - most);
  return part / (part + b.part * kd_weight_scale(b.power - most));
}

/* The same number with 1 <= part < 2, after a few products and sums. */
static inline kd_weight kd_weight_level(kd_weight a) {
  uint64_t bits;
  memcpy(&bits, &a.part, sizeof bits);
  double power = (double)((int64_t)(bits >> 52 & 0x7FF) - 1023);
  return (kd_weight){a.part * kd_weight_scale(-power), a.power + power};
}

#endif
