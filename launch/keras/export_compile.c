/* compile_config: optimizer, losses and metrics. Names such as "accuracy" stay names: what they mean follows
 * from shapes, and logs are called after them. */
#include <strings.h>

#include "launch/keras/export.h"
#include "layers/loss.h"
#include "trainer/optimizer.h"

/* The optimizer as the model uses it: under mixed_float16 inside a LossScaleOptimizer also where nobody wrote
 * one, since a program of another policy would not put it there and could not use the file's variables. */
static const kd_value *export_optimizer(kd_exporter *e, const kd_optimizer *optimizer) {
  const kd_object rule = {.kind = &optimizer->kind->base, .options = (void *)(uintptr_t)optimizer->common};
  const kd_value *inner = kd_export_object(e, &kd_optimizer_family, &rule);
  const kd_loss_scaling *scaling = &optimizer->scaling;
  if (!scaling->dynamic) return inner;
  kd_json config = kd_json_object(e->pool);
  kd_json_put(&config, "inner_optimizer", inner);
  kd_json_put(&config, "initial_scale", kd_value_float(e->pool, scaling->initial_scale));
  kd_json_put(&config, "dynamic_growth_steps", kd_value_int(e->pool, scaling->growth_steps));
  kd_json_put_text(&config, "name", scaling->name);
  return kd_export_class(e, "keras.optimizers", kd_optimizer_loss_scale.base.name, NULL, config.value);
}

/* What is said of one output, and what the model gives there. */
typedef struct goal {
  const kd_output_config *output;
  const kd_shape *prediction;
} goal;

static bool has_class_labels(kd_exporter *e, const kd_value *loss) {
  kd_object object = {0};
  kd_diag *diag = kd_diag_create();
  bool made = loss && kd_object_make(e->pool, diag, &kd_loss_family, loss, &object);
  kd_diag_destroy(diag);
  return made && ((const kd_loss_kind *)object.kind)->sparse_labels;
}

/* "crossentropy" is a loss in Keras, which chooses by shapes, but no metric: the class is chosen here, by the
 * labels that the loss takes. */
static const kd_value *export_metric(kd_exporter *e, const goal *g, const kd_value *metric) {
  bool entropy = metric->type == KD_V_TEXT &&
                 (strcasecmp(metric->text, "crossentropy") == 0 || strcasecmp(metric->text, "ce") == 0);
  if (!entropy) return kd_export_value(e, &kd_metric_family, metric);
  kd_shape truth = *g->prediction;
  truth.rank -= has_class_labels(e, g->output->loss);
  kd_json config = kd_json_object(e->pool);
  kd_json_put_text(&config, "name", metric->text);
  return kd_export_class(e, "keras.metrics", kd_metric_resolve("crossentropy", &truth, g->prediction), NULL,
                         config.value);
}

static const kd_value *export_metrics(kd_exporter *e, const goal *g, const kd_value *metrics) {
  kd_json list = kd_json_list(e->pool);
  bool several = metrics && metrics->type == KD_V_LIST;
  for (int i = 0; metrics && i < (several ? metrics->count : 1); i++)
    kd_json_add(&list, export_metric(e, g, several ? &metrics->items[i] : metrics));
  return list.value;
}

static const kd_value *loss_of(kd_exporter *e, const goal *g) {
  return kd_export_value(e, &kd_loss_family, g->output->loss);
}

static const kd_value *weight_of(kd_exporter *e, const goal *g) {
  return kd_value_float(e->pool, g->output->loss_weight);
}

static const kd_value *metrics_of(kd_exporter *e, const goal *g) {
  return export_metrics(e, g, g->output->metrics);
}

static const kd_value *weighted_metrics_of(kd_exporter *e, const goal *g) {
  return export_metrics(e, g, g->output->weighted_metrics);
}

/* One item for each output; that of a single output stands alone. */
static const kd_value *per_output(kd_exporter *e, const kd_model *model, const kd_run_config *run,
                                  const kd_value *(*part)(kd_exporter *e, const goal *g)) {
  kd_json list = kd_json_list(e->pool);
  for (int i = 0; i < run->n_outputs; i++) {
    kd_tap tap = model->outputs[i].tap;
    const goal g = {&run->outputs[i], &model->calls[tap.call]->output_shape[tap.output]};
    kd_json_add(&list, part(e, &g));
  }
  return run->n_outputs == 1 ? &list.value->items[0] : list.value;
}

const kd_value *kd_export_compile(kd_exporter *e, const kd_model *model, const kd_config *config) {
  kd_json compile = kd_json_object(e->pool);
  const kd_run_config *run = config ? &config->run : NULL;
  bool loss = false, weights = false, metrics = false, weighted = false;
  for (int i = 0; run && i < run->n_outputs; i++) {
    loss = loss || run->outputs[i].loss;
    weights = weights || run->outputs[i].loss_weight != 1;
    metrics = metrics || run->outputs[i].metrics;
    weighted = weighted || run->outputs[i].weighted_metrics;
  }
  if (!loss || !config->optimizer.kind) return compile.value;
  kd_json_put(&compile, "optimizer", export_optimizer(e, &config->optimizer));
  kd_json_put(&compile, "loss", per_output(e, model, run, loss_of));
  if (weights) kd_json_put(&compile, "loss_weights", per_output(e, model, run, weight_of));
  if (metrics) kd_json_put(&compile, "metrics", per_output(e, model, run, metrics_of));
  if (weighted) kd_json_put(&compile, "weighted_metrics", per_output(e, model, run, weighted_metrics_of));
  return compile.value;
}
