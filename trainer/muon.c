#include <math.h>
#include <regex.h>

#include "trainer/moments.h"

/* Muon (Jordan et al., 2024; Liu et al., 2025), as keras.optimizers.Muon: steps of matrices whose singular
 * values are all near 1. For a weight of two axes
 *   m = momentum m + g;  x = g + momentum m (Nesterov's) or m
 *   w -= rate rms_rate sqrt(larger axis) orthogonalized(x)
 * Other weights, embeddings and those that exclude_layers names get Adam's step. */
typedef struct muon_options {
  kd_optimizer_common common;
  double adam_beta_1, adam_beta_2, adam_weight_decay, epsilon;
  const kd_value *exclude_layers;
  bool exclude_embeddings, nesterov;
  double muon_a, muon_b, muon_c, adam_lr_ratio, momentum, rms_rate;
  int64_t ns_steps;
} muon_options;

#define NUMBER(field, start, text, least, most, limits)                                                      \
  KD_OPTIMIZER_NUMBER(muon_options, field, start, text, least, most, limits)
#define FLAG(field, start, text)                                                                             \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_BOOL, .offset = offsetof(muon_options, field), .initial = start,          \
    .help = text                                                                                             \
  }

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(muon_options, "0.001"),
    NUMBER(adam_beta_1, "0.9", "decay of Adam's mean", 0, 1, KD_OPT_OPEN_MAX),
    NUMBER(adam_beta_2, "0.999", "decay of Adam's mean square", 0, 1, KD_OPT_OPEN_MAX),
    NUMBER(adam_weight_decay, "0.004", "decay of weights with Adam's step", 0, 1e9, KD_OPT_NONE_OK),
    NUMBER(epsilon, "1e-7", "added to Adam's divisor", 0, 1, KD_OPT_OPEN_MIN),
    {.name = "exclude_layers",
     .type = KD_OPT_VALUE,
     .offset = offsetof(muon_options, exclude_layers),
     .initial = "none",
     .flags = KD_OPT_LIST,
     .help = "list of patterns (POSIX extended regular expressions); weights whose path has one get "
             "Adam's step: [output, \"block1/.*\"]"},
    FLAG(exclude_embeddings, "true", "weights with 'embedding' in their path get Adam's step"),
    NUMBER(muon_a, "3.4445", "factor of x in an iteration", -1e6, 1e6, 0),
    NUMBER(muon_b, "-4.775", "factor of x x' x", -1e6, 1e6, 0),
    NUMBER(muon_c, "2.0315", "factor of x x' x x' x", -1e6, 1e6, 0),
    NUMBER(adam_lr_ratio, "1.0", "Adam's rate over the learning rate", 0, 1e9, 0),
    NUMBER(momentum, "0.95", "decay of the momentum", 0, 1, 0),
    {.name = "ns_steps",
     .type = KD_OPT_INT,
     .offset = offsetof(muon_options, ns_steps),
     .initial = "5",
     .help = "Newton-Schulz iterations",
     .min = 0,
     .max = 100},
    FLAG(nesterov, "true", "look ahead"),
    NUMBER(rms_rate, "0.2", "root mean square of a step, in rates; none: not adjusted", 0, 1e9,
           KD_OPT_NONE_OK),
    KD_OPTIMIZER_COMMON(muon_options, "0.004"),
    {0}};

/* Whether the pattern is found anywhere in the text. */
static bool found(const char *pattern, const char *text, int flags) {
  regex_t regex;
  if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | flags) != 0) return false;
  bool matches = regexec(&regex, text, 0, NULL, 0) == 0;
  regfree(&regex);
  return matches;
}

/* The patterns: one text, or a list of them. */
static int n_patterns(const kd_value *value) {
  return !value || value->type == KD_V_NONE ? 0 : value->type == KD_V_LIST ? value->count : 1;
}

static const kd_value *pattern_at(const kd_value *value, int i) {
  return value->type == KD_V_LIST ? &value->items[i] : value;
}

