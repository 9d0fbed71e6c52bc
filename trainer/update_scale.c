/* The plans of an update that decide about it: the scale of the loss, and what a device with memory of its
 * own computes instead of the host. */
#include "trainer/update_builder.h"

/* gradients / scale in place, and whether all of them are finite: then their extremes are. */
static kd_status compile_unscale(kd_replica *r) {
  if (!r->scaled) return KD_OK;
  kd_update_builder b;
  kd_update_start(&b, r, "loss scale");
  kd_graph *g = b.graph;
  kd_sym scale = kd_update_fed(&b, KD_SCALAR, &r->values->loss_scale, "loss_scale");
  kd_sym gradient = kd_update_fed(&b, kd_update_range(r), kd_update_gradients(r), "gradients");
  kd_sym most = kd_unary(g, KD_PW_FINITE, kd_reduce_all(g, KD_REDUCE_MAX, gradient));
  kd_sym least = kd_unary(g, KD_PW_FINITE, kd_reduce_all(g, KD_REDUCE_MIN, gradient));
  kd_update_result(&b, kd_mul(g, most, least), &r->values->finite);
  kd_update_result(&b, kd_div(g, gradient, scale), kd_update_gradients(r));
  return kd_update_finish(&b, &r->updates.unscale);
}

/* The values of this update among those that the host gives, by the steps that were skipped meanwhile. */
static void choose_values(kd_update_builder *b, kd_step_values *v, kd_sym skipped) {
  kd_graph *g = b->graph;
  kd_sym known = kd_update_fed(b, KD_SCALAR, &v->given.skipped, "known");
  kd_sym unknown = kd_sub(g, skipped, known), chosen = KD_NO_SYM;
  for (int k = KD_STEPS_AHEAD; k >= 0; k--) {
    kd_sym values = kd_update_fed(b, KD_SHAPE(KD_UPDATE_FLOATS), &v->given.update[k], "update");
    kd_sym here = kd_binary(g, KD_PW_EQ, unknown, kd_const(g, k));
    chosen = chosen == KD_NO_SYM ? values : kd_select(g, here, values, chosen);
  }
  kd_update_result(b, chosen, &v->chosen);
}

/* Where the device decides: whether this step is skipped, and the scale of the next. kd_loss_scale_seen does
 * the same for the host. */
static kd_status compile_choose(kd_replica *r) {
  if (!r->guarded) return KD_OK;
  kd_step_values *v = r->values;
  kd_update_builder b;
  kd_update_start(&b, r, "loss scale");
  kd_graph *g = b.graph;
  kd_sym skipped = kd_update_fed(&b, KD_SCALAR, &v->skipped, "skipped");
  choose_values(&b, v, skipped);
  kd_sym finite = kd_update_fed(&b, KD_SCALAR, &v->finite, "finite");
  kd_sym scale = kd_update_fed(&b, KD_SCALAR, &v->loss_scale, "loss_scale");
  kd_sym before = kd_update_fed(&b, KD_SCALAR, &v->good_steps, "good_steps");
  kd_sym good = kd_select(g, finite, kd_shift(g, before, 1), kd_const(g, 0));
  kd_sym grows = kd_binary(g, KD_PW_EQ, good, kd_const(g, (double)r->spec.optimizer->scaling.growth_steps));
  kd_sym less = kd_min(g, kd_scale(g, scale, 0.5), kd_const(g, 0x1p127)); /* infinity comes back */
  kd_sym more = kd_select(g, grows, kd_scale(g, scale, 2), scale);
  kd_update_result(&b, kd_select(g, finite, more, less), &v->loss_scale);
  kd_update_result(&b, kd_select(g, grows, kd_const(g, 0), good), &v->good_steps);
  kd_update_result(&b, kd_select(g, finite, skipped, kd_shift(g, skipped, 1)), &v->skipped);
  return kd_update_finish(&b, &r->updates.choose);
}

kd_status kd_update_compile_scale(kd_replica *r) {
  KD_TRY(compile_unscale(r));
  return compile_choose(r);
}

/* Where the host does not see the counts: 1 / count of counted outputs, 0 of none. */
kd_status kd_update_compile_inverse(kd_replica *r) {
  const kd_objective *objective = r->spec.objective;
  bool states = objective->n_tail > objective->n_logged; /* which the host must see */
  if (!r->on_device || states || !kd_objective_counts(objective)) return KD_OK;
  kd_update_builder b;
  kd_update_start(&b, r, "counts");
  kd_shape shape = KD_SHAPE(objective->n_outputs);
  kd_sym count = kd_update_fed(&b, shape, r->sum + objective->count_tail, "counts");
  kd_sym inverse = kd_div(b.graph, kd_full(b.graph, shape, 1), count);
  kd_update_result(&b, kd_select(b.graph, count, inverse, kd_const(b.graph, 0)), r->inv_count);
  return kd_update_finish(&b, &r->updates.inverse);
}
