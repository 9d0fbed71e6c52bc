/* LossScaleOptimizer (keras/src/optimizers/loss_scale_optimizer.py): not a rule of its own but a way to use
 * another one. trainer/loss_scale.c does the scaling. */
#include "trainer/optimizer.h"

typedef struct scale_options {
  kd_object inner_optimizer;
  double initial_scale;
  int64_t dynamic_growth_steps;
  const char *name;
} scale_options;

static const kd_option table[] = {
    {.name = "inner_optimizer",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(scale_options, inner_optimizer),
     .help = "the optimizer that gets the unscaled gradients",
     .family = &kd_optimizer_family},
    {.name = "initial_scale",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(scale_options, initial_scale),
     .initial = "32768.0",
     .help = "factor of the loss at the start; halved at gradients that are not finite",
     .min = 0,
     .max = 1e30,
     .flags = KD_OPT_OPEN_MIN},
    {.name = "dynamic_growth_steps",
     .type = KD_OPT_INT,
     .offset = offsetof(scale_options, dynamic_growth_steps),
     .initial = "2000",
     .help = "finite steps after which the factor doubles",
     .min = 1,
     .max = 1e15},
    {.name = "name",
     .type = KD_OPT_TEXT,
     .offset = offsetof(scale_options, name),
     .initial = "none",
     .help = "name in files",
     .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY},
    {0},
};

const kd_optimizer_kind kd_optimizer_loss_scale = {
    .base = {.name = "LossScaleOptimizer",
             .help =
                 "another optimizer under a loss that is scaled such that float16 gradients do not vanish",
             .options = table,
             .options_size = sizeof(scale_options)},
    .keras_name = "loss_scale_optimizer",
};

kd_object kd_loss_scaling_open(const void *options, kd_loss_scaling *scaling) {
  const scale_options *o = options;
  *scaling = (kd_loss_scaling){.dynamic = true,
                               .initial_scale = o->initial_scale,
                               .growth_steps = o->dynamic_growth_steps,
                               .name = o->name ? o->name : kd_optimizer_loss_scale.keras_name};
  return o->inner_optimizer;
}

void kd_optimizer_scale_loss(kd_optimizer *optimizer) {
  if (optimizer->scaling.dynamic) return;
  optimizer->scaling = (kd_loss_scaling){.dynamic = true,
                                         .initial_scale = 32768,
                                         .growth_steps = 2000,
                                         .name = kd_optimizer_loss_scale.keras_name};
}
