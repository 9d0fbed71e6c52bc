#include <string.h>

#include "io/sampler.h"
#include "trainer/replica_state.h"

/* Running passes: rows in, sums added up in tree order, buckets posted. */

/* Buckets are added and posted in their order on every rank, although plans of other sizes might complete
 * them in another. */
kd_status kd_passes_on_mark(void *context, int bucket) {
  kd_replica *r = context;
  r->bucket_ready[bucket] = true;
  if (r->exchanges && r->in_pass) return KD_OK; /* one conversation between ranks at a time */
  for (; r->next_bucket < r->buckets.count && r->bucket_ready[r->next_bucket]; r->next_bucket++)
    KD_TRY(kd_sums_bucket(r, r->next_bucket));
  return KD_OK;
}

static size_t sample_bytes(const kd_pass_plan *plan, int field) {
  return plan->feed_bytes[field] / (size_t)plan->rows;
}

/* Writes `given` where plans read it. */
static kd_status give(kd_replica *r) {
  return r->spec.device->backend->upload(r->spec.device, &r->values->given, &r->given, sizeof r->given);
}

/* The passes of a step that count feed the same fields: uploads of their own. */
static kd_status feed_field(kd_replica *r, const kd_pass_plan *plan, int i, const void *rows) {
  kd_device *device = r->spec.device;
  if (!r->apart) return device->backend->upload(device, plan->feed[i], rows, plan->feed_bytes[i]);
  int number = plan->mode == KD_MODE_COUNT ? plan->n_fields + i : i;
  return device->backend->feed(device, number, plan->feed[i], rows, plan->feed_bytes[i]);
}

/* What the pass over the rows [begin, end) reads. */
static kd_status feed_rows(kd_replica *r, const kd_pass_plan *plan, const kd_step_data *data, int64_t begin,
                           int64_t end) {
  for (int i = 0; i < plan->n_fields; i++) {
    if (!plan->feed[i]) continue;
    const char *rows = (const char *)data->field[i] + (size_t)begin * sample_bytes(plan, i);
    KD_TRY(feed_field(r, plan, i, rows));
  }
  r->given.rng[KD_RNG_SAMPLE] = (uint32_t)(data->first + begin);
  r->given.share = (float)((double)(end - begin) / (double)data->global_rows);
  r->given.first = (float)r->given.rng[KD_RNG_SAMPLE];
  KD_TRY(give(r));
  return kd_kept_load(r, plan, begin);
}

/* Sums of a group set out from the last pass while it goes on; what other passes write is added here alone.
 */
static kd_status run_plan(kd_replica *r, const kd_pass_plan *plan) {
  bool sums = r->group && plan->mode == KD_MODE_TRAIN && r->last_pass;
  return sums ? kd_plan_run_marked(plan->plan, r->version) : kd_plan_run(plan->plan, r->version);
}

static kd_status run_rows(kd_replica *r, kd_mode mode, const kd_step_data *data, int64_t begin, int64_t end,
                          kd_pass_plan **used) {
  kd_pass_plan *plan;
  KD_TRY(kd_passes_get(r, mode, end - begin, &plan));
  KD_TRY(feed_rows(r, plan, data, begin, end));
  if (used) *used = plan;
  r->in_pass = true;
  kd_status status = run_plan(r, plan);
  r->in_pass = false;
  if (status == KD_OK) status = kd_kept_store(r, plan, begin);
  if (status == KD_OK && r->exchanges && mode == KD_MODE_TRAIN) status = kd_passes_on_mark(r, 0);
  return status;
}

/* A rank without rows takes part in the exchanges of the others with zeros. */
static kd_status exchange_zeros(kd_replica *r) {
  enum { MOST = 4096 };
  kd_pass_plan *plan;
  int64_t sizes[MOST];
  KD_TRY(kd_passes_get(r, KD_MODE_TRAIN, 1, &plan));
  int n = kd_plan_op_sizes(plan->plan, KD_OP_EXCHANGE, MOST, sizes);
  KD_CHECK(n <= MOST, KD_ERR_USAGE, "%d exchanges between ranks in a step, but at most %d are possible", n,
           MOST);
  for (int i = 0; i < n; i++)
    KD_TRY(r->spec.device->exchange(r->spec.device->exchange_context, NULL, sizes[i]));
  return KD_OK;
}

