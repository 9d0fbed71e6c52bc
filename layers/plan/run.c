/* The run of a plan: nothing is allocated, looked up or formatted here unless something fails. */
#include "device/base/log.h"
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

static kd_status fire(const kd_plan *plan, int *next, int launch) {
  for (; *next < plan->n_fires && plan->fires[*next].after <= launch; ++*next)
    KD_TRY(plan->on_mark(plan->mark_context, plan->fires[*next].mark));
  return KD_OK;
}

static kd_status run_launches(kd_plan *plan) {
  int next = 0;
  for (int t = 0; t < plan->n_launches; t++) {
    const kd_launch *launch = &plan->launches[t];
    kd_status status = launch->run(launch);
    if (status != KD_OK) return fail_launch(plan, t, status);
    KD_TRY(fire(plan, &next, t));
    if (plan->poison) KD_TRY(kd_plan_poison_dead(plan, t));
  }
  return fire(plan, &next, plan->n_launches);
}

/* The launches alone, for the device's record. */
static kd_status enqueue(void *context) {
  kd_plan *plan = context;
  for (int t = 0; t < plan->n_launches; t++) {
    kd_status status = plan->launches[t].run(&plan->launches[t]);
    if (status != KD_OK) return fail_launch(plan, t, status);
  }
  return KD_OK;
}

/* A device that refuses goes on launch by launch. What a record asks of it may wait without a limit of time,
 * so it is waited for before. */
static kd_status record(kd_plan *plan) {
  KD_TRY(plan->device->backend->finish(plan->device));
  if (kd_device_record(plan->device, enqueue, plan, &plan->recorded) == KD_OK) return KD_OK;
  kd_log(KD_LOG_INFO, "launches are not recorded: %s", kd_status_text());
  plan->repeats = false;
  return KD_OK;
}

static kd_status begin(kd_plan *plan, uint64_t weights_version) {
  KD_CHECK(!plan->dry, KD_ERR_INTERNAL, "plan: a dry plan cannot run");
  return plan->fresh && plan->weights_version == weights_version ? KD_OK : refresh(plan, weights_version);
}

kd_status kd_plan_run_marked(kd_plan *plan, uint64_t weights_version) {
  KD_TRY(begin(plan, weights_version));
  return run_launches(plan);
}

kd_status kd_plan_run(kd_plan *plan, uint64_t weights_version) {
  int next = 0;
  KD_TRY(begin(plan, weights_version));
  if (plan->repeats && !plan->recorded && plan->n_runs++ == KD_PLAIN_RUNS) KD_TRY(record(plan));
  if (!plan->recorded) return run_launches(plan);
  KD_TRY(plan->device->backend->replay(plan->device, plan->recorded));
  return fire(plan, &next, plan->n_launches);
}
