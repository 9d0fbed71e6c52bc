/* What both directions of recurrent sequences prepare: the cell, products, places in the workspace. */
#ifndef KD_CUDA_RECURRENT_PLAN_H
#define KD_CUDA_RECURRENT_PLAN_H

#include "device/cuda/launch.h"
#include "device/cuda/product.h"

enum { KD_RECURRENT_PRODUCTS = 5 };

typedef struct kd_recurrent {
  kd_job_cell cell;
  kd_cuda *cuda;
  bool tf32;                                   /* that of the device */
  kd_product *products[KD_RECURRENT_PRODUCTS]; /* owns them; the names below point here */
  int n_products;
  kd_product *by_state, *by_left;      /* forward: h U, (r h) U_h */
  kd_product *to_state, *to_left;      /* backward: their gradients */
  kd_product *kernel_all, *kernel_one; /* gradient of the recurrent kernel: early gates, one gate */
  int64_t early;                       /* gates that take the state itself */
  size_t product_bytes;                /* the library's workspace, in front */
  int64_t floats;                      /* own places behind it */
  int64_t acc, dropped, left, held, inner, parts; /* places in floats */
  int64_t sums;
} kd_recurrent;

/* rows, steps of z or of the states before; the launch's handle. */
kd_recurrent *kd_recurrent_make(kd_launch *launch, const kd_shape *rows_and_steps, int64_t units);
kd_status kd_recurrent_product(kd_recurrent *recurrent, const kd_product_spec *spec, kd_product **product);
int64_t kd_recurrent_room(kd_recurrent *recurrent, int64_t floats);
void kd_recurrent_finish(kd_recurrent *recurrent, kd_launch *launch); /* sets workspace and note */
void kd_recurrent_release(kd_launch *launch);

static inline float *kd_recurrent_at(const kd_launch *launch, int64_t place) {
  const kd_recurrent *r = launch->handle;
  return (float *)(void *)((char *)launch->workspace + r->product_bytes) + place;
}
static inline const float *kd_recurrent_optional(const kd_launch *launch, int place) {
  return place < 0 ? NULL : launch->input[place].data;
}
/* The place in time of step number `step`. */
static inline int64_t kd_recurrent_place_of(const kd_recurrent *r, int64_t step) {
  return r->cell.flags & KD_RNN_BACKWARDS ? r->cell.steps - 1 - step : step;
}

#endif
