/* Cross-entropy of rows that are not ordinary, for the backends' tests. */
#ifndef KD_TEST_XENT_ROWS_H
#define KD_TEST_XENT_ROWS_H

#include "device/backend.h"

/* Rows of `type` with infinities, NaN, equal, ascending and huge elements, at lengths around those where
 * kernels change their way: loss and gradient against double precision. */
void check_xent_rows(kd_device *device, kd_dtype type, const char *where);

#endif
