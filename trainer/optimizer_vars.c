#include "trainer/optimizer_vars.h"

typedef struct builder {
  kd_pool *pool;
  const kd_model *model;
  const kd_optimizer *optimizer;
  const int *order; /* of weights */
  float *shared;    /* NULL: every part has memory of its own */
  kd_optimizer_layout *layout;
} builder;

static kd_optimizer_var *add(builder *b, kd_var_place place) {
  kd_optimizer_vars *vars = &b->layout->vars;
  b->layout->place[vars->count] = place;
  return &vars->var[vars->count++];
}

static void add_count(builder *b, kd_var_role role) {
  add(b, (kd_var_place){.role = role});
}

static void add_scalar(builder *b, kd_var_role role) {
  add(b, (kd_var_place){.role = role})->data = kd_pool_alloc(b->pool, 1, sizeof(float));
}

/* The parts first..last of each trainable weight, weight by weight. */
static void add_parts(builder *b, int first, int last) {
  for (int i = 0; i < b->model->n_weights; i++) {
    const kd_weight *weight = &b->model->weights[b->order[i]];
    for (int part = first; weight->trainable && part <= last; part++) {
      kd_shape shape;
      if (!kd_optimizer_slot_shape(b->optimizer, part, weight, &shape)) continue;
      kd_optimizer_var *var = add(b, (kd_var_place){KD_VAR_PART, part, b->order[i]});
      var->data = b->shared ? b->shared : kd_pool_alloc(b->pool, (size_t)weight->count, sizeof *var->data);
      var->dtype = weight->dtype;
      var->shape = shape;
    }
  }
}

/* A LossScaleOptimizer's own variables: an iteration and a rate that it does not use, then its state. */
static void add_scale(builder *b) {
  kd_optimizer_vars *vars = &b->layout->vars;
  if (!b->optimizer->scaling.dynamic) return;
  vars->inner_name = vars->name;
  vars->name = b->optimizer->scaling.name;
  add_count(b, KD_VAR_UNUSED);
  add_scalar(b, KD_VAR_UNUSED);
  add_count(b, KD_VAR_GOOD_STEPS);
  add_scalar(b, KD_VAR_SCALE);
  vars->n_outer = vars->count;
}

/* Iteration, learning_rate unless it is a schedule, averages of weights, accumulators, then the slots,
 * interleaved or in blocks, then the optimizer's own scalar. */
static void add_all(builder *b) {
  const kd_optimizer *o = b->optimizer;
  int interleaved = o->kind->interleaved;
  add_scale(b);
  add_count(b, KD_VAR_ITERATION);
  if (!o->rate.schedule.kind) add_scalar(b, KD_VAR_RATE);
  if (o->common->use_ema) add_parts(b, o->n_rule_slots, o->n_rule_slots);
  if (o->accumulation > 1) add_parts(b, o->n_slots, o->n_slots);
  if (interleaved > 0) add_parts(b, 0, interleaved - 1);
  for (int slot = interleaved; slot < o->n_rule_slots; slot++) add_parts(b, slot, slot);
  if (o->kind->scalar) add_scalar(b, KD_VAR_SCALAR);
}

static float *shared_block(kd_pool *pool, const kd_model *model) {
  int64_t most = 1;
  for (int w = 0; w < model->n_weights; w++)
    if (model->weights[w].count > most) most = model->weights[w].count;
  return kd_pool_alloc(pool, (size_t)most, sizeof(float));
}

void kd_optimizer_layout_make(kd_pool *pool, const kd_model *ordered, const kd_optimizer *optimizer,
                              bool room, kd_optimizer_layout *layout) {
  size_t n_weights = (size_t)ordered->n_weights;
  size_t most = 7 + (size_t)kd_optimizer_parts(optimizer) * n_weights;
  const char *name = optimizer->common->name;
  int *order = kd_pool_alloc(pool, n_weights + 1, sizeof *order);
  kd_weights_keras_order(ordered, order);
  *layout = (kd_optimizer_layout){.vars.name = name ? name : optimizer->kind->keras_name};
  layout->vars.var = kd_pool_alloc(pool, most, sizeof *layout->vars.var);
  layout->place = kd_pool_alloc(pool, most, sizeof *layout->place);
  float *shared = room ? NULL : shared_block(pool, ordered);
  builder b = {pool, ordered, optimizer, order, shared, layout};
  add_all(&b);
}
