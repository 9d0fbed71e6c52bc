/* The net's replica: made for types of data and batch sizes, and anew when they change. What training has
 * made goes from one to the next by way of host memory (carry.c), so that there are never two. */
#include <string.h>

#include "api/net.h"

/* --- what the replica is made for --- */

static const kd_field *fed_field(const kd_net_call *call, int input) {
  const kd_session *s = &call->session;
  const kd_session_data *data = s->train.set ? &s->train : &s->test;
  return &data->set->fields[data->stream.fields[input]];
}

/* The same in evaluation: that of the validation data in a call of fit. */
static const kd_field *tested_field(const kd_net_call *call, int input) {
  const kd_session_data *data = &call->session.validation;
  return data->set ? &data->set->fields[data->stream.fields[input]] : fed_field(call, input);
}

static bool same_feed(const kd_net *net, const kd_net_call *call) {
  const kd_replica_spec *setup = &net->session.setup;
  if (!setup->feed_sample) return false;
  for (int i = 0; i < setup->model->n_inputs; i++) {
    const kd_field *field = fed_field(call, i), *tested = tested_field(call, i);
    if (setup->feed_dtype[i] != field->dtype || !kd_shape_equal(&setup->feed_sample[i], &field->sample) ||
        !kd_shape_equal(&setup->test_sample[i], &tested->sample))
      return false;
  }
  return true;
}

static bool same_goal(const kd_output_goal *a, const kd_output_goal *b) {
  return a->label_dtype == b->label_dtype && kd_shape_equal(&a->label_sample, &b->label_sample) &&
         a->sample_weight == b->sample_weight && a->weight_dtype == b->weight_dtype &&
         kd_shape_equal(&a->weight_sample, &b->weight_sample);
}

static bool same_goals(const kd_net *net, const kd_net_call *call) {
  const kd_output_goal *a = net->session.goals, *b = call->session.goals;
  if (!b) return true;
  for (int o = 0; a && o < net->session.model->n_outputs; o++)
    if (!same_goal(&a[o], &b[o])) return false;
  return a != NULL;
}

static int64_t largest(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static bool suits(const kd_net *net, const kd_net_call *call, bool training) {
  const kd_replica_spec *setup = &net->session.setup;
  if (!net->session.replica) return false;
  if (!call) return true;
  const kd_train_options *t = &call->config.run.train;
  if (!same_feed(net, call) || !same_goals(net, call)) return false;
  if (training && (!setup->optimizer || setup->batch_size != t->batch_size)) return false;
  return call->session.purpose == KD_FOR_PREDICTION || setup->largest_batch >= t->validation_batch_size;
}

static void take_feed(kd_net *net, const kd_net_call *call) {
  kd_session *s = &net->session;
  size_t n = (size_t)s->model->n_inputs;
  kd_pool *pool = kd_pool_create();
  s->feed_dtype = kd_pool_alloc(pool, n, sizeof *s->feed_dtype);
  s->feed_sample = call ? kd_pool_alloc(pool, n, sizeof *s->feed_sample) : NULL;
  s->test_sample = call ? kd_pool_alloc(pool, n, sizeof *s->test_sample) : NULL;
  for (size_t i = 0; i < n; i++) {
    s->feed_dtype[i] = call ? fed_field(call, (int)i)->dtype : s->model->inputs[i].dtype;
    if (!call) continue;
    s->feed_sample[i] = fed_field(call, (int)i)->sample;
    s->test_sample[i] = tested_field(call, (int)i)->sample;
  }
  kd_pool_destroy(net->feed_pool);
  net->feed_pool = pool;
}

/* Goals of the call, made once more in memory of the net: the call's goes. */
static kd_status take_goals(kd_net *net, const kd_net_call *call) {
  kd_session *s = &net->session;
  size_t n = (size_t)s->model->n_outputs;
  if (!call || !call->session.goals) return KD_OK;
  kd_pool_destroy(net->goal_pool);
  net->goal_pool = kd_pool_create();
  net->logs = (kd_net_logs){0};
  s->goals = kd_pool_alloc(net->goal_pool, n, sizeof *s->goals);
  memcpy(s->goals, call->session.goals, n * sizeof *s->goals);
  const kd_train_options *t = &call->config.run.train;
  int64_t rows = largest(s->setup.largest_batch, largest(t->batch_size, t->validation_batch_size));
  kd_objective_make(net->goal_pool, call->config.diag, s->model, s->goals, rows, &s->objective);
  kd_totals_create(net->goal_pool, &s->objective, &net->totals);
  net->log_room =
      kd_pool_alloc(net->goal_pool, (size_t)kd_totals_count(&s->objective), sizeof *net->log_room);
  return kd_diag_status(call->config.diag);
}

static void set_up(kd_net *net, const kd_net_call *call, bool training) {
  kd_session *s = &net->session;
  const kd_replica_spec old = s->setup;
  s->purpose = s->goals ? KD_FOR_TRAINING : KD_FOR_PREDICTION; /* goals come with a loss */
  kd_session_setup(s);
  if (!call) return;
  const kd_train_options *t = &call->config.run.train;
  s->setup.batch_size = training || old.batch_size == 0 ? t->batch_size : old.batch_size;
  s->setup.largest_batch = largest(s->setup.batch_size, largest(old.largest_batch, t->validation_batch_size));
}

/* What a saved model keeps of its optimizer, once. A rate that the program has set stays. */
static kd_status start_optimizer(kd_net *net) {
  kd_session *s = &net->session;
  double *rate = &s->config->optimizer.rate.constant, before = *rate;
  if (net->began || !kd_net_trains(net)) return KD_OK;
  net->began = true;
  KD_TRY(kd_session_start_optimizer(s, &net->iteration));
  if (net->rate_set) *rate = before;
  net->rate_set = net->rate_set || *rate != before;
  return KD_OK;
}

kd_status kd_net_prepare(kd_net *net, kd_net_call *call, bool training) {
  kd_session *s = &net->session;
  kd_forecast forecast;
  if (suits(net, call, training)) return KD_OK;
  KD_TRY(kd_net_set_aside(net));
  kd_step_release(net);
  take_feed(net, call);
  KD_TRY(take_goals(net, call));
  set_up(net, call, training);
  KD_TRY(kd_session_check_memory(s, &forecast));
  KD_TRY(kd_session_open_group(s));
  KD_TRY(kd_comm_all_ok(s->comm, kd_replica_create(&s->setup, &s->replica)));
  KD_TRY(kd_comm_agree(s->comm, "plan", kd_replica_get_stats(s->replica).plan_hash));
  KD_TRY(net->saved.weights ? kd_net_restore(net) : kd_session_start_weights(s));
  return start_optimizer(net);
}

kd_status kd_net_check_loss(const kd_net *net, const char *function) {
  KD_CHECK(kd_session_has_loss(&net->session), KD_ERR_USAGE,
           "%s: no output of net %s has a loss: give kd_compile one, as .loss = \"mse\"", function,
           net->name);
  return KD_OK;
}

void kd_net_show_totals(kd_net *net) {
  kd_totals_logs(&net->totals, net->log_room);
  net->logs = (kd_net_logs){kd_totals_count(&net->session.objective), net->log_room};
}
