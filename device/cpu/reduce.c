/* REDUCE: passes over (outer, n, inner) views, from the innermost reduced axes to the outermost. */
#include <math.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/reduce_pass.h"

enum { MAX_PASSES = KD_MAX_RANK, INPUT = -1, OUTPUT = -2 };

/* A pass reads and writes the tensors or a place in the workspace, in floats. */
typedef struct step {
  kd_reduce_pass pass;
  int64_t from, to; /* INPUT, OUTPUT or an offset */
} step;

typedef struct reduction {
  kd_dtype dtype; /* of the input */
  int n_steps;
  step steps[MAX_PASSES];
  int64_t result;  /* where the result lies before it is converted, or OUTPUT */
  int64_t partial; /* where passes keep partial results */
  int64_t in_count, out_count;
  bool empty; /* nothing is reduced into each result */
  float divisor;
} reduction;

/* --- prepare --------------------------------------------------------------------------------------- */

/* Runs of axes that are all reduced or all kept; axes of size 1 are dropped. */
typedef struct groups {
  int count;
  int64_t size[KD_MAX_RANK];
  bool reduced[KD_MAX_RANK];
} groups;

static groups find_groups(const kd_reduce_attr *attr, const kd_shape *x) {
  groups g = {0};
  for (int d = 0; d < x->rank; d++) {
    if (x->dim[d] == 1) continue;
    if (g.count && g.reduced[g.count - 1] == attr->axis[d]) {
      g.size[g.count - 1] *= x->dim[d];
    } else {
      g.reduced[g.count] = attr->axis[d];
      g.size[g.count++] = x->dim[d];
    }
  }
  return g;
}

static int64_t count_reduced(const kd_reduce_attr *attr, const kd_shape *x) {
  int64_t n = 1;
  for (int d = 0; d < x->rank; d++)
    if (attr->axis[d]) n *= x->dim[d];
  return n;
}

/* Squares are taken, and other types converted, by the first pass only. */
static void add_step(reduction *r, kd_reduce_kind kind, int64_t outer, int64_t n, int64_t inner) {
  if (r->n_steps && kind == KD_REDUCE_SUMSQ) kind = KD_REDUCE_SUM;
  kd_dtype dtype = r->n_steps ? KD_F32 : r->dtype;
  kd_reduce_pass_plan(&r->steps[r->n_steps++].pass, kind, dtype, outer, n, inner);
}

static void plan_steps(reduction *r, kd_reduce_kind kind, const groups *g) {
  int64_t inner = 1;
  for (int i = g->count - 1; i >= 0; i--) {
    if (!g->reduced[i]) {
      inner *= g->size[i];
      continue;
    }
    int64_t outer = 1;
    for (int before = 0; before < i; before++) outer *= g->size[before];
    add_step(r, kind, outer, g->size[i], inner);
  }
  if (r->n_steps == 0) add_step(r, kind, 1, 1, inner);
}

/* Intermediate results alternate between two places. */
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
  r->dtype = x->dtype;
  r->in_count = kd_shape_count(&x->shape);
  r->out_count = kd_shape_count(&y->shape);
  r->empty = r->in_count == 0;
  r->divisor = (float)count_reduced(attr, &x->shape);
  if (r->empty) return KD_OK;
  groups g = find_groups(attr, &x->shape);
  plan_steps(r, attr->kind, &g);
  launch->workspace_bytes = (size_t)place_results(r, y->dtype != KD_F32) * sizeof(float);
  return KD_OK;
}

/* --- run ------------------------------------------------------------------------------------------- */

/* The result of no elements: 0, 1 or an infinity; a mean of nothing is NaN. */
static void write_empty(const kd_launch *launch) {
  static const float value[] = {
      [KD_REDUCE_SUM] = 0.0f,     [KD_REDUCE_MEAN] = NAN,  [KD_REDUCE_MAX] = -INFINITY,
      [KD_REDUCE_MIN] = INFINITY, [KD_REDUCE_PROD] = 1.0f, [KD_REDUCE_SUMSQ] = 0.0f,
  };
  const kd_tensor *y = &launch->output[0];
  kd_store_fn *store = kd_cpu_vector(launch->device)->store_fn(y->dtype);
  size_t size = kd_dtype_size(y->dtype);
  for (int64_t i = 0; i < kd_shape_count(&y->shape); i++)
    store((char *)y->data + i * (int64_t)size, &value[((const kd_reduce_attr *)launch->attr)->kind], 1);
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
