#include "trainer/objective.h"

#include <string.h>

enum { STATE_LIMIT = 1 << 22 }; /* numbers of one metric: a matrix of 2048 classes */

static const kd_shape *output_shape(const kd_model *model, int output) {
  kd_tap tap = model->outputs[output].tap;
  return &model->calls[tap.call]->output_shape[tap.output];
}

static kd_shape with_batch(const kd_shape *sample, int64_t rows) {
  kd_shape shape = {.rank = sample->rank + 1, .dim = {rows}};
  for (int i = 0; i < sample->rank; i++) shape.dim[i + 1] = sample->dim[i];
  return shape;
}

static const kd_loss_kind *loss_kind(const kd_output_loss *output) {
  return (const kd_loss_kind *)output->loss.kind;
}

static const kd_metric_kind *metric_kind(const kd_metric_slot *slot) {
  return (const kd_metric_kind *)slot->metric.kind;
}

/* A loss of the whole batch sees every row alike. */
static bool make_whole(kd_diag *diag, const kd_model *model, int number, const kd_output_goal *goal,
                       int64_t rows, kd_output_loss *output) {
  const kd_whole_loss *whole = loss_kind(output)->whole;
  output->n_state = whole ? whole->n_state(output->loss.options, &output->prediction, rows) : 0;
  if (output->n_state == 0) return true;
  const char *name = output->loss.kind->name, *at = model->outputs[number].name;
  kd_tap tap = model->outputs[number].tap;
  if (goal->sample_weight || goal->n_class_weights > 0)
    kd_diag_error(
        diag, goal->origin,
        "output %s: %s is one number of the whole batch, so samples and classes cannot have weights; "
        "leave them out",
        at, name);
  else if (model->calls[tap.call]->output_masked[tap.output])
    kd_diag_error(diag, goal->origin,
                  "output %s: %s is one number of the whole batch and knows no masks of steps; drop the mask "
                  "before, or take a loss of each step",
                  at, name);
  else if (output->n_state > STATE_LIMIT)
    kd_diag_error(diag, goal->origin,
                  "output %s: %s keeps %lld numbers of a batch of %lld rows, at most %d are possible; take a "
                  "smaller batch",
                  at, name, (long long)output->n_state, (long long)rows, STATE_LIMIT);
  else
    return true;
  return false;
}

/* As Keras, which finds one class for each sample. */
static bool check_class_weights(kd_diag *diag, const kd_model *model, int number, const kd_output_goal *goal,
                                const kd_output_loss *output) {
  if (goal->n_class_weights == 0) return true;
  char text[KD_SHAPE_TEXT];
  bool one_class = loss_kind(output)->sparse_labels
                       ? kd_shape_count(&goal->label_sample) == 1
                       : goal->label_sample.rank <= 1 && !loss_kind(output)->label_classes;
  if (!one_class)
    kd_diag_error(diag, goal->origin,
                  "output %s: class_weight needs one class for each sample, but labels have shape %s; give "
                  "weights of samples",
                  model->outputs[number].name, kd_shape_text(&goal->label_sample, text));
  return one_class;
}

/* A loss of all steps together has no use for what is said of each. */
static bool check_steps(kd_diag *diag, const kd_model *model, int number, const kd_output_goal *goal,
                        const kd_output_loss *output) {
  if (!loss_kind(output)->values_per_row || output->values_per_row > 1 || output->prediction.rank < 3)
    return true;
  const char *name = output->loss.kind->name, *at = model->outputs[number].name;
  kd_tap tap = model->outputs[number].tap;
  bool masked = model->calls[tap.call]->output_masked[tap.output];
  if (masked)
    kd_diag_error(
        diag, goal->origin,
        "output %s: %s is one number of all steps of a sample and knows no masks of steps; drop the mask "
        "before",
        at, name);
  if (goal->weight_sample.rank > 0)
    kd_diag_error(
        diag, goal->origin,
        "output %s: %s is one number of all steps of a sample, so steps cannot have weights; give one "
        "weight for each sample",
        at, name);
  return !masked && goal->weight_sample.rank == 0;
}

