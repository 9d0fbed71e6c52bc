#include "io/checkpoint_file.h"

#include "device/base/hash.h"
#include "device/base/text.h"
#include "io/bytes.h"
#include "io/file_guard.h"
#include "io/hdf5_sink.h"

#include <string.h>

enum { ENTRY_LIMIT = 1 << 24 };
static const char what[] = "checkpoint";

/* --- writing --- */

static kd_status write_index(hid_t file, const kd_checkpoint *checkpoint, kd_pool *pool) {
  kd_bytes index = {.pool = pool};
  kd_bytes_put_i64(&index, checkpoint->step);
  kd_bytes_put_i64(&index, checkpoint->n_records);
  kd_bytes_put_i64(&index, checkpoint->n_notes);
  for (int i = 0; i < checkpoint->n_records; i++) {
    const kd_record *record = &checkpoint->records[i];
    kd_bytes_put_text(&index, record->name);
    kd_bytes_put_i64(&index, record->tensor.dtype);
    kd_bytes_put_shape(&index, &record->tensor.shape);
    kd_bytes_put_i64(&index, (int64_t)kd_hash(record->tensor.data, kd_tensor_bytes(&record->tensor), 0));
  }
  for (int i = 0; i < checkpoint->n_notes; i++) {
    const kd_note *note = &checkpoint->notes[i];
    kd_bytes_put_text(&index, note->name);
    kd_bytes_put_i64(&index, (int64_t)strlen(note->text));
    kd_bytes_put_i64(&index, (int64_t)kd_hash_text(note->text, 0));
  }
  int64_t size = (int64_t)index.used;
  return kd_h5_write(file, "index", KD_U8, 1, &size, index.data);
}

static kd_status write_entries(hid_t file, const kd_checkpoint *checkpoint, kd_pool *pool) {
  for (int i = 0; i < checkpoint->n_records; i++) {
    const kd_tensor *t = &checkpoint->records[i].tensor;
    const char *name = kd_pool_printf(pool, "records/%s", checkpoint->records[i].name);
    KD_TRY(kd_h5_write(file, name, t->dtype, t->shape.rank, t->shape.dim, t->data));
  }
  for (int i = 0; i < checkpoint->n_notes; i++) {
    const kd_note *note = &checkpoint->notes[i];
    int64_t length = (int64_t)strlen(note->text);
    KD_TRY(kd_h5_write(file, kd_pool_printf(pool, "notes/%s", note->name), KD_U8, 1, &length, note->text));
  }
  return write_index(file, checkpoint, pool);
}

kd_status kd_checkpoint_file_write(const char *path, const kd_checkpoint *checkpoint) {
  kd_h5_sink *sink;
  hid_t file;
  kd_pool *pool = kd_pool_create();
  kd_h5_enter();
  kd_status status = kd_h5_create(path, KD_GUARD_BYTES, &sink, &file);
  if (status == KD_OK) {
    status = write_entries(file, checkpoint, pool);
    kd_status closed = kd_h5_finish(sink, file);
    if (status == KD_OK) status = closed;
  }
  kd_h5_leave();
  kd_pool_destroy(pool);
  return status == KD_OK ? kd_guard_write(path, what, checkpoint->step) : status;
}

/* --- reading --- */

