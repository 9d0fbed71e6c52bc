/* kdist as a library: Keras models, trained data-parallel, from C and C++.
 *
 *   kd_net *net;
 *   kd_net_create("xor", &net);
 *   kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){2});
 *   x = kd_dense(x, 8, .activation = "tanh");
 *   x = kd_dense(x, 1, .activation = "sigmoid");
 *   kd_compile(net, .optimizer = "Adam(0.05)", .loss = "binary_crossentropy", .metrics = "accuracy");
 *   kd_data data = {.count = 4, .x = {{.data = points}}, .y = {{.data = labels}}};
 *   if (kd_fit(net, &data, .epochs = 200, .batch_size = 4) != KD_OK) complain(kd_error_text());
 *   kd_net_destroy(net);
 *   kd_finalize();
 *
 * Words. A net is a model with its training state. A sample is one row of data; shapes of samples have no
 * batch axis. Channels are the last axis. A batch size is that of all ranks together.
 *
 * Errors. Functions return a kd_status; the text is kd_error_text(). Functions that return a kd_out record a
 * failure in the net: the first one is returned by kd_net_status, kd_compile and everything behind them. A
 * function that fails changes nothing, unless it says so. The library prints nothing, and it does not end the
 * process, with two exceptions: when the system refuses even small memory, and, with several ranks, when
 * another rank is lost (MPI gives no other way out).
 *
 * Ranks. Under mpirun every rank makes the same calls with the same arguments. "Collective" functions must be
 * called by all ranks in the same order; they wait for each other. "Local" ones may be called by one rank
 * alone. Errors of arguments and models come on all ranks. A rank that alone gets an error (its disk, its
 * memory, its read function) should end its process with a code other than 0: mpirun then ends the others,
 * who else wait for the time limit ([distributed] timeout, 600 seconds).
 *
 * Threads. Call the library from one thread of a process. Several nets may live at the same time. Set
 * GOMP_SPINCOUNT=1000 before the program starts, as `kdist` does for itself: threads that spin for long slow
 * down those they wait for.
 *
 * Memory. Texts and kd_data are copied or read during the call; nothing of the caller's is kept. What the
 * library returns by pointer is its own; it says how long it is valid.
 *
 * Text. Options are written as in kdist's configuration language, which is Keras's spelling: "relu",
 * "Adam(0.001, clipnorm=1.0)", "SparseCategoricalCrossentropy(from_logits=true)". All classes:
 * docs/layers.md, or `kdist layers`.
 *
 * C++. The header compiles as C++11; the macros with named options need C++20 (designated initialisers, in
 * the order of declaration). kd_net_layer takes the same options as text. */
#ifndef KDIST_H
#define KDIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdist_types.h"

#ifdef __cplusplus
#define KD_ARGS(type, ...)                                                                                   \
  type {                                                                                                     \
    __VA_ARGS__                                                                                              \
  }
