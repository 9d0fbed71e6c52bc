/* Weights and the optimizer's variables as Keras's .weights.h5. */
#include "io/weights_file.h"
#include "trainer/trainer.h"

/* The parts first..last of each trainable weight, weight by weight. */
static kd_status add_parts(kd_trainer *t, kd_pool *pool, const int *order, int first, int last,
                           kd_optimizer_vars *vars) {
  const kd_model *model = t->setup->model;
  for (int i = 0; i < model->n_weights; i++) {
    const kd_weight *weight = &model->weights[order[i]];
    for (int part = first; weight->trainable && part <= last; part++) {
      kd_shape shape;
      if (!kd_optimizer_slot_shape(t->setup->optimizer, part, weight, &shape)) continue;
      float *values = kd_pool_alloc(pool, (size_t)weight->count, sizeof *values);
      KD_TRY(kd_replica_get(t->replica, part, order[i], values));
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
static void add_scale(kd_trainer *t, kd_pool *pool, kd_optimizer_vars *vars) {
  const kd_optimizer *o = t->setup->optimizer;
  kd_loss_scale scale = kd_replica_loss_scale(t->replica);
  if (!o->scaling.dynamic) return;
  vars->inner_name = vars->name;
  vars->name = o->scaling.name;
  add_count(0, vars);
  add_scalar(pool, 0, vars);
  add_count(scale.good_steps, vars);
  add_scalar(pool, scale.scale, vars);
  vars->n_outer = vars->count;
}

/* Optimizer variables in Keras's order (keras.md 3.2): iteration, learning_rate unless it is a schedule,
 * averages of weights, accumulators, then the slots, interleaved or in blocks, then the optimizer's own
 * scalar. */
static kd_status optimizer_vars(kd_trainer *t, kd_pool *pool, kd_optimizer_vars *vars) {
  const kd_optimizer *o = t->setup->optimizer;
  const kd_model *model = t->setup->model;
  int interleaved = o->kind->interleaved;
  vars->name = o->common->name ? o->common->name : o->kind->keras_name;
  vars->var =
      kd_pool_alloc(pool, 7 + (size_t)kd_optimizer_parts(o) * (size_t)model->n_weights, sizeof *vars->var);
  add_scale(t, pool, vars);
  add_count(kd_trainer_updates(t), vars);
  if (!o->rate.schedule.kind) add_scalar(pool, t->rate, vars);
  int *order = kd_pool_alloc(pool, (size_t)model->n_weights, sizeof *order);
  kd_weights_keras_order(model, order);
  if (o->common->use_ema) KD_TRY(add_parts(t, pool, order, o->n_rule_slots, o->n_rule_slots, vars));
  if (o->accumulation > 1) KD_TRY(add_parts(t, pool, order, o->n_slots, o->n_slots, vars));
  if (interleaved > 0) KD_TRY(add_parts(t, pool, order, 0, interleaved - 1, vars));
  for (int slot = interleaved; slot < o->n_rule_slots; slot++)
    KD_TRY(add_parts(t, pool, order, slot, slot, vars));
  if (o->kind->scalar)
    add_scalar(pool, o->kind->scalar(o->common, kd_trainer_updates(t) / o->accumulation), vars);
  return KD_OK;
}

kd_status kd_trainer_save_weights(kd_trainer *t, const char *path, bool with_optimizer) {
  if (t->comm->rank != 0) return KD_OK;
  const kd_model *model = t->setup->model;
  kd_pool *pool = kd_pool_create();
  const float **weights = kd_pool_alloc(pool, (size_t)model->n_weights + 1, sizeof *weights);
  kd_status status = KD_OK;
  for (int w = 0; w < model->n_weights && status == KD_OK; w++) {
    float *values = kd_pool_alloc(pool, (size_t)model->weights[w].count, sizeof *values);
    weights[w] = values;
    status = kd_replica_get(t->replica, KD_PART_WEIGHT, w, values);
  }
  kd_optimizer_vars vars = {0};
  if (status == KD_OK && with_optimizer && t->setup->optimizer) status = optimizer_vars(t, pool, &vars);
  if (status == KD_OK) status = kd_weights_write(path, model, weights, vars.count ? &vars : NULL);
  kd_pool_destroy(pool);
  return status;
}
