#include "io/hdf5_dataset.h"

#include "device/base/text.h"

enum { AXES = KD_MAX_RANK + 1, PIECES_LIMIT = 1 << 16 };

/* How a data set is cut into chunks. */
typedef struct chunking {
  bool chunked, filtered, whole_rows; /* whole_rows: one chunk spans all axes but the first */
  hsize_t rows;                       /* of one chunk */
} chunking;

static chunking get_chunking(hid_t data, int rank, const hsize_t *dims) {
  chunking c = {0};
  hid_t plist = H5Dget_create_plist(data);
  hsize_t size[H5S_MAX_RANK];
  if (H5Pget_layout(plist) == H5D_CHUNKED && H5Pget_chunk(plist, H5S_MAX_RANK, size) == rank) {
    c.chunked = c.whole_rows = true;
    c.filtered = H5Pget_nfilters(plist) != 0;
    c.rows = size[0];
    for (int i = 1; i < rank; i++) c.whole_rows = c.whole_rows && size[i] == dims[i];
  }
  H5Pclose(plist);
  return c;
}

static hsize_t user_block(hid_t data) {
  hsize_t size = 0;
  hid_t file = H5Iget_file_id(data), plist = H5Fget_create_plist(file);
  H5Pget_userblock(plist, &size);
  H5Pclose(plist);
  H5Fclose(file);
  return size;
}

static bool in_file(const kd_file_set *set, const kd_piece *piece) {
  int64_t size = set->base.files[piece->file].size, bytes = piece->rows * kd_piece_stride(piece);
  return piece->offset >= 0 && bytes <= size && piece->offset <= size - bytes;
}

/* Contiguous: one piece. False when the data are not in this file as they should be (external, never
 * written). */
static bool add_contiguous(kd_file_set *set, int field, hid_t data, kd_piece piece) {
  haddr_t address = H5Dget_offset(data);
  if (address == HADDR_UNDEF || address > INT64_MAX / 2) return false;
  piece.storage = KD_STORED_ROWS;
  piece.offset = (int64_t)address;
  if (!in_file(set, &piece)) return false;
  kd_file_set_add_piece(set, field, &piece);
  return true;
}

/* One piece per unfiltered chunk. False, and nothing added, when one of them was never written. */
static bool add_chunks(kd_file_set *set, int field, hid_t data, int64_t chunk_rows, kd_piece piece) {
  size_t before = set->column[field].count;
  int64_t rows = piece.rows, first = piece.file_row;
  piece.storage = KD_STORED_ROWS;
  for (int64_t row = 0; row < rows; row += chunk_rows) {
    hsize_t at[AXES] = {(hsize_t)row}, bytes;
    unsigned mask;
    haddr_t address;
    if (H5Dget_chunk_info_by_coord(data, at, &mask, &address, &bytes) < 0) address = HADDR_UNDEF;
    piece.rows = rows - row < chunk_rows ? rows - row : chunk_rows;
    piece.file_row = first + row;
    piece.offset = address == HADDR_UNDEF || address > INT64_MAX / 2 ? -1 : (int64_t)address;
    if (!in_file(set, &piece)) {
      set->column[field].count = before;
      H5Eclear2(H5E_DEFAULT);
      return false;
    }
    kd_file_set_add_piece(set, field, &piece);
  }
  return true;
}

/* Read by the library: whole when small, else in blocks of `block` rows. */
static void add_decoded(kd_file_set *set, int field, hid_t data, const chunking *c, kd_piece piece) {
  int64_t stride = kd_piece_stride(&piece);
  bool small = piece.rows == 0 || stride <= KD_H5_WHOLE_LIMIT / piece.rows;
  piece.storage = c->chunked && small ? KD_STORED_WHOLE : KD_STORED_OWN;
  piece.offset = 1;
  hsize_t chunks = 0; /* walks the whole index of chunks, so that damage there is found now */
  if (c->chunked && H5Dget_num_chunks(data, H5S_ALL, &chunks) < 0) H5Eclear2(H5E_DEFAULT);
  if (piece.storage == KD_STORED_OWN && c->chunked && (c->filtered || !c->whole_rows)) {
    int64_t most = stride > 0 ? KD_H5_BLOCK_LIMIT / stride : 1, block = (int64_t)c->rows;
    piece.offset = block < 1 || block > most ? 1 : block;
    if (piece.offset > set->base.chunk) set->base.chunk = piece.offset;
  }
  kd_file_set_add_piece(set, field, &piece);
}

static kd_status describe_shape(hid_t data, const char *what, kd_piece *piece, hsize_t dims[AXES]) {
  int rank;
  int64_t sizes[AXES], bytes;
  KD_TRY(kd_h5_dims(data, what, AXES, &rank, dims));
  KD_CHECK(rank >= 1, KD_ERR_USAGE, "%s: a single number is not an array of samples", what);
  for (int i = 0; i < rank; i++) {
    KD_CHECK(dims[i] <= INT64_MAX, KD_ERR_USAGE, "%s: a size is too large", what);
    sizes[i] = (int64_t)dims[i];
  }
  if (kd_array_bytes(piece->element.size, rank, sizes, &bytes) != KD_OK)
    return kd_fail_context(KD_ERR_USAGE, "%s", what);
  piece->rows = sizes[0];
  piece->sample = kd_shape_make(rank - 1, sizes + 1);
  return KD_OK;
}

kd_status kd_h5_describe(kd_file_set *set, int field, int file, hid_t data, const char *item) {
  if (kd_h5_is_ragged(data)) return kd_h5_describe_ragged(set, field, file, data, item);
  kd_piece piece = {.file = file, .item = item};
  char what[512];
  hsize_t dims[AXES];
  snprintf(what, sizeof what, "%s (%s)", kd_quoted(set->base.files[file].path), kd_quoted(item));
  hid_t type = H5Dget_type(data);
  bool usable = type >= 0 && kd_h5_element(type, &piece.element);
  if (type >= 0) H5Tclose(type);
  KD_CHECK(usable, KD_ERR_USAGE, "%s: its elements are neither integers nor floats of 1, 2, 4 or 8 bytes",
           what);
  KD_TRY(describe_shape(data, what, &piece, dims));
  KD_CHECK(kd_h5_chunks_sane(data), KD_ERR_USAGE, "%s: its chunks are far larger than its data", what);
  chunking c = get_chunking(data, piece.sample.rank + 1, dims);
  if (!c.chunked) {
    if (add_contiguous(set, field, data, piece)) return KD_OK;
  } else if (!c.filtered && c.whole_rows && piece.rows / (int64_t)c.rows < PIECES_LIMIT &&
             user_block(data) == 0) {
    if (add_chunks(set, field, data, (int64_t)c.rows, piece)) return KD_OK;
  }
  add_decoded(set, field, data, &c, piece);
  return KD_OK;
}
