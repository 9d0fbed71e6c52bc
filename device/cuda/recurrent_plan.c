#include "device/cuda/recurrent_plan.h"

#include "device/base/memory.h"

enum { GRAIN_FLOATS = 64 };

kd_recurrent *kd_recurrent_make(kd_launch *launch, const kd_shape *rows_and_steps, int64_t units) {
  const kd_recurrent_attr *attr = launch->attr;
  kd_recurrent *r = kd_calloc(1, sizeof *r);
  r->tf32 = launch->device->tf32;
  launch->handle = r;
  r->cuda = kd_cuda_of(launch->device);
  r->cell = (kd_job_cell){.cell = attr->cell,
                          .activation = attr->activation,
                          .recurrent_activation = attr->recurrent_activation,
                          .flags = attr->flags,
                          .gates = kd_cell_gates(attr->cell),
                          .states = kd_cell_states(attr->cell),
                          .saved = kd_cell_saved(attr->cell),
                          .rows = rows_and_steps->dim[0],
                          .steps = rows_and_steps->dim[1],
                          .units = units};
  return r;
}

kd_status kd_recurrent_product(kd_recurrent *r, const kd_product_spec *spec, kd_product **product) {
  size_t bytes;
  kd_product_spec allowed = *spec;
  allowed.tf32 = r->tf32;
  KD_CHECK(r->n_products < KD_RECURRENT_PRODUCTS, KD_ERR_INTERNAL, "too many products of a recurrent layer");
  KD_TRY(kd_product_make(r->cuda, &allowed, product, &bytes));
  r->products[r->n_products++] = *product;
  if (bytes > r->product_bytes) r->product_bytes = bytes;
  return KD_OK;
}

int64_t kd_recurrent_room(kd_recurrent *r, int64_t floats) {
  int64_t place = r->floats;
  r->floats += (floats + GRAIN_FLOATS - 1) / GRAIN_FLOATS * GRAIN_FLOATS;
  return place;
}

void kd_recurrent_finish(kd_recurrent *r, kd_launch *launch) {
  size_t grain = GRAIN_FLOATS * sizeof(float);
  r->product_bytes = (r->product_bytes + grain - 1) / grain * grain;
  launch->workspace_bytes = r->product_bytes + (size_t)r->floats * sizeof(float);
  launch->note = r->cuda->described > 0 ? "cuBLASLt, not planned without a GPU, and cell kernels"
                                        : "cuBLASLt and cell kernels";
}

void kd_recurrent_release(kd_launch *launch) {
  kd_recurrent *r = launch->handle;
  if (!r) return;
  for (int i = 0; i < r->n_products; i++) kd_product_free(r->products[i]);
  kd_free(r);
  launch->handle = NULL;
}
