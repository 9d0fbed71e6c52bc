/* ARGMAX and IN_TOP_K. Other types than float32 are converted first. */
#include <math.h>

#include "device/cpu/cpu.h"
#include "device/cpu/index.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

typedef struct search {
  const kd_launch *launch;
  const kd_vector_table *vector;
  const float *x;
  int64_t n, inner;
} search;

static kd_status search_prepare(kd_launch *launch) {
  const kd_tensor *x = &launch->input[0];
  launch->note = "search";
  if (x->dtype != KD_F32) launch->workspace_bytes = (size_t)kd_shape_count(&x->shape) * sizeof(float);
  if (launch->op == KD_OP_IN_TOP_K) KD_TRY(kd_dtype_check_index(launch->input[1].dtype));
  return KD_OK;
}

static search search_start(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0];
  search s = {.launch = launch, .vector = kd_cpu_vector(launch->device), .x = x->data};
  if (x->dtype == KD_F32) return s;
  s.vector->load_fn(x->dtype)(launch->workspace, x->data, kd_shape_count(&x->shape));
  s.x = launch->workspace;
  return s;
}

/* Items are the indices before the searched axis. */
static void argmax_items(void *context, int64_t begin, int64_t end) {
  const search *s = context;
  int32_t *index = s->launch->output[0].data;
  for (int64_t i = begin; i < end; i++) {
    if (s->inner == 1)
      index[i] = (int32_t)s->vector->argmax_row(s->x + i * s->n, s->n);
    else
      s->vector->argmax_columns(s->x + i * s->n * s->inner, s->n, s->inner, s->inner, index + i * s->inner);
  }
}

static kd_status argmax_run(const kd_launch *launch) {
  const kd_shape *shape = &launch->input[0].shape;
  int axis = ((const kd_axis_attr *)launch->attr)->axis;
  search s = search_start(launch);
  s.n = shape->dim[axis];
  s.inner = kd_shape_span(shape, axis + 1, shape->rank);
  int64_t bytes = s.n * s.inner * (int64_t)sizeof(float);
  if (bytes)
    kd_cpu_parallel(launch->device, kd_shape_span(shape, 0, axis), kd_cpu_grain(bytes), argmax_items, &s);
  return KD_OK;
}

static void in_top_k_items(void *context, int64_t begin, int64_t end) {
  const search *s = context;
  int k = ((const kd_axis_attr *)s->launch->attr)->axis;
  float *y = s->launch->output[0].data;
  for (int64_t i = begin; i < end; i++) {
    int64_t label = kd_index_at(&s->launch->input[1], i);
    const float *row = s->x + i * s->n;
    bool known = label >= 0 && label < s->n && isfinite(row[label]);
    y[i] = known && s->vector->count_larger(row, s->n, row[label]) < k ? 1.0f : 0.0f;
  }
}

static kd_status in_top_k_run(const kd_launch *launch) {
  const kd_shape *shape = &launch->input[0].shape;
  search s = search_start(launch);
  s.n = shape->dim[shape->rank - 1];
  int64_t rows = kd_shape_span(shape, 0, shape->rank - 1);
  kd_cpu_parallel(launch->device, rows, kd_cpu_grain(s.n * (int64_t)sizeof(float)), in_top_k_items, &s);
  return KD_OK;
}

const kd_kernel kd_cpu_argmax = {.prepare = search_prepare, .run = argmax_run};
const kd_kernel kd_cpu_in_top_k = {.prepare = search_prepare, .run = in_top_k_run};
