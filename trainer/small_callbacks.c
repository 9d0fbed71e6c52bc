#include <math.h>
#include <string.h>

#include "trainer/backup.h"
#include "trainer/trainer.h"

/* keras.callbacks.TerminateOnNaN: ends training at the first loss that is not finite; the exit code is 3. */
static kd_status terminate_batch_end(kd_callback *self, kd_trainer *t, int64_t batch) {
  (void)self;
  if (isfinite(t->step_loss)) return KD_OK;
  kd_report_message(t, "Batch %lld: Invalid loss, terminating training", (long long)batch - 1);
  t->stop_training = t->diverged = true;
  return KD_OK;
}

static const kd_option no_options[] = {{0}};

const kd_callback_kind kd_callback_terminate = {
    .base = {.name = "TerminateOnNaN",
             .help = "stops when the loss is not finite",
             .options = no_options,
             .options_size = 1},
    .batch_end = terminate_batch_end,
};

/* keras.callbacks.History: the run folder's log.csv is written always, so there is nothing to do. */
const kd_callback_kind kd_callback_history = {
    .base = {.name = "History",
             .help = "the logs of all epochs, in log.csv",
             .options = no_options,
             .options_size = 1},
};

/* keras.callbacks.BackupAndRestore: where checkpoints lie and how often they are written; `kdist fit` reads
 * the options before training starts. */
static const kd_option backup_table[] = {
    {.name = "backup_dir",
     .type = KD_OPT_TEXT,
     .offset = offsetof(kd_backup_options, backup_dir),
     .help = "folder of the checkpoints, relative to the run folder"},
    {.name = "save_freq",
     .type = KD_OPT_VALUE,
     .offset = offsetof(kd_backup_options, save_freq),
     .initial = "epoch",
     .help = "'epoch', or also every so many global steps"},
    {0},
};

static void backup_check(const void *options, kd_diag *diag, kd_origin origin) {
  const kd_backup_options *o = options;
  bool epoch = o->save_freq->type == KD_V_TEXT && strcmp(o->save_freq->text, "epoch") == 0;
  if (!epoch && !(o->save_freq->type == KD_V_INT && o->save_freq->integer > 0))
    kd_diag_error(diag, origin, "BackupAndRestore: save_freq is 'epoch' or a number of steps above 0");
}

const kd_callback_kind kd_callback_backup = {
    .base = {.name = "BackupAndRestore",
             .help = "where and how often checkpoints are written",
             .options = backup_table,
             .options_size = sizeof(kd_backup_options),
             .check = backup_check},
};