extern "C" {
#else
#define KD_ARGS(type, ...) ((type){__VA_ARGS__})
#endif
#pragma GCC visibility push(default)

/* --- the process ------------------------------------------------------------------------------------- */

/* Joins the ranks that mpirun or srun started; alone when there is no launcher. Optional: the first function
 * that needs it calls it. If the program has started MPI itself (with MPI_THREAD_SERIALIZED at least), that
 * is used and not finalised. KD_ERR_RUN when MPI does not start. Collective. */
kd_status kd_init(void);
/* Leaves the ranks; call it under mpirun, which takes a process without it for a failure. Afterwards a job of
 * several ranks is over: nets cannot be trained any more. KD_ERR_USAGE while a net exists. Collective. */
kd_status kd_finalize(void);
/* This rank (0 .. size-1) and the number of ranks; 0 and 1 before kd_init. Local. */
int kd_world_rank(void);
int kd_world_size(void);

/* The text of the last failure in this thread, never NULL; one line, or one line per error of a model. Valid
 * until the next call of the library. Local. */
const char *kd_error_text(void);
/* For hooks and read functions: sets the text and returns `status`, so that `return kd_error_set(...)` is the
 * error of kd_fit. Local. */
kd_status kd_error_set(kd_status status, const char *text);
/* Where messages go (level 0 error, 1 warning, 2 information): one line without its end, from any thread, on
 * rank 0; errors on every rank. NULL, as at the start: nowhere. Local. */
void kd_set_log(void (*sink)(void *context, int level, const char *text), void *context);
/* "0.1.0". */
const char *kd_version(void);

/* --- models ------------------------------------------------------------------------------------------ */

typedef struct kd_net kd_net;

/* One tensor between layers: output `output` of layer `layer` (numbers of the net; do not fill it yourself).
 * A value, to be copied freely; it is valid as long as the net. layer < 0: the result of a failed call. */
typedef struct kd_out {
  kd_net *net;
  int layer, output;
} kd_out;

/* An empty model; name: letters, digits and _. The caller destroys it. KD_ERR_USAGE: the name. Local. */
kd_status kd_net_create(const char *name, kd_net **net);
/* A model from the text of a configuration (docs/language.md), complete with [train], [callbacks],
 * [distributed] and, if there is one, [data]: it needs no kd_compile. ([run] dir, [train] save and [log]
 * belong to the command `kdist`; KDIST_SET and the files of the system and the user are not read.) Relative
 * paths are the process's. All errors of the text are returned here, with their lines, as those of
 * "model.ini". With [model] file = m.keras the first training goes on with the optimizer's state in that
 * file, unless kd_compile has given another optimizer. Collective. */
kd_status kd_net_from_ini(const char *text, kd_net **net);
/* NULL is allowed; in a hook of this net it does nothing. Collective. */
void kd_net_destroy(kd_net *net);
/* The first failure of the functions that return a kd_out, with its text; KD_OK. Local. */
kd_status kd_net_status(const kd_net *net);

/* The functions that build a model are local; all ranks build the same. Layers may be added until kd_compile.
 */

/* An input. rank and shape: of one sample; shape[i] -1: a size that the data tell; rank 0: one number per
 * sample. dtype: of the values that enter the layers; the data may be stored as another type. */
kd_out kd_net_input(kd_net *net, const char *name, kd_dtype dtype, int rank, const int64_t *shape);
/* Calls a new layer of a Keras class on x. options: Keras's arguments, "units=64, activation=relu", and
 * "name=fc1" for its name; NULL: none. All classes have macros: kdist_layers.h. */
kd_out kd_net_layer(kd_out x, const char *type, const char *options);
/* Sequential models: the same behind the last layer or input; kd_net_last is what that gives. */
kd_out kd_net_append(kd_net *net, const char *type, const char *options);
kd_out kd_net_last(kd_net *net);
/* A layer with n >= 1 inputs: "Concatenate", "Multiply", ... In C also kd_add(a, b, ...) and its kin. */
kd_out kd_net_merge(kd_net *net, const char *type, const char *options, int n, const kd_out *inputs);
/* Calls the layer that gave `layer` once more, with the same weights, on n other inputs. */
kd_out kd_net_share(kd_out layer, int n, const kd_out *inputs);
/* Output number `output` of a layer with several results (return_state=true ...). */
kd_out kd_net_result(kd_out layer, int output);
/* Declares an output of the model, named as its layer. Without any, the last layer is the output. */
kd_status kd_net_output(kd_out out);
/* The model as a configuration that kd_net_from_ini and `kdist fit` read; once compiled, with all settings.
 * Valid until the net changes or is compiled again. "" for NULL. */
const char *kd_net_ini(kd_net *net);

/* Keras's compile. Zero or NULL: what the configuration of kd_net_from_ini says, else Keras's default. */
typedef struct kd_compile_args {
  kd_net *net;
  const char *optimizer;        /* "rmsprop" */
  const char *loss;             /* several outputs: a list, or "dict(OUTPUT=loss, ...)" */
  const char *loss_weights;     /* "dict(OUTPUT=0.5, ...)" */
  const char *metrics;          /* "accuracy, Mean()"; several outputs: "dict(OUTPUT=metrics, ...)" */
  const char *weighted_metrics; /* metrics that see the weights of samples */
  const char *class_weight;     /* weights of classes 0, 1, ... in training: "1, 2.5" */
  const char *dtype_policy;     /* "float32", "mixed_bfloat16", "bfloat16" ... */
  int64_t seed;                 /* of all random numbers: weights, order of samples, dropout */
  int64_t micro_batch;          /* rows of one pass on one rank; 0: no limit */
  const char *recompute;        /* "none", "activations", "all": not kept for the backward pass */
  const char *determinism;      /* "off", "run", "world": docs/running.md */
  int64_t threads;              /* of a rank; 0: the cores it is bound to */
  const char *device;           /* "auto": cuda where a device and the plug-in are there; "cpu", "cuda" */
} kd_compile_args;
/* Checks the whole model (shapes, options) and sets how it is trained. Called again it keeps the weights and
 * forgets the optimizer's state. KD_ERR_USAGE with all errors of the model, one a line. Collective.
 *   kd_compile(net, .optimizer = "adam", .loss = "mse"); */
kd_status kd_compile_call(kd_compile_args args);
#define kd_compile(...) kd_compile_call(KD_ARGS(kd_compile_args, .net = __VA_ARGS__))

/* The functions below compile a net that nobody has compiled; the first one is collective then. */

/* Numbers in all weights of the model, or in the trainable ones. Local. */
kd_status kd_net_params(kd_net *net, bool trainable, int64_t *count);
/* Shape of one sample of output number `output`; -1: a size that the data tell. shape: room for KD_MAX_RANK.
 * KD_ERR_USAGE: there is no such output. Local. */
kd_status kd_net_output_shape(kd_net *net, int output, int *rank, int64_t *shape);

/* --- data -------------------------------------------------------------------------------------------- */

enum { KD_MAX_FIELDS = 16 }; /* inputs, and outputs, of a model with data from here */

/* The samples of one input, or the labels of one output. */
typedef struct kd_array {
  const void *data; /* samples one behind the other, each contiguous; NULL: kd_data.read gives them */
  kd_dtype dtype;   /* as stored; KD_F32 when left out */
  int rank;         /* 0: samples have the shape that the model wants */
  int64_t shape[KD_MAX_RANK]; /* of one sample */
} kd_array;

/* Data in memory or from a function. Every rank gives the same, whole data; each reads only its own rows. */
typedef struct kd_data {
  int64_t count;             /* samples */
  kd_array x[KD_MAX_FIELDS]; /* of the model's inputs, in order */
  kd_array y[KD_MAX_FIELDS]; /* labels of the model's outputs, in order; those without loss and metrics need
                                none. Sparse losses: class numbers (KD_I32, KD_I64, KD_U8, KD_F32), one axis
                                less than the output */
  int n_w;                   /* the first n_w outputs have weights of samples; 0: none */
  kd_array w[KD_MAX_FIELDS]; /* one number for each sample, or for each step of a sequence */
  /* Writes samples rows[0 .. n-1] of a field without an array to out, n * bytes of one sample. field: the
   * number in x, KD_LABEL(number in y) or KD_WEIGHT(number in w). Called from a thread of the library while
   * kd_fit computes, one call of a process at a time. It gives the same values for the same row, whenever it
   * is asked (labels are checked before training). KD_OK, or an error that ends the call (kd_error_set). */
  kd_status (*read)(void *context, int field, int64_t n, const int64_t *rows, void *out);
  void *context;
} kd_data;
#define KD_LABEL(number)  (KD_MAX_FIELDS + (number))
#define KD_WEIGHT(number) (2 * KD_MAX_FIELDS + (number))

/* --- training ---------------------------------------------------------------------------------------- */

/* Own callbacks; any may be NULL. epoch counts from 0, batch is the number of batches done in this epoch.
 * kd_metric gives the logs (running means; at the end of an epoch also val_...). All ranks call them; they
 * may call local functions, kd_save, kd_load, kd_get_weight and kd_set_weight. Another status than KD_OK ends
 * kd_fit with it. */
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
  const kd_data *data;   /* NULL: [data] of the configuration */
  int64_t epochs;        /* the epoch to train up to; 1 */
  int64_t batch_size;    /* over all ranks; 32. The last batch of an epoch may be smaller */
  int64_t initial_epoch; /* epochs are numbered from here; less than epochs */
  int64_t steps_per_epoch, validation_steps; /* 0: all */
  const kd_data *validation;
  double validation_split; /* in [0, 1): the last part of the rows */
  bool no_shuffle;         /* the order of the data */
  const char *callbacks; /* Keras's, in place of [callbacks]: "EarlyStopping(patience=3), TerminateOnNaN()" */
  const char *folder;    /* for log.csv and what callbacks write; made if needed. NULL: no log.csv */
  int n_hooks;
  const kd_hooks *hooks; /* called behind the callbacks, in order */
} kd_fit_args;
/* Trains. Weights, optimizer state, step count and learning rate go on from where the last call left them.
 * The order of samples follows from the seed and the epoch's number: two epochs, and then
 * `.initial_epoch = 2, .epochs = 4`, are four epochs bit for bit. With the same data, seed and numbers the
 * weights are those of `kdist fit`. BackupAndRestore goes on with the newest checkpoint of its folder, and
 * removes them in the end.
 * KD_ERR_USAGE when model and data do not fit, a label is out of range, memory will not do; KD_ERR_NOMEM;
 * KD_ERR_DIVERGED after TerminateOnNaN; KD_ERR_RUN when a callback cannot write; what hooks and read return.
 * After an error in mid-training the net holds what the steps so far have made. Collective.
 *   kd_fit(net, &data, .epochs = 5, .batch_size = 128, .validation_split = 0.1); */
