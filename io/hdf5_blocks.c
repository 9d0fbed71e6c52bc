/* Large compressed data sets, read by the library in blocks of rows; the last blocks are kept. */
#include "io/hdf5_dataset.h"

#include "device/base/text.h"

#include <string.h>

enum { OPEN_LIMIT = 8 };

/* One open data set and its present block of rows, converted. */
typedef struct reader {
  kd_piece *piece; /* NULL: free */
  hid_t file, data;
  unsigned char *block;
  size_t block_bytes;
  int64_t first, rows; /* of the block; rows 0: none */
  uint64_t used;
} reader;

typedef struct readers {
  reader slot[OPEN_LIMIT];
  uint64_t tick;
} readers;

static void close_reader(reader *r) {
  if (!r->piece) return;
  H5Dclose(r->data);
  H5Fclose(r->file);
  kd_large_free(r->block, r->block_bytes);
  *r = (reader){0};
}

static reader *find_reader(readers *all, const kd_piece *piece) {
  reader *oldest = &all->slot[0];
  for (int i = 0; i < OPEN_LIMIT; i++) {
    if (all->slot[i].piece == piece) return &all->slot[i];
    if (all->slot[i].used < oldest->used) oldest = &all->slot[i];
  }
  close_reader(oldest);
  return oldest;
}

static kd_status open_reader(kd_file_set *set, int field, kd_piece *piece, reader *r) {
  const char *path = kd_piece_path(set, piece);
  void *block;
  size_t bytes = (size_t)piece->offset * set->base.fields[field].bytes;
  KD_TRY(kd_large_alloc(bytes, &block));
  kd_status status = kd_h5_open(path, &r->file);
  if (status != KD_OK) {
    kd_large_free(block, bytes);
    return status;
  }
  r->data = H5Dopen2(r->file, piece->item, H5P_DEFAULT);
  if (r->data < 0) {
    H5Fclose(r->file);
    kd_large_free(block, bytes);
    return kd_h5_fail(KD_ERR_USAGE, "%s (%s): cannot open", kd_quoted(path), kd_quoted(piece->item));
  }
  r->piece = piece;
  r->block = block;
  r->block_bytes = bytes;
  return KD_OK;
}

static kd_status read_converted(const kd_piece *piece, reader *r, const char *path, int64_t row, int64_t rows,
                                void *out) {
  if (kd_element_plain(piece->element)) return kd_h5_read_raw(r->data, piece, path, row, rows, out);
  size_t bytes = (size_t)(rows * kd_piece_stride(piece));
  void *raw = kd_calloc(bytes, 1);
  kd_status status = kd_h5_read_raw(r->data, piece, path, row, rows, raw);
  if (status == KD_OK)
    status = kd_element_convert(piece->element, raw, out, rows * kd_shape_count(&piece->sample));
  kd_free(raw);
  return status;
}

/* Rows of one block, which is read when it is not the present one. */
static kd_status copy_from_block(kd_file_set *set, int field, reader *r, int64_t row, int64_t rows,
                                 void *out) {
  const kd_piece *piece = r->piece;
  size_t bytes = set->base.fields[field].bytes;
  if (r->rows == 0 || row < r->first || row >= r->first + r->rows) {
    int64_t first = row / piece->offset * piece->offset;
    int64_t count = piece->rows - first < piece->offset ? piece->rows - first : piece->offset;
    r->rows = 0;
    KD_TRY(read_converted(piece, r, kd_piece_path(set, piece), first, count, r->block));
    r->first = first;
    r->rows = count;
  }
  memcpy(out, r->block + (size_t)(row - r->first) * bytes, (size_t)rows * bytes);
  return KD_OK;
}

static kd_status read_blocks(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows,
                             char *out) {
  if (!set->own) set->own = kd_pool_alloc(set->base.pool, 1, sizeof(readers));
  readers *all = set->own;
  reader *r = find_reader(all, piece);
  if (!r->piece) KD_TRY(open_reader(set, field, piece, r));
  r->used = ++all->tick;
  if (piece->offset == 1) return read_converted(piece, r, kd_piece_path(set, piece), row, rows, out);
  while (rows > 0) {
    int64_t left = piece->offset - row % piece->offset, some = rows < left ? rows : left;
    KD_TRY(copy_from_block(set, field, r, row, some, out));
    out += (size_t)some * set->base.fields[field].bytes;
    row += some;
    rows -= some;
  }
  return KD_OK;
}

kd_status kd_h5_read_blocks(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows,
                            void *out) {
  KD_CHECK(piece->offset >= 1 && piece->file >= 0 && piece->item, KD_ERR_USAGE, "HDF5 data: broken manifest");
  kd_h5_enter();
  kd_status status = read_blocks(set, field, piece, row, rows, out);
  kd_h5_leave();
  return status;
}

void kd_h5_close_blocks(kd_file_set *set) {
  if (!set->own) return;
  kd_h5_enter();
  readers *all = set->own;
  for (int i = 0; i < OPEN_LIMIT; i++) close_reader(&all->slot[i]);
  kd_h5_leave();
}