static kd_status set_signal(kd_replica *r) {
  kd_device *device = r->spec.device;
  return device->backend->upload(device, r->leaf + r->spec.objective->n_tail, &r->signal, sizeof r->signal);
}

void kd_replica_signal(kd_replica *r) {
  r->signal = 1.0f;
}

/* A pass without rows gives zeros, and no rows of tables, so that the sum keeps its form. The signal stays.
 */
static kd_status give_zeros(kd_replica *r, int64_t floats) {
  kd_device *device = r->spec.device;
  int64_t signal = r->spec.objective->n_tail;
  KD_TRY(device->backend->clear(device, r->leaf, (size_t)signal * sizeof(float)));
  KD_TRY(device->backend->clear(device, r->leaf + signal + 1, (size_t)(floats - signal - 1) * sizeof(float)));
  if (r->training) KD_TRY(kd_used_rows_none(r));
  for (int k = 0; r->training && k < r->buckets.count; k++) KD_TRY(kd_passes_on_mark(r, k));
  return KD_OK;
}

static kd_status run_empty(kd_replica *r, int64_t floats) {
  if (r->training && r->exchanges && r->spec.device->exchange) KD_TRY(exchange_zeros(r));
  return give_zeros(r, floats);
}

/* What all passes over a batch read. Random numbers depend on the step. */
static kd_status start(kd_replica *r, const kd_step_data *data, uint32_t step_lo, uint32_t step_hi) {
  KD_TRY(kd_kept_check(r, data));
  r->given.rng[KD_RNG_SEED] = (uint32_t)r->spec.seed ^ (uint32_t)(r->spec.seed >> 32);
  r->given.rng[KD_RNG_STEP_LO] = step_lo;
  r->given.rng[KD_RNG_STEP_HI] = step_hi;
  r->given.inv_rows = (float)(1.0 / (double)data->global_rows);
  return KD_OK;
}

kd_status kd_passes_start(kd_replica *r, const kd_step_data *data, int64_t step) {
  r->trained = (uint32_t)step + 1;
  r->tried = 0;
  return start(r, data, (uint32_t)step, (uint32_t)((uint64_t)step >> 32));
}

/* Evaluation and prediction draw for layers that are called with training = true: other numbers than any
 * step, others in each batch, and the same after a resume. */
static kd_status start_trial(kd_replica *r, const kd_step_data *data) {
  return start(r, data, r->tried++, r->trained | UINT32_C(1) << 31);
}

/* The rows of pass `pass`, counted from this rank's first row. */
static void pass_rows(const kd_replica *r, const kd_step_data *data, int pass, int64_t *begin, int64_t *end) {
  if (kd_replica_is_world(r)) {
    kd_split(data->global_rows, r->spec.micro_shards, pass, begin, end);
    *begin -= data->first;
    *end -= data->first;
    return;
  }
  int64_t limit = r->spec.micro_batch > 0 ? r->spec.micro_batch : data->rows;
  *begin = pass * limit;
  *end = *begin + limit < data->rows ? *begin + limit : data->rows;
}

static int pass_end(const kd_replica *r, const kd_step_data *data) {
  if (kd_replica_is_world(r)) return r->tree.end;
  int64_t limit = r->spec.micro_batch > 0 ? r->spec.micro_batch : data->rows;
  return data->rows <= limit ? 1 : (int)((data->rows + limit - 1) / limit);
}

