/* Attributes as text, complete and lossless: for listings and for the hash of a graph. */
#ifndef KD_ATTR_TEXT_H
#define KD_ATTR_TEXT_H

#include "layers/graph/graph.h"

/* " stride=(2, 2) groups=1", or "" for ops without attributes; in the pool. Only the first `rank` entries of
 * per-axis lists are written. POINTWISE is written by kd_program_text instead. */
const char *kd_attr_text(kd_pool *pool, kd_op op, const void *attr, int rank);

/* "relu(add(%3, 0.5))": inputs by tensor number, constants by value. Results that are used more than once get
 * names: "t0 = exp(%1); mul(t0, t0)". In the pool. */
const char *kd_program_text(kd_pool *pool, const kd_pointwise_attr *attr, const kd_sym *inputs);

#endif
