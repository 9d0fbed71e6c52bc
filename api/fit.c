/* kd_fit: the trainer of `kdist fit` over data of the program. */
#include <string.h>

#include "api/net.h"
#include "device/base/file.h"
#include "device/base/log.h"
#include "launch/run_folder.h"

static kd_status check_numbers(const kd_fit_args *a) {
  const struct {
    const char *name;
    int64_t value;
  } counts[] = {{"epochs", a->epochs},
                {"batch_size", a->batch_size},
                {"initial_epoch", a->initial_epoch},
                {"steps_per_epoch", a->steps_per_epoch},
                {"validation_steps", a->validation_steps},
                {"n_hooks", a->n_hooks}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    KD_CHECK(counts[i].value >= 0, KD_ERR_USAGE, "kd_fit: %s = %lld is negative", counts[i].name,
             (long long)counts[i].value);
  KD_CHECK(a->validation_split >= 0 && a->validation_split < 1, KD_ERR_USAGE,
           "kd_fit: validation_split = %g is not in [0, 1)", a->validation_split);
  KD_CHECK(a->hooks || !a->n_hooks, KD_ERR_USAGE, "kd_fit: n_hooks is %d, but hooks is NULL", a->n_hooks);
  KD_CHECK(a->data || !a->validation, KD_ERR_USAGE,
           "kd_fit: validation is given, but data is NULL: with [data], validation stands there too");
  return KD_OK;
}

static void set(int64_t *number, int64_t given) {
  if (given) *number = given;
}

/* The numbers of this call over those of the configuration. */
static void adjust(const void *numbers, kd_run_config *c) {
  const kd_fit_args *a = numbers;
  kd_train_options *t = &c->train;
  bool own = t->validation_batch_size != t->batch_size;
  set(&t->epochs, a->epochs);
  set(&t->initial_epoch, a->initial_epoch);
  set(&t->batch_size, a->batch_size);
  if (!own) t->validation_batch_size = t->batch_size;
  set(&t->steps_per_epoch, a->steps_per_epoch);
  set(&t->validation_steps, a->validation_steps);
  if (a->validation_split > 0) c->data.validation_split = a->validation_split;
  if (a->no_shuffle) t->shuffle = false;
  if (a->folder) c->run.dir = a->folder;
}

/* Reading `$(2 * steps_per_epoch)` again has given another optimizer of the same kind. */
static void take_steps(kd_net *net, kd_net_call *call) {
  if (!call->config.needs_steps) return;
  kd_optimizer *optimizer = &net->session.config->optimizer;
  double rate = optimizer->rate.constant;
  *optimizer = call->config.optimizer;
  if (net->rate_set) optimizer->rate.constant = rate;
}

static kd_status open_data(kd_net_call *call, const kd_fit_args *a) {
  call->data[KD_DATA_TRAIN] = a->data;
  call->data[KD_DATA_VALIDATION] = a->validation;
  call->adjust = adjust;
  call->numbers = a;
  KD_TRY(kd_call_open(call));
  take_steps(call->net, call);
  const kd_train_options *t = &call->config.run.train;
  KD_CHECK(t->initial_epoch < t->epochs, KD_ERR_USAGE,
           "kd_fit: initial_epoch = %lld leaves nothing of epochs = %lld", (long long)t->initial_epoch,
           (long long)t->epochs);
  return KD_OK;
}

static void note(void *context, const char *text) {
  (void)context;
  kd_log(KD_LOG_INFO, "%s", text);
}

/* BackupAndRestore: goes on with the newest checkpoint of its folder. */
static void use_backup(kd_net_call *call, kd_fit_spec *fit) {
  if (!fit->checkpoint_folder) return;
  fit->restore_folder = fit->checkpoint_folder;
  fit->keep = (int)call->config.run.train.keep;
  fit->checkpoint_epochs = true;
  fit->resume = true;
  fit->identity = kd_run_identity(&call->session);
}

static kd_fit_spec make_fit(kd_net_call *call, const kd_fit_args *a) {
  kd_fit_spec fit = kd_session_fit(&call->config.run);
  fit.run_folder = a->folder;
  kd_net_callbacks(call, a, &fit);
  use_backup(call, &fit);
  return fit;
}

static void start_history(kd_net *net) {
  kd_pool_destroy(net->history_pool);
  net->history_pool = kd_pool_create();
  net->history = (kd_history){0};
  net->logs = (kd_net_logs){0};
}

/* The state that the next call goes on from. */
static void take_results(kd_net *net, const kd_trainer *t) {
  kd_rate *rate = &net->session.config->optimizer.rate;
  net->iteration = t->iteration;
  net->epoch = t->epoch;
  if (!rate->schedule.kind && rate->constant != t->rate) {
    rate->constant = t->rate;
    net->rate_set = true;
  }
  if (net->history.n_epochs == 0) return;
  const kd_logs *last = &net->history.epochs[net->history.n_epochs - 1];
  net->logs = (kd_net_logs){last->count, last->entries};
}

static kd_status make_folder(const kd_comm *comm, const char *folder) {
  return folder && comm->rank == 0 ? kd_make_folders(folder) : KD_OK;
}

static kd_status train(kd_net_call *call, const kd_fit_args *a) {
  kd_net *net = call->net;
  static const kd_reporter reporter = {.message = note};
  kd_fit_spec fit = make_fit(call, a);
  KD_TRY(kd_diag_status(call->config.diag));
  KD_TRY(kd_net_prepare(net, call, true));
  KD_TRY(kd_comm_all_ok(net->session.comm, make_folder(net->session.comm, a->folder)));
  KD_TRY(kd_session_check_exports(&net->session, &fit));
  start_history(net);
  kd_trainer trainer = {.comm = net->session.comm,
                        .replica = net->session.replica,
                        .setup = &net->session.setup,
                        .fit = &fit,
                        .keras_config = kd_session_keras_config(&net->session, &fit, call->session.pool),
                        .opset = (int)net->session.config->run.exports.opset,
                        .reporter = &reporter,
                        .train = call->session.train.stream,
                        .validation = call->session.validation.stream,
                        .iteration = net->iteration,
                        .rate = net->session.config->optimizer.rate.constant};
  net->running = &trainer;
  kd_status status = kd_trainer_fit(&trainer);
  net->running = NULL;
  take_results(net, &trainer);
  if (status == KD_OK && fit.checkpoint_folder && net->session.comm->rank == 0)
    status = kd_run_folder_remove_checkpoints(call->session.pool, fit.checkpoint_folder);
  return status;
}

kd_status kd_fit_call(kd_fit_args args) {
  kd_net *net = args.net;
  kd_net_call call;
  KD_TRY(kd_net_ready(net, "kd_fit"));
  KD_TRY(kd_net_check_loss(net, "kd_fit"));
  KD_TRY(check_numbers(&args));
  kd_call_begin(net, KD_FOR_TRAINING, "kd_fit", &call);
  kd_status status = open_data(&call, &args);
  if (status == KD_OK) status = train(&call, &args);
  kd_call_end(&call);
  return status;
}
