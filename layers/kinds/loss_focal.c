#include "layers/kinds/loss_table.h"

/* Focal cross-entropies (Lin et al., ICCV 2017): well predicted labels weigh less, by (1 - p)^gamma. */
typedef struct focal_options {
  kd_loss_common common;
  bool apply_class_balancing, from_logits;
  double alpha, gamma, label_smoothing;
} focal_options;

#define FOCUS(text)                                                                                          \
  {.name = "alpha",                                                                                          \
   .type = KD_OPT_FLOAT,                                                                                     \
   .offset = offsetof(focal_options, alpha),                                                                 \
   .initial = "0.25",                                                                                        \
   .help = text,                                                                                             \
   .min = 0,                                                                                                 \
   .max = 1e30},                                                                                             \
      {.name = "gamma",                                                                                      \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(focal_options, gamma),                                                             \
       .initial = "2.0",                                                                                     \
       .help = "power of the focus; 0: none",                                                                \
       .min = 0,                                                                                             \
       .max = 1e3},                                                                                          \
      KD_XENT_FROM_LOGITS(focal_options), KD_XENT_SMOOTHING(focal_options), KD_LOSS_COMMON(focal_options)

static const kd_option binary_table[] = {
    {.name = "apply_class_balancing",
     .type = KD_OPT_BOOL,
     .offset = offsetof(focal_options, apply_class_balancing),
     .initial = "false",
     .help = "weigh the classes by alpha and 1 - alpha"},
    FOCUS("weight of class 1, where classes are balanced"),
    {0},
};
static const kd_option categorical_table[] = {FOCUS("factor of the loss"), {0}};

/* base^gamma; without focus the power's slope at 0 must not count. */
static kd_sym focus(kd_graph *g, const focal_options *o, kd_sym base) {
  if (o->gamma == 0) return kd_const(g, 1.0);
  return o->gamma == 2 ? kd_unary(g, KD_PW_SQUARE, base)
                       : kd_binary(g, KD_PW_POW, base, kd_const(g, o->gamma));
}

/* a t + b (1 - t) */
static kd_sym mixed(kd_graph *g, kd_sym truth, kd_sym a, kd_sym b) {
  kd_sym other = kd_sub(g, kd_const(g, 1.0), truth);
  return kd_add(g, kd_mul(g, truth, a), kd_mul(g, other, b));
}

static kd_sym binary(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const focal_options *o = options;
  kd_sym truth = kd_labels_smoothed(g, kd_cast(g, y_true, KD_F32), o->label_smoothing, 2);
  kd_sym logits = o->from_logits ? p->y_pred : p->probability == KD_PROB_SIGMOID ? p->logits : KD_NO_SYM;
  kd_sym q = o->from_logits ? kd_unary(g, KD_PW_SIGMOID, p->y_pred) : p->y_pred;
  kd_sym one = kd_const(g, 1.0);
  kd_sym missed = kd_sub(g, one, mixed(g, truth, q, kd_sub(g, one, q)));
  kd_sym terms = kd_mul(g, focus(g, o, missed), kd_binary_entropy(g, truth, q, logits));
  if (o->apply_class_balancing)
    terms = kd_mul(g, terms, mixed(g, truth, kd_const(g, o->alpha), kd_const(g, 1 - o->alpha)));
  return kd_mean_last(g, terms);
}

static kd_sym categorical(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const focal_options *o = options;
  const kd_shape *shape = kd_sym_shape(g, p->y_pred);
  if (!shape) return KD_NO_SYM;
  double classes = (double)shape->dim[shape->rank - 1];
  kd_sym truth = kd_labels_smoothed(g, kd_cast(g, y_true, KD_F32), o->label_smoothing, classes);
  kd_sym q = kd_probability_normalised(g, o->from_logits ? kd_softmax(g, p->y_pred, false) : p->y_pred);
  kd_sym entropy = kd_mul(g, truth, kd_unary(g, KD_PW_LOG, q));
  kd_sym terms = kd_mul(g, focus(g, o, kd_sub(g, kd_const(g, 1.0), q)), entropy);
  return kd_scale(g, kd_sum_last(g, terms), -o->alpha);
}

extern const kd_loss_kind kd_loss_binary_focal, kd_loss_categorical_focal;

const kd_loss_kind kd_loss_binary_focal = {
    .base = {.name = "BinaryFocalCrossentropy",
             .aliases = "binary_focal_crossentropy",
             .help = "cross-entropy of yes-or-no labels that looks at the hard ones",
             .options = binary_table,
             .options_size = sizeof(focal_options)},
    .values = binary,
    .log_name = "binary_focal_crossentropy",
};

const kd_loss_kind kd_loss_categorical_focal = {
    .base = {.name = "CategoricalFocalCrossentropy",
             .aliases = "categorical_focal_crossentropy",
             .help = "cross-entropy of one-hot labels that looks at the hard ones",
             .options = categorical_table,
             .options_size = sizeof(focal_options)},
    .values = categorical,
    .log_name = "categorical_focal_crossentropy",
};
