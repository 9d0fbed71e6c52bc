/* A small builder of kd_data_source for tests of data sets. */
#ifndef KD_TEST_DATA_SOURCE_H
#define KD_TEST_DATA_SOURCE_H

#include "io/dataset.h"
#include "support/check.h"

#define GOLDEN(name) KDIST_SOURCE_DIR "/tests/golden/data/" name

/* One input "image" and one output "label"; paths end with NULL. Statically allocated. */
static inline kd_data_source *source_of(const char *format, const char *path0, const char *path1) {
  static const char *names[] = {"image", "label"}, *paths[2];
  static kd_data_source source;
  paths[0] = path0;
  paths[1] = path1;
  source =
      (kd_data_source){.format = format, .paths = paths, .field_names = names, .n_fields = 2, .n_inputs = 1};
  source.n_paths = path0 == NULL ? 0 : path1 == NULL ? 1 : 2;
  source.origin = (kd_origin){"run.ini", 12};
  return &source;
}

static inline kd_dataset *must_open(const kd_data_source *source) {
  kd_diag *diag = kd_diag_create();
  kd_dataset *data = kd_dataset_open(source, diag);
  if (!data) fail_msg("%s", diag->count ? diag->messages[0] : "no message");
  assert_int_equal(diag->count, 0);
  kd_diag_destroy(diag);
  return data;
}

/* Opening fails with a message that holds both parts and the place in the configuration. */
static inline void must_refuse(const kd_data_source *source, const char *part, const char *other) {
  kd_diag *diag = kd_diag_create();
  kd_dataset *data = kd_dataset_open(source, diag);
  assert_null(data);
  assert_true(diag->count > 0);
  bool found = false;
  for (size_t i = 0; i < diag->count; i++)
    found = found || (strstr(diag->messages[i], part) && strstr(diag->messages[i], other) &&
                      strstr(diag->messages[i], "run.ini:12: "));
  if (!found) fail_msg("'%s' and '%s' are not in: %s", part, other, diag->messages[0]);
  kd_diag_destroy(diag);
}

/* Element j of sample r as tests/golden/make_data.py writes it. */
static inline double golden(kd_dtype dtype, bool is_signed, int64_t r, int64_t j) {
  int64_t raw = (31 * r + 7 * j) % 199;
  if (kd_dtype_is_float(dtype)) return (double)(raw - 100) / 4;
  return (double)(is_signed ? raw - 100 : raw);
}

static inline double number_at(const void *values, kd_dtype dtype, int64_t i) {
  switch (dtype) {
  case KD_U8:
    return ((const uint8_t *)values)[i];
  case KD_I32:
    return ((const int32_t *)values)[i];
  case KD_U32:
    return ((const uint32_t *)values)[i];
  case KD_I64:
    return (double)((const int64_t *)values)[i];
  case KD_F32:
    return (double)((const float *)values)[i];
  case KD_F16:
    return (double)(float)((const _Float16 *)values)[i];
  default:
    fail_msg("no such type here");
    return 0;
  }
}

/* Reads all samples in a scattered order and compares field 0 with the golden formula. */
static inline void assert_golden(kd_dataset *data, int field, bool is_signed) {
  int64_t n = data->count, each = kd_shape_count(&data->fields[field].sample);
  kd_dtype dtype = data->fields[field].dtype;
  int64_t *index = kd_calloc((size_t)n, sizeof *index);
  char *out = kd_calloc((size_t)n, data->fields[field].bytes);
  for (int64_t i = 0; i < n; i++) index[i] = i < n / 2 ? i : (i * 7 + 3) % n;
  assert_ok(kd_dataset_read(data, field, n, index, out));
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < each; j++) {
      double have = number_at(out + (size_t)i * data->fields[field].bytes, dtype, j);
      double want = golden(dtype, is_signed, index[i], j);
      if (have != want)
        fail_msg("sample %lld, element %lld: %g, expected %g", (long long)index[i], (long long)j, have, want);
    }
  kd_free(out);
  kd_free(index);
}

static inline void assert_labels(kd_dataset *data, int field) {
  for (int64_t i = data->count - 1; i >= 0; i--) {
    int64_t value[2];
    assert_ok(kd_dataset_read(data, field, 1, &i, value));
    assert_int_equal((int)number_at(value, data->fields[field].dtype, 0), i * 3 % 10);
  }
}

#endif
