#include <math.h>

#include "layers/kinds/kinds.h"
#include "layers/kinds/loss_table.h"

/* Intersection over union of classes. State: the matrix (label, prediction) of weights, which are whole
 * numbers as in Keras. */
typedef struct iou_options {
  kd_metric_common common;
  int64_t num_classes; /* 0 in BinaryIoU: 2 */
  kd_floats target_class_ids;
  int64_t ignore_class, axis;
  bool sparse_y_true, sparse_y_pred;
  double threshold;
} iou_options;

#define NUM_CLASSES                                                                                          \
  {                                                                                                          \
    .name = "num_classes", .type = KD_OPT_INT, .offset = offsetof(iou_options, num_classes),                 \
    .help = "classes of labels and predictions", .min = 1, .max = 2048, .flags = KD_OPT_REQUIRED             \
  }
#define TARGETS(start, more)                                                                                 \
  {                                                                                                          \
    .name = "target_class_ids", .type = KD_OPT_FLOATS, .offset = offsetof(iou_options, target_class_ids),    \
    .initial = start, .help = "classes in the mean", .min = 0, .max = 2047,                                  \
    .flags = KD_OPT_LIST | KD_OPT_WHOLE | (more)                                                             \
  }
#define IGNORE                                                                                               \
  {                                                                                                          \
    .name = "ignore_class", .type = KD_OPT_INT, .offset = offsetof(iou_options, ignore_class),               \
    .initial = "none", .help = "samples with that label are left out", .min = -1e9, .max = 1e9,              \
    .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY                                                                \
  }
#define SPARSE(field, start, what)                                                                           \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_BOOL, .offset = offsetof(iou_options, field), .initial = start,           \
    .help = what " are class numbers, not one number for each class", .flags = KD_OPT_KEY_ONLY               \
  }
#define AXIS                                                                                                 \
  {                                                                                                          \
    .name = "axis", .type = KD_OPT_INT, .offset = offsetof(iou_options, axis), .initial = "-1",              \
    .help = "axis of the classes: the last", .min = -1, .max = -1, .flags = KD_OPT_KEY_ONLY                  \
  }
#define COMMON      KD_METRIC_COMMON(iou_options)
#define BOTH_SPARSE SPARSE(sparse_y_true, "true", "labels"), SPARSE(sparse_y_pred, "true", "predictions")

static const kd_option iou_table[] = {
    NUM_CLASSES, TARGETS(NULL, KD_OPT_REQUIRED), COMMON, IGNORE, BOTH_SPARSE, AXIS, {0}};
static const kd_option mean_table[] = {NUM_CLASSES, COMMON, IGNORE, BOTH_SPARSE, AXIS, {0}};
static const kd_option one_hot_table[] = {NUM_CLASSES,
                                          TARGETS(NULL, KD_OPT_REQUIRED),
                                          COMMON,
                                          IGNORE,
                                          SPARSE(sparse_y_pred, "false", "predictions"),
                                          AXIS,
                                          {0}};
static const kd_option one_hot_mean_table[] = {
    NUM_CLASSES, COMMON, IGNORE, SPARSE(sparse_y_pred, "false", "predictions"), AXIS, {0}};
static const kd_option binary_table[] = {
    TARGETS("[0, 1]", 0),
    {.name = "threshold",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(iou_options, threshold),
     .initial = "0.5",
     .help = "predictions from it on mean class 1",
     .min = -1e30,
     .max = 1e30},
    COMMON,
    {0},
};

static int64_t classes_of(const iou_options *o) {
  return o->num_classes > 0 ? o->num_classes : 2;
}

static void check(const void *options, kd_diag *diag, kd_origin origin) {
  const iou_options *o = options;
  for (int i = 0; i < o->target_class_ids.count; i++) {
    double id = o->target_class_ids.v[i];
    if (id != floor(id) || id >= (double)classes_of(o))
      kd_diag_error(diag, origin, "target_class_ids: %g is no class of [0, %lld)", id,
                    (long long)classes_of(o));
  }
}

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  (void)y_pred;
  int64_t classes = classes_of(options);
  return classes * classes;
}

/* Towards zero, as a number becomes an integer. */
static kd_sym truncated(kd_graph *g, kd_sym x) {
  kd_sym size = kd_unary(g, KD_PW_FLOOR, kd_unary(g, KD_PW_ABS, x));
  return kd_mul(g, size, kd_unary(g, KD_PW_SIGN, x));
}

static kd_sym between(kd_graph *g, kd_sym x, int64_t classes) {
  return kd_binary(g, KD_PW_AND, kd_binary(g, KD_PW_LE, kd_const(g, 0), x),
                   kd_binary(g, KD_PW_LT, x, kd_const(g, (double)classes)));
}

