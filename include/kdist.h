/* kdist as a library: Keras models, trained data-parallel, from C and C++.
 *
 *   kd_net *net;
 *   kd_net_create("xor", &net);
 *   kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){2});
 *   x = kd_dense(x, 8, .activation = "tanh");
 *   x = kd_dense(x, 1, .activation = "sigmoid");
 *   kd_compile(net, .optimizer = "Adam(0.05)", .loss = "binary_crossentropy", .metrics = "accuracy");
 *   kd_data data = {.count = 4, .x = {{.data = points}}, .y = {{.data = labels}}};
 *   if (kd_fit(net, &data, .epochs = 200, .batch_size = 4) != KD_OK) puts(kd_error_text());
 *   kd_net_destroy(net);
 *
 * Errors. Functions return a kd_status; the text is kd_error_text(). Functions that return a kd_out record a
 * failure in the net: the first one is returned by kd_net_status, kd_compile and everything behind them. The
 * library prints nothing, and it does not end the process, with two exceptions: when the system refuses even
 * small memory, and, with several ranks, when another rank is lost (MPI gives no other way out).
 *
 * Ranks. Under mpirun every rank makes the same calls with the same arguments. "Collective" functions must be
 * called by all ranks in the same order; they wait for each other. When one rank alone gets an error and does
 * not go on, the others end the job after the time limit ([distributed] timeout, 600 seconds).
 *
 * Threads. Call the library from one thread of a process. Several nets may live at the same time.
 *
 * Text. Options are written as in kdist's configuration language, which is Keras's spelling: "relu",
 * "Adam(0.001, clipnorm=1.0)", "SparseCategoricalCrossentropy(from_logits=true)". All texts are copied.
 *
 * C++. The header compiles as C++; the macros need C++20 (designated initialisers, in order of declaration).
 */
#ifndef KDIST_H
#define KDIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdist_types.h"

#ifdef __cplusplus
#define KD_ARGS(type, ...) \
  type {                   \
    __VA_ARGS__            \
  }
