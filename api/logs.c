/* What training tells: metrics, history, learning rate. */
#include <string.h>

#include "api/net.h"
#include "device/base/text.h"

/* The logs of the present moment. */
static kd_net_logs present(const kd_net *net) {
  if (!net->running) return net->logs;
  return (kd_net_logs){net->running->logs.count, net->running->logs.entries};
}

static kd_status find(kd_net_logs logs, const char *name, double *value) {
  for (int i = 0; name && i < logs.count; i++) {
    if (strcmp(logs.entries[i].name, name) != 0) continue;
    *value = logs.entries[i].value;
    return KD_OK;
  }
  kd_pool *pool = kd_pool_create();
  const char *known = "";
  for (int i = 0; i < logs.count; i++)
    known = kd_pool_printf(pool, "%s%s%s", known, i ? ", " : "", logs.entries[i].name);
  kd_status status = kd_fail(KD_ERR_USAGE, "there is no log '%s'; known are: %s", kd_quoted(name ? name : ""),
                             logs.count ? known : "none yet");
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_metric(const kd_net *net, const char *name, double *value) {
  KD_CHECK(net && value, KD_ERR_USAGE, "kd_metric: net or value is NULL");
  return find(present(net), name, value);
}

const char *kd_metric_name(const kd_net *net, int number) {
  kd_net_logs logs = net ? present(net) : (kd_net_logs){0};
  return number >= 0 && number < logs.count ? logs.entries[number].name : NULL;
}

int64_t kd_history_length(const kd_net *net) {
  return net ? net->history.n_epochs : 0;
}

kd_status kd_history_metric(const kd_net *net, int64_t epoch, const char *name, double *value) {
  KD_CHECK(net && value, KD_ERR_USAGE, "kd_history_metric: net or value is NULL");
  KD_CHECK(epoch >= 0 && epoch < net->history.n_epochs, KD_ERR_USAGE,
           "kd_history_metric: the history has %lld epochs, not epoch %lld", (long long)net->history.n_epochs,
           (long long)epoch);
  const kd_logs *logs = &net->history.epochs[epoch];
  return find((kd_net_logs){logs->count, logs->entries}, name, value);
}

void kd_stop_training(kd_net *net) {
  if (net && net->running) net->running->stop_training = true;
}

/* Outside of kd_fit the net must be compiled: compiling is collective, and this is not. */
static kd_status check_optimizer(const kd_net *net, const char *function) {
  KD_CHECK(net, KD_ERR_USAGE, "%s: there is no net (NULL)", function);
  KD_TRY(kd_net_status(net));
  KD_CHECK(net->compiled && net->session.config->optimizer.kind, KD_ERR_USAGE,
           "%s: net %s has no optimizer yet: call kd_compile before", function, net->name);
  return KD_OK;
}

kd_status kd_learning_rate(const kd_net *net, double *rate) {
  KD_TRY(check_optimizer(net, "kd_learning_rate"));
  const kd_rate *own = &net->session.config->optimizer.rate;
  if (net->running)
    *rate = kd_trainer_rate(net->running);
  else
    *rate = own->schedule.kind ? kd_rate_at(own, net->iteration) : own->constant;
  return KD_OK;
}

kd_status kd_set_learning_rate(kd_net *net, double rate) {
  KD_TRY(check_optimizer(net, "kd_set_learning_rate"));
  kd_rate *own = &net->session.config->optimizer.rate;
  KD_CHECK(!own->schedule.kind, KD_ERR_USAGE,
           "kd_set_learning_rate: the rate of net %s follows the schedule %s", net->name,
           own->schedule.kind->name);
  KD_CHECK(rate >= 0 && rate <= 1e30, KD_ERR_USAGE, "kd_set_learning_rate: %g is no learning rate", rate);
  if (net->running)
    net->running->rate = rate;
  else
    own->constant = rate;
  net->rate_set = true;
  return KD_OK;
}
