/* kd_data as a data set. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/net.h"
#include "device/base/text.h"

/* What a field is called in messages: x[0], y[1], w[0]. */
static const char *const part_names[] = {"x", "y", "w"};

int kd_data_place(const kd_model *model, const char *name) {
  int number;
  for (int i = 0; i < model->n_inputs; i++)
    if (strcmp(model->inputs[i].name, name) == 0) return i;
  for (int o = 0; o < model->n_outputs; o++)
    if (strcmp(model->outputs[o].name, name) == 0) return KD_LABEL(o);
  /* As kd_session_note_weights calls what kd_data_adjust has put in. */
  return sscanf(name, "sample_weight = w[%d]", &number) == 1 ? KD_WEIGHT(number) : -1;
}

const kd_array *kd_data_array(const kd_data *data, int place) {
  const kd_array *parts[] = {data->x, data->y, data->w};
  return &parts[place / KD_MAX_FIELDS][place % KD_MAX_FIELDS];
}

void kd_data_adjust(const kd_data *data, kd_pool *pool, kd_run_config *config) {
  size_t n = (size_t)config->n_outputs;
  kd_output_config *outputs = kd_pool_alloc(pool, n, sizeof *outputs);
  memcpy(outputs, config->outputs, n * sizeof *outputs);
  for (int o = 0; o < config->n_outputs; o++)
    outputs[o].sample_weight = o < data->n_w ? kd_pool_printf(pool, "w[%d]", o) : NULL;
  config->outputs = outputs;
}

kd_status kd_data_read(const kd_data *data, int place, int64_t count, const int64_t *rows, void *out) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one_at_a_time);
  kd_status_clear();
  kd_status status = data->read(data->context, place, count, rows, out);
  pthread_mutex_unlock(&one_at_a_time);
  if (status == KD_OK || *kd_status_text()) return status;
  return kd_fail(status, "kd_data.read failed for %s[%d]", part_names[place / KD_MAX_FIELDS],
                 place % KD_MAX_FIELDS);
}

/* The reader of a data set: which data, and the places of its fields. */
typedef struct reading {
  const kd_data *data;
  int *place;
} reading;

static kd_status read_field(void *context, int field, int64_t count, const int64_t *rows, void *out) {
  const reading *r = context;
  return kd_data_read(r->data, r->place[field], count, rows, out);
}

/* Samples of that field as the program describes them; false with an error in diag. */
static bool describe(const kd_data *data, const kd_data_source *wanted, int f, int place, kd_diag *diag,
                     kd_field *field) {
  const kd_array *array = kd_data_array(data, place);
  const char *part = part_names[place / KD_MAX_FIELDS], *name = wanted->field_names[f];
  int number = place % KD_MAX_FIELDS;
  size_t before = diag->count;
  *field = (kd_field){.name = name, .dtype = array->dtype, .sample = wanted->wanted_shape[f]};
  if (field->sample.rank < 0) field->sample.rank = 0; /* weights: one number a sample */
  if (!array->data && !data->read)
    kd_diag_error(diag, wanted->origin, "%s[%d].data (%s) is NULL, and there is no read function", part,
                  number, name);
  if ((unsigned)array->dtype >= KD_N_DTYPES || array->rank < 0 || array->rank >= KD_MAX_RANK) {
    kd_diag_error(diag, wanted->origin, "%s[%d] (%s): a sample has a kd_dtype and 0 to %d axes", part, number,
                  name, KD_MAX_RANK - 1);
    return false;
  }
  if (array->rank > 0) {
    field->sample = (kd_shape){.rank = array->rank};
    memcpy(field->sample.dim, array->shape, (size_t)array->rank * sizeof *array->shape);
  }
  for (int i = 0; i < field->sample.rank; i++)
    if (field->sample.dim[i] < 1)
      kd_diag_error(diag, wanted->origin, "%s[%d] (%s): axis %d of a sample has size %lld%s", part, number,
                    name, i, (long long)field->sample.dim[i],
                    array->rank ? "" : "; the model leaves it open: give rank and shape");
  return diag->count == before;
}

static void check_needless(const kd_net_call *call, const kd_data *data, kd_origin origin, kd_diag *diag) {
  const kd_model *model = call->session.model;
  for (int i = model->n_inputs; i < KD_MAX_FIELDS; i++)
    if (data->x[i].data)
      kd_diag_error(diag, origin, "there are data for x[%d], but the model has %d input%s", i,
                    model->n_inputs, model->n_inputs == 1 ? "" : "s");
  for (int o = model->n_outputs; o < KD_MAX_FIELDS; o++)
    if (data->y[o].data)
      kd_diag_error(diag, origin, "there are data for y[%d], but the model has %d output%s", o,
                    model->n_outputs, model->n_outputs == 1 ? "" : "s");
  if (data->n_w < 0 || data->n_w > model->n_outputs)
    kd_diag_error(diag, origin, "n_w is %d, but the model has %d output%s", data->n_w, model->n_outputs,
                  model->n_outputs == 1 ? "" : "s");
}

kd_dataset *kd_data_make(void *context, kd_part part, const kd_data_source *wanted, kd_diag *diag) {
  kd_net_call *call = context;
  const kd_data *data = call->data[part];
  kd_pool *pool = call->session.pool;
  size_t n = (size_t)wanted->n_fields, before = diag->count;
  kd_field *fields = kd_pool_alloc(pool, n, sizeof *fields);
  const void **arrays = kd_pool_alloc(pool, n, sizeof *arrays);
  reading *r = kd_pool_alloc(pool, 1, sizeof *r);
  *r = (reading){data, kd_pool_alloc(pool, n, sizeof(int))};
  if (data->count < 1)
    kd_diag_error(diag, wanted->origin, "the data have %lld samples", (long long)data->count);
  check_needless(call, data, wanted->origin, diag);
  for (int f = 0; f < wanted->n_fields; f++) {
    r->place[f] = kd_data_place(call->session.model, wanted->field_names[f]);
    if (describe(data, wanted, f, r->place[f], diag, &fields[f]))
      arrays[f] = kd_data_array(data, r->place[f])->data;
  }
  if (diag->count > before) return NULL;
  kd_sample_reader reader = {read_field, r};
  return kd_dataset_arrays(data->count, wanted->n_fields, fields, arrays, &reader);
}