static kd_status run_passes(kd_replica *r, kd_mode mode, const kd_step_data *data) {
  int last = pass_end(r, data) - 1;
  r->training = mode == KD_MODE_TRAIN;
  for (r->pass = r->tree.begin; r->pass <= last; r->pass++) {
    int64_t begin, end;
    pass_rows(r, data, r->pass, &begin, &end);
    r->last_pass = r->pass == last;
    r->next_bucket = 0;
    memset(r->bucket_ready, 0, (size_t)r->buckets.count * sizeof(bool));
    KD_TRY(set_signal(r));
    if (end > begin) {
      KD_TRY(run_rows(r, mode, data, begin, end, NULL));
    } else {
      KD_TRY(run_empty(r, r->training ? r->n_whole : r->tail_floats));
    }
    KD_TRY(r->training ? kd_sums_pass(r) : kd_sums_tail(r));
  }
  return KD_OK;
}

/* How a loss of the whole batch changes with its state. */
static kd_status set_slope(kd_replica *r, const kd_output_loss *output) {
  const kd_whole_loss *whole = ((const kd_loss_kind *)output->loss.kind)->whole;
  kd_device *device = r->spec.device;
  whole->value(output->loss.options, &output->prediction, output->n_state, r->reduce + output->state_tail,
               r->slope_sums);
  for (int64_t i = 0; i < output->n_state; i++) r->slope_host[i] = (float)r->slope_sums[i];
  return device->backend->upload(device, kd_replica_slope(r, output), r->slope_host,
                                 (size_t)output->n_state * sizeof(float));
}

/* Counted outputs: their counts over the global batch are summed, nothing is divided by them before; and so
 * are the states of losses of whole batches. */
static kd_status invert_counts(kd_replica *r) {
  const kd_objective *objective = r->spec.objective;
  KD_TRY(kd_sums_finish_tail(r));
  if (r->updates.inverse) return kd_plan_run(r->updates.inverse, 0);
  if (r->on_device) KD_TRY(kd_device_sums_fetch_tail(r));
  kd_device *device = r->spec.device;
  for (int o = 0; o < objective->n_outputs; o++) {
    float counted = r->reduce[objective->count_tail + o], inverse = counted != 0 ? 1 / counted : 0;
    KD_TRY(device->backend->upload(device, &r->inv_count[o], &inverse, sizeof inverse));
    if (objective->outputs[o].n_state > 0) KD_TRY(set_slope(r, &objective->outputs[o]));
  }
  return KD_OK;
}

static kd_status count(kd_replica *r, const kd_step_data *data) {
  if (!kd_objective_counts(r->spec.objective)) return KD_OK;
  KD_TRY(run_passes(r, KD_MODE_COUNT, data));
  return invert_counts(r);
}

static kd_status clear_unused(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_unused; i++) {
    const kd_weight *weight = &r->spec.model->weights[r->unused[i]];
    KD_TRY(device->backend->clear(device, kd_replica_gradient(r, r->leaf, r->unused[i]),
                                  (size_t)weight->count * sizeof(float)));
  }
  return KD_OK;
}

/* Weights that change before a step. */
static kd_status prepare(kd_replica *r) {
  return r->updates.prepare ? kd_plan_run(r->updates.prepare, 0) : KD_OK;
}

kd_status kd_passes_gradients(kd_replica *r, const kd_step_data *data) {
  KD_TRY(prepare(r));
  KD_TRY(count(r, data));
  KD_TRY(clear_unused(r));
  kd_row_sums_start(r);
  KD_TRY(run_passes(r, KD_MODE_TRAIN, data));
  return kd_sums_finish(r);
}

/* --- a step as a whole: one pass, and where outputs are counted one before it --- */

static kd_status feed_mode(kd_replica *r, kd_mode mode, const kd_step_data *data) {
  kd_pass_plan *plan;
  if (data->rows == 0) return KD_OK;
  KD_TRY(kd_passes_get(r, mode, data->rows, &plan));
  return feed_rows(r, plan, data, 0, data->rows);
}

kd_status kd_passes_feed(kd_replica *r, const kd_step_data *data) {
  if (kd_objective_counts(r->spec.objective)) KD_TRY(feed_mode(r, KD_MODE_COUNT, data));
  KD_TRY(feed_mode(r, KD_MODE_TRAIN, data));
  if (data->rows == 0) KD_TRY(give(r));
  return set_signal(r);
}

