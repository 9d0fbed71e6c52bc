/* Memory and messages of a test about texts: new ones for each test that has setup and teardown. */
#ifndef KD_TEST_POOL_AND_DIAG_H
#define KD_TEST_POOL_AND_DIAG_H

#include "device/base/diag.h"
#include "device/base/memory.h"

static kd_pool *pool;
static kd_diag *diag;

static int setup(void **state) {
  (void)state;
  pool = kd_pool_create();
  diag = kd_diag_create();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kd_pool_destroy(pool);
  kd_diag_destroy(diag);
  return 0;
}

#endif