kd_status kd_fit_call(kd_fit_args args);
#define kd_fit(net_, ...) kd_fit_call(KD_ARGS(kd_fit_args, .net = (net_), .data = __VA_ARGS__))

/* Loss and metrics over the data, read with kd_metric. data NULL: [data] test of the configuration.
 * batch_size 0: the configuration's, else 32. Errors as kd_fit. Collective. */
kd_status kd_evaluate(kd_net *net, const kd_data *data, int64_t batch_size);
/* The model's outputs for all samples, in order; labels are not needed. outputs[o]: float32, room for all
 * samples of output o (kd_net_output_shape), or NULL; written on rank 0, other ranks may give NULL. Layers
 * called with training=true draw other numbers in each call (Dropout), the same in each run of the program.
 * KD_ERR_USAGE also when an output has an open shape. Collective. */
kd_status kd_predict(kd_net *net, const kd_data *data, int64_t batch_size, float *const *outputs);
/* One step on all samples of `batch` (the whole batch, the same on all ranks); kd_metric gives its loss and
 * metrics. Allocates only when types, shapes or the number of samples are new. Errors as kd_fit. Collective.
 */
kd_status kd_train_step(kd_net *net, const kd_data *batch);

/* A log of the last kd_evaluate, kd_train_step, epoch of kd_fit, or of the running epoch in a hook: "loss",
 * "accuracy", "val_loss" ... KD_ERR_USAGE with the known names when there is none. Local. */
