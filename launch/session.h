/* What the commands share: from the command line to a model, data and a replica on every rank. */
#ifndef KD_SESSION_H
#define KD_SESSION_H

#include "launch/cli.h"
#include "launch/config.h"
#include "trainer/trainer.h"

typedef enum kd_purpose {
  KD_FOR_MODEL,    /* configuration and model only: summary, config; never joins other ranks */
  KD_FOR_CHECK,    /* also data headers, objective, optimizer */
  KD_FOR_TRAINING, /* fit, bench */
  KD_FOR_EVALUATION,
  KD_FOR_PREDICTION,
} kd_purpose;

/* Data of one purpose with what a stream points to. */
typedef struct kd_session_data {
  kd_dataset *set; /* NULL: none */
  kd_stream stream;
} kd_session_data;

typedef enum kd_part { KD_DATA_TRAIN, KD_DATA_VALIDATION, KD_DATA_TEST } kd_part;

/* What a program that uses the library puts in place of the configuration's. */
typedef struct kd_data_maker {
  bool present[3]; /* by kd_part */
  /* Data that are in no files of [data]: a data set with the wanted fields, or NULL with errors in diag.
   * Called on all ranks. NULL: the files of [data]. */
  kd_dataset *(*make)(void *context, kd_part part, const kd_data_source *wanted, kd_diag *diag);
  /* The program's numbers over those of the configuration, when it has been read once more. */
  void (*adjust)(void *context, kd_run_config *config);
  void *context;
} kd_data_maker;

/* What this rank will take (bytes), and what the machine has for it. */
typedef struct kd_forecast {
  kd_replica_stats stats;
  double needed, available; /* available 0: unknown */
  double copies;            /* of needed: for the writer of checkpoints */
} kd_forecast;

typedef struct kd_session {
  kd_cli *cli; /* NULL: no command */
  kd_purpose purpose;
  kd_pool *pool;
  kd_config *config;
  kd_comm *comm;
  kd_model *model;
  kd_device device;
  bool device_open;
  const char *described;      /* kd_session_measure: a device that is not here; NULL: the configuration's */
  kd_device_group *group;     /* the devices of all ranks sum among themselves; NULL: they do not */
  bool group_asked;           /* the ranks have decided about it */
  const kd_data_maker *maker; /* NULL: none */
  kd_dataset *whole;          /* the training file when a part of it is the validation set */
  kd_session_data train, validation, test;
  kd_output_goal *goals; /* per output */
  kd_objective objective;
  kd_dtype *feed_dtype;  /* per input */
  kd_shape *feed_sample; /* per input: shape of a stored sample */
  kd_shape *test_sample; /* the same in evaluation; axes of any length may have another there */
  int64_t steps_per_epoch;
  bool synthetic;   /* bench --synthetic: made data in place of [data] */
  bool checkpoints; /* the command writes some; set before kd_session_open, as synthetic */
  kd_replica_spec setup;
  kd_forecast forecast; /* of this rank, once kd_session_start has checked it */
  kd_replica *replica;
} kd_session;

/* Opens everything that the purpose needs, except the replica. On errors the status text holds all of them;
 * it is the same on all ranks. Collective but for KD_FOR_MODEL. Close it in every case. */
kd_status kd_session_open(kd_session *session, kd_cli *cli, kd_purpose purpose);
/* Creates the replica, after a check that its memory is there. Loads [model] init_from or --weights.
 * Collective. */
kd_status kd_session_start(kd_session *session);
/* Lets the ranks decide how setup sums, once a session. Collective; fails on all ranks alike. */
kd_status kd_session_open_group(kd_session *session);
/* Tells an error (rank 0), then releases everything. Collective. */
void kd_session_close(kd_session *session, kd_status status);
/* Ends the job at once when a rank fails while others go on. */
kd_status kd_session_guard(kd_session *session, kd_status status);

/* Measures s->setup. Nothing large is allocated. Collective. */
kd_status kd_session_forecast(kd_session *session, kd_forecast *forecast);
/* The forecast of rank 0 of `ranks` in training, with made data in place of [data]; in prediction when the
 * configuration has no loss. For a session of KD_FOR_MODEL, once; joins nobody. */
kd_status kd_session_measure(kd_session *session, int ranks, kd_forecast *forecast);

/* --- parts --- */

/* The device that [distributed] device asks for, the same kind on all ranks. Collective. */
kd_status kd_session_open_device(kd_session *session);
/* session_config.c: stage one. Reads the configuration, the same on all ranks, and makes the model. */
kd_status kd_session_configure(kd_session *session);
/* session_data.c: stage two. Opens data sets, checks them against the model, makes the objective. */
kd_status kd_session_open_data(kd_session *session);
void kd_session_close_data(kd_session *session);
/* session_files.c: KD_ERR_USAGE on all ranks, with rank and file, when a rank's data files are not rank 0's.
 * Collective. */
kd_status kd_session_compare_files(kd_session *session, const kd_dataset *set);
/* Every label of every open set with a sparse loss lies in its range. Rank 0 reads, all return. Collective.
 */
kd_status kd_session_check_labels(kd_session *session);
/* The forecast; KD_ERR_USAGE on all ranks when one of them needs more than there is. Collective. */
kd_status kd_session_check_memory(kd_session *session, kd_forecast *forecast);
/* session_setup.c: threads of this rank: the cores it is bound to, shared with its neighbours when no one is
 * bound. Under determinism = world a number of the configuration alone, since it decides the bits of some
 * sums. */
int kd_session_threads(const kd_session *session);
/* Errors to the configuration's diag when it cannot run on so many ranks. */
void kd_session_check_ranks(kd_session *session);
/* Whether an output has a loss. */
bool kd_session_has_loss(const kd_session *session);
/* Fills session->setup. */
void kd_session_setup(kd_session *session);
/* session_weights.c: reads a weights file into the replica; NULL: the files of the layers that have one
 * ([layer NAME] init_from). Collective. */
kd_status kd_session_load_weights(kd_session *session, const char *path);
/* The same into memory, which it takes from the session's pool, of one process without a replica; path NULL:
 * the weights that `fit` would begin with. weights: one pointer per weight of the model. */
kd_status kd_session_read_weights(kd_session *session, const char *path, float **weights);
/* The files that the configuration names, if any. Collective. */
kd_status kd_session_start_weights(kd_session *session);
/* Where the model is a file of Keras's and so is its optimizer: puts what the file keeps of it into the
 * replica, the learning rate into the configuration's optimizer, and the number of steps done into
 * *iteration. Otherwise nothing. Collective. */
kd_status kd_session_start_optimizer(kd_session *session, int64_t *iteration);
/* What the sections [run] and [train] say of fit: epochs, steps, validation, order. Folders and callbacks are
 * the caller's. */
kd_fit_spec kd_session_fit(const kd_run_config *config);
/* session_callbacks.c: fills fit's callbacks, and where BackupAndRestore puts checkpoints. Files lie in the
 * run folder. */
void kd_session_callbacks(kd_session *session, int count, const kd_callback_config *callbacks,
                          kd_fit_spec *fit);

/* session_export.c: the text of config.json of the session's model, in the pool; with a fit only when files
 * that it saves, or those of its callbacks, are whole models (.keras), else NULL. Warns on rank 0 of
 * what Keras does differently. */
const char *kd_session_keras_config(const kd_session *session, const kd_fit_spec *fit, kd_pool *pool);
/* Fails when files that a fit will save are ONNX files or SavedModels and the model has no form there. */
kd_status kd_session_check_exports(const kd_session *session, const kd_fit_spec *fit);

#endif
