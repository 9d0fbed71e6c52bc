#include "io/array_kind.h"

#include "device/base/file.h"
#include "device/base/text.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

static const kd_array_kind *const kinds[] = {&kd_array_npy, &kd_array_npz, &kd_array_h5, &kd_array_hdf5,
                                             &kd_array_csv};

bool kd_array_element(kd_dtype dtype, kd_element *element) {
  switch (dtype) {
  case KD_F32:
    *element = (kd_element){'f', 4, false};
    return true;
  case KD_F64:
    *element = (kd_element){'f', 8, false};
    return true;
  case KD_I32:
    *element = (kd_element){'i', 4, false};
    return true;
  case KD_I64:
    *element = (kd_element){'i', 8, false};
    return true;
  case KD_U8:
    *element = (kd_element){'u', 1, false};
    return true;
  case KD_U32:
    *element = (kd_element){'u', 4, false};
    return true;
  case KD_F16:
  case KD_BF16:
  case KD_N_DTYPES:
    break;
  }
  return false;
}

static const kd_array_kind *find_kind(const char *path) {
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof kinds / sizeof *kinds; i++)
    if (strcasecmp(dot, kinds[i]->suffix) == 0) return kinds[i];
  return NULL;
}

static kd_status check_outputs(int n_outputs, const kd_array_output *outputs) {
  kd_element element;
  for (int i = 0; i < n_outputs; i++)
    KD_CHECK(kd_array_element(outputs[i].dtype, &element), KD_ERR_INTERNAL,
             "output %s of type %s cannot be written", outputs[i].name, kd_dtype_name(outputs[i].dtype));
  return KD_OK;
}

kd_status kd_array_file_create(const char *path, int n_outputs, const kd_array_output *outputs, int64_t rows,
                               kd_array_file **result) {
  const kd_array_kind *kind = find_kind(path);
  if (result) *result = NULL;
  KD_CHECK(kind, KD_ERR_USAGE, "%s: the name should end with .npy, .npz, .h5 or .csv", kd_quoted(path));
  KD_CHECK(kind != &kd_array_npy || n_outputs == 1, KD_ERR_USAGE,
           "%s: .npy holds one output, the model has %d; use .npz", kd_quoted(path), n_outputs);
  KD_TRY(check_outputs(n_outputs, outputs));
  if (!result) return KD_OK;
  kd_pool *pool = kd_pool_create();
  kd_array_file *file = kd_calloc(1, sizeof *file);
  *file = (kd_array_file){.kind = kind, .pool = pool, .n_outputs = n_outputs, .rows = rows};
  file->path = kd_pool_strdup(pool, path);
  file->temporary = kd_pool_printf(pool, "%s.tmp", path);
  file->outputs = kd_pool_alloc(pool, (size_t)n_outputs, sizeof *outputs);
  for (int i = 0; i < n_outputs; i++) {
    file->outputs[i] = outputs[i];
    file->outputs[i].name = kd_pool_strdup(pool, outputs[i].name);
  }
  kd_status status = kind->create(file);
  if (status != KD_OK) {
    kd_array_file_destroy(file);
    return status;
  }
  *result = file;
  return KD_OK;
}

kd_status kd_array_file_append(kd_array_file *file, int64_t rows, const void *const *blocks) {
  KD_CHECK(rows >= 0 && rows <= file->rows - file->written, KD_ERR_INTERNAL,
           "%s: %lld rows behind %lld of %lld", kd_quoted(file->path), (long long)rows,
           (long long)file->written, (long long)file->rows);
  if (rows > 0) KD_TRY(file->kind->append(file, rows, blocks));
  file->written += rows;
  return KD_OK;
}

kd_status kd_array_file_finish(kd_array_file *file) {
  KD_CHECK(file->written == file->rows, KD_ERR_INTERNAL, "%s: %lld of %lld rows were written",
           kd_quoted(file->path), (long long)file->written, (long long)file->rows);
  KD_TRY(file->kind->finish(file));
  KD_TRY(kd_file_commit(file->temporary, file->path));
  file->finished = true;
  return KD_OK;
}

void kd_array_file_destroy(kd_array_file *file) {
  if (!file) return;
  file->kind->discard(file);
  if (!file->finished) unlink(file->temporary);
  kd_pool_destroy(file->pool);
  kd_free(file);
}
