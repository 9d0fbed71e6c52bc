/* Training, evaluation and prediction of a model on all ranks (Keras's fit, evaluate, predict). */
#ifndef KD_TRAINER_H
#define KD_TRAINER_H

#include <signal.h>

#include "io/checkpoint.h"
#include "trainer/callback.h"
#include "trainer/feeder.h"
#include "trainer/replica.h"

/* What the user sees while it runs: filled by launch (progress bar, plain lines, JSON); called on rank 0
 * only. Any function may be NULL. */
typedef struct kd_reporter {
  void *context;
  void (*train_begin)(void *context, int64_t epochs, int64_t steps);
  void (*epoch_begin)(void *context, int64_t epoch, int64_t first_step);
  /* done steps of this epoch; logs are running means. */
  void (*step)(void *context, int64_t done, const kd_logs *logs);
  void (*epoch_end)(void *context, int64_t epoch, const kd_logs *logs);
  void (*message)(void *context, const char *text); /* "Epoch 7: early stopping" */
} kd_reporter;

typedef struct kd_fit_spec {
  int64_t epochs, initial_epoch;
  int64_t steps_per_epoch;  /* 0: all */
  int64_t validation_steps; /* 0: all */
  int64_t validation_freq;  /* every so many epochs; 0: those of validation_epochs */
  int n_validation_epochs;
  const int64_t *validation_epochs; /* counted from 1 */
  bool shuffle;
  uint64_t seed;
  int n_callbacks;
  kd_callback *callbacks; /* in the order of the configuration */
  const char *run_folder;
  const char *checkpoint_folder; /* NULL: no checkpoints */
  const char *restore_folder;    /* where a resumed run finds its checkpoints */
  int keep;
  int64_t checkpoint_steps; /* every so many global steps too; 0: at the ends of epochs only */
  bool checkpoint_epochs;   /* at each end of epoch */
  int n_save;
  const char *const *save; /* files of kd_trainer_save written at the end */
  const char *identity;    /* text that a resumed run must equal: model, optimizer, data */
  bool resume;             /* continue from the newest checkpoint; without one: from the start */
  bool resume_required;    /* without a checkpoint: KD_ERR_USAGE */
  /* Called once it is certain that training starts, before anything is written: after a refused or needless
   * resume it is not. Collective; its failure must be that of all ranks. May be NULL. */
  kd_status (*begin)(void *context, bool resumed);
  void *begin_context;
  const volatile sig_atomic_t *stop; /* set by signal handlers; may be NULL */
} kd_fit_spec;

typedef struct kd_history {
  int64_t first_epoch, n_epochs;
  kd_logs *epochs; /* logs of each epoch, sorted by name */
  size_t capacity;
} kd_history;

struct kd_trainer {
  kd_comm *comm;
  kd_replica *replica;
  const kd_replica_spec *setup;
  const kd_fit_spec *fit;
  const char *keras_config;    /* config.json of the model, where paths to save to end in .keras */
  int opset;                   /* of ONNX files; 0: the default */
  const kd_reporter *reporter; /* never NULL; only rank 0 calls it, see kd_report_message */
  kd_pool *pool;
  kd_stream train, validation;
  kd_feeder *train_feeder, *validation_feeder;
  int64_t epoch, steps; /* present epoch from 0; steps of an epoch */
  int64_t batch;        /* steps done in this epoch */
  int64_t iteration;    /* steps done, with those before this training */
  double rate;          /* constant learning rate; callbacks may change it */
  bool stop_training;   /* set by callbacks: ends after this epoch */
  bool diverged;        /* set by TerminateOnNaN */
  double step_loss;     /* of the last step whose results were read */
  bool stop_agreed;     /* some rank was to stop */
  bool nan_told;        /* the warning about a loss that is not finite was given */
  int steps_timed;      /* for the watchdog */
  double timing_start;  /* seconds */
  bool failed_together; /* the error is the same on all ranks: nobody waits for this one */
  kd_totals totals, validation_totals;
  kd_logs logs; /* of the present epoch */
  kd_history history;
  kd_checkpoint_writer *writer; /* rank 0 */
};

