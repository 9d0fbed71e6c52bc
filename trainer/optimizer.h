/* Optimizers (keras.optimizers): pointwise programs over the contiguous ranges of weights, gradients and
 * slots. */
#ifndef KD_OPTIMIZER_H
#define KD_OPTIMIZER_H

#include "layers/model.h"
#include "trainer/schedule.h"

enum { KD_MAX_SLOTS = 4, KD_MAX_UPDATE_VALUES = 4 };

/* Options that every Keras optimizer has; first member of every optimizer's struct. */
typedef struct kd_optimizer_common {
  const kd_value *learning_rate;
  double weight_decay, clipnorm, clipvalue, global_clipnorm; /* KD_UNSET_FLOAT: off */
  double loss_scale_factor;                                  /* KD_UNSET_FLOAT: off */
  int64_t accumulation; /* gradient_accumulation_steps; KD_UNSET_INT: 1 */
  bool use_ema;         /* keep moving averages of the weights, and end with them */
  double ema_momentum;
  int64_t ema_overwrite_frequency; /* KD_UNSET_INT: at the end only */
  const char *name;
} kd_optimizer_common;

/* The rows of a table for kd_optimizer_common, to follow the class's own options. */
#define KD_OPTIMIZER_COMMON(S, default_decay)                                                                \
  {.name = "weight_decay",                                                                                   \
   .type = KD_OPT_FLOAT,                                                                                     \
   .offset = offsetof(S, common.weight_decay),                                                               \
   .initial = default_decay,                                                                                 \
   .help = "decoupled decay: w -= w * decay * rate before the step",                                         \
   .min = 0,                                                                                                 \
   .max = 1e9,                                                                                               \
   .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY},                                                               \
      {.name = "clipnorm",                                                                                   \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(S, common.clipnorm),                                                               \
       .initial = "none",                                                                                    \
       .help = "largest norm of each weight's gradient",                                                     \
       .min = 0,                                                                                             \
       .max = 1e30,                                                                                          \
       .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN | KD_OPT_KEY_ONLY},                                         \
      {.name = "clipvalue",                                                                                  \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(S, common.clipvalue),                                                              \
       .initial = "none",                                                                                    \
       .help = "largest absolute gradient",                                                                  \
       .min = 0,                                                                                             \
       .max = 1e30,                                                                                          \
       .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN | KD_OPT_KEY_ONLY},                                         \
      {.name = "global_clipnorm",                                                                            \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(S, common.global_clipnorm),                                                        \
       .initial = "none",                                                                                    \
       .help = "largest norm of all gradients together",                                                     \
       .min = 0,                                                                                             \
       .max = 1e30,                                                                                          \
       .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN | KD_OPT_KEY_ONLY},                                         \
      {.name = "loss_scale_factor",                                                                          \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(S, common.loss_scale_factor),                                                      \
       .initial = "none",                                                                                    \
       .help = "scale of the loss, divided out of the gradients",                                            \
       .min = 0,                                                                                             \
       .max = 1e30,                                                                                          \
       .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN | KD_OPT_KEY_ONLY},                                         \
      {.name = "gradient_accumulation_steps",                                                                \
       .type = KD_OPT_INT,                                                                                   \
       .offset = offsetof(S, common.accumulation),                                                           \
       .initial = "none",                                                                                    \
       .help = "batches whose mean gradient makes one update",                                               \
       .min = 2,                                                                                             \
       .max = 1e9,                                                                                           \
       .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY},                                                           \
      {.name = "use_ema",                                                                                    \
       .type = KD_OPT_BOOL,                                                                                  \
       .offset = offsetof(S, common.use_ema),                                                                \
       .initial = "false",                                                                                   \
       .help = "keep moving averages of the weights; training ends with them as weights",                    \
       .flags = KD_OPT_KEY_ONLY},                                                                            \
      {.name = "ema_momentum",                                                                               \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(S, common.ema_momentum),                                                           \
       .initial = "0.99",                                                                                    \
       .help = "part of the old average in the new one",                                                     \
       .min = 0,                                                                                             \
       .max = 1,                                                                                             \
       .flags = KD_OPT_KEY_ONLY},                                                                            \
      {.name = "ema_overwrite_frequency",                                                                    \
       .type = KD_OPT_INT,                                                                                   \
       .offset = offsetof(S, common.ema_overwrite_frequency),                                                \
       .initial = "none",                                                                                    \
       .help = "updates after which the averages become the weights; none: at the end only",                 \
       .min = 1,                                                                                             \
       .max = 1e9,                                                                                           \
       .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY},                                                           \
  {                                                                                                          \
    .name = "name", .type = KD_OPT_TEXT, .offset = offsetof(S, common.name), .initial = "none",              \
    .help = "name in logs and files", .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY                              \
  }

