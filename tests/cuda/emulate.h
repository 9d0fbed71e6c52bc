/* CUDA for kernels that a test compiles for the processor: the threads of a block are fibers that run until
 * they meet at __syncthreads or a shuffle. A barrier that a thread misses ends the test. Blocks and threads
 * run forward, or backward with KD_EMULATE=reverse: a kernel that relies on an order gives other bits then.
 * Launches wait in a queue, as on a stream, until the host waits for them (runtime_double.cpp). */
#ifndef KD_TEST_EMULATE_H
#define KD_TEST_EMULATE_H

#include <functional>

#include "cuda/emulated_thread.h"

extern emulated_thread *kd_emulated;

struct dim3 {
  unsigned x, y, z;
  explicit dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

/* Puts work on a stream; it runs when the host waits, or is recorded. */
void emulate_enqueue(void *stream, std::function<void()> work);
/* The work of a launch: every thread of every block. */
void emulate_run(emulated_size blocks, emulated_size threads, const std::function<void()> &thread);
void emulate_sync_block();
float emulate_shuffle(float value, int lane); /* all lanes of the warp call it; the value of `lane` */
int emulate_lane();

static inline void __syncthreads() {
  emulate_sync_block();
}
static inline float __shfl_sync(unsigned, float value, int lane) {
  return emulate_shuffle(value, lane);
}
static inline float __shfl_xor_sync(unsigned, float value, int mask) {
  return emulate_shuffle(value, emulate_lane() ^ mask);
}
static inline int __shfl_xor_sync(unsigned all, int value, int mask) {
  return (int)__float_as_uint(__shfl_xor_sync(all, __uint_as_float((uint32_t)value), mask));
}
static inline float kd_half_to_float(uint16_t half) {
  return emulate_from_half(half);
}
static inline uint16_t kd_float_to_half(float value) {
  return emulate_to_half(value);
}

template <typename... Parameters, typename... Arguments>
static int kd_start(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, void *stream,
                    Arguments... arguments) {
  std::function<void()> thread = [=] { kernel(arguments...); };
  emulate_enqueue(stream, [=] {
    emulate_run({blocks.x, blocks.y, blocks.z}, {threads.x, threads.y, threads.z}, thread);
  });
  return 0;
}

#endif