static bool make_loss(kd_pool *pool, kd_diag *diag, const kd_model *model, int number,
                      const kd_output_goal *goal, int64_t rows, kd_output_loss *output) {
  const kd_shape *prediction = output_shape(model, number);
  *output = (kd_output_loss){
      .weight = goal->loss_weight,
      .label_dtype = goal->label_dtype,
      .label_sample = goal->label_sample,
      .sample_weight = goal->sample_weight,
      .weight_dtype = goal->weight_dtype,
      .weight_sample = goal->weight_sample,
      .n_class_weights = goal->n_class_weights,
      .class_weight = goal->class_weight,
  };
  if (!goal->loss) return true;
  const kd_value *value = goal->loss;
  kd_shape truth = with_batch(&goal->label_sample, -1);
  if (value->type == KD_V_TEXT) {
    kd_value *resolved = kd_value_text(pool, kd_metric_resolve(value->text, &truth, prediction));
    resolved->origin = value->origin;
    value = resolved;
  }
  if (!kd_object_make(pool, diag, &kd_loss_family, value, &output->loss)) return false;
  kd_tap tap = model->outputs[number].tap;
  const kd_loss_common *common = output->loss.options;
  bool weighted = goal->sample_weight || goal->n_class_weights > 0;
  output->counted =
      common->reduction != KD_RED_SUM && (model->calls[tap.call]->output_masked[tap.output] ||
                                          (common->reduction == KD_RED_MEAN_WEIGHTED && weighted));
  bool sparse = loss_kind(output)->sparse_labels;
  output->prediction = *prediction;
  if (kd_loss_squeezes(&truth, prediction, sparse)) output->prediction.rank--;
  output->values_per_row = loss_kind(output)->values_per_row
                               ? loss_kind(output)->values_per_row(output->loss.options, &output->prediction)
                               : kd_loss_values_per_row(&truth, prediction, sparse);
  if (sparse || loss_kind(output)->label_classes) output->classes = prediction->dim[prediction->rank - 1];
  return check_class_weights(diag, model, number, goal, output) &&
         check_steps(diag, model, number, goal, output) &&
         make_whole(diag, model, number, goal, rows, output);
}

/* The name that logs show: the text as typed, the object's own name, or the class's default (keras.md 4.3),
 * which Keras counts for some: "auc", "auc_1". */
static const char *metric_name(kd_pool *pool, const kd_objective *objective, const kd_value *value,
                               const kd_metric_slot *slot) {
  const kd_metric_common *common = slot->metric.options;
  const kd_metric_kind *kind = metric_kind(slot);
  if (common->name) return common->name;
  if (value->type == KD_V_TEXT) return value->text;
  int before = 0;
  for (int i = 0; kind->numbered && i < objective->n_metrics; i++)
    before += objective->metrics[i].metric.kind == slot->metric.kind && objective->metrics[i].counted;
  return before ? kd_pool_printf(pool, "%s_%d", kind->log_name, before) : kind->log_name;
}

static bool name_taken(const kd_objective *objective, const char *name) {
  for (int i = 0; i < objective->n_metrics; i++)
    if (strcmp(objective->metrics[i].log_name, name) == 0) return true;
  return strcmp(name, "loss") == 0;
}

static const char *unique_name(kd_pool *pool, const kd_objective *objective, const char *name) {
  const char *candidate = name;
  for (int i = 1; name_taken(objective, candidate); i++) candidate = kd_pool_printf(pool, "%s_%d", name, i);
  return candidate;
}

static const char *output_name(kd_pool *pool, const kd_model *model, int output, const char *prefix,
                               const char *name) {
  const char *front = model->n_outputs > 1 ? kd_pool_printf(pool, "%s_", model->outputs[output].name) : "";
  return kd_pool_printf(pool, "%s%s%s", front, prefix, name);
}

/* How many numbers it keeps and gives. */
static bool size_metric(kd_pool *pool, kd_diag *diag, const kd_shape *prediction, const kd_value *value,
                        kd_metric_slot *slot) {
  const kd_metric_kind *kind = metric_kind(slot);
  int64_t n_state = kind->n_state(slot->metric.options, prediction);
  char text[KD_SHAPE_TEXT];
  if (n_state < 1 || n_state > STATE_LIMIT) {
    kd_diag_error(diag, value->origin, "metric %s keeps between 1 and %d numbers, not %lld, of shape %s",
                  kind->base.name, STATE_LIMIT, (long long)n_state, kd_shape_text(prediction, text));
    return false;
  }
  slot->n_state = (int)n_state;
  slot->n_results = kind->n_results ? kind->n_results(slot->metric.options, prediction) : 1;
  slot->result_name = kd_pool_alloc(pool, (size_t)slot->n_results, sizeof *slot->result_name);
  for (int i = 0; i < slot->n_results; i++)
    slot->result_name[i] =
        slot->n_results == 1 ? slot->log_name : kd_pool_printf(pool, "%s.%d", slot->log_name, i);
  return true;
}

