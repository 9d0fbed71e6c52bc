#include "io/dataset.h"

#include "device/base/text.h"

#include <math.h>
#include <string.h>

enum { BLOCK_ROWS = 4096, BLOCK_BYTES = 4 << 20 };

/* Element i as a double; every class number is exact in it. */
static double element(const void *values, kd_dtype dtype, int64_t i) {
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
  case KD_F64:
    return ((const double *)values)[i];
  case KD_BF16:
  case KD_F16:
  case KD_N_DTYPES:
    break;
  }
  return NAN;
}

static kd_status bad_label(const kd_dataset *data, int field, int64_t sample, double label, int64_t classes) {
  int64_t row = sample;
  const char *file = data->ops->file_of ? data->ops->file_of(data, field, sample, &row) : "the data";
  char text[32];
  kd_format_float(label, false, text);
  size_t length = strlen(text);
  if (length > 2 && text[length - 2] == '.' && text[length - 1] == '0') text[length - 2] = '\0';
  return kd_fail(KD_ERR_USAGE, "%s: label %s of %s in row %lld (counted from 0) is not in [0, %lld)",
                 kd_quoted(file), text, data->fields[field].name, (long long)row, (long long)classes);
}

kd_status kd_labels_check(const kd_dataset *data, int field, int64_t first, int64_t rows, const void *values,
                          int64_t classes) {
  int64_t each = kd_shape_count(&data->fields[field].sample);
  for (int64_t i = 0; i < rows * each; i++) {
    double label = element(values, data->fields[field].dtype, i);
    if (!(label >= 0 && label < (double)classes) || label != floor(label))
      return bad_label(data, field, first + i / each, label, classes);
  }
  return KD_OK;
}

kd_status kd_dataset_check_labels(kd_dataset *data, int field, int64_t classes) {
  const kd_field *info = &data->fields[field];
  KD_CHECK(info->dtype != KD_F16 && info->dtype != KD_BF16, KD_ERR_USAGE,
           "labels of %s have type %s: use integers", info->name, kd_dtype_name(info->dtype));
  int64_t rows = BLOCK_BYTES / (int64_t)info->bytes;
  rows = rows < 1 ? 1 : rows > BLOCK_ROWS ? BLOCK_ROWS : rows;
  void *values = kd_calloc((size_t)rows, info->bytes);
  int64_t *index = kd_calloc((size_t)rows, sizeof *index);
  kd_status status = KD_OK;
  for (int64_t first = 0; first < data->count && status == KD_OK; first += rows) {
    int64_t count = data->count - first < rows ? data->count - first : rows;
    for (int64_t i = 0; i < count; i++) index[i] = first + i;
    status = kd_dataset_read(data, field, count, index, values);
    if (status == KD_OK) status = kd_labels_check(data, field, first, count, values, classes);
  }
  kd_free(index);
  kd_free(values);
  return status;
}
