#include "io/dataset.h"

#include "device/base/text.h"
#include "io/file_set.h"

#include <string.h>

static const kd_format *const formats[] = {&kd_csv_format, &kd_hdf5_format, &kd_idx_format,
                                           &kd_npy_format, &kd_npz_format,  &kd_synthetic_format};
enum { N_FORMATS = sizeof formats / sizeof *formats };

const kd_format *kd_format_find(const char *name) {
  for (int i = 0; i < N_FORMATS; i++)
    if (strcmp(formats[i]->name, name) == 0) return formats[i];
  return NULL;
}

bool kd_dataset_check_format(const char *name, kd_origin origin, kd_diag *diag) {
  if (kd_format_find(name)) return true;
  const char *names[N_FORMATS];
  for (int i = 0; i < N_FORMATS; i++) names[i] = formats[i]->name;
  const char *near = kd_nearest(name, names, N_FORMATS, sizeof *names);
  kd_diag_error(diag, origin,
                "[data]: format = %s is unknown%s%s%s; there are csv, hdf5, idx, npy, npz, synthetic",
                kd_quoted(name), near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return false;
}

kd_dataset *kd_dataset_open(const kd_data_source *source, kd_diag *diag) {
  if (!kd_dataset_check_format(source->format, source->origin, diag)) return NULL;
  const kd_format *format = kd_format_find(source->format);
  size_t errors = diag->count;
  kd_file_set *set = kd_file_set_create(format, source->n_fields, source->field_names);
  format->open(set, source, diag);
  if (diag->count == errors && kd_file_set_finish(set, source, diag)) return &set->base;
  kd_file_set_close(set);
  return NULL;
}

void kd_dataset_close(kd_dataset *data) {
  if (data) data->ops->close(data);
}

int kd_dataset_field(const kd_dataset *data, const char *name) {
  for (int i = 0; i < data->n_fields; i++)
    if (strcmp(data->fields[i].name, name) == 0) return i;
  return -1;
}

kd_status kd_dataset_read(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out) {
  KD_CHECK(field >= 0 && field < data->n_fields, KD_ERR_INTERNAL, "field %d of %d", field, data->n_fields);
  return data->ops->read(data, field, count, index, out);
}
