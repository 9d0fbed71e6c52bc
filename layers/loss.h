/* Losses and metrics as small graphs (kinds in layers/kinds/loss_*.c and metric_*.c).
 *
 * y_true and y_pred come with the batch first. Ranks that differ by one trailing axis of 1 are squeezed or
 * expanded before (kd_align_labels), as Keras does. */
#ifndef KD_LOSS_H
#define KD_LOSS_H

#include "layers/layer.h"

/* What the last activation of an output was, so that cross-entropies use logits (TensorFlow's behaviour,
 * keras.md 4.2). Found by kd_find_logits. */
typedef enum kd_probability { KD_PROB_NONE, KD_PROB_SOFTMAX, KD_PROB_SIGMOID } kd_probability;
typedef struct kd_prediction {
  kd_sym y_pred;
  kd_probability probability;
  kd_sym logits; /* KD_NO_SYM when probability is KD_PROB_NONE */
} kd_prediction;
kd_prediction kd_find_logits(const kd_graph *graph, kd_sym y_pred);

/* Without sample weights all but the sum are the mean over all values. Keras's `none` leaves values that
 * cannot be trained and is refused. */
typedef enum kd_reduction {
  KD_RED_SUM_OVER_BATCH_SIZE,
  KD_RED_SUM,
  KD_RED_MEAN,
  KD_RED_MEAN_WEIGHTED
} kd_reduction;

/* A loss of the whole batch, which is no sum over its rows, as a function of sums over rows: its state. The
 * passes of all ranks add up the state first; then the slopes of the function, times what a pass adds to the
 * state, have the gradient of the loss. */
typedef struct kd_whole_loss {
  /* Numbers of the state for predictions of that shape in batches of at most `rows` rows. 0: with these
   * options the loss is a sum over rows, and `values` is used. */
  int64_t (*n_state)(const void *options, const kd_shape *y_pred, int64_t rows);
  /* What one pass adds, a float32 vector (n_state). first: float32 scalar, the number of the pass's first row
   * in the global batch. */
  kd_sym (*state)(kd_graph *graph, const void *options, kd_sym y_true, kd_sym y_pred, kd_sym first,
                  int64_t n_state);
  /* The loss of the summed state; slope[i] becomes its derivative by state[i], unless slope is NULL. */
  double (*value)(const void *options, const kd_shape *y_pred, int64_t n_state, const float *state,
                  double *slope);
} kd_whole_loss;

typedef struct kd_loss_kind {
  kd_kind base; /* first option of every loss struct is kd_loss_common */
  /* One value per sample (y_pred's shape without its last axis, or without what `axis` says). Sparse losses
   * take labels of integer type; dense ones cast labels to float32. */
  kd_sym (*values)(kd_graph *graph, const void *options, kd_sym y_true, const kd_prediction *prediction);
  bool sparse_labels; /* y_true holds class indices: checked against [0, classes) */
  /* Shape of one label, -1: any length; NULL: the prediction's, or that without the last axis (sparse). */
  const kd_shape *label_shape;
  bool label_classes; /* labels of label_shape are class numbers: checked against [0, classes) */
  /* Values of one row; NULL: one for each position of all axes but the batch and the last. */
  int64_t (*values_per_row)(const void *options, const kd_shape *y_pred);
  const kd_whole_loss *whole; /* NULL: always a sum over rows */
  const char *log_name;       /* default name: "mean_squared_error" */
} kd_loss_kind;

/* Every loss option struct begins with this. */
typedef struct kd_loss_common {
  int reduction; /* kd_reduction */
  const char *name;
} kd_loss_common;

extern const kd_family kd_loss_family;

/* Metrics add to a state of `n_state` numbers, summed over passes, ranks and batches (the last in double). */
typedef struct kd_metric_kind {
  kd_kind base; /* first option of every metric struct is kd_metric_common */
  int64_t (*n_state)(const void *options, const kd_shape *y_pred);
  /* How many values it has; NULL: one. Several are logged as NAME.0, NAME.1 ... */
  int (*n_results)(const void *options, const kd_shape *y_pred);
  /* The state's contribution of one pass as a float32 vector (n_state). weight: per-sample weights (rows) or
   * KD_NO_SYM. */
  kd_sym (*update)(kd_graph *graph, const void *options, kd_sym y_true, const kd_prediction *prediction,
                   kd_sym weight);
  /* The metric's value of that number from the summed state. */
  double (*result)(const void *options, int n_state, const double *state, int number);
  bool ignores_mask;    /* counts masked steps too: Keras's metrics that are no mean of a function do */
  bool numbered;        /* unnamed objects are counted over the whole model: "auc", "auc_1" */
  int direction;        /* +1: larger is better, -1: smaller, 0: unknown */
  const char *log_name; /* default name */
} kd_metric_kind;

typedef struct kd_metric_common {
  const char *name;
} kd_metric_common;

extern const kd_family kd_metric_family;

/* "accuracy" and "crossentropy" depend on shapes (keras.md 4.3): returns the class for the given loss and
 * shapes ("SparseCategoricalAccuracy" ...), or name itself. */
const char *kd_metric_resolve(const char *name, const kd_shape *y_true, const kd_shape *y_pred);

/* Squeezes or expands a trailing axis of 1 of y_true so that its rank fits y_pred (sparse: one less). */
kd_sym kd_align_labels(kd_graph *graph, kd_sym y_true, kd_sym y_pred, bool sparse);

/* Whether a dense loss sees the prediction without its last axis of 1: Keras squeezes predictions (rows,
 * steps, 1) for labels (rows, steps), but expands labels (rows). */
bool kd_loss_squeezes(const kd_shape *y_true, const kd_shape *y_pred, bool sparse);
/* How many values a loss has for each row: all axes but the batch and the one that the loss reduces. */
int64_t kd_loss_values_per_row(const kd_shape *y_true, const kd_shape *y_pred, bool sparse);
/* What a whole loss adds for one pass, after labels and prediction are aligned; see kd_whole_loss. */
kd_sym kd_loss_state(kd_graph *graph, const kd_object *loss, kd_sym y_true, const kd_prediction *prediction,
                     kd_sym first, int64_t n_state);
/* The values of a loss after labels and prediction are aligned. */
kd_sym kd_loss_values(kd_graph *graph, const kd_object *loss, kd_sym y_true, const kd_prediction *prediction);

#endif
