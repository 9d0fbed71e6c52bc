/* What steps give, on its way back to the host: a ring of places in its memory, one for each step that may be
 * on its way. Where memory is the host's, results are read where they were written. */
#include <string.h>

#include "trainer/replica_state.h"

enum { PENALTY, FINITE, N_SCALARS, SLOTS = 1 + KD_STEPS_AHEAD };
_Static_assert((int)SLOTS <= (int)KD_READS, "a number of its own for each step on its way");
_Static_assert(offsetof(kd_step_values, finite) == offsetof(kd_step_values, penalty) + sizeof(float),
               "both are read at once");

static int64_t report_floats(const kd_replica *r) {
  return r->tail_floats + N_SCALARS;
}

static size_t all_bytes(const kd_replica *r) {
  return SLOTS * (size_t)report_floats(r) * sizeof(float);
}

kd_status kd_reports_alloc(kd_replica *r) {
  if (!r->apart) return KD_OK;
  KD_TRY(kd_large_alloc(all_bytes(r), (void **)&r->report_values));
  r->spec.device->backend->pin(r->spec.device, r->report_values, all_bytes(r));
  for (int i = 0; i < SLOTS; i++) r->reports[i].values = r->report_values + i * report_floats(r);
  return KD_OK;
}

void kd_reports_free(kd_replica *r) {
  if (!r->report_values) return;
  kd_device *device = r->spec.device;
  for (; r->pending > 0; r->pending--) /* the device may still write there */
    (void)device->backend->read_wait(device, (int)((r->n_steps - r->pending) % SLOTS));
  device->backend->unpin(device, r->report_values);
  kd_large_free(r->report_values, all_bytes(r));
}

static kd_status send(kd_replica *r, int slot) {
  kd_device *device = r->spec.device;
  float *values = r->reports[slot].values;
  size_t bytes = (size_t)r->tail_floats * sizeof(float);
  if (r->on_device)
    KD_TRY(device->backend->read_start(device, slot, values, r->sum, bytes));
  else
    memcpy(values, r->reduce, bytes);
  return device->backend->read_start(device, slot, values + r->tail_floats, &r->values->penalty,
                                     N_SCALARS * sizeof(float));
}

kd_status kd_reports_start(kd_replica *r, int64_t iteration, int64_t rows) {
  KD_CHECK(r->pending < SLOTS, KD_ERR_INTERNAL, "too many steps on their way");
  int slot = (int)(r->n_steps % SLOTS);
  r->reports[slot].iteration = iteration;
  r->reports[slot].rows = rows;
  if (r->apart) KD_TRY(send(r, slot));
  r->n_steps++;
  r->pending++;
  return KD_OK;
}

int kd_replica_pending(const kd_replica *r) {
  return r->pending;
}

int kd_replica_ahead(const kd_replica *r) {
  bool depends = r->guarded && r->spec.optimizer->accumulation > 1, talks = r->group && r->exchanges;
  return r->apart && !depends && !talks ? KD_STEPS_AHEAD : 0;
}

kd_status kd_replica_result(kd_replica *r, kd_step_result *result) {
  int slot = (int)((r->n_steps - r->pending) % SLOTS);
  const kd_report *report = &r->reports[slot];
  const float *tail = r->reduce, *scalars = &r->values->penalty;
  if (r->apart) {
    KD_TRY(r->spec.device->backend->read_wait(r->spec.device, slot));
    tail = report->values;
    scalars = tail + r->tail_floats;
  }
  r->pending--;
  *result = (kd_step_result){.iteration = report->iteration,
                             .rows = report->rows,
                             .tail = tail,
                             .penalty = r->updates.penalty ? (double)scalars[PENALTY] : 0,
                             .stop = tail[r->spec.objective->n_tail] > 0};
  return r->updates.unscale ? kd_loss_scale_seen(r, scalars[FINITE] != 0) : KD_OK;
}
