/* The run of a plan: nothing is allocated, looked up or formatted here unless something fails. */
#include "layers/plan/internal.h"

static kd_status fail_launch(const kd_plan *plan, int number, kd_status status) {
  return kd_fail_context(status, "layer %s, operation %s", kd_plan_scope(plan, number),
                         kd_op_get(plan->launches[number].op)->name);
}

/* A version counts as seen only when all kernels have renewed their copies. */
static kd_status refresh(kd_plan *plan, uint64_t weights_version) {
  plan->fresh = false;
  for (int t = 0; t < plan->n_launches; t++) {
    if (!plan->kernels[t]->refresh) continue;
    kd_status status = plan->kernels[t]->refresh(&plan->launches[t]);
    if (status != KD_OK) return fail_launch(plan, t, status);
  }
  plan->fresh = true;
  plan->weights_version = weights_version;
  return KD_OK;
}

kd_status kd_plan_run(kd_plan *plan, uint64_t weights_version) {
  KD_CHECK(!plan->dry, KD_ERR_INTERNAL, "plan: a dry plan cannot run");
  if (!plan->fresh || plan->weights_version != weights_version) KD_TRY(refresh(plan, weights_version));
  int next = 0;
  for (int t = 0; t < plan->n_launches; t++) {
    const kd_launch *launch = &plan->launches[t];
    kd_status status = launch->run(launch);
    if (status != KD_OK) return fail_launch(plan, t, status);
    for (; next < plan->n_fires && plan->fires[next].after == t; next++)
      KD_TRY(plan->on_mark(plan->mark_context, plan->fires[next].mark));
    if (plan->poison) KD_TRY(kd_plan_poison_dead(plan, t));
  }
  for (; next < plan->n_fires; next++) KD_TRY(plan->on_mark(plan->mark_context, plan->fires[next].mark));
  return KD_OK;
}
