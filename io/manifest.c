/* The manifest: all that rank 0 learned from the headers of a data set's files, as bytes for other ranks. */
#include "io/file_set.h"

#include "device/base/hash.h"
#include "device/base/text.h"
#include "io/bytes.h"

#include <string.h>

enum { FIELD_LIMIT = 4096, FILE_LIMIT = 1 << 24, PIECE_LIMIT = 1 << 26, LARGEST_ELEMENT = 16 };
static const int64_t magic = 0x315346494e414d; /* "MANIFS1" */

static void put_piece(kd_bytes *bytes, const kd_piece *piece) {
  kd_bytes_put_i64(bytes, piece->file);
  kd_bytes_put_i64(bytes, piece->storage);
  kd_bytes_put_i64(bytes, piece->element.kind);
  kd_bytes_put_i64(bytes, piece->element.size);
  kd_bytes_put_i64(bytes, piece->element.big_endian);
  kd_bytes_put_shape(bytes, &piece->sample);
  kd_bytes_put_i64(bytes, piece->rows);
  kd_bytes_put_i64(bytes, piece->offset);
  kd_bytes_put_i64(bytes, piece->file_row);
  kd_bytes_put_text(bytes, piece->item);
}

static void put_field(kd_bytes *bytes, const kd_file_set *set, int f) {
  kd_bytes_put_text(bytes, set->base.fields[f].name);
  kd_bytes_put_shape(bytes, &set->base.fields[f].sample);
  kd_bytes_put_i64(bytes, (int64_t)set->column[f].count);
  for (size_t i = 0; i < set->column[f].count; i++) put_piece(bytes, &set->column[f].piece[i]);
}

kd_status kd_dataset_manifest(kd_dataset *data, void **bytes, size_t *size) {
  kd_file_set *set = (kd_file_set *)data;
  KD_CHECK(data->ops->file_of && data->state == NULL, KD_ERR_INTERNAL,
           "only a data set that was opened from files has a manifest");
  kd_bytes out = {.pool = data->pool};
  kd_bytes_put_i64(&out, magic);
  kd_bytes_put_i64(&out, 0); /* the checksum's place */
  kd_bytes_put_text(&out, set->format->name);
  kd_bytes_put_i64(&out, data->count);
  kd_bytes_put_i64(&out, (int64_t)data->fingerprint);
  kd_bytes_put_i64(&out, data->chunk);
  kd_bytes_put_i64(&out, data->n_files);
  for (int i = 0; i < data->n_files; i++) {
    kd_bytes_put_text(&out, data->files[i].path);
    kd_bytes_put_i64(&out, data->files[i].size);
    kd_bytes_put_i64(&out, (int64_t)data->files[i].checksum);
  }
  kd_bytes_put_i64(&out, data->n_fields);
  for (int f = 0; f < data->n_fields; f++) put_field(&out, set, f);
  uint64_t checksum = kd_hash(out.data + 16, out.used - 16, 0);
  memcpy(out.data + 8, &checksum, sizeof checksum);
  *bytes = out.data;
  *size = out.used;
  return KD_OK;
}

/* The format must be able to read what the piece says. */
static bool is_readable(const kd_format *format, const kd_piece *piece) {
  switch (piece->storage) {
  case KD_STORED_ROWS:
    return piece->file >= 0;
  case KD_STORED_WHOLE:
    return format->load && piece->file >= 0 && (piece->item || !format->named);
  case KD_STORED_OWN:
    return format->read && piece->item != NULL;
  case KD_N_STORAGES:
    break;
  }
  return false;
}

static kd_status get_piece(kd_byte_reader *in, const kd_file_set *set, kd_piece *piece) {
  int64_t file, storage, kind, size, big;
  *piece = (kd_piece){0};
  KD_TRY(kd_bytes_get_i64(in, -1, set->base.n_files - 1, &file));
  KD_TRY(kd_bytes_get_i64(in, 0, KD_N_STORAGES - 1, &storage));
  KD_TRY(kd_bytes_get_i64(in, 0, 127, &kind));
  KD_TRY(kd_bytes_get_i64(in, 1, LARGEST_ELEMENT, &size));
  KD_TRY(kd_bytes_get_i64(in, 0, 1, &big));
  KD_TRY(kd_bytes_get_shape(in, &piece->sample));
  KD_TRY(kd_bytes_get_i64(in, 0, INT64_MAX, &piece->rows));
  KD_TRY(kd_bytes_get_i64(in, 0, INT64_MAX, &piece->offset));
  KD_TRY(kd_bytes_get_i64(in, 0, INT64_MAX, &piece->file_row));
  KD_TRY(kd_bytes_get_text(in, &piece->item));
  piece->file = (int)file;
  piece->storage = (kd_storage)storage;
  piece->element = (kd_element){(char)kind, (int)size, big != 0};
  int64_t bytes, dims[KD_MAX_RANK + 1] = {piece->rows};
  for (int i = 0; i < piece->sample.rank; i++) dims[i + 1] = piece->sample.dim[i];
  KD_TRY(kd_array_bytes(LARGEST_ELEMENT, piece->sample.rank + 1, dims, &bytes));
  KD_CHECK(piece->offset <= INT64_MAX - bytes && piece->file_row <= INT64_MAX - piece->rows, KD_ERR_USAGE,
           "a piece lies behind every file's end");
  KD_CHECK(is_readable(set->format, piece), KD_ERR_USAGE, "a piece cannot be read");
  return KD_OK;
}

