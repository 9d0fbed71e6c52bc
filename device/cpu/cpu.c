#include <immintrin.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/kernels.h"
#include "device/cpu/onednn.h"

/* Cores that this process may run on; mpirun and taskset narrow them. */
static int allowed_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

/* Results below 1.2e-38 become zero, as in TensorFlow and JAX: Adam's moments of weights without gradient
 * pass through such numbers, and arithmetic on them is many times slower (after some hundred steps a step of
 * a small model took twice as long). Threads inherit the setting from the one that starts them. */
static void flush_tiny_results(void) {
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
}

static kd_status cpu_open(kd_device *device, int ordinal) {
  KD_CHECK(ordinal == 0, KD_ERR_USAGE, "device cpu:%d: there is one CPU device, cpu:0", ordinal);
  kd_isa isa;
  KD_TRY(kd_isa_choose(&isa));
  flush_tiny_results();
  if (device->threads <= 0) device->threads = allowed_cores();
  /* oneDNN takes its team from here. */
  omp_set_num_threads(device->threads);
  kd_isa_limit_onednn(isa);
  kd_cpu *cpu = kd_calloc(1, sizeof *cpu);
  cpu->isa = isa;
  cpu->vector = kd_isa_table(isa);
  static const char *const title[KD_N_ISAS] = {"SSE2", "AVX2", "AVX-512"};
  snprintf(cpu->text, sizeof cpu->text, "CPU, %s (x86-64 %s), %d thread%s, %s", title[isa], kd_isa_name(isa),
           device->threads, device->threads == 1 ? "" : "s", kd_onednn_describe());
  device->state = cpu;
  return KD_OK;
}

static void cpu_close(kd_device *device) {
  kd_free(device->state);
  device->state = NULL;
}

static kd_status cpu_alloc(kd_device *device, size_t bytes, void **block) {
  (void)device;
  return kd_large_alloc(bytes, block);
}

static void cpu_free(kd_device *device, void *block, size_t bytes) {
  (void)device;
  kd_large_free(block, bytes);
}

static kd_status cpu_copy(kd_device *device, void *to, const void *from, size_t bytes) {
  (void)device;
  if (bytes) memcpy(to, from, bytes);
  return KD_OK;
}

static kd_status cpu_clear(kd_device *device, void *block, size_t bytes) {
  (void)device;
  if (bytes) memset(block, 0, bytes);
  return KD_OK;
}

static kd_status cpu_finish(kd_device *device) {
  (void)device;
  return KD_OK;
}

static bool cpu_multiplies(kd_dtype dtype) {
  return dtype == KD_F32 || (dtype == KD_BF16 && kd_onednn_has_bf16());
}

static const char *cpu_describe(kd_device *device) {
  return ((const kd_cpu *)device->state)->text;
}

const kd_backend kd_cpu_backend = {
    .name = "cpu",
    .host_memory = true,
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .upload = cpu_copy,
    .download = cpu_copy,
    .clear = cpu_clear,
    .finish = cpu_finish,
    .kernel = kd_cpu_kernel,
    .multiplies = cpu_multiplies,
    .describe = cpu_describe,
};