extern "C" {
#else
#define KD_ARGS(type, ...) ((type){__VA_ARGS__})
#endif

/* --- the process ------------------------------------------------------------------------------------- */

/* Joins the ranks that mpirun or srun started; alone when there is no launcher. Optional: the first function
 * that needs it calls it. If the program has started MPI itself, that is used and not finalised.
 * KD_ERR_RUN when MPI does not start. Collective. */
kd_status kd_init(void);
/* Leaves the ranks. KD_ERR_USAGE while a net exists. After it nothing but the error functions may be called
 * in a job of several ranks. Collective. */
kd_status kd_finalize(void);
/* This rank (0 .. size-1) and the number of ranks; 0 and 1 before kd_init. */
int kd_world_rank(void);
int kd_world_size(void);

/* The text of the last failure in this thread, never NULL. Valid until the next call of the library. */
const char *kd_error_text(void);
/* For own callbacks: sets the text and returns `status`, so that `return kd_error_set(...)` is an error of
 * kd_fit. The text is copied. */
kd_status kd_error_set(kd_status status, const char *text);
/* Where warnings and messages go (level 0 error, 1 warning, 2 information): one line without its end, from
 * any thread. NULL, as at the start: nowhere. */
void kd_set_log(void (*sink)(void *context, int level, const char *text), void *context);

/* --- models ------------------------------------------------------------------------------------------ */

/* A model with its training state. */
typedef struct kd_net kd_net;

/* One tensor between layers: output `output` of layer `layer` (numbers of the net; do not fill it yourself).
 * A value, to be copied freely; it is valid as long as the net. layer < 0: the result of a failed call. */
typedef struct kd_out {
  kd_net *net;
  int layer, output;
} kd_out;

/* An empty model; name: letters, digits and _. The caller destroys it. Local. */
kd_status kd_net_create(const char *name, kd_net **net);
/* A model from the text of a configuration (docs/language.md): inputs, layers, [train], [callbacks],
 * [distributed]; [data] is not read. Errors of the text are returned here, all at once. It needs no
 * kd_compile when [train] says all. The same on all ranks. Collective. */
kd_status kd_net_from_ini(const char *text, kd_net **net);
/* NULL is allowed. Collective once the net has been trained or loaded. */
void kd_net_destroy(kd_net *net);
/* The first failure of the functions that return a kd_out, with its text; KD_OK. */
kd_status kd_net_status(const kd_net *net);

/* An input. rank and shape: of one sample, without the batch, shape[i] -1: variable (then kd_array.shape says
 * the size); rank 0: one number per sample. dtype: of the values that enter the layers; the data may be
 * stored as another type. */
kd_out kd_net_input(kd_net *net, const char *name, kd_dtype dtype, int rank, const int64_t *shape);
/* Calls a new layer of a Keras class on x. options: Keras's arguments, "units=64, activation=relu", and
 * "name=fc1" for its name; NULL: none. kdist layers (docs/layers.md) lists the classes. */
kd_out kd_net_layer(kd_out x, const char *type, const char *options);
/* The same behind the last layer or input: sequential models. */
kd_out kd_net_append(kd_net *net, const char *type, const char *options);
/* A layer with n inputs: "Add", "Concatenate", "Multiply" ... All must be of one net. */
kd_out kd_merge(const char *type, const char *options, int n, const kd_out *inputs);
/* Uses the weights of `layer`'s layer again on other inputs (functional models). */
kd_out kd_net_share(kd_out layer, int n, const kd_out *inputs);
/* Output number `output` of a layer with several results. */
kd_out kd_net_result(kd_out layer, int output);
/* Declares an output of the model, named as its layer. Without any, the last layer is the output. */
kd_status kd_net_output(kd_out out);
/* The model as a configuration that kd_net_from_ini and `kdist fit` read. Owned by the net, valid until its
 * next change. */
const char *kd_net_ini(kd_net *net);

/* Keras's compile. Zero or NULL: what the configuration of kd_net_from_ini says, else Keras's default. */
typedef struct kd_compile_args {
  kd_net *net;
  const char *optimizer;    /* "rmsprop" */
  const char *loss;         /* several outputs: a list, or "dict(OUTPUT=loss, ...)" */
  const char *loss_weights; /* "dict(OUTPUT=0.5, ...)" */
  const char *metrics;      /* "accuracy, Mean()"; several outputs: "dict(OUTPUT=metrics, ...)" */
  int64_t seed;             /* of all random numbers */
  int64_t micro_batch;      /* rows of one pass on one rank; 0: no limit */
  const char *determinism;  /* "off", "run", "world" */
  int64_t threads;          /* of a rank; 0: the cores it is bound to */
} kd_compile_args;
/* Checks the whole model (shapes, options) and sets how it is trained. Called again it keeps the weights and
 * forgets the optimizer's state. KD_ERR_USAGE with all errors of the model, one a line. Collective. */
kd_status kd_compile_call(kd_compile_args args);
#define kd_compile(...) kd_compile_call(KD_ARGS(kd_compile_args, .net = __VA_ARGS__))

/* Weights of the model in numbers; trainable ones only. After kd_compile. */
kd_status kd_net_params(kd_net *net, bool trainable, int64_t *count);
/* Shape of one sample of output number `output`, without the batch; -1: variable. shape: room for
 * KD_MAX_RANK. After kd_compile. */
kd_status kd_net_output_shape(kd_net *net, int output, int *rank, int64_t *shape);

/* --- data -------------------------------------------------------------------------------------------- */

enum { KD_MAX_FIELDS = 16 }; /* inputs, and outputs, of a model with data from here */

/* The samples of one input or one output. */
typedef struct kd_array {
  const void *data; /* count samples, rows contiguous, channels last; NULL: kd_data.read gives them. Not
                       copied: it must stay until the call returns */
  kd_dtype dtype;
  int rank;                   /* 0: the shape that the model wants */
  int64_t shape[KD_MAX_RANK]; /* of one sample */
} kd_array;

/* Data in memory or from a callback. Every rank gives the same, whole data; each reads only its own rows. */
typedef struct kd_data {
  int64_t count;             /* samples */
  kd_array x[KD_MAX_FIELDS]; /* the model's inputs, in order */
  kd_array y[KD_MAX_FIELDS]; /* labels of the outputs with a loss or metrics, in order. Sparse losses: class
                                numbers (int32, int64, uint8, float32), one axis less than the output */
  /* Writes samples rows[0 .. n-1] of a field (inputs first, then labels) to out, n * bytes of one sample.
   * Called from a thread of the library while kd_fit runs, one call at a time. KD_OK, or an error that ends
   * the call (kd_error_set). It must give the same values for the same rows. */
  kd_status (*read)(void *context, int field, int64_t n, const int64_t *rows, void *out);
  void *context;
} kd_data;

/* --- training ---------------------------------------------------------------------------------------- */

/* Own callbacks; any may be NULL. epoch counts from 0, batch is the number of batches done in this epoch.
 * kd_metric gives the logs (running means; at the end of an epoch also val_...). All ranks call them. Another
 * status than KD_OK ends kd_fit with it. */
typedef struct kd_hooks {
  void *context;
  kd_status (*train_begin)(void *context, kd_net *net);
  kd_status (*epoch_begin)(void *context, kd_net *net, int64_t epoch);
  kd_status (*batch_end)(void *context, kd_net *net, int64_t batch);
  kd_status (*epoch_end)(void *context, kd_net *net, int64_t epoch);
  kd_status (*train_end)(void *context, kd_net *net);
} kd_hooks;

/* Keras's fit. Zero or NULL: what the configuration says, else Keras's default. */
typedef struct kd_fit_args {
  kd_net *net;
  const kd_data *data;
  int64_t epochs;        /* the epoch to train up to; 1 */
  int64_t batch_size;    /* over all ranks; 32 */
  int64_t initial_epoch; /* numbers epochs from here */
  int64_t steps_per_epoch, validation_steps;
  const kd_data *validation;
  double validation_split; /* in [0, 1): the last part of the rows */
  bool no_shuffle;         /* the order of the data */
  const char *callbacks;   /* Keras's, in place of [callbacks]: "EarlyStopping(patience=3), TerminateOnNaN()" */
  const char *folder;      /* for files that callbacks write; "." */
  int n_hooks;
  const kd_hooks *hooks; /* called behind the others, in order */
} kd_fit_args;
/* Trains. Weights, optimizer state and learning rate go on from where the last call left them. KD_ERR_USAGE
 * when data and model do not fit or a label is out of range, KD_ERR_NOMEM, KD_ERR_DIVERGED after
 * TerminateOnNaN. Collective. */
kd_status kd_fit_call(kd_fit_args args);
#define kd_fit(model, ...) kd_fit_call(KD_ARGS(kd_fit_args, .net = (model), .data = __VA_ARGS__))

/* Loss and metrics over the data: read them with kd_metric. batch_size 0: that of training. Collective. */
kd_status kd_evaluate(kd_net *net, const kd_data *data, int64_t batch_size);
/* The model's outputs for all samples, in order; labels are not needed. outputs[o]: room for count samples of
 * output o, float32 (kd_net_output_shape); written on rank 0, other ranks may give NULL. Collective. */
kd_status kd_predict(kd_net *net, const kd_data *data, int64_t batch_size, float *const *outputs);
/* One step on all samples of `batch` (the whole batch, the same on all ranks); kd_metric gives its loss and
 * metrics. Allocates only when the shapes or types of the data, or a larger batch, are new. Collective. */
kd_status kd_train_step(kd_net *net, const kd_data *batch);

/* A log of the last kd_evaluate, kd_train_step, epoch of kd_fit, or of the running epoch in a callback:
 * "loss", "accuracy", "val_loss" ... KD_ERR_USAGE with the known names when there is none. */
kd_status kd_metric(const kd_net *net, const char *name, double *value);
/* The same by number, sorted by name; NULL behind the last. */
const char *kd_metric_name(const kd_net *net, int number);
/* Logs of epoch `epoch` (from 0) of the last kd_fit; *epochs of kd_history_length are there. */
int64_t kd_history_length(const kd_net *net);
kd_status kd_history_metric(const kd_net *net, int64_t epoch, const char *name, double *value);

/* Ends kd_fit after this batch's epoch; for callbacks, on all ranks. */
void kd_stop_training(kd_net *net);
/* The learning rate of the next step, also in callbacks. Setting it is an error under a schedule. */
kd_status kd_learning_rate(kd_net *net, double *rate);
kd_status kd_set_learning_rate(kd_net *net, double rate);

/* Writes weights and optimizer state as Keras's .weights.h5 (Keras reads it). Rank 0 writes, under a
 * temporary name that is renamed at the end; all ranks return the status. Collective. */
kd_status kd_save(kd_net *net, const char *path);
/* Reads weights that kdist or Keras wrote; the optimizer starts anew. Rank 0 reads. KD_ERR_USAGE, with
 * nothing changed, when a weight is missing or has another shape. Collective. */
kd_status kd_load(kd_net *net, const char *path);

#ifdef __cplusplus
}
#endif

#include "kdist_layers.h"

#endif
