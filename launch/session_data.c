#include <string.h>

#include "device/base/hash.h"
#include "launch/session_fields.h"

static const kd_texts *paths_of(const kd_session *s, kd_part part) {
  const kd_data_options *data = &s->config->run.data;
  if (part == KD_DATA_TRAIN) return &data->train;
  bool test = part == KD_DATA_TEST && data->test.count > 0;
  return test ? &data->test : &data->validation;
}

static bool has_part(const kd_session *s, kd_part part) {
  return s->maker && s->maker->make ? s->maker->present[part] : paths_of(s, part)->count > 0;
}

static kd_dataset *open_files(kd_session *s, const kd_wanted *w, kd_part part) {
  const kd_texts *paths = paths_of(s, part);
  const kd_data_options *data = &s->config->run.data;
  kd_data_source source = {.format = s->synthetic ? "synthetic" : data->format,
                           .n_paths = paths->count,
                           .paths = paths->v,
                           .n_fields = w->n,
                           .n_inputs = w->n_inputs,
                           .n_weights = w->n_weights,
                           .field_names = w->names,
                           .mapped = w->mapped,
                           .wanted_shape = w->shape,
                           .wanted_dtype = w->dtype,
                           .n_classes = w->classes,
                           .synthetic_count = data->samples,
                           .seed = (uint64_t)s->config->run.run.seed,
                           .origin = data->origin};
  /* Predictions read the inputs' files only, which stand first. */
  bool by_position = data->format && (!strcmp(data->format, "idx") || !strcmp(data->format, "npy"));
  if (s->purpose == KD_FOR_PREDICTION && by_position && source.n_paths > w->n) source.n_paths = w->n;
  if (s->synthetic && source.synthetic_count <= 0)
    source.synthetic_count = 4 * s->config->run.train.batch_size;
  int64_t fixed = s->synthetic && s->model->n_kept > 0 ? kd_model_batch_size(s->model) : 1;
  source.synthetic_count = (source.synthetic_count + fixed - 1) / fixed * fixed; /* whole batches */
  if (s->maker && s->maker->make) return s->maker->make(s->maker->context, part, &source, s->config->diag);
  return kd_dataset_open(&source, s->config->diag);
}

static kd_status open_part(kd_session *s, const kd_wanted *w, kd_part part, kd_dataset **set) {
  *set = open_files(s, w, part);
  KD_TRY(kd_diag_status(s->config->diag));
  KD_CHECK(*set, KD_ERR_USAGE, "the data cannot be opened");
  return KD_OK;
}

/* Rank 0 opens and reads headers; the others open from its manifest. An error of rank 0 is an error of all.
 */
static kd_status open_shared(kd_session *s, const kd_wanted *w, kd_part part, kd_dataset **set) {
  *set = NULL;
  if (s->maker && s->maker->make) return kd_comm_all_ok(s->comm, open_part(s, w, part, set));
  void *bytes = NULL;
  size_t size = 0;
  kd_status status = KD_OK;
  if (s->comm->rank == 0) {
    status = open_part(s, w, part, set);
    if (status == KD_OK) status = kd_dataset_manifest(*set, &bytes, &size);
  }
  KD_TRY(kd_comm_all_ok(s->comm, status));
  if (s->comm->size == 1) return KD_OK;
  KD_TRY(kd_comm_broadcast(s->comm, &size, sizeof size));
  if (s->comm->rank != 0) bytes = kd_pool_alloc(s->pool, size + 1, 1);
  KD_TRY(kd_comm_broadcast(s->comm, bytes, size));
  if (s->comm->rank != 0) status = kd_dataset_open_manifest(bytes, size, set);
  KD_TRY(kd_comm_all_ok(s->comm, status));
  return kd_session_compare_files(s, *set);
}

/* The stored sample must fit the model's input. */
static void check_input(kd_session *s, const kd_dataset *set, int field, const kd_shape *shape) {
  const kd_field *stored = &set->fields[field];
  bool fits = stored->sample.rank == shape->rank;
  for (int i = 0; fits && i < shape->rank; i++)
    fits = shape->dim[i] < 0 || shape->dim[i] == stored->sample.dim[i];
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (!fits)
    kd_diag_error(s->config->diag, s->config->run.data.origin,
                  "the data of input %s have samples of shape %s, but the model wants %s", stored->name,
                  kd_shape_text(&stored->sample, a), kd_shape_text(shape, b));
}

/* Stateful layers go on row by row, so every batch must be whole. */
static void check_whole_batches(kd_session *s, int64_t count, int64_t batch_size) {
  if (s->model->n_kept == 0 || count % batch_size == 0 || batch_size != kd_model_batch_size(s->model)) return;
  kd_diag_error(
      s->config->diag, s->config->run.data.origin,
      "layers are stateful (%s), so every batch must have %lld samples, but %lld samples leave a last "
      "batch of %lld; leave %lld out, or choose a batch_size that divides them",
      s->model->kept[0].path, (long long)batch_size, (long long)count, (long long)(count % batch_size),
      (long long)(count % batch_size));
}

