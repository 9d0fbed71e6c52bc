/* REDUCE: passes over views. */
#include "device/reduce.h"
#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/reduce_pass.h"

enum { INPUT = -1, OUTPUT = -2 };

/* A pass reads and writes the tensors or a place in the workspace, in floats. */
typedef struct step {
  kd_reduce_pass pass;
  int64_t from, to; /* INPUT, OUTPUT or an offset */
} step;

typedef struct reduction {
  int n_steps;
  step steps[KD_MAX_RANK];
  int64_t result;  /* where the result lies before it is converted, or OUTPUT */
  int64_t partial; /* where passes keep partial results */
  int64_t in_count, out_count;
  bool empty; /* nothing is reduced into each result */
  float divisor;
} reduction;

/* --- prepare --------------------------------------------------------------------------------------- */

static int64_t count_reduced(const kd_reduce_attr *attr, const kd_shape *x) {
  int64_t n = 1;
  for (int d = 0; d < x->rank; d++)
    if (attr->axis[d]) n *= x->dim[d];
  return n;
}

/* Squares are taken, and other types converted, by the first pass only. */
static void plan_steps(reduction *r, const kd_reduce_attr *attr, const kd_tensor *x) {
  kd_reduce_view view[KD_MAX_RANK];
  r->n_steps = kd_reduce_views(attr, &x->shape, view);
  for (int i = 0; i < r->n_steps; i++) {
    kd_reduce_kind kind = i > 0 && attr->kind == KD_REDUCE_SUMSQ ? KD_REDUCE_SUM : attr->kind;
    kd_reduce_pass_plan(&r->steps[i].pass, kind, i == 0 ? x->dtype : KD_F32, view[i].outer, view[i].n,
                        view[i].inner);
  }
}

/* Every intermediate result has a place of its own; partial ones share one. */
static int64_t place_results(reduction *r, bool convert_out) {
  int64_t used = 0, partial = 0;
  int64_t from = INPUT;
  for (int i = 0; i < r->n_steps; i++) {
    step *s = &r->steps[i];
    s->from = from;
    s->to = OUTPUT;
    if (i + 1 < r->n_steps || convert_out) {
      s->to = used;
      used += (s->pass.outer * s->pass.inner + 15) / 16 * 16;
    }
    from = s->to;
    if (s->pass.partial_floats > partial) partial = s->pass.partial_floats;
  }
  r->result = from;
  r->partial = used;
  return used + partial;
}

static kd_status reduce_prepare(kd_launch *launch) {
  const kd_reduce_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  reduction *r = kd_calloc(1, sizeof *r);
  launch->handle = r;
  launch->note = "reduce";
  r->in_count = kd_shape_count(&x->shape);
  r->out_count = kd_shape_count(&y->shape);
  r->empty = r->in_count == 0;
  r->divisor = (float)count_reduced(attr, &x->shape);
  if (r->empty) return KD_OK;
  plan_steps(r, attr, x);
  launch->workspace_bytes = (size_t)place_results(r, y->dtype != KD_F32) * sizeof(float);
  return KD_OK;
}

/* --- run ------------------------------------------------------------------------------------------- */

static void write_empty(const kd_launch *launch) {
  const kd_tensor *y = &launch->output[0];
  float value = kd_reduce_nothing(((const kd_reduce_attr *)launch->attr)->kind);
  kd_store_fn *store = kd_cpu_vector(launch->device)->store_fn(y->dtype);
  size_t size = kd_dtype_size(y->dtype);
  for (int64_t i = 0; i < kd_shape_count(&y->shape); i++)
    store((char *)y->data + i * (int64_t)size, &value, 1);
}

static kd_status reduce_run(const kd_launch *launch) {
  const reduction *r = launch->handle;
  if (r->empty) {
    write_empty(launch);
    return KD_OK;
  }
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  const kd_vector_table *vector = kd_cpu_vector(launch->device);
  float *work = launch->workspace;
  for (int i = 0; i < r->n_steps; i++) {
    const step *s = &r->steps[i];
    const void *from = s->from == INPUT ? x->data : work + s->from;
    float *to = s->to == OUTPUT ? y->data : work + s->to;
    kd_reduce_pass_run(&s->pass, launch->device, from, to, work + r->partial);
  }
  float *result = r->result == OUTPUT ? y->data : work + r->result;
  if (((const kd_reduce_attr *)launch->attr)->kind == KD_REDUCE_MEAN)
    for (int64_t i = 0; i < r->out_count; i++) result[i] /= r->divisor;
  if (r->result != OUTPUT) vector->store_fn(y->dtype)(y->data, result, r->out_count);
  return KD_OK;
}

static void reduce_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_reduce = {.prepare = reduce_prepare, .run = reduce_run, .release = reduce_release};
