#include "trainer/optimizer.h"

extern const kd_optimizer_kind kd_optimizer_adadelta, kd_optimizer_adafactor, kd_optimizer_adagrad,
    kd_optimizer_adam, kd_optimizer_adamax, kd_optimizer_adamw, kd_optimizer_ftrl, kd_optimizer_lamb,
    kd_optimizer_lion, kd_optimizer_muon, kd_optimizer_nadam, kd_optimizer_rmsprop,
    kd_optimizer_schedule_free, kd_optimizer_sgd;

static const kd_kind *const kinds[] = {
    &kd_optimizer_adadelta.base,   &kd_optimizer_adafactor.base,     &kd_optimizer_adagrad.base,
    &kd_optimizer_adam.base,       &kd_optimizer_adamax.base,        &kd_optimizer_adamw.base,
    &kd_optimizer_ftrl.base,       &kd_optimizer_lamb.base,          &kd_optimizer_lion.base,
    &kd_optimizer_loss_scale.base, &kd_optimizer_muon.base,          &kd_optimizer_nadam.base,
    &kd_optimizer_rmsprop.base,    &kd_optimizer_schedule_free.base, &kd_optimizer_sgd.base};

const kd_family kd_optimizer_family = {"optimizer", kinds, sizeof kinds / sizeof *kinds};

static bool check_clipping(const kd_optimizer_common *common, kd_diag *diag, kd_origin origin) {
  int given = (common->clipnorm != KD_UNSET_FLOAT) + (common->clipvalue != KD_UNSET_FLOAT) +
              (common->global_clipnorm != KD_UNSET_FLOAT);
  if (given <= 1) return true;
  kd_diag_error(diag, origin,
                "at most one of clipnorm, clipvalue and global_clipnorm may be given, but %d are", given);
  return false;
}

bool kd_optimizer_slot_shape(const kd_optimizer *optimizer, int slot, const kd_weight *weight,
                             kd_shape *shape) {
  const kd_optimizer_kind *kind = optimizer->kind;
  *shape = weight->shape;
  return slot >= optimizer->n_rule_slots || !kind->slot_shape ||
         kind->slot_shape(optimizer->common, slot, weight, shape);
}

bool kd_optimizer_make(kd_pool *pool, kd_diag *diag, const kd_value *value, kd_optimizer *optimizer) {
  *optimizer = (kd_optimizer){0};
  kd_object object;
  if (!kd_object_make(pool, diag, &kd_optimizer_family, value, &object)) return false;
  if (!object.kind) {
    kd_diag_error(diag, value->origin, "an optimizer is needed, but none is given");
    return false;
  }
  if (object.kind == &kd_optimizer_loss_scale.base) {
    object = kd_loss_scaling_open(object.options, &optimizer->scaling);
    if (object.kind == &kd_optimizer_loss_scale.base) {
      kd_diag_error(diag, value->origin, "a LossScaleOptimizer cannot be inside another one");
      return false;
    }
  }
  optimizer->kind = (const kd_optimizer_kind *)object.kind;
  optimizer->common = object.options;
  const kd_optimizer_common *common = optimizer->common;
  if (!check_clipping(common, diag, value->origin)) return false;
  optimizer->n_slots = optimizer->n_rule_slots = optimizer->kind->slots(object.options, optimizer->slot_name);
  if (common->use_ema) optimizer->slot_name[optimizer->n_slots++] = "average";
  optimizer->accumulation = common->accumulation == KD_UNSET_INT ? 1 : common->accumulation;
  return kd_rate_make(pool, diag, common->learning_rate, &optimizer->rate);
}

int kd_optimizer_parts(const kd_optimizer *optimizer) {
  return optimizer->n_slots + (optimizer->accumulation > 1);
}
