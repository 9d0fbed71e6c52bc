/* What stateful layers keep from batch to batch: each rank holds the rows of its share of the fixed batch.
 * Passes take theirs from it and put them back, so the rows of a micro-shard go on where they were, whatever
 * rank computes them. */
#include <string.h>

#include "trainer/replica_state.h"

static int64_t width(const kd_replica *r, int number) {
  return r->spec.model->kept[number].width;
}

kd_status kd_kept_create(kd_replica *r) {
  const kd_model *model = r->spec.model;
  if (model->n_kept == 0) return KD_OK;
  int64_t fixed = kd_model_batch_size(model), begin, end;
  int64_t given = r->spec.batch_size != fixed ? r->spec.batch_size : r->spec.largest_batch;
  KD_CHECK(
      given == fixed, KD_ERR_USAGE,
      "layers are stateful and [input %s] fixes batch_size = %lld, but steps of %lld rows are asked for; "
      "give [train] batch_size and validation_batch_size the same number",
      model->inputs[0].name, (long long)fixed, (long long)given);
  kd_replica_share(r, fixed, &begin, &end);
  r->kept_rows = end - begin;
  r->kept_first = begin;
  if (r->dry) return KD_OK;
  r->kept = kd_pool_alloc(r->pool, (size_t)model->n_kept, sizeof *r->kept);
  for (int i = 0; i < model->n_kept; i++)
    r->kept[i] = kd_calloc((size_t)(r->kept_rows * width(r, i)) + 1, sizeof(float));
  return KD_OK;
}

void kd_kept_free(kd_replica *r) {
  for (int i = 0; r->kept && i < r->spec.model->n_kept; i++) kd_free(r->kept[i]);
}

kd_status kd_kept_check(const kd_replica *r, const kd_step_data *data) {
  KD_CHECK(r->spec.model->n_kept == 0 || data->global_rows == kd_model_batch_size(r->spec.model),
           KD_ERR_USAGE, "a batch of %lld rows, but stateful layers need %lld in every batch",
           (long long)data->global_rows, (long long)kd_model_batch_size(r->spec.model));
  return KD_OK;
}

kd_status kd_kept_load(kd_replica *r, const kd_pass_plan *plan, int64_t begin) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->spec.model->n_kept; i++)
    KD_TRY(device->backend->upload(device, plan->kept[i], r->kept[i] + begin * width(r, i),
                                   plan->kept_bytes[i]));
  return KD_OK;
}

kd_status kd_kept_store(kd_replica *r, const kd_pass_plan *plan, int64_t begin) {
  kd_device *device = r->spec.device;
  for (int i = 0; plan->mode != KD_MODE_COUNT && i < r->spec.model->n_kept; i++)
    KD_TRY(device->backend->download(device, r->kept[i] + begin * width(r, i), plan->kept[i],
                                     plan->kept_bytes[i]));
  return KD_OK;
}

kd_status kd_replica_get_kept(kd_replica *r, int number, float *values) {
  const kd_comm *comm = r->spec.comm;
  if (comm->size == 1) {
    memcpy(values, r->kept[number], (size_t)(r->kept_rows * width(r, number)) * sizeof *values);
    return KD_OK;
  }
  int64_t *rows = kd_calloc((size_t)comm->size, sizeof *rows);
  kd_status status = kd_comm_all_gather(r->spec.comm, &r->kept_rows, sizeof r->kept_rows, rows);
  if (status == KD_OK)
    status = kd_comm_gather_rows(r->spec.comm, r->kept[number], rows,
                                 (size_t)width(r, number) * sizeof *values, values);
  kd_free(rows);
  return status;
}

void kd_replica_put_kept(kd_replica *r, int number, const float *values) {
  memcpy(r->kept[number], values + r->kept_first * width(r, number),
         (size_t)(r->kept_rows * width(r, number)) * sizeof *values);
}
