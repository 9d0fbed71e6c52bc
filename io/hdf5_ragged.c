/* HDF5 data sets whose rows have lengths of their own (h5py's vlen_dtype): decoded as a whole, every row
 * ended by zeros to the longest. */
#include "io/hdf5_dataset.h"

#include "device/base/text.h"

#include <stdio.h>
#include <string.h>

bool kd_h5_is_ragged(hid_t data) {
  hid_t type = H5Dget_type(data);
  bool ragged = type >= 0 && H5Tget_class(type) == H5T_VLEN;
  if (type >= 0) H5Tclose(type);
  return ragged;
}

/* All rows as the library gives them: rows[n] with memory of its own, to be released by release_rows. */
static kd_status read_rows(hid_t data, const char *what, int64_t n, hvl_t *rows) {
  hid_t type = H5Dget_type(data);
  kd_status status = KD_OK;
  if (n > 0 && H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
    status = kd_h5_fail(KD_ERR_USAGE, "%s: cannot read its rows", what);
  H5Tclose(type);
  return status;
}

static void release_rows(hid_t data, hvl_t *rows) {
  hid_t type = H5Dget_type(data), space = H5Dget_space(data);
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, rows);
  H5Sclose(space);
  H5Tclose(type);
}

static int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static kd_status measure(hid_t data, const char *what, kd_piece *piece) {
  void *memory;
  size_t bytes = (size_t)piece->rows * sizeof(hvl_t);
  KD_TRY(kd_large_alloc(bytes, &memory));
  hvl_t *rows = memory;
  kd_status status = read_rows(data, what, piece->rows, rows);
  if (status == KD_OK) {
    int64_t longest = 0;
    for (int64_t i = 0; i < piece->rows; i++) {
      int64_t length = (int64_t)rows[i].len;
      longest = length > longest ? length : longest;
      piece->offset = greatest_divisor(piece->offset, length);
    }
    piece->sample = kd_shape_make(1, (int64_t[]){longest});
    release_rows(data, rows);
  }
  kd_large_free(memory, bytes);
  return status;
}

kd_status kd_h5_describe_ragged(kd_file_set *set, int field, int file, hid_t data, const char *item) {
  kd_piece piece = {.file = file, .item = item, .storage = KD_STORED_WHOLE, .ragged = true};
  char what[512];
  hsize_t dims[1];
  int rank;
  snprintf(what, sizeof what, "%s (%s)", kd_quoted(set->base.files[file].path), kd_quoted(item));
  hid_t type = H5Dget_type(data), element = H5Tget_super(type);
  bool usable = element >= 0 && kd_h5_element(element, &piece.element);
  H5Tclose(element);
  H5Tclose(type);
  KD_CHECK(usable, KD_ERR_USAGE,
           "%s: the elements of its rows are neither integers nor floats of 1, 2, 4 or 8 bytes", what);
  KD_TRY(kd_h5_dims(data, what, 1, &rank, dims));
  KD_CHECK(rank == 1 && dims[0] <= INT64_MAX / sizeof(hvl_t), KD_ERR_USAGE, "%s: it is no list of rows",
           what);
  piece.rows = (int64_t)dims[0];
  KD_TRY(measure(data, what, &piece));
  kd_file_set_add_piece(set, field, &piece);
  return KD_OK;
}

static kd_status convert_rows(const kd_file_set *set, int field, const kd_piece *piece, const hvl_t *rows) {
  size_t bytes = set->base.fields[field].bytes;
  int64_t longest = kd_shape_count(&piece->sample);
  memset(piece->memory, 0, piece->memory_bytes);
  for (int64_t i = 0; i < piece->rows; i++) {
    KD_CHECK(rows[i].len <= (size_t)longest, KD_ERR_USAGE,
             "%s (%s): the file has changed since it was checked", kd_quoted(kd_piece_path(set, piece)),
             kd_quoted(piece->item));
    KD_TRY(kd_element_convert(piece->element, rows[i].p, (char *)piece->memory + (size_t)i * bytes,
                              (int64_t)rows[i].len));
  }
  return KD_OK;
}

kd_status kd_h5_load_ragged(kd_file_set *set, int field, kd_piece *piece, hid_t data) {
  const char *what = kd_quoted(kd_piece_path(set, piece));
  hsize_t dims[1];
  int rank;
  void *memory;
  size_t bytes = (size_t)piece->rows * sizeof(hvl_t);
  KD_TRY(kd_h5_dims(data, what, 1, &rank, dims));
  KD_CHECK(rank == 1 && dims[0] == (hsize_t)piece->rows, KD_ERR_USAGE,
           "%s (%s): the file has changed since it was checked", what, kd_quoted(piece->item));
  KD_TRY(kd_piece_allocate(set, field, piece));
  KD_TRY(kd_large_alloc(bytes, &memory));
  kd_status status = read_rows(data, what, piece->rows, memory);
  if (status == KD_OK) {
    status = convert_rows(set, field, piece, memory);
    release_rows(data, memory);
  }
  kd_large_free(memory, bytes);
  return status;
}
