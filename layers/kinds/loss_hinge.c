#include "layers/kinds/loss_table.h"

/* The hinge losses of keras.losses. */
typedef struct hinge_options {
  kd_loss_common common;
} hinge_options;

static const kd_option table[] = {KD_LOSS_COMMON(hinge_options), {0}};

/* Labels of 0 and 1 become -1 and 1; where any label is something else, all stay as they are. The rows of
 * one pass decide: whole batches of labels -1 and 1, or 0 and 1, give the same however they are divided. */
static kd_sym signs(kd_graph *g, kd_sym y_true) {
  kd_sym truth = kd_cast(g, y_true, KD_F32), one = kd_const(g, 1.0);
  kd_sym bit = kd_binary(g, KD_PW_OR, kd_binary(g, KD_PW_EQ, truth, kd_const(g, 0.0)),
                         kd_binary(g, KD_PW_EQ, truth, one));
  kd_sym all = kd_reduce_all(g, KD_REDUCE_MIN, bit);
  return kd_select(g, all, kd_sub(g, kd_scale(g, truth, 2), one), truth);
}

/* max(1 - t p, 0) */
static kd_sym margin(kd_graph *g, kd_sym y_true, const kd_prediction *p) {
  kd_sym product = kd_mul(g, signs(g, y_true), p->y_pred);
  return kd_max(g, kd_sub(g, kd_const(g, 1.0), product), kd_const(g, 0.0));
}

static kd_sym hinge(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, margin(g, y_true, p));
}

static kd_sym squared_hinge(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, kd_unary(g, KD_PW_SQUARE, margin(g, y_true, p)));
}

/* max(max((1 - t) p) - sum(t p) + 1, 0) */
static kd_sym categorical_hinge(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym truth = kd_cast(g, y_true, KD_F32);
  kd_sym hit = kd_sum_last(g, kd_mul(g, truth, p->y_pred));
  kd_sym others = kd_mul(g, kd_sub(g, kd_const(g, 1.0), truth), p->y_pred);
  kd_sym miss = kd_reduce_last(g, KD_REDUCE_MAX, others, false);
  return kd_max(g, kd_shift(g, kd_sub(g, miss, hit), 1), kd_const(g, 0.0));
}

#define HINGE(id, class, log, text, function)                                                                \
  extern const kd_loss_kind id;                                                                              \
  const kd_loss_kind id = {.base = {.name = class,                                                           \
                                    .aliases = log,                                                          \
                                    .help = text,                                                            \
                                    .options = table,                                                        \
                                    .options_size = sizeof(hinge_options)},                                  \
                           .values = function,                                                               \
                           .log_name = log}

HINGE(kd_loss_hinge, "Hinge", "hinge", "margin of labels -1 and 1 (or 0 and 1)", hinge);
HINGE(kd_loss_squared_hinge, "SquaredHinge", "squared_hinge",
      "squared margin of labels -1 and 1 (or 0 and 1)", squared_hinge);
HINGE(kd_loss_categorical_hinge, "CategoricalHinge", "categorical_hinge", "margin of one-hot labels",
      categorical_hinge);
