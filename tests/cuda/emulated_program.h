/* In front of a generated program (device/cuda/program.h) that is compiled for the processor. */
#define KD_EMULATED
#include "cuda/emulated_thread.h"

extern "C" {
emulated_thread *kd_emulated;
}

static inline float kd_from_f16(unsigned short half) {
  return emulate_from_half(half);
}
static inline unsigned short kd_to_f16(float value) {
  return emulate_to_half(value);
}
