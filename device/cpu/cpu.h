/* The CPU device's own state, shared by its kernels. */
#ifndef KD_CPU_CPU_H
#define KD_CPU_CPU_H

#include "device/backend.h"
#include "device/cpu/isa.h"

typedef struct kd_cpu {
  const kd_vector_table *vector;
  kd_isa isa;
  char text[128]; /* for describe */
} kd_cpu;

/* The vector kernels of the device that a launch runs on. */
static inline const kd_vector_table *kd_cpu_vector(const kd_device *device) {
  return ((const kd_cpu *)device->state)->vector;
}

#endif
