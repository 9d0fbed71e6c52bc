#include "comm/sum.h"

#include <string.h>

/* Elements that are summed at once: the stack of a program stays in the first-level cache. */
enum { BLOCK = 1024 };

/* Compiled for each instruction set; the one of this machine is chosen when the program is loaded. Additions
 * are not reordered, so all of them give the same bits. (Sanitizers start too late for such a choice.) */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                          \
    !defined(__SANITIZE_THREAD__)
#define KD_EACH_ISA __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define KD_EACH_ISA
#endif

static KD_EACH_ISA void add(float *to, const float *a, const float *b, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = a[i] + b[i];
}

void kd_sum_add(float *to, const float *a, const float *b, int64_t count) {
  add(to, a, b, count);
}

void kd_sum_copy(float *to, const float *from, int64_t count) {
  if (to != from) memcpy(to, from, (size_t)count * sizeof *to);
}

/* One block: entry d of the stack is a pointer, to an input or to temporary d. */
static void combine_block(const kd_tree_combine *combine, const float *const *inputs, float *const *outputs,
                          int n_copies, int64_t at, int64_t count) {
  _Alignas(KD_ALIGNMENT) float temporary[KD_TREE_DEPTH][BLOCK];
  const float *stack[KD_TREE_DEPTH];
  int top = -1;
  for (int i = 0; i < combine->n_ops; i++) {
    switch (combine->ops[i].kind) {
    case KD_TREE_PUSH:
      stack[++top] = inputs[i] + at;
      break;
    case KD_TREE_PLUS:
      kd_sum_add(temporary[top], stack[top], inputs[i] + at, count);
      stack[top] = temporary[top];
      break;
    case KD_TREE_FOLD:
      top--;
      kd_sum_add(temporary[top], stack[top], stack[top + 1], count);
      stack[top] = temporary[top];
      break;
    case KD_TREE_OUT: {
      float *const *copies = outputs + combine->ops[i].partial * n_copies;
      for (int c = 0; c < n_copies; c++) kd_sum_copy(copies[c] + at, stack[top], count);
      top--;
      break;
    }
    }
  }
}

void kd_sum_combine(const kd_tree_combine *combine, const float *const *inputs, float *const *outputs,
                    int n_copies, int64_t count) {
  for (int64_t at = 0; at < count; at += BLOCK)
    combine_block(combine, inputs, outputs, n_copies, at, count - at < BLOCK ? count - at : BLOCK);
}
