/* The loss is multiplied by a scale before backward, gradients are divided by it before anything else reads
 * them, so that float16 holds them (Keras's LossScaleOptimizer, and loss_scale_factor). A step whose
 * gradients are not finite changes no weight and halves the scale. Gradients are those of all ranks, so all
 * decide alike. */
#include "trainer/replica_state.h"

static bool computes_in_float16(const kd_model *model) {
  for (int i = 0; i < model->n_layers; i++)
    if (model->layers[i]->policy.compute == KD_F16) return true;
  return false;
}

/* A fixed factor matters where gradients have the range of float16; elsewhere it would be divided out again.
 */
void kd_loss_scale_start(kd_replica *r) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  r->scale = (kd_loss_scale){.scale = 1};
  if (!optimizer) return;
  double factor = optimizer->common->loss_scale_factor;
  if (optimizer->scaling.dynamic)
    factor = optimizer->scaling.initial_scale;
  else if (factor == KD_UNSET_FLOAT || !computes_in_float16(r->spec.model))
    return;
  r->scaled = true;
  r->scale.scale = factor;
}

kd_status kd_loss_scale_upload(kd_replica *r) {
  float scale = (float)r->scale.scale;
  return r->spec.device->backend->upload(r->spec.device, &r->values->loss_scale, &scale, sizeof scale);
}

static kd_status is_finite(kd_replica *r, bool *finite) {
  float value;
  KD_TRY(r->spec.device->backend->download(r->spec.device, &value, &r->values->finite, sizeof value));
  *finite = value != 0;
  return KD_OK;
}

kd_status kd_loss_scale_unscale(kd_replica *r, bool *apply) {
  *apply = true;
  if (!r->scaled) return KD_OK;
  KD_TRY(kd_plan_run(r->updates.unscale, 0));
  if (!r->spec.optimizer->scaling.dynamic) return KD_OK;
  KD_TRY(is_finite(r, apply));
  kd_loss_scale *s = &r->scale;
  s->skipped += !*apply;
  s->good_steps = *apply ? s->good_steps + 1 : 0;
  if (!*apply) s->scale /= 2;
  if (s->good_steps == r->spec.optimizer->scaling.growth_steps) {
    s->good_steps = 0;
    s->scale *= 2;
  }
  return kd_loss_scale_upload(r);
}

kd_loss_scale kd_replica_loss_scale(const kd_replica *r) {
  return r->scale;
}

kd_status kd_replica_set_loss_scale(kd_replica *r, kd_loss_scale scale) {
  r->scale = scale;
  return kd_loss_scale_upload(r);
}
