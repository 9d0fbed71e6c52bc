#include "launch/run_outputs.h"

#include <string.h>

#include "device/base/text.h"
#include "launch/build_model.h"

static bool is_none(const kd_value *value) {
  return !value || value->type == KD_V_NONE;
}

static bool is_dict(const kd_value *value) {
  return value->type == KD_V_CALL && !strcmp(value->text, "dict");
}

/* Every key of a dict must be an output. */
static void check_names(kd_interpolation *context, const kd_run_config *config, const char *key,
                        const kd_value *value) {
  for (int i = 0; i < value->count; i++) {
    bool known = false;
    for (int k = 0; k < config->n_outputs; k++)
      known = known || kd_streq(value->keys[i], config->outputs[k].name);
    if (!known)
      kd_diag_error(context->diag, value->origin, "[train]: %s: the model has no output '%s'", key,
                    kd_quoted(value->keys[i] ? value->keys[i] : "(no name)"));
  }
}

/* The part of a [train] value that belongs to output `index`: by name in a dict, by place in a list. NULL:
 * none. */
static const kd_value *part_of(const kd_run_config *config, const kd_value *value, int index) {
  if (is_dict(value)) return kd_value_key(value, config->outputs[index].name);
  if (value->type == KD_V_LIST && config->n_outputs > 1)
    return index < value->count ? &value->items[index] : NULL;
  return value;
}

static bool check_list(kd_interpolation *context, const kd_run_config *config, const char *key,
                       const kd_value *value) {
  if (is_none(value)) return false;
  if (is_dict(value)) check_names(context, config, key, value);
  if (value->type != KD_V_LIST || config->n_outputs <= 1 || value->count == config->n_outputs) return true;
  kd_diag_error(context->diag, value->origin, "[train]: %s has %d items for %d outputs", key, value->count,
                config->n_outputs);
  return false;
}

static void spread_loss(kd_interpolation *context, kd_run_config *config) {
  const kd_value *value = config->train.loss;
  if (!check_list(context, config, "loss", value)) return;
  for (int i = 0; i < config->n_outputs; i++) {
    kd_output_config *output = &config->outputs[i];
    const kd_value *part = output->loss ? NULL : part_of(config, value, i);
    if (part && part->type == KD_V_LIST && part->count == 1) part = &part->items[0];
    if (is_none(part)) continue;
    output->loss = part;
    output->origin = value->origin;
  }
}

static void spread_metrics(kd_interpolation *context, kd_run_config *config, bool weighted) {
  const kd_value *value = weighted ? config->train.weighted_metrics : config->train.metrics;
  const char *key = weighted ? "weighted_metrics" : "metrics";
  if (is_none(value)) return;
  if (config->n_outputs > 1 && !is_dict(value)) {
    kd_diag_error(context->diag, value->origin,
                  "[train]: %s: with several outputs, write them in the [output] sections, or as "
                  "dict(OUTPUT=...)",
                  key);
    return;
  }
  if (is_dict(value)) check_names(context, config, key, value);
  for (int i = 0; i < config->n_outputs; i++) {
    kd_output_config *output = &config->outputs[i];
    const kd_value **own = weighted ? &output->weighted_metrics : &output->metrics;
    const kd_value *part = *own ? NULL : part_of(config, value, i);
    if (!is_none(part)) *own = part;
  }
}

/* Weights of classes: of a single output, and without weights of samples, as in Keras. */
static void read_class_weight(kd_interpolation *context, kd_run_config *config) {
  const kd_value *value = config->train.class_weight;
  if (is_none(value) || config->n_outputs == 0) return;
  kd_output_config *output = &config->outputs[0];
  if (config->n_outputs > 1 || output->sample_weight) {
    kd_diag_error(
        context->diag, value->origin,
        config->n_outputs > 1
            ? "[train]: class_weight works with a single output only: give each output a sample_weight"
            : "[train]: class_weight and sample_weight cannot be used together: multiply them in the data");
    return;
  }
  bool list = value->type == KD_V_LIST;
  int count = list ? value->count : 1;
  output->class_weight = kd_pool_alloc(context->pool, (size_t)count, sizeof *output->class_weight);
  for (int i = 0; i < count; i++) {
    const kd_value *item = list ? &value->items[i] : value;
    if ((item->type != KD_V_INT && item->type != KD_V_FLOAT) || !(item->real >= 0)) {
      kd_diag_error(context->diag, value->origin, "[train]: class_weight: %s is no number from 0 on",
                    kd_quoted(kd_value_print(context->pool, item)));
      return;
    }
    output->class_weight[i] = item->real;
  }
  output->n_class_weights = count;
}

static void spread_weights(kd_interpolation *context, kd_run_config *config, const bool *given) {
  const kd_value *value = config->train.loss_weights;
  if (!check_list(context, config, "loss_weights", value)) return;
  for (int i = 0; i < config->n_outputs; i++) {
    const kd_value *part = given[i] ? NULL : part_of(config, value, i);
    if (part && part->type == KD_V_LIST && part->count == 1) part = &part->items[0];
    if (is_none(part)) continue;
    if (part->type != KD_V_INT && part->type != KD_V_FLOAT) {
      kd_diag_error(context->diag, value->origin, "[train]: loss_weights: %s is no number",
                    kd_quoted(kd_value_print(context->pool, part)));
      return;
    }
    config->outputs[i].loss_weight = part->real;
  }
}

void kd_run_outputs_make(kd_interpolation *context, const kd_model_spec *spec, kd_run_config *config) {
  size_t count = (size_t)spec->n_outputs;
  config->outputs = kd_pool_alloc(context->pool, count, sizeof *config->outputs);
  bool *weight_given = kd_pool_alloc(context->pool, count, sizeof *weight_given);
  config->n_outputs = spec->n_outputs;
  for (int i = 0; i < spec->n_outputs; i++) {
    const kd_output_spec *output = &spec->outputs[i];
    kd_output_options options = {.loss_weight = KD_UNSET_FLOAT};
    if (output->section) {
      const char *subject = kd_pool_printf(context->diag->pool, "output %s", output->name);
      kd_section_fill(context, output->section, subject, &kd_output_section_kind, NULL, &options);
    }
    weight_given[i] = options.loss_weight != KD_UNSET_FLOAT;
    config->outputs[i] = (kd_output_config){
        .name = output->name,
        .loss = is_none(options.loss) ? NULL : options.loss,
        .loss_weight = weight_given[i] ? options.loss_weight : 1.0,
        .metrics = is_none(options.metrics) ? NULL : options.metrics,
        .target = options.target,
        .sample_weight = options.sample_weight ? options.sample_weight : config->data.sample_weight,
        .origin = output->origin};
    if (!is_none(options.weighted_metrics)) config->outputs[i].weighted_metrics = options.weighted_metrics;
    if (config->outputs[i].loss) config->outputs[i].origin = options.loss->origin;
  }
  spread_loss(context, config);
  spread_metrics(context, config, false);
  spread_metrics(context, config, true);
  read_class_weight(context, config);
  spread_weights(context, config, weight_given);
}
