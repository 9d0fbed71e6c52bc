/* Values of weights and slots on their way between the replica and memory of the host. */
#include "device/base/half.h"
#include "trainer/replica_state.h"

void *kd_replica_place(const kd_replica *r, int weight) {
  const kd_weight *w = &r->spec.model->weights[weight];
  return (w->trainable ? r->weights : r->state) + w->place;
}

void *kd_replica_slots(const kd_replica *r, int slot, size_t place) {
  return r->slots + (size_t)slot * r->spec.model->trainable_bytes + place;
}

/* Slots have the type of their weight; accumulated gradients are float32, as gradients are. */
static kd_tensor part_of(const kd_replica *r, int part, int weight) {
  const kd_weight *w = &r->spec.model->weights[weight];
  if (part == KD_PART_WEIGHT) return (kd_tensor){w->dtype, w->shape, kd_replica_place(r, weight)};
  if (part == r->spec.optimizer->n_slots) return (kd_tensor){KD_F32, w->shape, r->accumulated + w->offset};
  return (kd_tensor){w->dtype, w->shape, kd_replica_slots(r, part, w->place)};
}

kd_status kd_replica_save(kd_replica *r, kd_pool *pool, int part, int weight, kd_tensor *tensor) {
  kd_device *device = r->spec.device;
  kd_tensor stored = part_of(r, part, weight);
  *tensor = stored;
  tensor->data = kd_pool_alloc(pool, kd_tensor_bytes(&stored) + 1, 1);
  return device->backend->download(device, tensor->data, stored.data, kd_tensor_bytes(&stored));
}

kd_status kd_replica_load(kd_replica *r, int part, int weight, const kd_tensor *tensor) {
  kd_device *device = r->spec.device;
  kd_tensor stored = part_of(r, part, weight);
  char have[KD_SHAPE_TEXT], want[KD_SHAPE_TEXT];
  KD_CHECK(tensor->dtype == stored.dtype && kd_shape_equal(&tensor->shape, &stored.shape), KD_ERR_USAGE,
           "is %s of shape %s, but the model stores %s of shape %s", kd_dtype_name(tensor->dtype),
           kd_shape_text(&tensor->shape, have), kd_dtype_name(stored.dtype),
           kd_shape_text(&stored.shape, want));
  r->version++;
  return device->backend->upload(device, stored.data, tensor->data, kd_tensor_bytes(&stored));
}

kd_status kd_replica_get(kd_replica *r, int part, int weight, float *values) {
  kd_device *device = r->spec.device;
  kd_tensor stored = part_of(r, part, weight);
  if (stored.dtype == KD_F32)
    return device->backend->download(device, values, stored.data, kd_tensor_bytes(&stored));
  kd_pool *pool = kd_pool_create();
  kd_tensor half;
  kd_status status = kd_replica_save(r, pool, part, weight, &half);
  if (status == KD_OK) kd_floats_read(half.dtype, half.data, values, kd_shape_count(&half.shape));
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_replica_put(kd_replica *r, int part, int weight, const float *values) {
  kd_device *device = r->spec.device;
  kd_tensor half = part_of(r, part, weight);
  r->version++;
  if (half.dtype == KD_F32) return device->backend->upload(device, half.data, values, kd_tensor_bytes(&half));
  half.data = kd_calloc(kd_tensor_bytes(&half) + 1, 1);
  kd_floats_write(half.dtype, values, half.data, kd_shape_count(&half.shape));
  kd_status status = kd_replica_load(r, part, weight, &half);
  kd_free(half.data);
  return status;
}