static bool make_metric(kd_pool *pool, kd_diag *diag, const kd_model *model, int output,
                        const kd_output_goal *goal, const kd_value *value, bool weighted,
                        kd_objective *objective) {
  kd_metric_slot slot = {.output = output, .weighted = weighted, .tail = objective->n_tail};
  const kd_shape *prediction = output_shape(model, output);
  const kd_value *resolved = value;
  if (value->type == KD_V_TEXT) {
    kd_shape truth = with_batch(&goal->label_sample, -1);
    kd_value *text = kd_value_text(pool, kd_metric_resolve(value->text, &truth, prediction));
    text->origin = value->origin;
    resolved = text;
  }
  if (!kd_object_make(pool, diag, &kd_metric_family, resolved, &slot.metric)) return false;
  const char *name = metric_name(pool, objective, value, &slot);
  slot.counted = value->type != KD_V_TEXT && !((const kd_metric_common *)slot.metric.options)->name;
  const char *shown = output_name(pool, model, output, "", name);
  if (weighted && name_taken(objective, shown)) shown = output_name(pool, model, output, "weighted_", name);
  slot.log_name = unique_name(pool, objective, shown);
  if (!size_metric(pool, diag, prediction, value, &slot)) return false;
  objective->n_tail += slot.n_state;
  objective->metrics[objective->n_metrics++] = slot;
  return true;
}

/* Outputs have logs of their own where there are several losses. */
static void name_losses(kd_pool *pool, const kd_model *model, kd_objective *objective) {
  int n = 0;
  for (int i = 0; i < model->n_outputs; i++) n += objective->outputs[i].loss.kind != NULL;
  for (int i = 0; n > 1 && i < model->n_outputs; i++)
    if (objective->outputs[i].loss.kind)
      objective->outputs[i].log_name = kd_pool_printf(pool, "%s_loss", model->outputs[i].name);
}

static int metric_count(const kd_value *metrics) {
  if (!metrics || metrics->type == KD_V_NONE) return 0;
  return metrics->type == KD_V_LIST ? metrics->count : 1;
}

static bool make_metrics(kd_pool *pool, kd_diag *diag, const kd_model *model, int output,
                         const kd_output_goal *goal, bool weighted, kd_objective *objective) {
  const kd_value *metrics = weighted ? goal->weighted_metrics : goal->metrics;
  bool good = true;
  for (int m = 0; m < metric_count(metrics); m++) {
    const kd_value *value = metrics->type == KD_V_LIST ? &metrics->items[m] : metrics;
    good &= make_metric(pool, diag, model, output, goal, value, weighted, objective);
  }
  return good;
}

/* Behind what epochs add up. */
static void place_states(kd_objective *objective) {
  objective->n_logged = objective->n_tail;
  for (int i = 0; i < objective->n_outputs; i++) {
    objective->outputs[i].state_tail = objective->n_tail;
    objective->n_tail += (int)objective->outputs[i].n_state;
  }
}

bool kd_objective_make(kd_pool *pool, kd_diag *diag, const kd_model *model, const kd_output_goal *goals,
                       int64_t rows, kd_objective *objective) {
  *objective = (kd_objective){.n_outputs = model->n_outputs};
  objective->outputs = kd_pool_alloc(pool, (size_t)model->n_outputs, sizeof *objective->outputs);
  objective->count_tail = model->n_outputs;
  objective->added_tail = 2 * model->n_outputs;
  objective->n_tail = objective->added_tail + 1;
  int n_metrics = 0;
  bool good = true;
  for (int i = 0; i < model->n_outputs; i++) {
    good &= make_loss(pool, diag, model, i, &goals[i], rows, &objective->outputs[i]);
    n_metrics += metric_count(goals[i].metrics) + metric_count(goals[i].weighted_metrics);
  }
  name_losses(pool, model, objective);
  objective->metrics = kd_pool_alloc(pool, (size_t)n_metrics, sizeof *objective->metrics);
  for (int i = 0; i < model->n_outputs; i++)
    good &= make_metrics(pool, diag, model, i, &goals[i], false, objective);
  for (int i = 0; i < model->n_outputs; i++)
    good &= make_metrics(pool, diag, model, i, &goals[i], true, objective);
  place_states(objective);
  return good;
}

bool kd_objective_counts(const kd_objective *objective) {
  for (int i = 0; i < objective->n_outputs; i++)
    if (objective->outputs[i].counted || objective->outputs[i].n_state > 0) return true;
  return false;
}

const kd_objective *kd_objective_for_evaluation(const kd_objective *objective, kd_pool *pool) {
  kd_objective *copy = kd_pool_alloc(pool, 1, sizeof *copy);
  size_t n = (size_t)objective->n_outputs;
  *copy = *objective;
  copy->outputs = kd_pool_alloc(pool, n, sizeof *copy->outputs);
  for (size_t o = 0; o < n; o++) {
    copy->outputs[o] = objective->outputs[o];
    copy->outputs[o].n_class_weights = 0;
  }
  return copy;
}
