/* IDX files, also compressed by gzip. Uncompressed ones are read row by row, others are decoded whole. */
#include "io/file_set.h"

#include "device/base/text.h"
#include "io/gzip_file.h"
#include "io/idx_header.h"

/* Reads and checks the header; tells whether the file is compressed. */
static kd_status read_header(const kd_data_file *file, kd_idx_header *header, bool *compressed) {
  unsigned char head[KD_IDX_HEADER_MAX];
  const char *path = kd_quoted(file->path);
  size_t got;
  KD_TRY(kd_gzip_head(file->path, sizeof head, head, &got, compressed));
  if (kd_idx_parse(head, got, header) != KD_OK) return kd_fail_context(KD_ERR_USAGE, "%s", path);
  int64_t expected = header->header_bytes + header->data_bytes;
  if (*compressed) {
    KD_CHECK(file->size >= kd_gzip_least_size(expected), KD_ERR_USAGE,
             "%s: its header promises %lld bytes, more than the file can hold", path, (long long)expected);
    return kd_gzip_check_size(file->path, file->size, expected);
  }
  KD_CHECK(file->size == expected, KD_ERR_USAGE, "%s: %s: its header promises %lld bytes, it has %lld", path,
           file->size < expected ? "truncated" : "damaged", (long long)expected, (long long)file->size);
  return KD_OK;
}

static void open_file(kd_file_set *set, int field, const char *path, const kd_data_source *source,
                      kd_diag *diag) {
  int file = kd_file_set_add_file(set, path, diag, source->origin);
  if (file < 0) return;
  kd_idx_header header;
  bool compressed;
  if (read_header(&set->base.files[file], &header, &compressed) != KD_OK) {
    kd_diag_error(diag, source->origin, "%s", kd_status_text());
    return;
  }
  kd_piece piece = {.file = file,
                    .storage = compressed ? KD_STORED_WHOLE : KD_STORED_ROWS,
                    .element = header.element,
                    .sample = header.sample,
                    .rows = header.rows,
                    .offset = header.header_bytes};
  kd_file_set_add_piece(set, field, &piece);
}

static void idx_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  kd_open_per_field(set, source, diag, open_file);
}

static kd_status idx_load(kd_file_set *set, int field, kd_piece *piece) {
  const char *path = kd_piece_path(set, piece);
  size_t stored = (size_t)(piece->rows * kd_piece_stride(piece));
  if (kd_element_plain(piece->element)) {
    KD_TRY(kd_piece_allocate(set, field, piece));
    return kd_gzip_read(path, (size_t)piece->offset, stored, piece->memory);
  }
  void *raw;
  KD_TRY(kd_large_alloc(stored, &raw));
  kd_status status = kd_gzip_read(path, (size_t)piece->offset, stored, raw);
  if (status == KD_OK) status = kd_piece_fill(set, field, piece, raw);
  kd_large_free(raw, stored);
  return status;
}

const kd_format kd_idx_format = {"idx", false, idx_open, idx_load, NULL, NULL};