kd_status kd_metric(const kd_net *net, const char *name, double *value);
/* Its names by number, sorted; NULL behind the last. Valid until the next call that trains or evaluates.
 * Local. */
const char *kd_metric_name(const kd_net *net, int number);
/* Epochs of the last kd_fit, and the logs of each: epoch counts from 0. KD_ERR_USAGE: no such epoch or log.
 * Local. */
int64_t kd_history_length(const kd_net *net);
kd_status kd_history_metric(const kd_net *net, int64_t epoch, const char *name, double *value);

/* For hooks, on all ranks: this batch is the last one of its epoch, and kd_fit ends with it. Local. */
void kd_stop_training(kd_net *net);
/* The learning rate of the next step, also in hooks, of a compiled net. Setting it is KD_ERR_USAGE under a
 * schedule; do it on all ranks. Local. */
kd_status kd_learning_rate(const kd_net *net, double *rate);
kd_status kd_set_learning_rate(kd_net *net, double rate);

/* --- weights ----------------------------------------------------------------------------------------- */

/* Writes weights and optimizer state as Keras's .weights.h5 (Keras reads it), or, where the path ends in
 * .keras, the whole model for keras.models.load_model: layers, weights, and what kd_compile set; where it
 * ends in .onnx, what computes the outputs, for onnxruntime; where it ends in a slash, the same as the folder
 * of a SavedModel, for TensorFlow. Rank 0 writes, under a temporary name that is renamed at the end.
 * KD_ERR_RUN when it cannot, KD_ERR_USAGE for a layer that has no form there; all ranks return the status.
 * Collective. */
