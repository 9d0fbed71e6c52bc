/* Data sets over other data: arrays in memory, and a range of another set. */
#include "io/dataset.h"

#include "device/base/hash.h"

#include <string.h>

/* What both have: fields copied from elsewhere, in a pool of their own. */
static kd_dataset *create(const kd_dataset_ops *ops, int64_t count, int n_fields, const kd_field *fields) {
  kd_dataset *data = kd_calloc(1, sizeof *data);
  data->ops = ops;
  data->pool = kd_pool_create();
  data->count = count;
  data->n_fields = n_fields;
  data->fields = kd_pool_alloc(data->pool, (size_t)n_fields, sizeof *fields);
  for (int i = 0; i < n_fields; i++) {
    data->fields[i] = fields[i];
    data->fields[i].name = kd_pool_strdup(data->pool, fields[i].name);
  }
  return data;
}

static void destroy(kd_dataset *data) {
  kd_pool_destroy(data->pool);
  kd_free(data);
}

typedef struct arrays {
  const void **array; /* per field; NULL: read */
  kd_sample_reader reader;
} arrays;

static kd_status arrays_read(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out) {
  const arrays *a = data->state;
  const char *array = a->array[field];
  size_t bytes = data->fields[field].bytes;
  if (!array) return a->reader.read(a->reader.context, field, count, index, out);
  for (int64_t i = 0; i < count; i++) {
    KD_CHECK(index[i] >= 0 && index[i] < data->count, KD_ERR_INTERNAL, "sample %lld of %lld",
             (long long)index[i], (long long)data->count);
    memcpy((char *)out + (size_t)i * bytes, array + (size_t)index[i] * bytes, bytes);
  }
  return KD_OK;
}

static const kd_dataset_ops array_ops = {arrays_read, destroy, NULL};

kd_dataset *kd_dataset_arrays(int64_t count, int n_fields, const kd_field *fields,
                              const void *const *field_data, const kd_sample_reader *reader) {
  kd_dataset *data = create(&array_ops, count, n_fields, fields);
  arrays *a = kd_pool_alloc(data->pool, 1, sizeof *a);
  a->array = kd_pool_alloc(data->pool, (size_t)n_fields, sizeof *a->array);
  if (reader) a->reader = *reader;
  data->state = a;
  data->fingerprint = (uint64_t)count;
  for (int i = 0; i < n_fields; i++) {
    a->array[i] = field_data[i];
    data->fields[i].bytes = (size_t)kd_shape_count(&fields[i].sample) * kd_dtype_size(fields[i].dtype);
    const void *known = field_data[i] ? field_data[i] : &data->fields[i].bytes;
    size_t bytes = field_data[i] ? (size_t)count * data->fields[i].bytes : sizeof data->fields[i].bytes;
    data->fingerprint = kd_hash(known, bytes, data->fingerprint);
  }
  return data;
}

typedef struct slice {
  kd_dataset *parent;
  int64_t begin;
} slice;

enum { SHIFT_BLOCK = 256 };

static kd_status slice_read(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out) {
  const slice *part = data->state;
  int64_t shifted[SHIFT_BLOCK];
  for (int64_t done = 0; done < count;) {
    int64_t some = count - done < SHIFT_BLOCK ? count - done : SHIFT_BLOCK;
    for (int64_t i = 0; i < some; i++) {
      KD_CHECK(index[done + i] >= 0 && index[done + i] < data->count, KD_ERR_INTERNAL, "sample %lld of %lld",
               (long long)index[done + i], (long long)data->count);
      shifted[i] = index[done + i] + part->begin;
    }
    KD_TRY(kd_dataset_read(part->parent, field, some, shifted,
                           (char *)out + (size_t)done * data->fields[field].bytes));
    done += some;
  }
  return KD_OK;
}

static const char *slice_file_of(const kd_dataset *data, int field, int64_t sample, int64_t *row) {
  const slice *part = data->state;
  *row = sample + part->begin;
  if (!part->parent->ops->file_of) return "the data";
  return part->parent->ops->file_of(part->parent, field, sample + part->begin, row);
}

static const kd_dataset_ops slice_ops = {slice_read, destroy, slice_file_of};

kd_dataset *kd_dataset_slice(kd_dataset *data, int64_t begin, int64_t end) {
  begin = begin < 0 ? 0 : begin > data->count ? data->count : begin;
  end = end < begin ? begin : end > data->count ? data->count : end;
  kd_dataset *part = create(&slice_ops, end - begin, data->n_fields, data->fields);
  slice *state = kd_pool_alloc(part->pool, 1, sizeof *state);
  *state = (slice){data, begin};
  int64_t range[2] = {begin, end};
  part->state = state;
  part->fingerprint = kd_hash(range, sizeof range, data->fingerprint);
  part->chunk = data->chunk;
  part->n_files = data->n_files;
  part->files = data->files;
  return part;
}
