#include "trainer/update_builder.h"

void kd_update_start(kd_update_builder *b, kd_replica *r, const char *scope) {
  size_t ranges = 2 * (size_t)r->spec.model->n_weights + 1;
  size_t n = (4 + 2 * KD_MAX_SLOTS) * ranges + KD_MAX_UPDATE_VALUES + 16;
  *b = (kd_update_builder){.replica = r, .graph = kd_graph_create(), .finite = KD_NO_SYM};
  b->bindings = kd_pool_alloc(b->graph->pool, n, sizeof(kd_binding));
  kd_graph_scope(b->graph, scope);
}

kd_status kd_update_finish(kd_update_builder *b, kd_plan **plan) {
  kd_status status = kd_graph_status(b->graph);
  kd_plan_spec spec = {
      .graph = b->graph, .device = b->replica->spec.device, .n_bindings = b->n, .bindings = b->bindings};
  if (status == KD_OK) status = kd_plan_compile(&spec, plan);
  kd_graph_destroy(b->graph);
  return status;
}

kd_sym kd_update_stored(kd_update_builder *b, kd_dtype dtype, kd_shape shape, void *address,
                        const char *name) {
  kd_sym sym = kd_input(b->graph, dtype, shape, b->next++, name);
  kd_update_result(b, sym, address);
  return sym;
}

kd_sym kd_update_fed(kd_update_builder *b, kd_shape shape, void *address, const char *name) {
  return kd_update_stored(b, KD_F32, shape, address, name);
}

kd_sym kd_update_weight(kd_update_builder *b, int w) {
  const kd_weight *weight = &b->replica->spec.model->weights[w];
  return kd_update_stored(b, weight->dtype, weight->shape, kd_replica_place(b->replica, w), weight->path);
}

void kd_update_result(kd_update_builder *b, kd_sym sym, void *address) {
  b->bindings[b->n++] = (kd_binding){sym, address};
}

void kd_update_guard(kd_update_builder *b) {
  kd_replica *r = b->replica;
  if (r->guarded) b->finite = kd_update_fed(b, KD_SCALAR, &r->values->finite, "finite");
}

void kd_update_replace(kd_update_builder *b, kd_sym sym, kd_sym old, kd_dtype dtype, void *address) {
  if (b->finite != KD_NO_SYM) sym = kd_select(b->graph, b->finite, sym, old);
  kd_update_result(b, kd_cast(b->graph, sym, dtype), address);
}

kd_update_values *kd_update_scalars(const kd_replica *r) {
  return r->guarded ? &r->values->chosen : &r->values->given.update[0];
}

kd_shape kd_update_range(const kd_replica *r) {
  return KD_SHAPE(r->n_weight);
}

float *kd_update_gradients(const kd_replica *r) {
  return r->sum + r->n_front;
}

kd_update_run kd_update_run_from(const kd_replica *r, int64_t at, int64_t end) {
  const kd_model *model = r->spec.model;
  kd_update_run run = {.at = at};
  for (int w = 0; w < model->n_weights; w++) {
    const kd_weight *weight = &model->weights[w];
    if (!weight->trainable || weight->offset != at) continue;
    run.dtype = weight->dtype;
    run.place = weight->place;
  }
  for (int w = 0; w < model->n_weights; w++) {
    const kd_weight *weight = &model->weights[w];
    if (weight->trainable && weight->dtype != run.dtype && weight->offset > at && weight->offset < end)
      end = weight->offset;
  }
  run.count = end - at;
  return run;
}

int64_t kd_update_next(const kd_replica *r, int64_t at) {
  int64_t next = r->n_weight;
  for (int w = 0; w < r->spec.model->n_weights; w++) {
    const kd_weight *weight = &r->spec.model->weights[w];
    if (weight->trainable && weight->offset > at && weight->offset < next) next = weight->offset;
  }
  return next;
}
