/* GaussianNoise and GaussianDropout (keras/src/layers/regularization): normal numbers added to the input or
 * multiplied with it, in training only. */
#include <math.h>

#include "layers/kinds/kinds.h"

typedef struct noise_options {
  double stddev, rate;
  int64_t seed;
} noise_options;

/* deviation times a normal number for each number of x. */
static kd_sym noise(kd_build *build, const noise_options *o, kd_sym x, double deviation) {
  kd_graph *g = build->graph;
  if (x == KD_NO_SYM) return x;
  uint32_t before = kd_stream_begin(g, o->seed);
  kd_sym normal = kd_normal(g, build->rng, *kd_sym_shape(g, x));
  kd_stream_end(g, o->seed, before);
  return kd_scale(g, normal, deviation);
}

static kd_status noise_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                             kd_sym *outputs) {
  (void)n_inputs;
  const noise_options *o = layer->options;
  kd_sym x = outputs[0] = kd_as_float(build->graph, inputs[0]);
  if (build->training && o->stddev > 0) outputs[0] = kd_add(build->graph, x, noise(build, o, x, o->stddev));
  return KD_OK;
}

/* Srivastava et al., "Dropout", 2014, section 10: factors of mean 1 and the variance of inverted dropout. */
static kd_status dropout_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                               kd_sym *outputs) {
  (void)n_inputs;
  const noise_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = outputs[0] = kd_as_float(g, inputs[0]);
  if (build->training && o->rate > 0)
    outputs[0] = kd_mul(g, x, kd_shift(g, noise(build, o, x, sqrt(o->rate / (1 - o->rate))), 1));
  return KD_OK;
}

static const kd_option noise_table[] = {
    KD_ROW_FLOAT(noise_options, stddev, NULL, 0, 1, "standard deviation of the noise"),
    KD_ROW_SEED(noise_options),
    KD_ROW_END,
};
static const kd_option dropout_table[] = {
    {.name = "rate",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(noise_options, rate),
     .help = "the factors have the standard deviation sqrt(rate / (1 - rate))",
     .max = 1,
     .flags = KD_OPT_OPEN_MAX},
    KD_ROW_SEED(noise_options),
    KD_ROW_END,
};

#define LAYER(id, class, text, table, function)                                                              \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = sizeof(noise_options)},        \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .mask = KD_MASK_PASS,                                                                                  \
      .takes_training = true,                                                                                \
  };
LAYER(gaussian_noise, "GaussianNoise", "adds normal numbers in training", noise_table, noise_build)
LAYER(gaussian_dropout, "GaussianDropout", "multiplies with normal numbers of mean 1 in training",
      dropout_table, dropout_build)