/* Reads the data set `name`, which must have exactly these sizes, into memory of the pool. */
static kd_status read_set(hid_t file, kd_pool *pool, const char *name, kd_dtype dtype, const kd_shape *shape,
                          int64_t limit, void **data) {
  int rank;
  int64_t bytes;
  hsize_t dims[KD_MAX_RANK];
  KD_TRY(kd_array_bytes((int)kd_dtype_size(dtype), shape->rank, shape->dim, &bytes));
  KD_CHECK(bytes <= limit, KD_ERR_USAGE, "%s is larger than the file", kd_quoted(name));
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return kd_h5_fail(KD_ERR_USAGE, "%s is missing", kd_quoted(name));
  kd_status status = kd_h5_dims(set, kd_quoted(name), KD_MAX_RANK, &rank, dims);
  bool same = status == KD_OK && rank == shape->rank;
  for (int i = 0; same && i < rank; i++) same = dims[i] == (hsize_t)shape->dim[i];
  if (status == KD_OK && !same) status = kd_fail(KD_ERR_USAGE, "%s has another shape", kd_quoted(name));
  if (status == KD_OK) {
    *data = kd_pool_alloc(pool, (size_t)bytes + 1, 1); /* texts end with '\0' */
    if (bytes > 0 && H5Dread(set, kd_h5_type(dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT, *data) < 0)
      status = kd_h5_fail(KD_ERR_USAGE, "%s cannot be read", kd_quoted(name));
  }
  H5Dclose(set);
  return status;
}

static kd_status check_entry(const char *name, const void *data, size_t bytes, int64_t checksum) {
  KD_CHECK(kd_hash(data, bytes, 0) == (uint64_t)checksum, KD_ERR_USAGE, "the checksum of %s is wrong",
           kd_quoted(name));
  return KD_OK;
}

static kd_status read_record(hid_t file, kd_byte_reader *index, int64_t limit, kd_record *record) {
  int64_t dtype, checksum;
  KD_TRY(kd_bytes_get_text(index, &record->name));
  KD_CHECK(record->name, KD_ERR_USAGE, "a record has no name");
  KD_TRY(kd_bytes_get_i64(index, 0, KD_N_DTYPES - 1, &dtype));
  KD_TRY(kd_bytes_get_shape(index, &record->tensor.shape));
  KD_TRY(kd_bytes_get_i64(index, INT64_MIN, INT64_MAX, &checksum));
  record->tensor.dtype = (kd_dtype)dtype;
  const char *name = kd_pool_printf(index->pool, "records/%s", record->name);
  KD_TRY(read_set(file, index->pool, name, record->tensor.dtype, &record->tensor.shape, limit,
                  &record->tensor.data));
  return check_entry(name, record->tensor.data, kd_tensor_bytes(&record->tensor), checksum);
}

static kd_status read_note(hid_t file, kd_byte_reader *index, int64_t limit, kd_note *note) {
  int64_t length, checksum;
  void *text;
  KD_TRY(kd_bytes_get_text(index, &note->name));
  KD_CHECK(note->name, KD_ERR_USAGE, "a note has no name");
  KD_TRY(kd_bytes_get_i64(index, 0, limit, &length));
  KD_TRY(kd_bytes_get_i64(index, INT64_MIN, INT64_MAX, &checksum));
  const char *name = kd_pool_printf(index->pool, "notes/%s", note->name);
  kd_shape shape = KD_SHAPE(length);
  KD_TRY(read_set(file, index->pool, name, KD_U8, &shape, limit, &text));
  note->text = text;
  return check_entry(name, text, (size_t)length, checksum);
}

static kd_status read_entries(hid_t file, kd_byte_reader *index, int64_t limit, kd_checkpoint *checkpoint) {
  int64_t records, notes;
  KD_TRY(kd_bytes_get_i64(index, 0, INT64_MAX, &checkpoint->step));
  KD_TRY(kd_bytes_get_i64(index, 0, ENTRY_LIMIT, &records));
  KD_TRY(kd_bytes_get_i64(index, 0, ENTRY_LIMIT, &notes));
  KD_CHECK((uint64_t)(records + notes) <= index->left / 8, KD_ERR_USAGE, "its index is too short");
  checkpoint->n_records = (int)records;
  checkpoint->n_notes = (int)notes;
  checkpoint->records = kd_pool_alloc(index->pool, (size_t)records, sizeof *checkpoint->records);
  checkpoint->notes = kd_pool_alloc(index->pool, (size_t)notes, sizeof *checkpoint->notes);
  for (int i = 0; i < checkpoint->n_records; i++)
    KD_TRY(read_record(file, index, limit, &checkpoint->records[i]));
  for (int i = 0; i < checkpoint->n_notes; i++) KD_TRY(read_note(file, index, limit, &checkpoint->notes[i]));
  return KD_OK;
}

static kd_status read_file(hid_t file, kd_pool *pool, kd_checkpoint *checkpoint) {
  hsize_t size = 0, count;
  int rank;
  void *bytes;
  H5Fget_filesize(file, &size);
  hid_t set = H5Dopen2(file, "index", H5P_DEFAULT);
  if (set < 0) return kd_h5_fail(KD_ERR_USAGE, "its index is missing");
  kd_status status = kd_h5_dims(set, "its index", 1, &rank, &count);
  H5Dclose(set);
  KD_TRY(status);
  KD_CHECK(rank == 1 && count <= size, KD_ERR_USAGE, "its index is damaged");
  kd_shape shape = KD_SHAPE((int64_t)count);
  KD_TRY(read_set(file, pool, "index", KD_U8, &shape, (int64_t)size, &bytes));
  kd_byte_reader index = {bytes, (size_t)count, pool};
  return read_entries(file, &index, (int64_t)size, checkpoint);
}

kd_status kd_checkpoint_file_read(const char *path, kd_pool *pool, kd_checkpoint **checkpoint) {
  hid_t file;
  *checkpoint = NULL;
  KD_TRY(kd_guard_check(path, what, NULL));
  kd_checkpoint *found = kd_pool_alloc(pool, 1, sizeof *found);
  kd_h5_enter();
  kd_status status = kd_h5_open(path, &file);
  if (status == KD_OK) {
    status = read_file(file, pool, found);
    H5Fclose(file);
    if (status != KD_OK) kd_fail_context(status, "%s", kd_quoted(path));
  }
  kd_h5_leave();
  if (status == KD_OK) *checkpoint = found;
  return status;
}
