/* .npy and .npz: every output goes to a file of its own; an archive is put together from them at the end. */
#include "io/array_kind.h"

#include "device/base/text.h"
#include "io/npy_header.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

typedef struct part {
  const char *path;
  FILE *file;
  size_t row_bytes;
} part;

static kd_status cannot_write(const char *path) {
  return kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(path), strerror(errno));
}

static kd_status open_part(const kd_array_file *array, int output, part *p) {
  const kd_array_output *info = &array->outputs[output];
  int64_t dims[KD_NPY_AXES] = {array->rows};
  for (int i = 0; i < info->sample.rank; i++) dims[i + 1] = info->sample.dim[i];
  kd_element element;
  kd_array_element(info->dtype, &element);
  char header[KD_NPY_WRITE_MAX];
  size_t length = kd_npy_write_header(header, element, info->sample.rank + 1, dims);
  p->row_bytes = (size_t)kd_shape_count(&info->sample) * kd_dtype_size(info->dtype);
  p->file = fopen(p->path, "wbe");
  if (!p->file || fwrite(header, 1, length, p->file) != length) return cannot_write(p->path);
  return KD_OK;
}

static kd_status create_parts(kd_array_file *array, bool archive) {
  part *parts = array->state = kd_pool_alloc(array->pool, (size_t)array->n_outputs, sizeof *parts);
  for (int i = 0; i < array->n_outputs; i++)
    parts[i].path = archive ? kd_pool_printf(array->pool, "%s.%d.tmp", array->path, i) : array->temporary;
  for (int i = 0; i < array->n_outputs; i++) KD_TRY(open_part(array, i, &parts[i]));
  return KD_OK;
}

static kd_status npy_create(kd_array_file *array) {
  return create_parts(array, false);
}

static kd_status npz_create(kd_array_file *array) {
  return create_parts(array, true);
}

static kd_status npy_append(kd_array_file *array, int64_t rows, const void *const *blocks) {
  part *parts = array->state;
  for (int i = 0; i < array->n_outputs; i++)
    if (fwrite(blocks[i], parts[i].row_bytes, (size_t)rows, parts[i].file) != (size_t)rows &&
        parts[i].row_bytes)
      return cannot_write(parts[i].path);
  return KD_OK;
}

static kd_status npy_finish(kd_array_file *array) {
  part *parts = array->state;
  for (int i = 0; i < array->n_outputs; i++) {
    FILE *file = parts[i].file;
    parts[i].file = NULL;
    if (fclose(file) != 0) return cannot_write(parts[i].path);
  }
  return KD_OK;
}

/* numpy stores members without compression, dated 1980-01-01. */
static bool add_member(zip_t *archive, const kd_array_file *array, int output, const part *p) {
  static const time_t first_date = 315619200; /* 1980-01-02 UTC: not before 1980 in any time zone */
  zip_source_t *source = zip_source_file(archive, p->path, 0, -1);
  if (!source) return false;
  const char *name = kd_pool_printf(array->pool, "%s.npy", array->outputs[output].name);
  zip_int64_t member = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
  if (member < 0) {
    zip_source_free(source);
    return false;
  }
  return zip_set_file_compression(archive, (zip_uint64_t)member, ZIP_CM_STORE, 0) == 0 &&
         zip_file_set_mtime(archive, (zip_uint64_t)member, first_date, 0) == 0;
}

static kd_status npz_finish(kd_array_file *array) {
  part *parts = array->state;
  KD_TRY(npy_finish(array));
  int code = 0;
  zip_t *archive = zip_open(array->temporary, ZIP_CREATE | ZIP_TRUNCATE, &code);
  KD_CHECK(archive, KD_ERR_RUN, "%s: cannot create the archive (libzip error %d)",
           kd_quoted(array->temporary), code);
  bool good = true;
  for (int i = 0; i < array->n_outputs && good; i++) good = add_member(archive, array, i, &parts[i]);
  if (good && zip_close(archive) == 0) return KD_OK;
  kd_status status =
      kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(array->path), zip_strerror(archive));
  zip_discard(archive);
  return status;
}

static void npy_discard(kd_array_file *array) {
  part *parts = array->state;
  for (int i = 0; parts && i < array->n_outputs; i++) {
    if (parts[i].file) fclose(parts[i].file);
    if (parts[i].path != array->temporary) unlink(parts[i].path);
  }
}

const kd_array_kind kd_array_npy = {".npy", npy_create, npy_append, npy_finish, npy_discard};
const kd_array_kind kd_array_npz = {".npz", npz_create, npy_append, npz_finish, npy_discard};