static kd_status enqueue_mode(kd_replica *r, kd_mode mode, const kd_step_data *data) {
  kd_pass_plan *plan;
  r->training = mode == KD_MODE_TRAIN;
  r->next_bucket = 0;
  memset(r->bucket_ready, 0, (size_t)r->buckets.count * sizeof(bool));
  if (data->rows == 0) return give_zeros(r, r->training ? r->n_whole : r->tail_floats);
  KD_TRY(kd_passes_get(r, mode, data->rows, &plan));
  return kd_plan_run(plan->plan, r->version);
}

kd_status kd_passes_enqueue(kd_replica *r, const kd_step_data *data) {
  r->last_pass = true;
  r->pass = r->tree.begin;
  KD_TRY(prepare(r));
  if (kd_objective_counts(r->spec.objective)) {
    KD_TRY(enqueue_mode(r, KD_MODE_COUNT, data));
    KD_TRY(invert_counts(r));
  }
  KD_TRY(clear_unused(r));
  KD_TRY(enqueue_mode(r, KD_MODE_TRAIN, data));
  return kd_sums_finish(r);
}

kd_status kd_replica_evaluate(kd_replica *r, const kd_step_data *data, const float **tail) {
  KD_TRY(start_trial(r, data));
  KD_TRY(run_passes(r, KD_MODE_EVALUATE, data));
  KD_TRY(kd_sums_finish_tail(r));
  if (r->on_device) KD_TRY(kd_device_sums_fetch_tail(r));
  *tail = r->reduce;
  return KD_OK;
}

/* --- predictions ------------------------------------------------------------------------------------- */

/* Outputs of the rows [begin, end), where the plan leaves them. */
static kd_status predict_rows(kd_replica *r, const kd_step_data *data, int64_t begin, int64_t end,
                              kd_pass_plan **used) {
  kd_device *device = r->spec.device;
  KD_TRY(run_rows(r, KD_MODE_PREDICT, data, begin, end, used));
  const kd_pass_plan *plan = *used;
  for (int o = 0; r->apart && o < r->spec.model->n_outputs; o++)
    KD_TRY(device->backend->download(device, plan->read[o], plan->output[o], plan->output_bytes[o]));
  return KD_OK;
}

/* Room for all rows of the batch, kept for the next ones. */
static kd_status make_room(kd_replica *r, int o, size_t bytes) {
  if (bytes <= r->predicted_bytes[o]) return KD_OK;
  if (r->predicted[o]) kd_large_free(r->predicted[o], r->predicted_bytes[o]);
  r->predicted[o] = NULL;
  r->predicted_bytes[o] = 0;
  KD_TRY(kd_large_alloc(bytes, (void **)&r->predicted[o]));
  r->predicted_bytes[o] = bytes;
  return KD_OK;
}

static kd_status collect(kd_replica *r, const kd_step_data *data, const kd_pass_plan *plan, int64_t begin) {
  for (int o = 0; o < r->spec.model->n_outputs; o++) {
    size_t row_bytes = plan->output_bytes[o] / (size_t)plan->rows;
    KD_TRY(make_room(r, o, (size_t)data->rows * row_bytes));
    memcpy((char *)r->predicted[o] + (size_t)begin * row_bytes, plan->read[o], plan->output_bytes[o]);
  }
  return KD_OK;
}

kd_status kd_replica_predict(kd_replica *r, const kd_step_data *data, const float **output) {
  kd_pass_plan *plan = NULL;
  KD_TRY(start_trial(r, data));
  bool whole = false;
  for (int pass = r->tree.begin; pass < pass_end(r, data) && !whole; pass++) {
    int64_t begin, end;
    pass_rows(r, data, pass, &begin, &end);
    if (begin >= end) continue;
    KD_TRY(predict_rows(r, data, begin, end, &plan));
    whole = end - begin == data->rows;
    if (!whole) KD_TRY(collect(r, data, plan, begin));
  }
  for (int o = 0; plan && o < r->spec.model->n_outputs; o++)
    output[o] = whole ? plan->read[o] : r->predicted[o];
  return KD_OK;
}
