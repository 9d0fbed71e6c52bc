#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/base/clock.h"
#include "device/base/file.h"
#include "device/base/log.h"
#include "trainer/trainer.h"

/* Runs one hook of all callbacks. */
#define HOOK(trainer, hook, ...)                                                                             \
  do {                                                                                                       \
    for (int hook_i_ = 0; hook_i_ < (trainer)->fit->n_callbacks; hook_i_++) {                                \
      kd_callback *self = &(trainer)->fit->callbacks[hook_i_];                                               \
      if (self->kind->hook) KD_TRY(self->kind->hook(self, (trainer), ##__VA_ARGS__));                        \
    }                                                                                                        \
  } while (0)

int64_t kd_trainer_updates(const kd_trainer *t) {
  return t->iteration - kd_replica_loss_scale(t->replica).skipped;
}

static double rate_after(void *trainer, int64_t updates) {
  const kd_trainer *t = trainer;
  const kd_rate *rate = &t->setup->optimizer->rate;
  return rate->schedule.kind ? kd_rate_at(rate, updates) : t->rate;
}

double kd_trainer_rate(const kd_trainer *t) {
  return rate_after((void *)(uintptr_t)t, kd_trainer_updates(t));
}

void kd_report_message(const kd_trainer *t, const char *format, ...) {
  if (t->comm->rank != 0 || !t->reporter->message) return;
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  t->reporter->message(t->reporter->context, text);
}

/* Running means of the epoch as logs. */
static void update_logs(kd_trainer *t) {
  t->logs.count = kd_totals_count(t->setup->objective);
  kd_totals_logs(&t->totals, t->logs.entries);
}

/* Keras goes on with a loss that is not finite; one line says so. */
static void warn_of_nan(kd_trainer *t, int64_t iteration) {
  if (isfinite(t->step_loss) || t->nan_told) return;
  t->nan_told = true;
  kd_log(KD_LOG_WARNING,
         "the loss of step %lld is %g; training goes on (the callback TerminateOnNaN would end it)",
         (long long)iteration + 1, t->step_loss);
}

/* Reads results until at most `most` steps are on their way. */
static kd_status settle(kd_trainer *t, int most) {
  while (kd_replica_pending(t->replica) > most) {
    kd_step_result result;
    KD_TRY(kd_replica_result(t->replica, &result));
    t->step_loss = kd_totals_add(&t->totals, result.tail, result.rows, result.penalty);
    t->stop_agreed |= result.stop;
    if (!t->fit) continue;
    warn_of_nan(t, result.iteration);
    update_logs(t);
    int64_t done = t->batch - kd_replica_pending(t->replica);
    if (t->comm->rank == 0 && t->reporter->step) t->reporter->step(t->reporter->context, done, &t->logs);
  }
  return KD_OK;
}

static kd_status checkpoint_due(kd_trainer *t) {
  int64_t every = t->fit->checkpoint_steps;
  if (every <= 0 || t->iteration % every != 0) return KD_OK;
  KD_TRY(settle(t, 0));
  return kd_trainer_checkpoint(t, false);
}

/* The time that the watchdog expects of a step: the mean of the first epoch's so far. */
static void expect_steps(kd_trainer *t) {
  enum { FIRST = 1, LAST = 20 };
  if (t->steps_timed == FIRST) t->timing_start = kd_now();
  if (t->steps_timed == LAST) kd_comm_expect_step(t->comm, (kd_now() - t->timing_start) / (LAST - FIRST));
  if (t->steps_timed <= LAST) t->steps_timed++;
}

static kd_status start_step(kd_trainer *t, const kd_step_data *data) {
  kd_comm_set_step(t->comm, t->iteration);
  KD_TRY(kd_replica_step(t->replica, data, t->iteration, rate_after, t));
  t->iteration++;
  return KD_OK;
}

kd_status kd_trainer_step(kd_trainer *t, const kd_step_data *data) {
  KD_TRY(start_step(t, data));
  return settle(t, 0);
}

/* Whether a callback wants the results of the step that has just begun. */
static bool watched(const kd_trainer *t) {
  for (int i = 0; i < t->fit->n_callbacks; i++) {
    const kd_callback *callback = &t->fit->callbacks[i];
    if (!callback->kind->batch_end) continue;
    if (!callback->kind->watches || callback->kind->watches(callback)) return true;
  }
  return false;
}

/* Puts the next step on its way. Some steps later its results are read, at once where they are wanted and at
 * the end of an epoch. */
static kd_status train_step(kd_trainer *t) {
  kd_step_data data;
  if (t->fit->stop && *t->fit->stop) kd_replica_signal(t->replica);
  KD_TRY(kd_feeder_next(t->train_feeder, &data));
  KD_TRY(start_step(t, &data));
  t->batch++;
  return settle(t, t->batch == t->steps || watched(t) ? 0 : kd_replica_ahead(t->replica));
}

static kd_status save_and_stop(kd_trainer *t) {
  KD_CHECK(t->fit->checkpoint_folder, KD_ERR_STOPPED,
           "stopped by a signal; nothing is saved without a checkpoint folder");
  KD_TRY(settle(t, 0));
  KD_TRY(kd_trainer_checkpoint(t, false));
  if (t->writer) KD_TRY(kd_checkpoint_writer_finish(t->writer));
  return kd_fail(KD_ERR_STOPPED, "stopped by a signal after step %lld of epoch %lld; continue with --resume",
                 (long long)t->batch, (long long)t->epoch + 1);
}

/* The batches of this epoch. With steps_per_epoch a pass over the data takes several epochs, as in Keras: an
 * epoch goes on where the one before ended, the last one of a pass takes what is left, and each pass has an
 * order of its own. Sets t->steps. */
static void place_epoch(kd_trainer *t, int64_t *pass, int64_t *first) {
  int64_t batches = kd_feeder_steps(t->train_feeder), asked = t->fit->steps_per_epoch;
  int64_t steps = asked > 0 && asked < batches ? asked : batches;
  int64_t epochs = (batches + steps - 1) / steps;
  int64_t start = t->epoch < t->fit->initial_epoch ? 0 : t->fit->initial_epoch, done = t->epoch - start;
  *pass = start + done / epochs;
  *first = done % epochs * steps;
  t->steps = steps < batches - *first ? steps : batches - *first;
}

static kd_status train_epoch(kd_trainer *t) {
  kd_sampler order;
  int64_t pass, first;
  place_epoch(t, &pass, &first);
  kd_sampler_start(&order, t->train.count, t->fit->shuffle, t->train.chunk, t->fit->seed, pass);
  KD_TRY(kd_feeder_start(t->train_feeder, &order, first + t->batch, t->steps - t->batch));
  while (t->batch < t->steps) {
    KD_TRY(train_step(t));
    expect_steps(t);
    HOOK(t, batch_end, t->batch);
    if (t->batch < t->steps) KD_TRY(checkpoint_due(t));
    if (t->stop_agreed) return save_and_stop(t);
    if (t->stop_training) break;
  }
  return settle(t, 0);
}

static bool validates(const kd_trainer *t) {
  if (t->validation.count == 0) return false;
  int64_t epoch = t->epoch + 1;
  if (t->fit->validation_freq > 0) return epoch % t->fit->validation_freq == 0;
  for (int i = 0; i < t->fit->n_validation_epochs; i++)
    if (t->fit->validation_epochs[i] == epoch) return true;
  return false;
}

static kd_status validate(kd_trainer *t) {
  kd_totals_reset(&t->validation_totals);
  KD_TRY(kd_trainer_evaluate(t, t->validation_feeder, t->fit->validation_steps, &t->validation_totals));
  int count = kd_totals_count(t->setup->objective);
  kd_log_entry *entries = kd_pool_alloc(t->pool, (size_t)count, sizeof *entries);
  kd_totals_logs(&t->validation_totals, entries);
  for (int i = 0; i < count; i++)
    kd_logs_set(&t->logs, kd_pool_printf(t->pool, "val_%s", entries[i].name), entries[i].value);
  return KD_OK;
}

static kd_status write_log_csv(kd_trainer *t) {
  if (t->comm->rank != 0 || !t->fit->run_folder) return KD_OK;
  kd_pool *pool = kd_pool_create();
  const char *text = kd_history_csv(pool, &t->history, ',');
  kd_status status = kd_file_write(kd_path_join(pool, t->fit->run_folder, "log.csv"), text, strlen(text));
  kd_pool_destroy(pool);
  return status;
}

static kd_status run_epoch(kd_trainer *t) {
  if (t->batch == 0) {
    kd_totals_reset(&t->totals);
    HOOK(t, epoch_begin, t->epoch);
  }
  if (t->comm->rank == 0 && t->reporter->epoch_begin)
    t->reporter->epoch_begin(t->reporter->context, t->epoch, t->batch);
  KD_TRY(train_epoch(t));
  update_logs(t);
  if (validates(t)) KD_TRY(validate(t));
  HOOK(t, epoch_end, t->epoch, &t->logs);
  kd_history_add(t->pool, &t->history, &t->logs);
  if (t->comm->rank == 0 && t->reporter->epoch_end)
    t->reporter->epoch_end(t->reporter->context, t->epoch, &t->logs);
  KD_TRY(write_log_csv(t));
  t->epoch++;
  t->batch = 0;
  return t->fit->checkpoint_epochs ? kd_trainer_checkpoint(t, false) : KD_OK;
}

static kd_status prepare(kd_trainer *t) {
  const kd_objective *objective = t->setup->objective;
  kd_totals_create(t->pool, objective, &t->totals);
  kd_totals_create(t->pool, objective, &t->validation_totals);
  t->logs.capacity = 2 * kd_totals_count(objective) + 8;
  t->logs.entries = kd_pool_alloc(t->pool, (size_t)t->logs.capacity, sizeof *t->logs.entries);
  KD_TRY(kd_feeder_open(t->comm, t->replica, &t->train, &t->train_feeder));
  if (t->validation.count > 0)
    KD_TRY(kd_feeder_open(t->comm, t->replica, &t->validation, &t->validation_feeder));
  t->steps = kd_feeder_steps(t->train_feeder);
  if (t->fit->steps_per_epoch > 0 && t->fit->steps_per_epoch < t->steps) t->steps = t->fit->steps_per_epoch;
  t->epoch = t->history.first_epoch = t->fit->initial_epoch;
  t->rate = t->setup->optimizer->rate.constant;
  if (t->comm->rank == 0 && t->fit->checkpoint_folder)
    t->writer = kd_checkpoint_writer_create(t->fit->checkpoint_folder, t->fit->keep);
  return KD_OK;
}

static kd_status save_results(kd_trainer *t) {
  for (int i = 0; i < t->fit->n_save; i++) KD_TRY(kd_trainer_save(t, t->fit->save[i]));
  if (t->fit->checkpoint_folder) KD_TRY(kd_trainer_checkpoint(t, true));
  return t->writer ? kd_checkpoint_writer_finish(t->writer) : KD_OK;
}

static kd_status train(kd_trainer *t) {
  bool found = false, complete = false;
  KD_TRY(prepare(t));
  t->failed_together = true; /* restoring ends alike on all ranks */
  if (t->fit->resume) KD_TRY(kd_trainer_restore(t, &found, &complete));
  KD_CHECK(found || !t->fit->resume_required, KD_ERR_USAGE,
           "%s holds no checkpoint to resume; --resume=auto starts anew then", t->fit->restore_folder);
  if (complete) {
    kd_report_message(t, "this run is complete: nothing to do");
    return KD_OK;
  }
  if (t->fit->begin) KD_TRY(t->fit->begin(t->fit->begin_context, found));
  t->failed_together = false;
  if (!found) HOOK(t, train_begin);
  KD_TRY(write_log_csv(t));
  if (t->comm->rank == 0 && t->reporter->train_begin)
    t->reporter->train_begin(t->reporter->context, t->fit->epochs, t->steps);
  while (t->epoch < t->fit->epochs && !t->stop_training) KD_TRY(run_epoch(t));
  if (t->fit->epochs > 0) KD_TRY(kd_replica_finalize(t->replica));
  HOOK(t, train_end);
  KD_TRY(save_results(t));
  KD_CHECK(!t->diverged, KD_ERR_DIVERGED, "the loss is not finite: training stopped in epoch %lld",
           (long long)t->epoch);
  return KD_OK;
}

kd_status kd_trainer_fit(kd_trainer *t) {
  t->pool = kd_pool_create();
  kd_status status = train(t);
  kd_feeder_destroy(t->train_feeder);
  kd_feeder_destroy(t->validation_feeder);
  kd_checkpoint_writer_destroy(t->writer);
  for (int i = 0; i < t->fit->n_callbacks; i++)
    if (t->fit->callbacks[i].kind->release) t->fit->callbacks[i].kind->release(&t->fit->callbacks[i]);
  kd_pool_destroy(t->pool);
  t->pool = NULL;
  return status;
}
