#include "layers/kinds/loss_table.h"

/* keras.losses of real numbers: means over the last axis. */
typedef struct regression_options {
  kd_loss_common common;
  double delta;
} regression_options;

static const kd_option plain_table[] = {KD_LOSS_COMMON(regression_options), {0}};
static const kd_option huber_table[] = {
    {.name = "delta",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(regression_options, delta),
     .initial = "1.0",
     .help = "error above which the loss is linear",
     .min = 0,
     .max = 1e30},
    KD_LOSS_COMMON(regression_options),
    {0},
};

static kd_sym difference(kd_graph *g, kd_sym y_true, const kd_prediction *p) {
  return kd_sub(g, p->y_pred, kd_cast(g, y_true, KD_F32));
}

static kd_sym squared(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, kd_unary(g, KD_PW_SQUARE, difference(g, y_true, p)));
}

static kd_sym absolute(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, kd_unary(g, KD_PW_ABS, difference(g, y_true, p)));
}

/* Huber: e^2 / 2 up to delta, delta |e| - delta^2 / 2 beyond. */
static kd_sym huber(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const regression_options *o = options;
  kd_sym error = difference(g, y_true, p), size = kd_unary(g, KD_PW_ABS, error);
  kd_sym inner = kd_scale(g, kd_unary(g, KD_PW_SQUARE, error), 0.5);
  kd_sym outer = kd_shift(g, kd_scale(g, size, o->delta), -0.5 * o->delta * o->delta);
  kd_sym small = kd_binary(g, KD_PW_LE, size, kd_const(g, o->delta));
  return kd_mean_last(g, kd_select(g, small, inner, outer));
}

#define REGRESSION(id, class, other_names, text, options_table, function, log)                               \
  const kd_loss_kind id = {.base = {.name = class,                                                           \
                                    .aliases = other_names,                                                  \
                                    .help = text,                                                            \
                                    .options = options_table,                                                \
                                    .options_size = sizeof(regression_options)},                             \
                           .values = function,                                                               \
                           .log_name = log}

REGRESSION(kd_loss_mse, "MeanSquaredError", "mean_squared_error|mse|MSE", "mean of squared errors",
           plain_table, squared, "mean_squared_error");
REGRESSION(kd_loss_mae, "MeanAbsoluteError", "mean_absolute_error|mae|MAE", "mean of absolute errors",
           plain_table, absolute, "mean_absolute_error");
REGRESSION(kd_loss_huber, "Huber", "huber|huber_loss", "squared near zero, linear beyond delta", huber_table,
           huber, "huber_loss");