#define KD_OPTIMIZER_RATE(S, default_rate)                                                                   \
  {                                                                                                          \
    .name = "learning_rate", .type = KD_OPT_VALUE, .offset = offsetof(S, common.learning_rate),              \
    .initial = default_rate, .help = "a number or a schedule", .family = &kd_schedule_family                 \
  }

/* A row of a class's own numbers. */
#define KD_OPTIMIZER_NUMBER(S, field, start, text, least, most, limits)                                      \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOAT, .offset = offsetof(S, field), .initial = start, .help = text,      \
    .min = least, .max = most, .flags = limits                                                               \
  }

/* The rows of moments: fields beta_1, beta_2 and epsilon. */
#define KD_OPTIMIZER_BETAS(S, text_2)                                                                        \
  KD_OPTIMIZER_NUMBER(S, beta_1, "0.9", "decay of the mean", 0, 1, KD_OPT_OPEN_MAX),                         \
      KD_OPTIMIZER_NUMBER(S, beta_2, "0.999", text_2, 0, 1, KD_OPT_OPEN_MAX),                                \
      KD_OPTIMIZER_NUMBER(S, epsilon, "1e-7", "added to the divisor", 0, 1, 0)

/* The tensors of one update, all of one shape. */
typedef struct kd_update {
  kd_sym w, g;
  kd_sym before; /* the weights before they decayed */
  kd_sym slot[KD_MAX_SLOTS];
  kd_sym value[KD_MAX_UPDATE_VALUES]; /* scalars filled by `values` before each update */
  const kd_weight *weight;            /* of rules per weight, whose tensors have its shape; else NULL */
} kd_update;

typedef struct kd_optimizer_kind {
  kd_kind base;
  const char *keras_name;                                /* default name in Keras: "adam_w" */
  int (*slots)(const void *options, const char **names); /* fills up to KD_MAX_SLOTS names */
  double (*slot_start)(const void *options, int slot);   /* initial value of a slot; NULL: zero */
  int begins_as_weight; /* 1 + the slot that is the weight before the first update, for files; 0: none */
  int n_values;
  /* The scalars of update number `t` (from 1) at rate `rate`. */
  void (*values)(const void *options, double rate, int64_t t, float *values);
  /* Replaces w and slots by their new values. Weight decay and clipping are done before. */
  void (*update)(kd_graph *graph, const void *options, kd_update *u);
  /* Slots 0 .. interleaved-1 stand variable by variable in Keras's files, the rest slot by slot. */
  int interleaved;
  bool per_weight; /* update is called for each weight alone: rules with norms or shapes of weights */
  /* Of rules per weight, where slots have shapes of their own, of at most the weight's count: false where the
   * weight has no such slot (it is KD_NO_SYM in the update). NULL: all have the weight's. */
  bool (*slot_shape)(const void *options, int slot, const kd_weight *weight, kd_shape *shape);
  /* The decay of one weight, of rules per weight; NULL: weight_decay. KD_UNSET_FLOAT: none. */
  double (*decay)(const void *options, const kd_weight *weight);
  /* A scalar that Keras keeps behind the slots, after `t` updates; NULL: none. */
  double (*scalar)(const void *options, int64_t t);
} kd_optimizer_kind;

extern const kd_family kd_optimizer_family;

/* How the loss is scaled (Keras's LossScaleOptimizer). */
typedef struct kd_loss_scaling {
  bool dynamic; /* false: not at all, or by the fixed loss_scale_factor */
  double initial_scale;
  int64_t growth_steps;
  const char *name; /* in files */
} kd_loss_scaling;

/* An optimizer with its resolved rate. */
typedef struct kd_optimizer {
  const kd_optimizer_kind *kind;
  const kd_optimizer_common *common; /* = the options */
  kd_rate rate;
  int n_slots;      /* of the rule, and the averages behind them */
  int n_rule_slots; /* of the rule alone */
  const char *slot_name[KD_MAX_SLOTS + 1];
  int64_t accumulation; /* at least 1 */
  kd_loss_scaling scaling;
} kd_optimizer;
/* What is kept of each trainable weight beside itself: its slots, and the accumulated gradient. */
int kd_optimizer_parts(const kd_optimizer *optimizer);

/* From a configuration value ("adam", Adam(0.001, clipnorm=1.0)). Errors go to diag. */
bool kd_optimizer_make(kd_pool *pool, kd_diag *diag, const kd_value *value, kd_optimizer *optimizer);
/* The shape of a slot of a weight; false where the weight has no such slot. */
bool kd_optimizer_slot_shape(const kd_optimizer *optimizer, int slot, const kd_weight *weight,
                             kd_shape *shape);
/* Puts a LossScaleOptimizer with Keras's defaults around it, unless there is one. */
void kd_optimizer_scale_loss(kd_optimizer *optimizer);

/* loss_scale_optimizer.c: the inner optimizer of a LossScaleOptimizer with these options. */
extern const kd_optimizer_kind kd_optimizer_loss_scale;
kd_object kd_loss_scaling_open(const void *options, kd_loss_scaling *scaling);

#endif
