/* .npz archives: zip files of .npy arrays, stored or deflated. Arrays are decoded into memory on first use.
 */
#include "io/file_set.h"

#include "device/base/text.h"
#include "io/gzip_file.h"
#include "io/npy_header.h"
#include "io/zip_file.h"

#include <string.h>

/* Opens the array `name` and reads its header; the member then stands behind it. */
static kd_status open_array(zip_t *archive, const char *path, const char *name, zip_file_t **member,
                            kd_npy_header *header) {
  zip_stat_t info;
  *member = NULL;
  zip_int64_t number = zip_name_locate(archive, name, 0);
  KD_CHECK(number >= 0 && zip_stat_index(archive, (zip_uint64_t)number, 0, &info) == 0 &&
               (info.valid & ZIP_STAT_SIZE) && (info.valid & ZIP_STAT_COMP_SIZE),
           KD_ERR_USAGE, "%s: there is no array %s in it", kd_quoted(path), kd_quoted(name));
  unsigned char head[KD_NPY_HEADER_MAX];
  size_t want = info.size < sizeof head ? (size_t)info.size : sizeof head;
  *member = zip_fopen_index(archive, (zip_uint64_t)number, 0);
  KD_CHECK(*member, KD_ERR_USAGE, "%s: cannot read %s: %s", kd_quoted(path), kd_quoted(name),
           zip_strerror(archive));
  KD_TRY(kd_zip_read(*member, path, want, head));
  if (kd_npy_parse(head, want, header) != KD_OK)
    return kd_fail_context(KD_ERR_USAGE, "%s (%s)", kd_quoted(path), kd_quoted(name));
  int64_t expected = header->header_bytes + header->data_bytes;
  KD_CHECK(info.size == (uint64_t)expected, KD_ERR_USAGE,
           "%s (%s): its header promises %lld bytes, it has %llu", kd_quoted(path), kd_quoted(name),
           (long long)expected, (unsigned long long)info.size);
  KD_CHECK(info.comp_size >= (uint64_t)kd_gzip_least_size(expected), KD_ERR_USAGE,
           "%s (%s): its header promises %lld bytes, more than it can hold", kd_quoted(path), kd_quoted(name),
           (long long)expected);
  zip_fclose(*member);
  *member = zip_fopen_index(archive, (zip_uint64_t)number, 0);
  KD_CHECK(*member, KD_ERR_USAGE, "%s: cannot read %s: %s", kd_quoted(path), kd_quoted(name),
           zip_strerror(archive));
  return kd_zip_read(*member, path, (size_t)header->header_bytes, head);
}

static const char *array_list(zip_t *archive, kd_pool *pool) {
  enum { SHOWN = 20 };
  const char *list = "";
  zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count && i < SHOWN; i++) {
    const char *name = zip_get_name(archive, (zip_uint64_t)i, 0);
    list = kd_pool_printf(pool, "%s%s%s", list, i ? ", " : "", kd_quoted(name));
  }
  return list;
}

/* "x.npy" for the field, or NULL with an error. */
static const char *find_array(kd_file_set *set, zip_t *archive, const char *path, int field,
                              const kd_data_source *source, kd_diag *diag) {
  const char *names[2];
  int count = kd_item_names(source, field, names);
  for (int i = 0; i < count; i++) {
    const char *member = kd_pool_printf(set->base.pool, "%s.npy", names[i]);
    if (zip_name_locate(archive, member, 0) >= 0) return member;
  }
  kd_diag_error(diag, source->origin, "%s: there is no array %s%s%s in it; it holds %s", kd_quoted(path),
                kd_quoted(names[0]), count > 1 ? " or " : "", count > 1 ? names[1] : "",
                array_list(archive, diag->pool));
  return NULL;
}

static void open_field(kd_file_set *set, zip_t *archive, int file, int field, const kd_data_source *source,
                       kd_diag *diag) {
  const char *path = set->base.files[file].path;
  kd_piece piece = {.file = file, .storage = KD_STORED_WHOLE};
  piece.item = find_array(set, archive, path, field, source, diag);
  if (!piece.item) return;
  kd_npy_header header;
  zip_file_t *member;
  kd_status status = open_array(archive, path, piece.item, &member, &header);
  if (member) zip_fclose(member);
  if (status == KD_OK && kd_npy_rows(&header, &piece.rows, &piece.sample) != KD_OK)
    status = kd_fail_context(KD_ERR_USAGE, "%s (%s)", kd_quoted(path), kd_quoted(piece.item));
  if (status != KD_OK) {
    kd_diag_error(diag, source->origin, "%s", kd_status_text());
    return;
  }
  piece.element = header.element;
  kd_file_set_add_piece(set, field, &piece);
}

static void open_file(kd_file_set *set, const char *path, const kd_data_source *source, kd_diag *diag) {
  int file = kd_file_set_add_file(set, path, diag, source->origin);
  if (file < 0) return;
  zip_t *archive;
  if (kd_zip_open(path, ".npz", &archive) != KD_OK) {
    kd_diag_error(diag, source->origin, "%s", kd_status_text());
    return;
  }
  for (int f = 0; f < source->n_fields; f++) open_field(set, archive, file, f, source, diag);
  zip_discard(archive);
}

static void npz_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  kd_open_shards(set, source, diag, open_file);
}

static kd_status read_array(kd_file_set *set, int field, kd_piece *piece, zip_file_t *member,
                            const kd_npy_header *header) {
  size_t bytes = (size_t)header->data_bytes;
  void *raw, *rows = NULL;
  KD_TRY(kd_large_alloc(bytes, &raw));
  const char *path = kd_piece_path(set, piece);
  kd_status status = kd_zip_read(member, path, bytes, raw);
  if (status == KD_OK) status = kd_zip_end(member, path, piece->item);
  if (status == KD_OK && header->fortran_order && header->rank > 1) {
    status = kd_large_alloc(bytes, &rows);
    if (status == KD_OK) kd_npy_to_c_order(header, raw, rows);
  }
  if (status == KD_OK) status = kd_piece_fill(set, field, piece, rows ? rows : raw);
  kd_large_free(rows, bytes);
  kd_large_free(raw, bytes);
  return status;
}

static kd_status npz_load(kd_file_set *set, int field, kd_piece *piece) {
  const char *path = kd_piece_path(set, piece);
  zip_t *archive;
  zip_file_t *member = NULL;
  kd_npy_header header;
  KD_TRY(kd_zip_open(path, ".npz", &archive));
  kd_status status = open_array(archive, path, piece->item, &member, &header);
  if (status == KD_OK && header.data_bytes != piece->rows * kd_piece_stride(piece))
    status = kd_fail(KD_ERR_USAGE, "%s: the file has changed since it was checked", kd_quoted(path));
  if (status == KD_OK) status = read_array(set, field, piece, member, &header);
  if (member) zip_fclose(member);
  zip_discard(archive);
  return status;
}

const kd_format kd_npz_format = {"npz", true, npz_open, npz_load, NULL, NULL};
