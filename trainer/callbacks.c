#include <math.h>
#include <string.h>

#include "device/base/log.h"
#include "trainer/trainer.h"

extern const kd_callback_kind kd_callback_early_stopping, kd_callback_plateau, kd_callback_model_checkpoint,
    kd_callback_csv_logger, kd_callback_rate_scheduler, kd_callback_terminate, kd_callback_backup,
    kd_callback_history;

static const kd_kind *const kinds[] = {
    &kd_callback_backup.base,  &kd_callback_csv_logger.base,     &kd_callback_early_stopping.base,
    &kd_callback_history.base, &kd_callback_rate_scheduler.base, &kd_callback_model_checkpoint.base,
    &kd_callback_plateau.base, &kd_callback_terminate.base,
};

const kd_family kd_callback_family = {"callback", kinds, sizeof kinds / sizeof *kinds};

/* A metric's own direction, by its log name; a loss goes down. */
static int natural_direction(const kd_trainer *t, const char *name) {
  const kd_objective *objective = t->setup->objective;
  for (int i = 0; i < objective->n_metrics; i++) {
    const kd_metric_slot *slot = &objective->metrics[i];
    for (int r = 0; r < slot->n_results; r++)
      if (strcmp(slot->result_name[r], name) == 0)
        return ((const kd_metric_kind *)slot->metric.kind)->direction;
  }
  size_t length = strlen(name);
  return length >= 4 && strcmp(name + length - 4, "loss") == 0 ? -1 : 0;
}

kd_status kd_monitor_direction(const kd_callback *self, const kd_trainer *t, int mode, const char *monitor,
                               int *direction) {
  *direction = mode == 1 ? -1 : 1;
  if (mode == 0) *direction = natural_direction(t, strncmp(monitor, "val_", 4) == 0 ? monitor + 4 : monitor);
  KD_CHECK(*direction != 0, KD_ERR_USAGE,
           "callback %s (%s): it is not known whether '%s' should rise or fall; give mode = min or max",
           self->name, self->kind->base.name, monitor);
  return KD_OK;
}

bool kd_monitor_improved(int direction, double min_delta, double value, double reference) {
  double least = fabs(min_delta);
  return direction > 0 ? (float)(value - least) > (float)reference
                       : (float)(value + least) < (float)reference;
}

bool kd_monitor_value(kd_callback *self, const kd_trainer *t, const kd_logs *logs, const char *monitor,
                      double *value) {
  if (kd_logs_get(logs, monitor, value)) return true;
  /* Validation may be rarer than epochs; only a name that cannot come at all is worth a line. */
  bool later = strncmp(monitor, "val_", 4) == 0 && t->validation.count > 0;
  if (!later && t->comm->rank == 0)
    kd_log(KD_LOG_WARNING, "callback %s (%s) monitors '%s', which is not among the logs", self->name,
           self->kind->base.name, monitor);
  return false;
}
