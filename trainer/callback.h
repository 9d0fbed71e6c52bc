/* Callbacks (keras.callbacks). All ranks run them with the same logs, so that decisions agree; only rank 0
 * writes files. */
#ifndef KD_CALLBACK_H
#define KD_CALLBACK_H

#include "trainer/objective.h"

typedef struct kd_trainer kd_trainer;
typedef struct kd_callback kd_callback;
typedef struct kd_snapshot kd_snapshot;

/* Logs of an epoch: entries sorted by name, the validation's with the prefix val_. */
typedef struct kd_logs {
  int count, capacity;
  kd_log_entry *entries;
} kd_logs;
/* The value of that name; false when there is none. */
bool kd_logs_get(const kd_logs *logs, const char *name, double *value);
/* Adds or replaces an entry, keeping the order. The name must outlive the logs. */
void kd_logs_set(kd_logs *logs, const char *name, double value);

typedef struct kd_callback_kind {
  kd_kind base;
  size_t state_size;
  /* Any may be NULL. epoch counts from 0, batch is the number of batches done in this epoch. */
  kd_status (*train_begin)(kd_callback *self, kd_trainer *trainer);
  kd_status (*epoch_begin)(kd_callback *self, kd_trainer *trainer, int64_t epoch);
  kd_status (*batch_end)(kd_callback *self, kd_trainer *trainer, int64_t batch);
  /* Whether the coming batch_end needs the logs of that batch; NULL: always. Else they may be those of a few
   * steps before, and the weights of a later one: a device with memory of its own is not waited for. */
  bool (*watches)(const kd_callback *self);
  kd_status (*epoch_end)(kd_callback *self, kd_trainer *trainer, int64_t epoch, kd_logs *logs);
  kd_status (*train_end)(kd_callback *self, kd_trainer *trainer);
  /* State that a resumed run needs: puts it into a checkpoint, takes it from one. */
  void (*save)(kd_callback *self, kd_trainer *trainer, kd_snapshot *snapshot);
  kd_status (*load)(kd_callback *self, kd_trainer *trainer, const kd_snapshot *snapshot);
  void (*release)(kd_callback *self);
} kd_callback_kind;

struct kd_callback {
  const kd_callback_kind *kind;
  const char *name; /* the key in [callbacks]: prefix of its state in checkpoints */
  const void *options;
  void *state; /* state_size bytes, zeroed */
  kd_pool *pool;
};

extern const kd_family kd_callback_family;

/* Which way a monitored value improves (Keras's mode = auto | min | max): +1 up, -1 down. KD_ERR_USAGE: mode
 * is auto and the name does not tell. */
kd_status kd_monitor_direction(const kd_callback *self, const kd_trainer *trainer, int mode,
                               const char *monitor, int *direction);
/* Whether a value is better than the reference by more than min_delta: in float32, as Keras compares. */
bool kd_monitor_improved(int direction, double min_delta, double value, double reference);
/* The monitored value, or a warning and false when it is not in the logs. */
bool kd_monitor_value(kd_callback *self, const kd_trainer *trainer, const kd_logs *logs, const char *monitor,
                      double *value);

#endif
