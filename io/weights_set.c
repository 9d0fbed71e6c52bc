#include "io/weights_set.h"

#include "io/hdf5_text.h"

#include <string.h>

bool kd_set_is_there(hid_t file, const char *path) {
  char part[1024];
  H5L_info_t info;
  for (const char *end = path; *end;) {
    end += strcspn(end, "/");
    size_t length = (size_t)(end - path);
    if (length == 0 || length >= sizeof part) return false;
    memcpy(part, path, length);
    part[length] = '\0';
    if (H5Lget_info(file, part, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD) {
      H5Eclear2(H5E_DEFAULT);
      return false;
    }
    if (*end == '/') end++;
  }
  return true;
}

bool kd_set_has_text(hid_t object, const char *name, const char *text) {
  enum { LIMIT = 1024 };
  const char *have;
  if (!kd_h5_has(object, name)) return false;
  kd_pool *pool = kd_pool_create();
  bool same = kd_h5_text(pool, object, name, name, LIMIT, &have) == KD_OK && strcmp(have, text) == 0;
  kd_pool_destroy(pool);
  kd_status_clear();
  return same;
}

/* bfloat16 is kept as raw two-byte values: the upper half of a float32. */
static bool read_bfloat16(hid_t set, hid_t type, float *values, int64_t count) {
  unsigned char *half = (unsigned char *)values + 2 * count; /* the second half: widened from the front */
  if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, half) < 0) return false;
  for (int64_t i = 0; i < count; i++) {
    uint32_t word = (uint32_t)half[2 * i] << 16 | (uint32_t)half[2 * i + 1] << 24;
    memcpy(&values[i], &word, sizeof word);
  }
  return true;
}

static bool read_values(hid_t set, float *values, int64_t count) {
  hid_t type = H5Dget_type(set);
  H5T_class_t kind = H5Tget_class(type);
  bool good = false;
  if (H5Tget_size(type) == sizeof(uint16_t) &&
      (kind == H5T_OPAQUE || kd_set_has_text(set, "dtype", "bfloat16")))
    good = read_bfloat16(set, type, values, count);
  else if (kind == H5T_FLOAT || kind == H5T_INTEGER)
    good = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
  H5Tclose(type);
  return good;
}

/* Data outside the file are refused: a weights file may come from anywhere. */
static bool is_inside(hid_t set) {
  hid_t plist = H5Dget_create_plist(set);
  bool inside = H5Pget_layout(plist) != H5D_VIRTUAL && H5Pget_external_count(plist) == 0;
  H5Pclose(plist);
  return inside;
}

kd_status kd_set_shape(hid_t set, const char *what, kd_shape *shape) {
  hsize_t dims[KD_MAX_RANK];
  *shape = (kd_shape){0};
  KD_CHECK(is_inside(set), KD_ERR_USAGE, "%s: its data are outside the file", what);
  KD_CHECK(kd_h5_chunks_sane(set), KD_ERR_USAGE, "%s: its chunks are far larger than its data", what);
  KD_TRY(kd_h5_dims(set, what, KD_MAX_RANK, &shape->rank, dims));
  for (int i = 0; i < shape->rank; i++) shape->dim[i] = dims[i] <= INT64_MAX ? (int64_t)dims[i] : INT64_MAX;
  return KD_OK;
}

kd_status kd_set_read(hid_t set, const char *what, int64_t count, float *values) {
  if (count == 0 || read_values(set, values, count)) return KD_OK;
  return kd_h5_fail(KD_ERR_USAGE, "%s: cannot be read as numbers", what);
}
