/* A backend of plain loops for tests of plans: pointwise programs, products of matrices, sums, copies. Its
 * kernels count their calls. A product with a weight computes from its own copy, which only refresh renews.
 */
#ifndef KD_TEST_FAKE_BACKEND_H
#define KD_TEST_FAKE_BACKEND_H

#include "device/backend.h"

typedef struct fake_counts {
  int prepared, bound, refreshed, run, released, blocks; /* blocks: device blocks that are allocated now */
} fake_counts;
extern fake_counts fake;
extern const kd_backend fake_backend;
/* When not NULL: the run of a product fails with this text. */
extern const char *fake_failure;

kd_device fake_device(void);

#endif
