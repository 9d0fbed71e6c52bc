/* CMocka over the C API, alone or on several ranks: KD_API_MAIN(tests) is the whole main(). Macros of kdist.h
 * have the names of inner functions: no header of theirs may follow. */
#ifndef KD_TEST_API_UNIT_H
#define KD_TEST_API_UNIT_H

#include <unistd.h>

#include "support/check.h"

#include "kdist.h"

enum { API_MOST = 4096 }; /* numbers in all weights of a test's net */

/* All weights of a net, one behind the other; gives their number. */
static inline int64_t api_weights(kd_net *net, float *values) {
  const char *path;
  int rank;
  int64_t shape[KD_MAX_RANK], n = 0;
  for (int w = 0; kd_net_weight(net, w, &path, &rank, shape) == KD_OK; w++) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    assert_true(n + count <= API_MOST);
    assert_ok(kd_get_weight(net, path, values + n));
    n += count;
  }
  return n;
}

/* Two nets have the same weights, bit for bit. */
static inline void api_same(kd_net *a, kd_net *b) {
  static float of_a[API_MOST], of_b[API_MOST];
  int64_t n = api_weights(a, of_a);
  assert_int_equal(n, api_weights(b, of_b));
  assert_true(n > 0);
  assert_memory_equal(of_a, of_b, (size_t)n * sizeof *of_a);
}

static inline double api_metric(kd_net *net, const char *name) {
  double value = 0;
  assert_ok(kd_metric(net, name, &value));
  return value;
}

#define KD_API_MAIN(tests)                                                                                   \
  int main(void) {                                                                                           \
    alarm(100); /* a rank that fails alone leaves the others waiting */                                      \
    assert_ok(kd_init());                                                                                    \
    if (kd_world_rank() != 0 && !freopen("/dev/null", "w", stdout)) return 95;                               \
    int failures = cmocka_run_group_tests(tests, NULL, NULL);                                                \
    return kd_finalize() == KD_OK ? failures : 96;                                                           \
  }

#endif
