/* The loss is multiplied by a scale before backward, gradients are divided by it before anything else reads
 * them, so that float16 holds them (Keras's LossScaleOptimizer, and loss_scale_factor). A step whose
 * gradients are not finite changes no weight and halves the scale. Gradients are those of all ranks, so all
 * decide alike.
 *
 * A device with memory of its own decides by itself (`guarded`, update.c): the host learns it some steps
 * later and computes the same state again, for logs and checkpoints. */
#include "trainer/replica_state.h"

static bool computes_in_float16(const kd_model *model) {
  for (int i = 0; i < model->n_layers; i++)
    if (model->layers[i]->policy.compute == KD_F16) return true;
  return false;
}

enum { MOST_COUNTED = 1 << 24 }; /* in float32 */

/* A fixed factor matters where gradients have the range of float16; elsewhere it would be divided out again.
 */
kd_status kd_loss_scale_start(kd_replica *r) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  r->scale = (kd_loss_scale){.scale = 1};
  if (!optimizer) return KD_OK;
  const kd_loss_scaling *scaling = &optimizer->scaling;
  double factor = scaling->dynamic ? scaling->initial_scale : optimizer->common->loss_scale_factor;
  if (!scaling->dynamic && (factor == KD_UNSET_FLOAT || !computes_in_float16(r->spec.model))) return KD_OK;
  r->scaled = true;
  r->scale.scale = factor;
  r->guarded = scaling->dynamic && !r->spec.device->backend->host_memory;
  KD_CHECK(!r->guarded || scaling->growth_steps <= MOST_COUNTED, KD_ERR_USAGE,
           "LossScaleOptimizer: dynamic_growth_steps = %lld, but device = %s counts to %d",
           (long long)scaling->growth_steps, r->spec.device->backend->name, MOST_COUNTED);
  return KD_OK;
}

kd_status kd_loss_scale_upload(kd_replica *r) {
  float state[] = {(float)r->scale.scale, (float)r->scale.good_steps, (float)r->scale.skipped};
  return r->spec.device->backend->upload(r->spec.device, &r->values->loss_scale, state, sizeof state);
}

kd_status kd_loss_scale_seen(kd_replica *r, bool finite) {
  kd_loss_scale *s = &r->scale;
  if (!r->scaled || !r->spec.optimizer->scaling.dynamic) return KD_OK;
  s->skipped += !finite;
  s->good_steps = finite ? s->good_steps + 1 : 0;
  if (!finite) s->scale /= 2;
  if (s->good_steps == r->spec.optimizer->scaling.growth_steps) {
    s->good_steps = 0;
    s->scale *= 2;
  }
  return r->guarded ? KD_OK : kd_loss_scale_upload(r);
}

kd_loss_scale kd_replica_loss_scale(const kd_replica *r) {
  return r->scale;
}

kd_status kd_replica_set_loss_scale(kd_replica *r, kd_loss_scale scale) {
  r->scale = scale;
  return kd_loss_scale_upload(r);
}