static kd_status get_field(kd_byte_reader *in, kd_file_set *set, int f) {
  kd_field *field = &set->base.fields[f];
  int64_t pieces, rows = 0;
  KD_TRY(kd_bytes_get_text(in, &field->name));
  KD_TRY(kd_bytes_get_shape(in, &field->sample));
  KD_TRY(kd_bytes_get_i64(in, 1, PIECE_LIMIT, &pieces));
  for (int64_t i = 0; i < pieces; i++) {
    kd_piece piece;
    KD_TRY(get_piece(in, set, &piece));
    KD_CHECK(piece.rows <= set->base.count - rows, KD_ERR_USAGE, "a field has too many rows");
    rows += piece.rows;
    kd_file_set_add_piece(set, f, &piece);
  }
  KD_CHECK(rows == set->base.count, KD_ERR_USAGE, "a field has %lld rows of %lld", (long long)rows,
           (long long)set->base.count);
  const kd_piece *first = &set->column[f].piece[0];
  KD_CHECK(field->name && kd_element_dtype(first->element, &field->dtype) &&
               kd_shape_count(&first->sample) == kd_shape_count(&field->sample),
           KD_ERR_USAGE, "a field is broken");
  field->bytes = (size_t)kd_shape_count(&field->sample) * kd_dtype_size(field->dtype);
  return KD_OK;
}

static kd_status get_files(kd_byte_reader *in, kd_dataset *base) {
  int64_t files;
  KD_TRY(kd_bytes_get_i64(in, 0, FILE_LIMIT, &files));
  KD_CHECK((uint64_t)files <= in->left / 24, KD_ERR_USAGE, "the bytes end too early");
  base->files = kd_pool_alloc(base->pool, (size_t)files, sizeof *base->files);
  base->n_files = (int)files;
  for (int i = 0; i < base->n_files; i++) {
    int64_t checksum;
    KD_TRY(kd_bytes_get_text(in, &base->files[i].path));
    KD_CHECK(base->files[i].path, KD_ERR_USAGE, "a file has no name");
    KD_TRY(kd_bytes_get_i64(in, 0, INT64_MAX, &base->files[i].size));
    KD_TRY(kd_bytes_get_i64(in, INT64_MIN, INT64_MAX, &checksum));
    base->files[i].checksum = (uint64_t)checksum;
  }
  return KD_OK;
}

static kd_status get_set(kd_byte_reader *in, kd_file_set *set) {
  int64_t fingerprint, fields;
  KD_TRY(kd_bytes_get_i64(in, 1, INT64_MAX, &set->base.count));
  KD_TRY(kd_bytes_get_i64(in, INT64_MIN, INT64_MAX, &fingerprint));
  KD_TRY(kd_bytes_get_i64(in, 0, INT64_MAX, &set->base.chunk));
  KD_TRY(get_files(in, &set->base));
  KD_TRY(kd_bytes_get_i64(in, 1, FIELD_LIMIT, &fields));
  set->base.fingerprint = (uint64_t)fingerprint;
  set->base.fields = kd_pool_alloc(set->base.pool, (size_t)fields, sizeof *set->base.fields);
  set->column = kd_pool_alloc(set->base.pool, (size_t)fields, sizeof *set->column);
  set->base.n_fields = (int)fields;
  for (int f = 0; f < set->base.n_fields; f++) KD_TRY(get_field(in, set, f));
  KD_CHECK(in->left == 0, KD_ERR_USAGE, "%zu bytes are left over", in->left);
  return KD_OK;
}

kd_status kd_dataset_open_manifest(const void *bytes, size_t size, kd_dataset **data) {
  *data = NULL;
  kd_pool *texts = kd_pool_create();
  kd_byte_reader in = {bytes, size, texts};
  int64_t first = 0, checksum = 0;
  const char *name = NULL;
  kd_file_set *set = NULL;
  kd_status status;
  KD_TRY_GOTO(kd_bytes_get_i64(&in, magic, magic, &first), status, done);
  KD_TRY_GOTO(kd_bytes_get_i64(&in, INT64_MIN, INT64_MAX, &checksum), status, done);
  if (kd_hash(in.at, in.left, 0) != (uint64_t)checksum) {
    status = kd_fail(KD_ERR_USAGE, "the checksum is wrong");
    goto done;
  }
  KD_TRY_GOTO(kd_bytes_get_text(&in, &name), status, done);
  const kd_format *format = name ? kd_format_find(name) : NULL;
  if (!format) {
    status = kd_fail(KD_ERR_USAGE, "format %s is not known", kd_quoted(name));
    goto done;
  }
  set = kd_file_set_create(format, 0, NULL);
  in.pool = set->base.pool;
  KD_TRY_GOTO(get_set(&in, set), status, done);
  kd_file_set_prepare(set);
  *data = &set->base;
  set = NULL;
done:
  kd_file_set_close(set);
  kd_pool_destroy(texts);
  return status == KD_OK ? KD_OK : kd_fail_context(status, "manifest of the data");
}