static void make_stream(kd_session *s, const kd_wanted *w, kd_dataset *set, int64_t batch_size,
                        kd_session_data *data) {
  data->set = set;
  int *fields = kd_pool_alloc(s->pool, (size_t)w->n_feeds, sizeof *fields), smallest = 0;
  size_t *bytes = kd_pool_alloc(s->pool, (size_t)w->n_feeds, sizeof *bytes);
  for (int f = 0; f < set->n_fields; f++)
    if (set->fields[f].bytes < set->fields[smallest].bytes) smallest = f;
  for (int i = 0; i < w->n_feeds; i++) {
    /* Outputs without labels have a place that nothing reads: the smallest field stands there. */
    fields[i] = w->feed[i] < 0 ? smallest : kd_dataset_field(set, w->names[w->feed[i]]);
    if (fields[i] < 0) {
      kd_diag_error(s->config->diag, s->config->run.data.origin, "the data have nothing for '%s'",
                    w->names[w->feed[i]]);
      return;
    }
    bytes[i] = set->fields[fields[i]].bytes;
    if (i < s->model->n_inputs) check_input(s, set, fields[i], &w->shape[w->feed[i]]);
  }
  check_whole_batches(s, set->count, batch_size);
  bool coordinator = s->config->run.distributed.shard == KD_SHARD_COORDINATOR && s->comm->size > 1;
  data->stream = (kd_stream){.data = set,
                             .count = set->count,
                             .chunk = set->chunk,
                             .fields = fields,
                             .n_fields = w->n_feeds,
                             .sample_bytes = bytes,
                             .batch_size = batch_size,
                             .coordinator = coordinator};
}

static int64_t split_row(const kd_session *s, int64_t count) {
  return (int64_t)((double)count * (1.0 - s->config->run.data.validation_split));
}

static kd_status open_training(kd_session *s, const kd_wanted *w) {
  const kd_run_config *c = &s->config->run;
  KD_TRY(open_shared(s, w, KD_DATA_TRAIN, &s->whole));
  kd_dataset *train = s->whole, *validation = NULL;
  if (has_part(s, KD_DATA_VALIDATION)) {
    KD_TRY(open_shared(s, w, KD_DATA_VALIDATION, &validation));
  } else if (c->data.validation_split > 0 && !s->synthetic) {
    int64_t row = split_row(s, s->whole->count);
    KD_CHECK(row > 0 && row < s->whole->count, KD_ERR_USAGE,
             "%s:%d: [data] validation_split = %g of %lld rows leaves nothing for %s", c->data.origin.file,
             c->data.origin.line, c->data.validation_split, (long long)s->whole->count,
             row ? "validation" : "training");
    train = kd_dataset_slice(s->whole, 0, row);
    validation = kd_dataset_slice(s->whole, row, s->whole->count);
  }
  if (s->model->n_kept > 0 && c->train.shuffle)
    kd_diag_warn(s->config->diag, (kd_origin){0},
                 "layers are stateful (%s), but samples are shuffled: states go on with the samples of other "
                 "rows; shuffle = false keeps their order",
                 s->model->kept[0].path);
  make_stream(s, w, train, c->train.batch_size, &s->train);
  if (validation) make_stream(s, w, validation, c->train.validation_batch_size, &s->validation);
  s->steps_per_epoch = (train->count + c->train.batch_size - 1) / c->train.batch_size;
  if (c->train.steps_per_epoch > 0 && c->train.steps_per_epoch < s->steps_per_epoch)
    s->steps_per_epoch = c->train.steps_per_epoch;
  return KD_OK;
}

static kd_status open_test(kd_session *s, const kd_wanted *w) {
  const kd_run_config *c = &s->config->run;
  kd_dataset *set;
  KD_CHECK(has_part(s, KD_DATA_TEST) || !strcmp(c->data.format, "synthetic"), KD_ERR_USAGE,
           "%s:%d: [data] names no test data: give test = ...", c->data.origin.file, c->data.origin.line);
  KD_TRY(open_shared(s, w, KD_DATA_TEST, &set));
  make_stream(s, w, set, c->train.validation_batch_size, &s->test);
  return KD_OK;
}

/* Labels as they are stored, for the objective. */
static void make_goals(kd_session *s, const kd_dataset *set) {
  s->goals = kd_pool_alloc(s->pool, (size_t)s->model->n_outputs, sizeof *s->goals);
  for (int o = 0; o < s->model->n_outputs; o++) {
    const kd_output_config *output = &s->config->run.outputs[o];
    int field = kd_dataset_field(set, output->name);
    s->goals[o] = (kd_output_goal){.loss = output->loss,
                                   .loss_weight = output->loss_weight,
                                   .metrics = output->metrics,
                                   .weighted_metrics = output->weighted_metrics,
                                   .n_class_weights = output->n_class_weights,
                                   .class_weight = output->class_weight,
                                   .origin = output->origin};
    kd_session_check_class_weights(s, o);
    if (field < 0) continue;
    s->goals[o].label_dtype = set->fields[field].dtype;
    s->goals[o].label_sample = set->fields[field].sample;
    kd_session_note_weights(s, set, o, &s->goals[o]);
  }
}

