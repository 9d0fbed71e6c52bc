/* Training goes on where a saved model ended it. */
#include <math.h>

#include "device/base/log.h"
#include "io/keras_archive.h"
#include "trainer/optimizer_vars.h"

/* What is no slot. */
typedef struct progress {
  bool fits;
  int64_t iteration;
  double rate; /* of optimizers without a schedule */
  kd_loss_scale scale;
} progress;

static progress read_progress(const kd_optimizer_layout *layout) {
  progress p = {.fits = true};
  for (int i = 0; i < layout->vars.count; i++) {
    const kd_optimizer_var *var = &layout->vars.var[i];
    kd_var_role role = layout->place[i].role;
    if (role == KD_VAR_ITERATION) p.iteration = var->integer;
    if (role == KD_VAR_RATE) p.rate = *var->data;
    if (role == KD_VAR_GOOD_STEPS) p.scale.good_steps = var->integer;
    if (role == KD_VAR_SCALE) p.scale.scale = *var->data;
  }
  return p;
}

/* Numbers that no training has. */
static const char *impossible(const progress *p, const kd_optimizer *optimizer) {
  static const int64_t most = (int64_t)1 << 52;
  const kd_loss_scaling *scaling = &optimizer->scaling;
  if (p->iteration < 0 || p->iteration > most) return "its iteration is no number of steps";
  if (!isfinite(p->rate) || p->rate < 0) return "its learning_rate is no rate";
  if (!scaling->dynamic) return NULL;
  bool counts = p->scale.good_steps >= 0 && p->scale.good_steps < scaling->growth_steps;
  bool scales = isfinite(p->scale.scale) && p->scale.scale > 0;
  return counts && scales ? NULL : "its loss scale is none";
}

/* Rank 0. */
static kd_status read(kd_pool *pool, const kd_optimizer *optimizer, const char *path,
                      kd_optimizer_layout *layout, progress *p) {
  const char *unfit;
  KD_TRY(kd_keras_read_optimizer(path, pool, &layout->vars, &unfit));
  bool untouched = layout->place[0].role == KD_VAR_ITERATION && layout->vars.var[0].integer == 0;
  if (unfit && untouched) return KD_OK;
  *p = read_progress(layout);
  if (!unfit) unfit = impossible(p, optimizer);
  p->fits = !unfit;
  if (unfit)
    kd_log(KD_LOG_WARNING,
           "%s: the optimizer's variables are skipped, and training begins with fresh ones: %s", path, unfit);
  return KD_OK;
}

static kd_status share_parts(kd_comm *comm, kd_replica *replica, const kd_model *model,
                             const kd_optimizer_layout *layout) {
  for (int i = 0; i < layout->vars.count; i++) {
    const kd_var_place *place = &layout->place[i];
    float *values = layout->vars.var[i].data;
    if (place->role != KD_VAR_PART) continue;
    KD_TRY(kd_comm_broadcast(comm, values, (size_t)model->weights[place->weight].count * sizeof *values));
    KD_TRY(kd_replica_put(replica, place->part, place->weight, values));
  }
  return KD_OK;
}

static kd_status restore(kd_comm *comm, kd_pool *pool, kd_replica *replica, const kd_model *model,
                         kd_optimizer *optimizer, const char *path, int64_t *iteration) {
  kd_optimizer_layout layout;
  progress p = {0};
  kd_status status = KD_OK;
  kd_optimizer_layout_make(pool, model, optimizer, comm->rank == 0, &layout);
  if (comm->rank == 0) status = read(pool, optimizer, path, &layout, &p);
  KD_TRY(kd_comm_all_ok(comm, status));
  KD_TRY(kd_comm_broadcast(comm, &p, sizeof p));
  if (!p.fits) return KD_OK;
  KD_TRY(share_parts(comm, replica, model, &layout));
  if (optimizer->scaling.dynamic) KD_TRY(kd_replica_set_loss_scale(replica, p.scale));
  if (!optimizer->rate.schedule.kind) optimizer->rate.constant = p.rate;
  *iteration = p.iteration;
  if (p.iteration > 0 && comm->rank == 0)
    kd_log(KD_LOG_INFO, "%s: holds the optimizer's state after %lld steps", path, (long long)p.iteration);
  return KD_OK;
}

kd_status kd_optimizer_restore(kd_comm *comm, kd_replica *replica, const kd_model *model,
                               kd_optimizer *optimizer, const char *path, int64_t *iteration) {
  kd_pool *pool = kd_pool_create();
  kd_status status = restore(comm, pool, replica, model, optimizer, path, iteration);
  kd_pool_destroy(pool);
  return status;
}
