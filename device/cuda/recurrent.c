/* RECURRENT, forward: products by the library, the rest of a step by one kernel. */
#include "device/base/memory.h"
#include "device/cuda/kernels.h"
#include "device/cuda/recurrent_plan.h"

/* --- prepare --------------------------------------------------------------------------------------- */

static kd_product_spec rows_times(const kd_recurrent *r, int64_t gates, int64_t row_a) {
  int64_t u = r->cell.units;
  return (kd_product_spec){.m = r->cell.rows,
                           .n = gates * u,
                           .k = u,
                           .row_a = row_a,
                           .row_b = r->cell.gates * u,
                           .row_c = r->cell.gates * u};
}

/* Gates that take the state as it is are one product; with dropped states each is one of its own. GRU_BEFORE
 * has a second one for gate h. */
static kd_status prepare(kd_launch *launch) {
  KD_TRY(kd_cuda_float32(launch));
  kd_recurrent *r = kd_recurrent_make(launch, &launch->input[0].shape, launch->input[1].shape.dim[0]);
  int64_t u = r->cell.units, n = r->cell.rows, states = r->cell.states;
  int64_t early = r->cell.cell == KD_CELL_GRU_BEFORE ? 2 : r->cell.gates;
  bool drop = r->cell.flags & KD_RNN_DROP;
  kd_product_spec state = rows_times(r, drop ? 1 : early, drop ? u : states * u);
  kd_product_spec left = rows_times(r, 1, u);
  KD_TRY(kd_recurrent_product(r, &state, &r->by_state));
  if (r->cell.cell == KD_CELL_GRU_BEFORE) KD_TRY(kd_recurrent_product(r, &left, &r->by_left));
  r->early = early;
  r->acc = kd_recurrent_room(r, r->cell.gates * n * u);
  if (drop) r->dropped = kd_recurrent_room(r, r->cell.gates * n * u);
  if (r->cell.cell == KD_CELL_GRU_BEFORE) r->left = kd_recurrent_room(r, n * u);
  kd_recurrent_finish(r, launch);
  return KD_OK;
}

/* --- run ------------------------------------------------------------------------------------------- */

static kd_status early_products(const kd_launch *launch, const kd_recurrent *r, const kd_job_cell_step *s,
                                const float *drop) {
  kd_cuda *cuda = kd_cuda_of(launch->device);
  const float *kernel = launch->input[1].data;
  float *acc = kd_recurrent_at(launch, r->acc);
  int64_t u = r->cell.units, n = r->cell.rows;
  if (!drop) return kd_product_run(r->by_state, cuda, s->state, kernel, NULL, acc, launch->workspace);
  float *dropped = kd_recurrent_at(launch, r->dropped);
  KD_CUDA(kd_cuda_cell_drop_start(&r->cell, 0, r->cell.gates, n, 1, s->state, r->cell.states * u, drop,
                                  dropped, cuda->stream),
          "a recurrent step");
  for (int64_t g = 0; g < r->early; g++)
    KD_TRY(kd_product_run(r->by_state, cuda, dropped + g * n * u, kernel + g * u, NULL, acc + g * u,
                          launch->workspace));
  return KD_OK;
}

/* GRU_BEFORE: left = r h (dropped for gate h), then its product. */
static kd_status late_product(const kd_launch *launch, const kd_recurrent *r, const kd_job_cell_step *s,
                              const float *drop) {
  kd_cuda *cuda = kd_cuda_of(launch->device);
  float *left = kd_recurrent_at(launch, r->left), *acc = kd_recurrent_at(launch, r->acc);
  int64_t u = r->cell.units, n = r->cell.rows;
  KD_CUDA(kd_cuda_cell_reset_start(&r->cell, s, left, cuda->stream), "a recurrent step");
  if (drop) {
    float *dropped = kd_recurrent_at(launch, r->dropped);
    KD_CUDA(kd_cuda_cell_drop_start(&r->cell, 2, 1, n, 1, left, u, drop, dropped, cuda->stream),
            "a recurrent step");
    left = dropped;
  }
  return kd_product_run(r->by_left, cuda, left, (const float *)launch->input[1].data + 2 * u, NULL,
                        acc + 2 * u, launch->workspace);
}

static kd_status start_state(const kd_launch *launch, const float *state) {
  const kd_tensor *to = &launch->output[1];
  void *stream = kd_cuda_stream(launch);
  if (state)
    KD_CUDA(cudaMemcpyAsync(to->data, state, kd_tensor_bytes(to), cudaMemcpyDeviceToDevice, stream),
            "a copy");
  else
    KD_CUDA(cudaMemsetAsync(to->data, 0, kd_tensor_bytes(to), stream), "clearing memory");
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  const kd_recurrent *r = launch->handle;
  int flags = r->cell.flags;
  const float *drop = kd_recurrent_optional(launch, kd_recurrent_input(flags, KD_RNN_DROP));
  kd_job_cell_step s = {.z = launch->input[0].data,
                        .bias = kd_recurrent_optional(launch, kd_recurrent_input(flags, KD_RNN_BIAS)),
                        .mask = kd_recurrent_optional(launch, kd_recurrent_input(flags, KD_RNN_MASK)),
                        .acc = kd_recurrent_at(launch, r->acc),
                        .y = launch->output[0].data,
                        .state = launch->output[1].data,
                        .saved = launch->output[2].data,
                        .before = launch->output[3].data,
                        .last = -1};
  if (kd_tensor_bytes(&launch->output[1]) == 0) return KD_OK;
  KD_TRY(start_state(launch, kd_recurrent_optional(launch, kd_recurrent_input(flags, KD_RNN_STATE))));
  for (s.step = 0; s.step < r->cell.steps; s.step++) {
    s.at = kd_recurrent_place_of(r, s.step);
    s.out = flags & KD_RNN_REVERSED ? s.step : s.at;
    s.kept = flags & KD_RNN_KEEP ? s.step : 0;
    KD_TRY(early_products(launch, r, &s, drop));
    if (r->cell.cell == KD_CELL_GRU_BEFORE) KD_TRY(late_product(launch, r, &s, drop));
    KD_CUDA(kd_cuda_cell_start(&r->cell, &s, kd_cuda_stream(launch)), "a recurrent step");
    s.last = s.out;
  }
  return KD_OK;
}

const kd_kernel kd_cuda_recurrent = {.prepare = prepare, .run = run, .release = kd_recurrent_release};