static kd_shape *stored_shapes(kd_session *s, const kd_session_data *data) {
  size_t n = (size_t)s->model->n_inputs;
  kd_shape *shapes = kd_pool_alloc(s->pool, n, sizeof *shapes);
  for (size_t i = 0; i < n; i++) shapes[i] = data->set->fields[data->stream.fields[i]].sample;
  return shapes;
}

/* The inputs' types and shapes as stored: axes of any length have the data's. */
static void note_feeds(kd_session *s, const kd_session_data *data) {
  s->feed_dtype = kd_pool_alloc(s->pool, (size_t)s->model->n_inputs, sizeof *s->feed_dtype);
  for (int i = 0; i < s->model->n_inputs; i++)
    s->feed_dtype[i] = data->set->fields[data->stream.fields[i]].dtype;
  s->feed_sample = stored_shapes(s, data);
  s->test_sample = stored_shapes(s, s->validation.set ? &s->validation : data);
}

/* Plans are made for types, and for shapes of labels, that training and validation share. */
static void check_alike(kd_session *s) {
  const kd_session_data *train = &s->train, *other = &s->validation;
  for (int i = 0; train->set && other->set && i < train->stream.n_fields; i++) {
    const kd_field *a = &train->set->fields[train->stream.fields[i]],
                   *b = &other->set->fields[other->stream.fields[i]];
    char x[KD_SHAPE_TEXT], y[KD_SHAPE_TEXT];
    bool stands_in = strcmp(a->name, b->name) != 0; /* for labels that there are not */
    if (stands_in ||
        (a->dtype == b->dtype && (i < s->model->n_inputs || kd_shape_equal(&a->sample, &b->sample))))
      continue;
    kd_diag_error(s->config->diag, s->config->run.data.origin,
                  "%s is %s %s in the training data, but %s %s in those of validation; give them the same "
                  "%s",
                  a->name, kd_dtype_name(a->dtype), kd_shape_text(&a->sample, x), kd_dtype_name(b->dtype),
                  kd_shape_text(&b->sample, y), a->dtype == b->dtype ? "shape" : "type");
  }
}

static kd_status open_sets(kd_session *s) {
  bool predicts = s->purpose == KD_FOR_PREDICTION, trains = s->purpose <= KD_FOR_TRAINING;
  kd_wanted w = kd_wanted_fields(s, !predicts);
  if (trains) KD_TRY(open_training(s, &w));
  check_alike(s);
  bool tests = !trains || (s->purpose == KD_FOR_CHECK && s->config->run.data.test.count > 0);
  if (tests) KD_TRY(open_test(s, &w));
  return kd_diag_status(s->config->diag);
}

kd_status kd_session_open_data(kd_session *s) {
  const kd_run_config *c = &s->config->run;
  KD_CHECK(s->synthetic || (s->maker && s->maker->make) || c->data.format, KD_ERR_USAGE,
           "%s: there is no [data] section that says where the data are", s->config->file);
  KD_TRY(open_sets(s));
  if (s->config->needs_steps && s->train.set) {
    kd_config_set_steps(s->config, s->steps_per_epoch);
    if (s->maker) s->maker->adjust(s->maker->context, &s->config->run);
    KD_TRY(kd_diag_status(s->config->diag));
  }
  const kd_session_data *data = s->train.set ? &s->train : &s->test;
  note_feeds(s, data);
  if (s->purpose == KD_FOR_PREDICTION) return KD_OK;
  make_goals(s, data->set);
  int64_t rows = c->train.batch_size > c->train.validation_batch_size ? c->train.batch_size
                                                                      : c->train.validation_batch_size;
  kd_objective_make(s->pool, s->config->diag, s->model, s->goals, rows, &s->objective);
  return kd_diag_status(s->config->diag);
}

static kd_status check_set(kd_session *s, const kd_session_data *data) {
  for (int o = 0; data->set && o < s->objective.n_outputs; o++) {
    int64_t classes = s->objective.outputs[o].classes;
    if (classes > 0)
      KD_TRY(kd_dataset_check_labels(data->set, kd_dataset_field(data->set, s->model->outputs[o].name),
                                     classes));
  }
  return KD_OK;
}

kd_status kd_session_check_labels(kd_session *s) {
  kd_status status = KD_OK;
  if (s->comm->rank == 0) {
    status = check_set(s, &s->train);
    if (status == KD_OK) status = check_set(s, &s->validation);
    if (status == KD_OK) status = check_set(s, &s->test);
  }
  return kd_comm_all_ok(s->comm, status);
}

static void close_set(kd_session *s, kd_dataset *set) {
  if (set && set != s->whole) kd_dataset_close(set);
}

void kd_session_close_data(kd_session *s) {
  close_set(s, s->train.set);
  close_set(s, s->validation.set);
  close_set(s, s->test.set);
  if (s->whole) kd_dataset_close(s->whole);
}
