/* .csv: one line per row; an output of several numbers has columns NAME_0, NAME_1, ... */
#include "io/array_kind.h"

#include "device/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static kd_status cannot_write(const kd_array_file *array) {
  return kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(array->temporary), strerror(errno));
}

/* Names with a comma or a quote are quoted, quotes in them doubled. */
static void put_name(FILE *file, const char *name, int64_t item) {
  bool quote = strpbrk(name, ",\"\n\r") != NULL;
  char number[32] = "";
  if (item >= 0) snprintf(number, sizeof number, "_%" PRId64, item);
  if (quote) fputc('"', file);
  for (; *name; name++) {
    if (*name == '"') fputc('"', file);
    fputc(*name, file);
  }
  fputs(number, file);
  if (quote) fputc('"', file);
}

static void put_number(FILE *file, kd_dtype dtype, const void *values, int64_t i) {
  char text[32] = "";
  switch (dtype) {
  case KD_F32:
    kd_format_float((double)((const float *)values)[i], true, text);
    break;
  case KD_F64:
    kd_format_float(((const double *)values)[i], false, text);
    break;
  case KD_I32:
    snprintf(text, sizeof text, "%" PRId32, ((const int32_t *)values)[i]);
    break;
  case KD_I64:
    snprintf(text, sizeof text, "%" PRId64, ((const int64_t *)values)[i]);
    break;
  case KD_U8:
    snprintf(text, sizeof text, "%d", ((const uint8_t *)values)[i]);
    break;
  case KD_U32:
    snprintf(text, sizeof text, "%" PRIu32, ((const uint32_t *)values)[i]);
    break;
  case KD_F16:
  case KD_BF16:
  case KD_N_DTYPES:
    break;
  }
  fputs(text, file);
}

static kd_status csv_create(kd_array_file *array) {
  FILE *file = array->state = fopen(array->temporary, "we");
  if (!file) return cannot_write(array);
  bool first = true;
  for (int o = 0; o < array->n_outputs; o++) {
    int64_t count = kd_shape_count(&array->outputs[o].sample);
    for (int64_t i = 0; i < count; i++) {
      if (!first) fputc(',', file);
      put_name(file, array->outputs[o].name, count == 1 ? -1 : i);
      first = false;
    }
  }
  fputc('\n', file);
  return ferror(file) ? cannot_write(array) : KD_OK;
}

static kd_status csv_append(kd_array_file *array, int64_t rows, const void *const *blocks) {
  FILE *file = array->state;
  for (int64_t row = 0; row < rows; row++) {
    bool first = true;
    for (int o = 0; o < array->n_outputs; o++) {
      int64_t count = kd_shape_count(&array->outputs[o].sample);
      for (int64_t i = 0; i < count; i++) {
        if (!first) fputc(',', file);
        put_number(file, array->outputs[o].dtype, blocks[o], row * count + i);
        first = false;
      }
    }
    fputc('\n', file);
  }
  return ferror(file) ? cannot_write(array) : KD_OK;
}

static kd_status csv_finish(kd_array_file *array) {
  FILE *file = array->state;
  array->state = NULL;
  return fclose(file) == 0 ? KD_OK : cannot_write(array);
}

static void csv_discard(kd_array_file *array) {
  if (array->state) fclose(array->state);
}

const kd_array_kind kd_array_csv = {".csv", csv_create, csv_append, csv_finish, csv_discard};