kd_status kd_save(kd_net *net, const char *path);
/* Reads the weights of a file that kdist or Keras wrote; the optimizer's state stays (for that:
 * kd_load_state). Rank 0 reads. KD_ERR_USAGE, with nothing changed, when a weight is missing or has another
 * shape. Collective. */
kd_status kd_load(kd_net *net, const char *path);
/* Writes all that training goes on from: weights, the optimizer's slots and counts, learning rate, loss
 * scale, what stateful layers keep, steps and epochs done. A file folder/step-N.h5 for step N, as the
 * checkpoints of `kdist fit` (atomic, with checksums); the newest two ([train] keep) stay. The state of
 * callbacks is not in it. In hooks of kd_fit: between epochs, as in epoch_end, where the epoch counts as
 * done. Rank 0 writes. KD_ERR_USAGE in the middle of an epoch; KD_ERR_RUN when it cannot be written.
 * Collective. */
kd_status kd_save_state(kd_net *net, const char *folder);
/* Goes on from the newest file in `folder` of kd_save_state, or of `kdist fit` (RUN/checkpoints), in place of
 * all that the net was; a damaged file is told to kd_set_log, and the one before is taken. With the same
 * model, data and numbers, further training gives the bits of training that was never stopped: kd_train_step
 * with the batches that follow, kd_fit with .initial_epoch = the epochs done (kd_progress), unless
 * steps_per_epoch spreads a pass over several epochs. A file of the middle of an epoch, which `kdist fit`
 * leaves after a signal, counts that epoch as not done. Not in hooks. Rank 0 reads. KD_ERR_USAGE, with
 * nothing changed, when there is no such file, it lacks a weight or slot, or it is of another optimizer.
 * Collective. */
kd_status kd_load_state(kd_net *net, const char *folder);
/* Steps of training so far, by kd_train_step and kd_fit, and epochs of kd_fit, by its numbers (the coming
 * .initial_epoch); 0 before kd_compile, which begins anew. KD_ERR_USAGE: NULL. Local. */
kd_status kd_progress(const kd_net *net, int64_t *step, int64_t *epoch);
/* Weight number `number` (from 0): its path ("dense/kernel") and shape, room for KD_MAX_RANK. The path is
 * valid until the net is compiled again. KD_ERR_USAGE behind the last. Local. */
kd_status kd_net_weight(kd_net *net, int number, const char **path, int *rank, int64_t *shape);
/* Copies the values of one weight, in Keras's layout, from or to the net. Setting: the same on all ranks.
 * KD_ERR_USAGE: there is no such path. Collective. */
kd_status kd_get_weight(kd_net *net, const char *path, float *values);
kd_status kd_set_weight(kd_net *net, const char *path, const float *values);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#include "kdist_layers.h"

#ifndef __cplusplus
/* Keras's merging layers: kd_add(a, b, ...); kd_concatenate along the last axis. */
#define kd_add(first, ...)         KD_MERGE_("Add", first, __VA_ARGS__)
#define kd_average(first, ...)     KD_MERGE_("Average", first, __VA_ARGS__)
#define kd_concatenate(first, ...) KD_MERGE_("Concatenate", first, __VA_ARGS__)
#define kd_maximum(first, ...)     KD_MERGE_("Maximum", first, __VA_ARGS__)
#define kd_minimum(first, ...)     KD_MERGE_("Minimum", first, __VA_ARGS__)
#define kd_multiply(first, ...)    KD_MERGE_("Multiply", first, __VA_ARGS__)
#define kd_subtract(first, ...)    KD_MERGE_("Subtract", first, __VA_ARGS__)
#define KD_MERGE_(type, first, ...)                                                                          \
  kd_net_merge((first).net, type, NULL, (int)(sizeof((kd_out[]){first, __VA_ARGS__}) / sizeof(kd_out)),      \
               (kd_out[]){first, __VA_ARGS__})
#endif

#endif
