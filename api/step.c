/* kd_train_step: one step over rows that lie in the program's memory. What depends on types and shapes is
 * made once and kept; a step with the same layout allocates nothing. */
#include <string.h>

#include "api/net.h"

/* --- layouts --- */

static bool same_array(const kd_array *a, const kd_array *b) {
  if (a->dtype != b->dtype || a->rank != b->rank || !a->data != !b->data) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->shape[i] != b->shape[i]) return false;
  return true;
}

static bool same_layout(const kd_data *a, const kd_data *b) {
  if (!a->read != !b->read || a->n_w != b->n_w) return false;
  for (int i = 0; i < KD_MAX_FIELDS; i++)
    if (!same_array(&a->x[i], &b->x[i]) || !same_array(&a->y[i], &b->y[i]) || !same_array(&a->w[i], &b->w[i]))
      return false;
  return true;
}

void kd_step_release(kd_net *net) {
  kd_net_step *step = &net->step;
  for (int i = 0; step->pool && i < step->n_feeds; i++)
    kd_large_free(step->staging[i], step->staging_bytes[i]);
  if (step->set) kd_dataset_close(step->set);
  kd_pool_destroy(step->pool);
  *step = (kd_net_step){0};
}

/* Memory for rows that come from kd_data.read. */
static kd_status make_staging(kd_net_step *step) {
  for (int i = 0; i < step->n_feeds; i++) {
    if (kd_data_array(&step->layout, step->place[i])->data) continue;
    step->staging_bytes[i] = (size_t)step->capacity * step->set->fields[step->fields[i]].bytes;
    KD_TRY(kd_large_alloc(step->staging_bytes[i], &step->staging[i]));
  }
  for (int64_t r = 0; r < step->capacity; r++) step->rows[r] = r;
  return KD_OK;
}

/* The call's data set and memory become the step's. */
static kd_status keep(kd_net_call *call, const kd_data *batch) {
  kd_net *net = call->net;
  kd_session *s = &call->session;
  kd_net_step *step = &net->step;
  size_t n = (size_t)s->train.stream.n_fields;
  *step = (kd_net_step){.pool = s->pool,
                        .layout = *batch,
                        .set = s->train.set,
                        .n_feeds = (int)n,
                        .fields = s->train.stream.fields,
                        .place = kd_pool_alloc(s->pool, n, sizeof(int)),
                        .feed = kd_pool_alloc(s->pool, n, sizeof(void *)),
                        .staging = kd_pool_alloc(s->pool, n, sizeof(void *)),
                        .staging_bytes = kd_pool_alloc(s->pool, n, sizeof(size_t)),
                        .rows = kd_pool_alloc(s->pool, (size_t)batch->count, sizeof(int64_t)),
                        .capacity = batch->count};
  s->pool = NULL;
  s->train.set = s->whole = NULL;
  for (size_t i = 0; i < n; i++)
    step->place[i] = kd_data_place(s->model, step->set->fields[step->fields[i]].name);
  return make_staging(step);
}

static void adjust(const void *numbers, kd_run_config *config) {
  const kd_data *batch = numbers;
  config->train.batch_size = config->train.validation_batch_size = batch->count;
  config->data.validation_split = 0;
}

static kd_status prepare(kd_net *net, const kd_data *batch) {
  kd_net_call call;
  kd_step_release(net);
  kd_call_begin(net, KD_FOR_TRAINING, "kd_train_step", &call);
  call.data[KD_DATA_TRAIN] = batch;
  call.adjust = adjust;
  call.numbers = batch;
  call.config.needs_steps = false; /* a rate that depends on them is that of kd_fit */
  kd_status status = kd_call_open(&call);
  if (status == KD_OK) status = kd_net_prepare(net, &call, false);
  if (status == KD_OK) status = keep(&call, batch);
  kd_call_end(&call);
  if (status != KD_OK) kd_step_release(net);
  return status;
}

/* --- one step --- */

/* The rows [begin, end) of a feed, of labels all rows; *all is where the first row of the batch would lie. */
static kd_status find_rows(kd_net_step *step, const kd_data *batch, int feed, int64_t begin, int64_t end) {
  int place = step->place[feed];
  size_t bytes = step->set->fields[step->fields[feed]].bytes;
  const kd_array *array = kd_data_array(batch, place);
  if (array->data) {
    step->feed[feed] = (char *)(uintptr_t)array->data + (size_t)begin * bytes;
    return KD_OK;
  }
  bool labels = place >= KD_LABEL(0) && place < KD_WEIGHT(0);
  int64_t first = labels ? 0 : begin, count = labels ? batch->count : end - begin;
  if (count > 0) KD_TRY(kd_data_read(batch, place, count, step->rows + first, step->staging[feed]));
  step->feed[feed] = (char *)step->staging[feed] + (size_t)(begin - first) * bytes;
  return KD_OK;
}

/* The labels of the whole batch, on every rank: all find the same fault. */
static kd_status check_labels(const kd_net *net, const kd_data *batch, int feed) {
  const kd_net_step *step = &net->step;
  int place = step->place[feed];
  if (place < KD_LABEL(0) || place >= KD_WEIGHT(0)) return KD_OK;
  int64_t classes = net->session.objective.outputs[place - KD_LABEL(0)].classes;
  if (classes == 0) return KD_OK;
  const void *own = kd_data_array(batch, place)->data;
  return kd_labels_check(step->set, step->fields[feed], 0, batch->count, own ? own : step->staging[feed],
                         classes);
}

static kd_status run(kd_net *net, const kd_data *batch) {
  kd_session *s = &net->session;
  kd_step_data data = {.global_rows = batch->count, .field = net->step.feed};
  int64_t end;
  kd_replica_share(s->replica, batch->count, &data.first, &end);
  data.rows = end - data.first;
  for (int i = 0; i < net->step.n_feeds; i++) {
    KD_TRY(find_rows(&net->step, batch, i, data.first, end));
    KD_TRY(check_labels(net, batch, i));
  }
  kd_trainer trainer = {.comm = s->comm,
                        .replica = s->replica,
                        .setup = &s->setup,
                        .totals = net->totals,
                        .iteration = net->iteration,
                        .rate = s->config->optimizer.rate.constant};
  kd_totals_reset(&trainer.totals);
  KD_TRY(kd_trainer_step(&trainer, &data));
  net->iteration = trainer.iteration;
  net->totals = trainer.totals;
  kd_net_show_totals(net);
  return KD_OK;
}

kd_status kd_train_step(kd_net *net, const kd_data *batch) {
  KD_TRY(kd_net_ready(net, "kd_train_step"));
  KD_TRY(kd_net_check_loss(net, "kd_train_step"));
  KD_CHECK(batch, KD_ERR_USAGE, "kd_train_step: batch is NULL");
  KD_CHECK(batch->count >= net->session.comm->size, KD_ERR_USAGE,
           "kd_train_step: a batch of %lld samples for %d ranks: every rank needs one",
           (long long)batch->count, net->session.comm->size);
  const kd_net_step *step = &net->step;
  if (!step->pool || step->capacity < batch->count || !same_layout(&step->layout, batch))
    KD_TRY(prepare(net, batch));
  return run(net, batch);
}
