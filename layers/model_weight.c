/* What build functions of layers call: weights, extra losses, moving statistics. */
#include "layers/model_pass.h"

static kd_sym declare_weight(kd_build *build, const char *name, kd_shape shape, const kd_object *initializer,
                             const kd_object *regularizer, bool trainable) {
  kd_model *model = build->model;
  kd_layer *layer = build->layer;
  int64_t count;
  if (kd_checked_count(&shape, &count) != KD_OK)
    return kd_graph_fail(build->graph, "%s: %s", name, kd_status_text());
  model->weights = kd_pool_grow(model->pool, model->weights, (size_t)model->n_weights,
                                &model->weight_capacity, sizeof *model->weights);
  int index = model->n_weights++;
  kd_weight *weight = &model->weights[index];
  *weight = (kd_weight){.name = kd_pool_strdup(model->pool, name),
                        .path = kd_pool_printf(model->pool, "%s/%s", layer->name, name),
                        .layer = layer->index,
                        .shape = shape,
                        .count = count,
                        .dtype = layer->policy.variable,
                        .trainable = trainable && layer->trainable,
                        .statistic = !trainable,
                        .offset = -1};
  if (initializer) weight->initializer = *initializer;
  if (regularizer) weight->regularizer = *regularizer;
  layer->n_weights++;
  build->next_weight++;
  kd_sym sym = kd_weight_sym(build->graph, weight->dtype, shape, index, weight->path);
  if (weight->regularizer.kind) /* tells now what does not fit; the update builds its own */
    (void)kd_penalty(build->graph, &weight->regularizer, kd_cast(build->graph, sym, KD_F32));
  return sym;
}

kd_sym kd_build_weight(kd_build *build, const char *name, kd_shape shape, const kd_object *initializer,
                       const kd_object *regularizer, bool trainable) {
  if (build->part) name = kd_pool_printf(build->graph->pool, "%s/%s", build->part, name);
  if (build->declare) return declare_weight(build, name, shape, initializer, regularizer, trainable);
  char now[KD_SHAPE_TEXT], before[KD_SHAPE_TEXT];
  const kd_layer *layer = build->layer;
  if (build->next_weight >= layer->n_weights)
    return kd_graph_fail(build->graph, "a later call asks for a weight '%s' that the first call has not made",
                         name);
  int index = layer->first_weight + build->next_weight++;
  const kd_weight *weight = &build->model->weights[index];
  if (!kd_shape_equal(&shape, &weight->shape))
    return kd_graph_fail(
        build->graph,
        "%s has shape %s, but for another input size it would have shape %s; the sizes of all "
        "calls, and of axes that weights depend on, must be equal and known",
        name, kd_shape_text(&weight->shape, before), kd_shape_text(&shape, now));
  if (!build->weight_sym) return kd_weight_sym(build->graph, weight->dtype, shape, index, weight->path);
  if (build->weight_sym[index] == KD_NO_SYM)
    build->weight_sym[index] = kd_weight_sym(build->graph, weight->dtype, shape, index, weight->path);
  return build->weight_sym[index];
}

kd_sym kd_build_kernel(kd_build *build, const char *name, kd_shape shape, int64_t fan_in, int64_t fan_out,
                       const kd_object *initializer, const kd_object *regularizer) {
  kd_sym kernel = kd_build_weight(build, name, shape, initializer, regularizer, true);
  if (build->declare && kernel != KD_NO_SYM)
    build->model->weights[build->model->n_weights - 1].fans = KD_SHAPE(fan_in, fan_out);
  return kernel;
}

kd_sym kd_build_constrain(kd_build *build, kd_sym weight, const kd_object *constraint) {
  if (!build->declare || weight == KD_NO_SYM || !constraint->kind) return weight;
  build->model->weights[kd_sym_get(build->graph, weight)->index].constraint = *constraint;
  /* Nothing reads it: an axis that the weight has not is found here, with the layer's line. */
  const kd_constraint_kind *kind = (const kd_constraint_kind *)constraint->kind;
  kind->project(build->graph, constraint->options, kd_cast(build->graph, weight, KD_F32));
  return weight;
}

void kd_build_add_loss(kd_build *build, kd_sym sum_over_rows) {
  kd_built *built = build->built;
  built->losses = kd_pool_grow(build->graph->pool, built->losses, (size_t)built->n_losses,
                               &built->loss_capacity, sizeof *built->losses);
  built->losses[built->n_losses++] = sum_over_rows;
}

/* A layer that is called twice moves its statistic twice: w m n + a (1 - m) n + b (1 - n) is one move by the
 * mean of a and b with these weights. */
static void move_again(kd_graph *graph, kd_moving *first, kd_sym batch_value, double momentum) {
  double both = first->momentum * momentum, rest = 1 - both;
  double a = rest > 0 ? (1 - first->momentum) * momentum / rest : 0, b = rest > 0 ? (1 - momentum) / rest : 0;
  first->value = kd_add(graph, kd_scale(graph, first->value, a), kd_scale(graph, batch_value, b));
  first->momentum = both;
}

void kd_build_moving(kd_build *build, kd_sym weight, kd_sym batch_value, double momentum) {
  kd_built *built = build->built;
  if (!build->fits) return;
  built->moving = kd_pool_grow(build->graph->pool, built->moving, (size_t)built->n_moving,
                               &built->moving_capacity, sizeof *built->moving);
  int index = weight == KD_NO_SYM ? -1 : kd_sym_get(build->graph, weight)->index;
  for (int i = 0; i < built->n_moving && index >= 0; i++)
    if (built->moving[i].weight == index) {
      move_again(build->graph, &built->moving[i], batch_value, momentum);
      return;
    }
  built->moving[built->n_moving++] = (kd_moving){.weight = index, .value = batch_value, .momentum = momentum};
}

void kd_build_prepared(kd_build *build, kd_sym weight, kd_sym value) {
  kd_built *built = build->built;
  if (weight == KD_NO_SYM || value == KD_NO_SYM) return;
  int number = kd_sym_get(build->graph, weight)->index;
  value = kd_cast(build->graph, value, kd_sym_get(build->graph, weight)->dtype);
  for (int i = 0; i < built->n_prepared; i++)
    if (built->prepared[i].weight == number) {
      kd_graph_fail(build->graph, "changes %s before each step, so it can be called once only",
                    build->model->weights[number].name);
      return;
    }
  built->prepared = kd_pool_grow(build->graph->pool, built->prepared, (size_t)built->n_prepared,
                                 &built->prepared_capacity, sizeof *built->prepared);
  built->prepared[built->n_prepared++] = (kd_prepared){.weight = number, .value = value};
}