/* Trains. The caller has created the replica and filled comm, replica, setup, fit, reporter, train,
 * validation. KD_ERR_STOPPED after a stop with a complete checkpoint. Collective. */
kd_status kd_trainer_fit(kd_trainer *trainer);

/* One step over given rows: gradients, sums over ranks, update; totals, step_loss and iteration go on: waits
 * for them. Needs comm, replica, setup, totals, iteration, rate. Collective. */
kd_status kd_trainer_step(kd_trainer *trainer, const kd_step_data *data);

/* Mean loss and metrics over a stream; entries: room for kd_totals_count. steps 0: all. Collective. */
kd_status kd_trainer_evaluate(kd_trainer *trainer, kd_feeder *feeder, int64_t steps, kd_totals *totals);

/* Feeds every sample in file order and hands the rows of all outputs to `sink` on rank 0, in order.
 * Collective. */
typedef kd_status (*kd_rows_sink)(void *context, int64_t rows, const void *const *outputs);
kd_status kd_trainer_predict(kd_trainer *trainer, const kd_stream *stream, kd_rows_sink sink, void *context);

/* The learning rate of the coming step. */
double kd_trainer_rate(const kd_trainer *trainer);
/* Steps that updated weights: Keras's optimizer.iterations. */
int64_t kd_trainer_updates(const kd_trainer *trainer);
/* A line for the user, on rank 0. */
void kd_report_message(const kd_trainer *trainer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* keras_file.c: writes weights and the optimizer's variables on rank 0, as .weights.h5, or the whole model
 * when the path ends in .keras, .onnx or a slash; collective in effect: other ranks return at once. */
kd_status kd_trainer_save(kd_trainer *trainer, const char *path);

/* --- snapshots (snapshot.c): what checkpoints hold --- */

struct kd_snapshot {
  kd_pool *pool;
  kd_checkpoint checkpoint;
  size_t record_capacity, note_capacity;
};
void kd_snapshot_number(kd_snapshot *snapshot, const char *owner, const char *name, double value);
void kd_snapshot_array(kd_snapshot *snapshot, const char *owner, const char *name, kd_tensor tensor);
void kd_snapshot_note(kd_snapshot *snapshot, const char *owner, const char *name, const char *text);
/* KD_ERR_USAGE when the checkpoint lacks it. */
kd_status kd_snapshot_get_number(const kd_snapshot *snapshot, const char *owner, const char *name,
                                 double *value);
const kd_tensor *kd_snapshot_get_array(const kd_snapshot *snapshot, const char *owner, const char *name);
/* Owner of the records of a part (KD_PART_WEIGHT, or a slot): "weights", "slots/momentum". */
const char *kd_snapshot_part(kd_pool *pool, const kd_optimizer *optimizer, int part);
/* The state of a dynamic loss scale; without one nothing. */
void kd_snapshot_put_scale(kd_snapshot *snapshot, const kd_optimizer *optimizer, kd_loss_scale scale);
kd_status kd_snapshot_get_scale(const kd_snapshot *snapshot, const kd_optimizer *optimizer,
                                kd_loss_scale *scale);

/* Writes a checkpoint of the present state behind the coming steps (rank 0). complete: training has ended.
 * Collective. */
kd_status kd_trainer_checkpoint(kd_trainer *trainer, bool complete);
/* Continues from the newest checkpoint of the folder; *found tells whether there was one, *complete whether
 * training had ended. Collective. */
kd_status kd_trainer_restore(kd_trainer *trainer, bool *found, bool *complete);

/* --- history (history.c) --- */
void kd_history_add(kd_pool *pool, kd_history *history, const kd_logs *logs);
/* As CSVLogger writes it (csv_text.h), "" without epochs. In the pool. */
const char *kd_history_csv(kd_pool *pool, const kd_history *history, char separator);
/* Puts all epochs into a checkpoint, takes `epochs` of them from one. */
void kd_history_save(const kd_history *history, kd_snapshot *snapshot);
kd_status kd_history_load(kd_pool *pool, kd_history *history, const kd_snapshot *snapshot, double epochs);

#endif