/* y, x: class numbers of one shape. Pairs with a number that is no class are left out. */
static kd_sym matrix(kd_graph *g, const iou_options *o, kd_sym y, kd_sym x, kd_sym weight) {
  int64_t classes = classes_of(o);
  kd_shape shape = *kd_sym_shape(g, x);
  kd_sym good = kd_binary(g, KD_PW_AND, between(g, y, classes), between(g, x, classes));
  if (o->ignore_class != KD_UNSET_INT) {
    kd_sym ignored = kd_binary(g, KD_PW_EQ, y, kd_const(g, (double)o->ignore_class));
    good = kd_binary(g, KD_PW_AND, good, kd_unary(g, KD_PW_NOT, ignored));
  }
  kd_sym number = kd_select(g, good, kd_add(g, kd_scale(g, y, (double)classes), x), kd_const(g, 0));
  if (weight != KD_NO_SYM) good = kd_mul(g, good, truncated(g, kd_mask_factor(g, weight, x)));
  if (good == KD_NO_SYM) return KD_NO_SYM;
  int64_t count = kd_shape_count(&shape), cells = classes * classes;
  kd_sym ids = kd_reshape(g, kd_cast(g, number, KD_I32), KD_SHAPE(count));
  kd_sym rows = kd_reshape(g, kd_broadcast(g, good, shape), KD_SHAPE(count, 1));
  kd_shape_attr table = {KD_SHAPE(cells, 1)};
  kd_sym sums = kd_append(g, KD_OP_SCATTER_ADD, &table, 2, (kd_sym[]){ids, rows}, NULL);
  return kd_reshape(g, sums, KD_SHAPE(cells));
}

static kd_sym count(kd_graph *g, const iou_options *o, bool sparse_y_true, kd_sym y_true, kd_sym x,
                    kd_sym weight) {
  if (!o->sparse_y_pred) x = kd_cast(g, kd_argmax(g, x, -1), KD_F32);
  kd_sym y = sparse_y_true ? y_true : kd_argmax(g, y_true, -1);
  if (y == KD_NO_SYM || x == KD_NO_SYM) return KD_NO_SYM;
  const kd_shape *truth = kd_sym_shape(g, y), shape = *kd_sym_shape(g, x);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (kd_shape_count(truth) != kd_shape_count(&shape))
    return kd_graph_fail(
        g, "class numbers of labels have shape %s, those of predictions %s; see sparse_y_true, sparse_y_pred",
        kd_shape_text(truth, a), kd_shape_text(&shape, b));
  y = kd_reshape(g, truncated(g, kd_cast(g, y, KD_F32)), shape);
  return matrix(g, o, y, truncated(g, x), weight);
}

static kd_sym update(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  const iou_options *o = options;
  return count(g, o, o->sparse_y_true, y_true, p->y_pred, weight);
}

/* sparse_y_true is no option of these. */
static kd_sym update_one_hot(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                             kd_sym weight) {
  return count(g, options, false, y_true, p->y_pred, weight);
}

static kd_sym update_binary(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                            kd_sym weight) {
  iou_options o = *(const iou_options *)options;
  o.sparse_y_pred = true;
  o.ignore_class = KD_UNSET_INT;
  kd_sym yes = kd_binary(g, KD_PW_LE, kd_const(g, o.threshold), p->y_pred);
  return count(g, &o, true, y_true, yes, weight);
}

/* Classes that are nowhere do not count. */
static double result(const void *options, int n, const double *state, int number) {
  (void)n, (void)number;
  const iou_options *o = options;
  int classes = (int)classes_of(o), wanted = o->target_class_ids.count;
  double sum = 0, there = 0;
  for (int i = 0; i < (wanted > 0 ? wanted : classes); i++) {
    int id = wanted > 0 ? (int)o->target_class_ids.v[i] : i;
    double both = state[id * classes + id], either = -both;
    for (int c = 0; c < classes; c++) either += state[id * classes + c] + state[c * classes + id];
    if (either <= 1e-9) continue;
    sum += both / (either + KD_KERAS_EPSILON);
    there++;
  }
  return sum / (there + KD_KERAS_EPSILON);
}

#define IOU(id, class, log, text, table, function)                                                           \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = log,                                                        \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(iou_options),                                   \
                                      .check = check},                                                       \
                             .n_state = n_state,                                                             \
                             .update = function,                                                             \
                             .result = result,                                                               \
                             .ignores_mask = true,                                                           \
                             .numbered = true,                                                               \
                             .direction = 1,                                                                 \
                             .log_name = log}

IOU(kd_metric_binary_iou, "BinaryIoU", "binary_io_u", "intersection over union of yes and no", binary_table,
    update_binary);
IOU(kd_metric_iou, "IoU", "io_u", "mean intersection over union of chosen classes", iou_table, update);
IOU(kd_metric_mean_iou, "MeanIoU", "mean_io_u", "mean intersection over union of all classes", mean_table,
    update);
IOU(kd_metric_one_hot_iou, "OneHotIoU", "one_hot_io_u",
    "mean intersection over union of chosen classes, of one-hot labels", one_hot_table, update_one_hot);
IOU(kd_metric_one_hot_mean_iou, "OneHotMeanIoU", "one_hot_mean_io_u",
    "mean intersection over union of all classes, of one-hot labels", one_hot_mean_table, update_one_hot);
