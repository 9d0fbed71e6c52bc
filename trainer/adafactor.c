#include <math.h>

#include "trainer/optimizer.h"

/* Adafactor (Shazeer and Stern, ICML 2018), as keras.optimizers.Adafactor. At update t, with
 * b = 1 - t^beta_2_decay and s = g^2 + epsilon_1, for weights of two axes and more:
 *   r = b r + (1 - b) mean of s over the last axis;  c = b c + (1 - b) mean over the one before
 *   v = r / mean(r) c
 * and v = b v + (1 - b) s for the others. Then
 *   step = g / sqrt(v);  w -= max(epsilon_2, rms(w)) min(rate, 1 / sqrt(t)) step / max(1, rms(step) / clip)
 * Keras keeps v of every weight too, and two zeros for r and c where there are none. */
typedef struct adafactor_options {
  kd_optimizer_common common;
  double beta_2_decay, epsilon_1, epsilon_2, clip_threshold;
  bool relative_step;
} adafactor_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(adafactor_options, "0.001"),
    KD_OPTIMIZER_NUMBER(adafactor_options, beta_2_decay, "-0.8", "power of t in the decay of mean squares",
                        -10, 0, 0),
    KD_OPTIMIZER_NUMBER(adafactor_options, epsilon_1, "1e-30", "added to squared gradients", 0, 1,
                        KD_OPT_OPEN_MIN),
    KD_OPTIMIZER_NUMBER(adafactor_options, epsilon_2, "0.001", "least size of weights that scales the rate",
                        0, 1e9, 0),
    KD_OPTIMIZER_NUMBER(adafactor_options, clip_threshold, "1.0", "size of a step that is cut", 0, 1e30,
                        KD_OPT_OPEN_MIN),
    {.name = "relative_step",
     .type = KD_OPT_BOOL,
     .offset = offsetof(adafactor_options, relative_step),
     .initial = "true",
     .help = "limit the rate by 1 / sqrt(t); Keras limits the step so in any case"},
    KD_OPTIMIZER_COMMON(adafactor_options, "none"),
    {0}};

enum { ROWS, COLUMNS, SQUARES };

static int slots(const void *options, const char **names) {
  (void)options;
  names[ROWS] = "r";
  names[COLUMNS] = "c";
  names[SQUARES] = "velocity";
  return 3;
}

static bool slot_shape(const void *options, int slot, const kd_weight *weight, kd_shape *shape) {
  (void)options;
  *shape = weight->shape;
  if (slot == SQUARES) return true;
  if (shape->rank < 2) {
    *shape = KD_SCALAR;
    return true;
  }
  if (slot == COLUMNS) shape->dim[shape->rank - 2] = shape->dim[shape->rank - 1];
  shape->rank--;
  return true;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const adafactor_options *o = options;
  double limit = 1 / sqrt((double)t);
  if (o->relative_step) rate = fmin(rate, limit);
  value[0] = (float)fmin(rate, limit);
  value[1] = (float)pow((double)t, o->beta_2_decay);
}

static kd_sym rms(kd_graph *g, kd_sym x) {
  return kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_MEAN, kd_unary(g, KD_PW_SQUARE, x)));
}

/* (1 - share) old + share seen */
static kd_sym blend(kd_graph *g, kd_sym old, kd_sym seen, kd_sym share) {
  return kd_add(g, kd_mul(g, old, kd_sub(g, kd_const(g, 1.0), share)), kd_mul(g, seen, share));
}

static kd_sym with_axis(kd_graph *g, kd_sym x, int axis) {
  kd_shape shape = *kd_sym_shape(g, x);
  for (int i = shape.rank++; i > axis; i--) shape.dim[i] = shape.dim[i - 1];
  shape.dim[axis] = 1;
  return kd_reshape(g, x, shape);
}

/* The mean squares as the product of one number per row and one per column. */
static kd_sym factored(kd_graph *g, kd_sym square, int rank, kd_update *u) {
  int last = rank - 1, before = rank - 2;
  kd_sym r = kd_reduce(g, KD_REDUCE_MEAN, square, 1, &last, false);
  kd_sym c = kd_reduce(g, KD_REDUCE_MEAN, square, 1, &before, false);
  u->slot[ROWS] = blend(g, u->slot[ROWS], r, u->value[1]);
  u->slot[COLUMNS] = blend(g, u->slot[COLUMNS], c, u->value[1]);
  kd_sym rows = kd_div(g, u->slot[ROWS], kd_reduce_last(g, KD_REDUCE_MEAN, u->slot[ROWS], true));
  return kd_mul(g, with_axis(g, rows, last), with_axis(g, u->slot[COLUMNS], before));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adafactor_options *o = options;
  int rank = u->weight->shape.rank;
  kd_sym square = kd_shift(g, kd_unary(g, KD_PW_SQUARE, u->g), o->epsilon_1);
  if (rank < 2) {
    u->slot[SQUARES] = blend(g, u->slot[SQUARES], square, u->value[1]);
    u->slot[ROWS] = u->slot[COLUMNS] = KD_NO_SYM; /* stay zero */
  } else {
    u->slot[SQUARES] = factored(g, square, rank, u);
  }
  kd_sym step = kd_div(g, u->g, kd_unary(g, KD_PW_SQRT, u->slot[SQUARES]));
  kd_sym cut = kd_max(g, kd_scale(g, rms(g, step), 1 / o->clip_threshold), kd_const(g, 1.0));
  kd_sym rate = kd_mul(g, kd_max(g, rms(g, u->w), kd_const(g, o->epsilon_2)), u->value[0]);
  u->w = kd_sub(g, u->w, kd_mul(g, rate, kd_div(g, step, cut)));
}

const kd_optimizer_kind kd_optimizer_adafactor = {
    .base = {.name = "Adafactor",
             .aliases = "adafactor",
             .help = "steps in the size of the weights, with mean squares of rows and columns",
             .options = table,
             .options_size = sizeof(adafactor_options)},
    .keras_name = "adafactor",
    .slots = slots,
    .slot_shape = slot_shape,
    .n_values = 2,
    .values = values,
    .update = update,
    .interleaved = 3,
    .per_weight = true,
};
