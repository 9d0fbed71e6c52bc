/* .npy arrays. C order is read row by row, Fortran order is brought into C order in memory. */
#include "io/file_set.h"

#include "device/base/text.h"
#include "io/npy_header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static kd_status read_header(const kd_data_file *file, kd_npy_header *header) {
  const char *path = kd_quoted(file->path);
  int fd = open(file->path, O_RDONLY | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", path, strerror(errno));
  size_t want = file->size < KD_NPY_HEADER_MAX ? (size_t)file->size : KD_NPY_HEADER_MAX;
  unsigned char *head = kd_calloc(want, 1);
  kd_status status = kd_read_at(fd, file->path, 0, want, head);
  close(fd);
  if (status == KD_OK) {
    status = kd_npy_parse(head, want, header);
    if (status != KD_OK) kd_fail_context(status, "%s", path);
  }
  kd_free(head);
  KD_TRY(status);
  int64_t expected = header->header_bytes + header->data_bytes;
  KD_CHECK(file->size >= expected, KD_ERR_USAGE, "%s: truncated: its header promises %lld bytes, it has %lld",
           path, (long long)expected, (long long)file->size);
  return KD_OK;
}

static void open_file(kd_file_set *set, int field, const char *path, const kd_data_source *source,
                      kd_diag *diag) {
  int file = kd_file_set_add_file(set, path, diag, source->origin);
  if (file < 0) return;
  kd_npy_header header;
  kd_piece piece = {.file = file};
  if (read_header(&set->base.files[file], &header) != KD_OK) {
    kd_diag_error(diag, source->origin, "%s", kd_status_text());
    return;
  }
  if (kd_npy_rows(&header, &piece.rows, &piece.sample) != KD_OK) {
    kd_diag_error(diag, source->origin, "%s: %s", kd_quoted(path), kd_status_text());
    return;
  }
  piece.storage = header.fortran_order && header.rank > 1 ? KD_STORED_WHOLE : KD_STORED_ROWS;
  piece.element = header.element;
  piece.offset = header.header_bytes;
  kd_file_set_add_piece(set, field, &piece);
}

static void npy_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  kd_open_per_field(set, source, diag, open_file);
}

static kd_status npy_load(kd_file_set *set, int field, kd_piece *piece) {
  kd_npy_header header = {.element = piece->element, .rank = piece->sample.rank + 1, .dim = {piece->rows}};
  for (int i = 0; i < piece->sample.rank; i++) header.dim[i + 1] = piece->sample.dim[i];
  size_t bytes = (size_t)(piece->rows * kd_piece_stride(piece));
  void *columns, *rows = NULL;
  KD_TRY(kd_large_alloc(bytes, &columns));
  kd_status status = kd_large_alloc(bytes, &rows);
  if (status == KD_OK) status = kd_file_table_read(set->table, piece->file, piece->offset, bytes, columns);
  if (status == KD_OK) {
    kd_npy_to_c_order(&header, columns, rows);
    status = kd_piece_fill(set, field, piece, rows);
  }
  kd_large_free(rows, bytes);
  kd_large_free(columns, bytes);
  return status;
}

const kd_format kd_npy_format = {"npy", false, npy_open, npy_load, NULL, NULL};
