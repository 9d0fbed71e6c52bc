/* Callbacks of kd_fit: Keras's, the program's own, and the record of epochs. */
#include <string.h>

#include "api/net.h"

/* --- the program's own --- */

typedef struct hook_options {
  kd_net *net;
  const kd_hooks *hooks;
} hook_options;

/* A failure without a text gets one. */
#define CALL_HOOK(self, hook, ...)                                                                           \
  const hook_options *o = (self)->options;                                                                   \
  if (!o->hooks->hook) return KD_OK;                                                                         \
  kd_status_clear();                                                                                         \
  kd_status status = o->hooks->hook(o->hooks->context, o->net, ##__VA_ARGS__);                               \
  return status == KD_OK || *kd_status_text() ? status : kd_fail(status, "the hook " #hook " failed")

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  (void)t;
  CALL_HOOK(self, train_begin);
}

static kd_status epoch_begin(kd_callback *self, kd_trainer *t, int64_t epoch) {
  (void)t;
  CALL_HOOK(self, epoch_begin, epoch);
}

static kd_status batch_end(kd_callback *self, kd_trainer *t, int64_t batch) {
  (void)t;
  CALL_HOOK(self, batch_end, batch);
}

static bool watches(const kd_callback *self) {
  const hook_options *o = self->options;
  return o->hooks->batch_end != NULL;
}

static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  (void)t, (void)logs;
  CALL_HOOK(self, epoch_end, epoch);
}

static kd_status train_end(kd_callback *self, kd_trainer *t) {
  (void)t;
  CALL_HOOK(self, train_end);
}

static const kd_callback_kind hook_kind = {
    .base = {.name = "kd_hooks", .help = "callbacks of the program"},
    .train_begin = train_begin,
    .epoch_begin = epoch_begin,
    .batch_end = batch_end,
    .watches = watches,
    .epoch_end = epoch_end,
    .train_end = train_end,
};

/* --- the record of epochs: those of a restored checkpoint, then each that ends --- */

static kd_status record_epoch(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const hook_options *o = self->options;
  kd_net *net = o->net;
  (void)epoch;
  for (int64_t e = net->history.n_epochs; e < t->history.n_epochs; e++)
    kd_history_add(net->history_pool, &net->history, &t->history.epochs[e]);
  kd_history_add(net->history_pool, &net->history, logs);
  return KD_OK;
}

static const kd_callback_kind record_kind = {
    .base = {.name = "kd_history", .help = "what kd_history_metric shows"},
    .epoch_end = record_epoch,
};

/* --- all of one kd_fit --- */

/* Callbacks written as "EarlyStopping(patience=3), TerminateOnNaN()". */
static int parse(kd_net_call *call, const char *text, kd_callback_config **configs) {
  kd_pool *pool = call->session.pool;
  kd_diag *diag = call->config.diag;
  kd_origin origin = {"kd_fit: callbacks", 0};
  const kd_value *value = kd_value_parse(pool, diag, origin, text, true);
  bool list = value && value->type == KD_V_LIST;
  int count = !value ? 0 : list ? value->count : 1, n = 0;
  *configs = kd_pool_alloc(pool, (size_t)count, sizeof **configs);
  for (int i = 0; i < count; i++) {
    kd_callback_config config = {.name = kd_pool_printf(pool, "%d", i), .origin = origin};
    const kd_value *item = list ? &value->items[i] : value;
    bool made = kd_object_make(pool, diag, &kd_callback_family, item, &config.object);
    if (made && config.object.kind) (*configs)[n++] = config;
  }
  return n;
}

static kd_callback own(kd_net_call *call, const kd_callback_kind *kind, const kd_hooks *hooks) {
  hook_options *options = kd_pool_alloc(call->session.pool, 1, sizeof *options);
  *options = (hook_options){call->net, hooks};
  return (kd_callback){.kind = kind, .name = kind->base.name, .options = options, .pool = call->session.pool};
}

void kd_net_callbacks(kd_net_call *call, const kd_fit_args *args, kd_fit_spec *fit) {
  kd_callback_config *configs = call->config.run.callbacks;
  int count = call->config.run.n_callbacks;
  if (args->callbacks) count = parse(call, args->callbacks, &configs);
  kd_session_callbacks(&call->session, count, configs, fit);
  kd_callback *all = kd_pool_alloc(call->session.pool, (size_t)(count + args->n_hooks + 1), sizeof *all);
  if (count) memcpy(all, fit->callbacks, (size_t)count * sizeof *all);
  for (int i = 0; i < args->n_hooks; i++) all[count++] = own(call, &hook_kind, &args->hooks[i]);
  all[count++] = own(call, &record_kind, NULL);
  fit->callbacks = all;
  fit->n_callbacks = count;
}
