/* The header of an IDX file (the MNIST family): 0, 0, element type, rank, then rank big-endian 32-bit sizes.
 */
#ifndef KD_IO_IDX_HEADER_H
#define KD_IO_IDX_HEADER_H

#include "io/element.h"

enum { KD_IDX_HEADER_MAX = 4 + 4 * (KD_MAX_RANK + 1) };

typedef struct kd_idx_header {
  kd_element element;
  int64_t rows;
  kd_shape sample;
  int64_t header_bytes, data_bytes;
} kd_idx_header;

/* `got`: bytes that are there, at most KD_IDX_HEADER_MAX are looked at. KD_ERR_USAGE with what is wrong. */
kd_status kd_idx_parse(const unsigned char *bytes, size_t got, kd_idx_header *header);

#endif
