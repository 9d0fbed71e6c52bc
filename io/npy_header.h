/* The header of a NumPy .npy array, versions 1 to 3 (numpy.lib.format). */
#ifndef KD_IO_NPY_HEADER_H
#define KD_IO_NPY_HEADER_H

#include "io/element.h"

enum { KD_NPY_AXES = KD_MAX_RANK + 1, KD_NPY_HEADER_MAX = 1 << 16 };

typedef struct kd_npy_header {
  kd_element element;
  bool fortran_order;
  int rank;
  int64_t dim[KD_NPY_AXES];
  int64_t header_bytes, data_bytes;
} kd_npy_header;

/* `got` bytes from the start of the array are there; KD_NPY_HEADER_MAX are always enough. KD_ERR_USAGE with
 * what is wrong: object arrays, structures, text, negative sizes, sizes whose product overflows. */
kd_status kd_npy_parse(const unsigned char *bytes, size_t got, kd_npy_header *header);

/* Rows and the shape of one row; a scalar array is refused. */
kd_status kd_npy_rows(const kd_npy_header *header, int64_t *rows, kd_shape *sample);

/* Copies an array in Fortran order into C order, size bytes an element. */
void kd_npy_to_c_order(const kd_npy_header *header, const void *in, void *out);

/* Writes a version 1 header for little-endian C order, padded to a multiple of 64 bytes, with room for any
 * number of rows: dim[0] may be changed afterwards. Returns its length; buffer has KD_NPY_WRITE_MAX bytes. */
enum { KD_NPY_WRITE_MAX = 256 };
size_t kd_npy_write_header(char buffer[KD_NPY_WRITE_MAX], kd_element element, int rank, const int64_t *dims);

#endif
