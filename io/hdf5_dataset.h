/* Parts of the HDF5 reader. */
#ifndef KD_IO_HDF5_DATASET_H
#define KD_IO_HDF5_DATASET_H

#include "io/file_set.h"
#include "io/hdf5_base.h"

/* Describes where the rows of one data set lie, as pieces of the field:
 * - contiguous, or unfiltered chunks that hold whole rows: addresses in the file, read without the library;
 * - compressed or otherwise chunked, small: decoded whole;
 * - the same, large: by the library, block by block; the set's `chunk` is set so that a shuffle stays in a
 *   block. */
kd_status kd_h5_describe(kd_file_set *set, int field, int file, hid_t data, const char *item);

/* The same for a data set of variable-length rows; is_ragged: whether it is one. load: reads all rows into
 * the piece's memory. */
bool kd_h5_is_ragged(hid_t data);
kd_status kd_h5_describe_ragged(kd_file_set *set, int field, int file, hid_t data, const char *item);
kd_status kd_h5_load_ragged(kd_file_set *set, int field, kd_piece *piece, hid_t data);

/* Reads rows [row, row + rows) as they are stored. */
kd_status kd_h5_read_raw(hid_t data, const kd_piece *piece, const char *path, int64_t row, int64_t rows,
                         void *out);

/* The format's read and close for pieces that are read block by block: piece->offset is the rows of a block.
 */
kd_status kd_h5_read_blocks(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows,
                            void *out);
void kd_h5_close_blocks(kd_file_set *set);

enum { KD_H5_WHOLE_LIMIT = 256 << 20, KD_H5_BLOCK_LIMIT = 64 << 20 };

#endif