static void check(const void *options, kd_diag *diag, kd_origin origin) {
  const muon_options *o = options;
  for (int i = 0; i < n_patterns(o->exclude_layers); i++) {
    const kd_value *pattern = pattern_at(o->exclude_layers, i);
    if (pattern->type != KD_V_TEXT) {
      kd_diag_error(diag, origin, "Muon: exclude_layers takes a list of texts, and item %d is none", i + 1);
      continue;
    }
    regex_t regex;
    char text[128];
    int code = regcomp(&regex, pattern->text, REG_EXTENDED | REG_NOSUB);
    if (code == 0) {
      regfree(&regex);
      continue;
    }
    regerror(code, &regex, text, sizeof text);
    kd_diag_error(diag, origin, "Muon: exclude_layers: '%.64s' is no regular expression: %s", pattern->text,
                  text);
  }
}

static bool takes_adam(const muon_options *o, const kd_weight *weight) {
  if (weight->shape.rank != 2) return true;
  if (o->exclude_embeddings && found("embedding", weight->path, REG_ICASE)) return true;
  for (int i = 0; i < n_patterns(o->exclude_layers); i++)
    if (found(pattern_at(o->exclude_layers, i)->text, weight->path, 0)) return true;
  return false;
}

/* The mean square is Adam's alone. */
static bool slot_shape(const void *options, int slot, const kd_weight *weight, kd_shape *shape) {
  *shape = weight->shape;
  return slot == 0 || takes_adam(options, weight);
}

static double decay(const void *options, const kd_weight *weight) {
  const muon_options *o = options;
  return takes_adam(o, weight) ? o->adam_weight_decay : o->common.weight_decay;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const muon_options *o = options;
  value[0] = (float)rate;
  value[1] = (float)kd_moments_rate(o->adam_beta_1, o->adam_beta_2, rate * o->adam_lr_ratio, t);
}

/* The polynomial a x + b x x' x + c x x' x x' x moves singular values towards 1. The smaller axis stands
 * first, so that x x' is small. */
static kd_sym orthogonalized(kd_graph *g, const muon_options *o, kd_sym x, const kd_shape *shape) {
  static const int swap[] = {1, 0};
  bool tall = shape->dim[0] > shape->dim[1];
  if (tall) x = kd_transpose(g, x, swap);
  kd_sym norm = kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_SUMSQ, x));
  x = kd_div(g, x, kd_shift(g, norm, 1e-7));
  for (int64_t i = 0; i < o->ns_steps; i++) {
    kd_sym square = kd_matmul(g, x, x, false, true);
    kd_sym fourth = kd_matmul(g, kd_scale(g, square, o->muon_c), square, false, false);
    kd_sym factor = kd_add(g, kd_scale(g, square, o->muon_b), fourth);
    x = kd_add(g, kd_scale(g, x, o->muon_a), kd_matmul(g, factor, x, false, false));
  }
  return tall ? kd_transpose(g, x, swap) : x;
}

static void update_matrix(kd_graph *g, const muon_options *o, kd_update *u) {
  const kd_shape *shape = &u->weight->shape;
  kd_sym m = u->slot[0] = kd_add(g, u->g, kd_scale(g, u->slot[0], o->momentum));
  kd_sym x = o->nesterov ? kd_add(g, u->g, kd_scale(g, m, o->momentum)) : m;
  double larger = (double)(shape->dim[0] > shape->dim[1] ? shape->dim[0] : shape->dim[1]);
  double factor = o->rms_rate == KD_UNSET_FLOAT ? 1 : sqrt(larger) * o->rms_rate;
  kd_sym step = kd_scale(g, orthogonalized(g, o, x, shape), factor);
  u->w = kd_sub(g, u->w, kd_mul(g, step, u->value[0]));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const muon_options *o = options;
  if (!takes_adam(o, u->weight)) {
    update_matrix(g, o, u);
    return;
  }
  kd_moments_mean(g, o->adam_beta_1, u);
  kd_moments_square(g, o->adam_beta_2, u);
  kd_moments_step(g, u->value[1], u->slot[1], o->epsilon, u);
}

const kd_optimizer_kind kd_optimizer_muon = {
    .base = {.name = "Muon",
             .aliases = "muon",
             .help = "orthogonal steps of matrices, Adam's for everything else",
             .options = table,
             .options_size = sizeof(muon_options),
             .check = check},
    .keras_name = "muon",
    .slots = kd_moments_slots,
    .slot_shape = slot_shape,
    .decay = decay,
    .n_values = 2,
    .values = values,
    .update = update,
    .interleaved = 2,
    .per_weight = true,
};
