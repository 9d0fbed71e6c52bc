#include "trainer/keras_file.h"

#include "device/base/text.h"
#include "io/keras_archive.h"
#include "io/onnx/export.h"
#include "io/saved_model/export.h"

/* The parts first..last of each trainable weight, weight by weight. */
static kd_status add_parts(const kd_keras_source *s, kd_pool *pool, const int *order, int first, int last,
                           kd_optimizer_vars *vars) {
  for (int i = 0; i < s->model->n_weights; i++) {
    const kd_weight *weight = &s->model->weights[order[i]];
    for (int part = first; weight->trainable && part <= last; part++) {
      kd_shape shape;
      if (!kd_optimizer_slot_shape(s->optimizer, part, weight, &shape)) continue;
      float *values = kd_pool_alloc(pool, (size_t)weight->count, sizeof *values);
      bool fresh = s->updates == 0 && part == s->optimizer->kind->begins_as_weight - 1;
      KD_TRY(s->get(s->context, fresh ? KD_PART_WEIGHT : part, order[i], values));
      vars->var[vars->count++] = (kd_optimizer_var){.data = values, .dtype = weight->dtype, .shape = shape};
    }
  }
  return KD_OK;
}

static void add_count(int64_t value, kd_optimizer_vars *vars) {
  vars->var[vars->count++] = (kd_optimizer_var){.integer = value};
}

static void add_scalar(kd_pool *pool, double value, kd_optimizer_vars *vars) {
  float *scalar = kd_pool_alloc(pool, 1, sizeof *scalar);
  *scalar = (float)value;
  vars->var[vars->count++] = (kd_optimizer_var){.data = scalar};
}

/* A LossScaleOptimizer's own variables: an iteration and a rate that it does not use, then its state. */
static void add_scale(const kd_keras_source *s, kd_pool *pool, kd_optimizer_vars *vars) {
  if (!s->optimizer->scaling.dynamic) return;
  vars->inner_name = vars->name;
  vars->name = s->optimizer->scaling.name;
  add_count(0, vars);
  add_scalar(pool, 0, vars);
  add_count(s->scale.good_steps, vars);
  add_scalar(pool, s->scale.scale, vars);
  vars->n_outer = vars->count;
}

/* Optimizer variables in Keras's order (keras.md 3.2): iteration, learning_rate unless it is a schedule,
 * averages of weights, accumulators, then the slots, interleaved or in blocks, then the optimizer's own
 * scalar. model: whose order counts. */
static kd_status optimizer_vars(const kd_keras_source *s, kd_pool *pool, const kd_model *model,
                                kd_optimizer_vars *vars) {
  const kd_optimizer *o = s->optimizer;
  size_t n_weights = (size_t)s->model->n_weights;
  int interleaved = o->kind->interleaved;
  vars->name = o->common->name ? o->common->name : o->kind->keras_name;
  vars->var = kd_pool_alloc(pool, 7 + (size_t)kd_optimizer_parts(o) * n_weights, sizeof *vars->var);
  add_scale(s, pool, vars);
  add_count(s->updates, vars);
  if (!o->rate.schedule.kind) add_scalar(pool, s->rate, vars);
  int *order = kd_pool_alloc(pool, n_weights, sizeof *order);
  kd_weights_keras_order(model, order);
  if (o->common->use_ema) KD_TRY(add_parts(s, pool, order, o->n_rule_slots, o->n_rule_slots, vars));
  if (o->accumulation > 1) KD_TRY(add_parts(s, pool, order, o->n_slots, o->n_slots, vars));
  if (interleaved > 0) KD_TRY(add_parts(s, pool, order, 0, interleaved - 1, vars));
  for (int slot = interleaved; slot < o->n_rule_slots; slot++)
    KD_TRY(add_parts(s, pool, order, slot, slot, vars));
  if (o->kind->scalar) add_scalar(pool, o->kind->scalar(o->common, s->updates / o->accumulation), vars);
  return KD_OK;
}

/* What computes the outputs alone: formats without an optimizer. */
static bool is_program(const char *path) {
  return kd_ends_with(path, ".onnx") || kd_ends_with(path, KD_SAVED_MODEL_END);
}

static kd_status write_program(const kd_keras_source *s, const char *path, const float *const *weights) {
  kd_onnx_options options = {.opset = s->opset ? s->opset : KD_ONNX_OPSET, .one_file = KD_ONNX_ONE_FILE};
  return kd_ends_with(path, ".onnx") ? kd_onnx_write(path, s->model, weights, &options)
                                     : kd_saved_model_write(path, s->model, weights, KD_SAVED_MODEL_LIMIT);
}

kd_status kd_keras_save(const kd_keras_source *s, const char *path, const char *config) {
  kd_pool *pool = kd_pool_create();
  const kd_model *model = config ? kd_model_flat(pool, s->model) : s->model;
  const float **weights = kd_pool_alloc(pool, (size_t)model->n_weights + 1, sizeof *weights);
  kd_optimizer_vars vars = {0};
  kd_status status = KD_OK;
  for (int w = 0; w < model->n_weights && status == KD_OK; w++) {
    float *values = kd_pool_alloc(pool, (size_t)model->weights[w].count, sizeof *values);
    weights[w] = values;
    status = s->get(s->context, KD_PART_WEIGHT, w, values);
  }
  bool program = is_program(path);
  if (status == KD_OK && s->optimizer && !program) status = optimizer_vars(s, pool, model, &vars);
  const kd_optimizer_vars *optimizer = vars.count ? &vars : NULL;
  if (status == KD_OK && program)
    status = write_program(s, path, weights);
  else if (status == KD_OK)
    status = config ? kd_keras_write(path, config, model, weights, optimizer)
                    : kd_weights_write(path, model, weights, optimizer);
  kd_pool_destroy(pool);
  return status;
}

static kd_status get_of_replica(void *replica, int part, int weight, float *values) {
  return kd_replica_get(replica, part, weight, values);
}

kd_status kd_trainer_save(kd_trainer *t, const char *path) {
  if (t->comm->rank != 0) return KD_OK;
  bool whole = kd_ends_with(path, ".keras");
  KD_CHECK(!whole || t->keras_config, KD_ERR_INTERNAL, "%s: nobody has described the model", kd_quoted(path));
  kd_keras_source source = {.model = t->setup->model,
                            .optimizer = t->setup->optimizer,
                            .get = get_of_replica,
                            .context = t->replica,
                            .updates = kd_trainer_updates(t),
                            .rate = t->rate,
                            .opset = t->opset,
                            .scale = kd_replica_loss_scale(t->replica)};
  return kd_keras_save(&source, path, whole ? t->keras_config : NULL);
}
