/* The CUDA device of a test: the emulated one, or with KD_TEST_GPU that of this machine. */
#ifndef KD_TEST_CUDA_OPEN_DEVICE_H
#define KD_TEST_CUDA_OPEN_DEVICE_H

#include "device/cuda/cuda.h"
#include "device/plugin.h"
#include "support/check.h"

static inline kd_device open_device(void) {
  kd_device device = {.threads = 1, .reproducible = true};
  assert_ok(kd_cuda_backend.open(&device, 0));
  device.backend = &kd_cuda_backend;
  return device;
}

/* In main: leaves with 77 and the reason where the device is not there. */
#ifdef KD_TEST_GPU
#define NEED_DEVICE()                                                                                        \
  do {                                                                                                       \
    int count;                                                                                               \
    if (kd_cuda_count(&count) != KD_OK) {                                                                    \
      printf("skipped: %s\n", kd_status_text());                                                             \
      return 77;                                                                                             \
    }                                                                                                        \
  } while (0)
#else
#define NEED_DEVICE() (void)0
#endif

#endif
