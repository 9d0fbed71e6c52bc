/* Sums over passes and ranks. */
#include "device/cuda/platform.cuh"

static __global__ void add(int64_t count, float *to, const float *from) {
  KD_EACH(i, count) to[i] += from[i];
}

int kd_cuda_add_start(float *to, const float *from, int64_t count, void *stream) {
  return count ? kd_start(add, kd_blocks(count), dim3(KD_BLOCK), stream, count, to, from) : 0;
}

static __global__ void count_one(volatile int64_t *number) {
  *number = *number + 1;
}

int kd_cuda_count_start(int64_t *number, void *stream) {
  return kd_start(count_one, dim3(1), dim3(1), stream, number);
}

static __global__ void join(const kd_job_join *joins, int n_joins, int64_t offset, int64_t count, float *to) {
  KD_EACH(i, count) {
    float stack[KD_JOIN_DEPTH];
    int top = -1;
    for (int j = 0; j < n_joins; j++) {
      const float *input = joins[j].input;
      if (!input) {
        top--;
        stack[top] += stack[top + 1];
        continue;
      }
      float value = input[(joins[j].moves ? offset : 0) + i];
      if (joins[j].push)
        stack[++top] = value;
      else
        stack[top] += value;
    }
    to[i] = stack[0];
  }
}

int kd_cuda_join_start(const kd_job_join *joins, int n_joins, int64_t offset, int64_t count, float *to,
                       void *stream) {
  if (!count) return 0;
  return kd_start(join, kd_blocks(count), dim3(KD_BLOCK), stream, joins, n_joins, offset, count, to);
}
