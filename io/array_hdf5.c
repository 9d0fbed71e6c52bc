/* .h5: one contiguous data set per output, filled by hyperslabs. */
#include "io/array_kind.h"

#include "device/base/text.h"
#include "io/hdf5_sink.h"

typedef struct h5_state {
  kd_h5_sink *sink;
  hid_t file;
  hid_t *sets;
} h5_state;

static hid_t create_set(hid_t file, const kd_array_output *output, int64_t rows) {
  hsize_t size[KD_MAX_RANK + 1] = {(hsize_t)rows};
  for (int i = 0; i < output->sample.rank; i++) size[i + 1] = (hsize_t)output->sample.dim[i];
  hid_t space = H5Screate_simple(output->sample.rank + 1, size, NULL);
  hid_t set = kd_h5_create_set(file, output->name, kd_h5_type(output->dtype), space);
  H5Sclose(space);
  return set;
}

static kd_status create_sets(kd_array_file *array, h5_state *state) {
  KD_TRY(kd_h5_create(array->temporary, 0, &state->sink, &state->file));
  for (int i = 0; i < array->n_outputs; i++) {
    state->sets[i] = create_set(state->file, &array->outputs[i], array->rows);
    if (state->sets[i] < 0)
      return kd_h5_fail(KD_ERR_RUN, "%s: cannot create data set %s", kd_quoted(array->temporary),
                        array->outputs[i].name);
  }
  return KD_OK;
}

static kd_status h5_create(kd_array_file *array) {
  h5_state *state = array->state = kd_pool_alloc(array->pool, 1, sizeof *state);
  state->sets = kd_pool_alloc(array->pool, (size_t)array->n_outputs, sizeof *state->sets);
  for (int i = 0; i < array->n_outputs; i++) state->sets[i] = H5I_INVALID_HID;
  kd_h5_enter();
  kd_status status = create_sets(array, state);
  kd_h5_leave();
  return status;
}

static kd_status append_rows(const kd_array_file *array, int output, hid_t set, int64_t rows,
                             const void *block) {
  const kd_shape *sample = &array->outputs[output].sample;
  hsize_t start[KD_MAX_RANK + 1] = {(hsize_t)array->written}, count[KD_MAX_RANK + 1] = {(hsize_t)rows};
  for (int i = 0; i < sample->rank; i++) count[i + 1] = (hsize_t)sample->dim[i];
  hid_t to = H5Dget_space(set), from = H5Screate_simple(sample->rank + 1, count, NULL);
  bool good = H5Sselect_hyperslab(to, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Dwrite(set, kd_h5_type(array->outputs[output].dtype), from, to, H5P_DEFAULT, block) >= 0;
  kd_status status = good ? KD_OK : kd_h5_fail(KD_ERR_RUN, "%s: cannot write", kd_quoted(array->temporary));
  H5Sclose(from);
  H5Sclose(to);
  return status;
}

static kd_status h5_append(kd_array_file *array, int64_t rows, const void *const *blocks) {
  h5_state *state = array->state;
  kd_status status = KD_OK;
  kd_h5_enter();
  for (int i = 0; i < array->n_outputs && status == KD_OK; i++)
    status = append_rows(array, i, state->sets[i], rows, blocks[i]);
  kd_h5_leave();
  return status;
}

static kd_status close_file(kd_array_file *array) {
  h5_state *state = array->state;
  if (!state || !state->sink) return KD_OK;
  kd_h5_enter();
  for (int i = 0; i < array->n_outputs; i++)
    if (state->sets[i] >= 0) H5Dclose(state->sets[i]);
  kd_status status = kd_h5_finish(state->sink, state->file);
  state->sink = NULL;
  kd_h5_leave();
  return status;
}

static void h5_discard(kd_array_file *array) {
  close_file(array);
}

const kd_array_kind kd_array_h5 = {".h5", h5_create, h5_append, close_file, h5_discard};
const kd_array_kind kd_array_hdf5 = {".hdf5", h5_create, h5_append, close_file, h5_discard};
