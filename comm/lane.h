/* A range in pieces, one for each that sums: pure. */
#ifndef KD_COMM_LANE_H
#define KD_COMM_LANE_H

#include <stdint.h>

#include "device/base/memory.h"

enum { KD_LANE_LINE = KD_ALIGNMENT / sizeof(float) };

/* Where lane i of n begins in [begin, end): at a cache line, so that two ranks never write to the same one.
 * A lane has at most (end - begin) / n + KD_LANE_LINE + 1 floats. */
static inline int64_t kd_lane_begin(int64_t begin, int64_t end, int lane, int n) {
  if (lane <= 0) return begin;
  if (lane >= n) return end;
  int64_t at = (begin + (end - begin) * lane / n) / KD_LANE_LINE * KD_LANE_LINE;
  return at > begin ? at : begin;
}

#endif
