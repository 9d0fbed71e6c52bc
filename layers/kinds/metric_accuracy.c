#include "layers/kinds/metric_mean.h"

/* The accuracies of keras.metrics: means of hits. */
typedef struct accuracy_options {
  kd_metric_common common;
  double threshold;
  int64_t k;
} accuracy_options;

static const kd_option plain_table[] = {KD_METRIC_COMMON(accuracy_options), {0}};
static const kd_option binary_table[] = {
    KD_METRIC_COMMON(accuracy_options),
    {.name = "threshold",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(accuracy_options, threshold),
     .initial = "0.5",
     .help = "predictions above it mean yes",
     .min = 0,
     .max = 1,
     .flags = KD_OPT_OPEN_MIN | KD_OPT_OPEN_MAX | KD_OPT_KEY_ONLY},
    {0},
};
static const kd_option top_table[] = {
    {.name = "k",
     .type = KD_OPT_INT,
     .offset = offsetof(accuracy_options, k),
     .initial = "5",
     .help = "the label may be among that many best predictions",
     .min = 1,
     .max = 1e6},
    KD_METRIC_COMMON(accuracy_options),
    {0},
};

/* keras.metrics.Accuracy: predictions equal labels. */
static kd_sym equal(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  (void)options;
  kd_sym truth = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32);
  return kd_mean_update(g, kd_mean_last(g, kd_binary(g, KD_PW_EQ, truth, p->y_pred)), weight);
}

static kd_sym binary(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  const accuracy_options *o = options;
  kd_sym truth = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32);
  kd_sym yes = kd_binary(g, KD_PW_LT, kd_const(g, o->threshold), p->y_pred);
  return kd_mean_update(g, kd_mean_last(g, kd_binary(g, KD_PW_EQ, truth, yes)), weight);
}

static kd_sym categorical(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                          kd_sym weight) {
  (void)options;
  kd_sym truth = kd_argmax(g, kd_align_labels(g, y_true, p->y_pred, false), -1);
  return kd_mean_update(g, kd_binary(g, KD_PW_EQ, truth, kd_argmax(g, p->y_pred, -1)), weight);
}

static kd_sym sparse(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  (void)options;
  kd_sym truth = kd_align_labels(g, y_true, p->y_pred, true);
  return kd_mean_update(g, kd_binary(g, KD_PW_EQ, truth, kd_argmax(g, p->y_pred, -1)), weight);
}

/* Rows of any rank become a matrix for the look-up, and have their shape again after it. */
static kd_sym top_k(kd_graph *g, kd_sym labels, kd_sym scores, int k, kd_sym weight) {
  if (labels == KD_NO_SYM || scores == KD_NO_SYM) return KD_NO_SYM;
  kd_shape shape = *kd_sym_shape(g, scores), rows = *kd_sym_shape(g, labels);
  int64_t classes = shape.dim[shape.rank - 1], count = kd_shape_count(&rows);
  kd_sym hits = kd_in_top_k(g, kd_reshape(g, scores, KD_SHAPE(count, classes)),
                            kd_reshape(g, labels, KD_SHAPE(count)), k);
  return kd_mean_update(g, kd_reshape(g, hits, rows), weight);
}

static kd_sym top_categorical(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                              kd_sym weight) {
  const accuracy_options *o = options;
  kd_sym labels = kd_argmax(g, kd_align_labels(g, y_true, p->y_pred, false), -1);
  return top_k(g, labels, p->y_pred, (int)o->k, weight);
}

static kd_sym top_sparse(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                         kd_sym weight) {
  const accuracy_options *o = options;
  kd_sym labels = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, true), KD_I32);
  return top_k(g, labels, p->y_pred, (int)o->k, weight);
}

#define ACCURACY(id, class, other_names, text, options_table, function, log)                                 \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = other_names,                                                \
                                      .help = text,                                                          \
                                      .options = options_table,                                              \
                                      .options_size = sizeof(accuracy_options)},                             \
                             .n_state = kd_mean_n_state,                                                     \
                             .update = function,                                                             \
                             .result = kd_mean_result,                                                       \
                             .direction = 1,                                                                 \
                             .log_name = log}

ACCURACY(kd_metric_accuracy, "Accuracy", NULL, "predictions that equal their labels", plain_table, equal,
         "accuracy");
ACCURACY(kd_metric_binary_accuracy, "BinaryAccuracy", "binary_accuracy",
         "yes-or-no predictions that are right", binary_table, binary, "binary_accuracy");
ACCURACY(kd_metric_categorical_accuracy, "CategoricalAccuracy", "categorical_accuracy",
         "one-hot labels whose class has the best prediction", plain_table, categorical,
         "categorical_accuracy");
ACCURACY(kd_metric_sparse_accuracy, "SparseCategoricalAccuracy", "sparse_categorical_accuracy",
         "class numbers that have the best prediction", plain_table, sparse, "sparse_categorical_accuracy");
ACCURACY(kd_metric_top_k, "TopKCategoricalAccuracy", "top_k_categorical_accuracy",
         "one-hot labels among the k best predictions", top_table, top_categorical,
         "top_k_categorical_accuracy");
ACCURACY(kd_metric_sparse_top_k, "SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy",
         "class numbers among the k best predictions", top_table, top_sparse,
         "sparse_top_k_categorical_accuracy");
