/* REDUCE as passes over views; ARGMAX, IN_TOP_K. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"
#include "device/reduce.h"

enum { INPUT = -1, OUTPUT = -2, GRAIN = 64 };

/* A pass reads and writes the tensors or a place in the workspace, in floats. */
typedef struct pass {
  kd_job_reduce reduce;
  int64_t from, to;
} pass;

typedef struct reduction {
  int n_passes;
  pass passes[KD_MAX_RANK];
  int64_t partial; /* where passes keep the results of their pieces */
  bool empty;      /* nothing is reduced into each result */
} reduction;

/* Squares are taken, and other types converted, by the first pass only. */
static void plan_passes(reduction *r, const kd_reduce_attr *attr, const kd_tensor *x) {
  kd_reduce_view view[KD_MAX_RANK];
  r->n_passes = kd_reduce_views(attr, &x->shape, view);
  for (int i = 0; i < r->n_passes; i++)
    r->passes[i].reduce =
        (kd_job_reduce){.kind = (int)(i > 0 && attr->kind == KD_REDUCE_SUMSQ ? KD_REDUCE_SUM : attr->kind),
                        .from = i == 0 ? x->dtype : KD_F32,
                        .to = KD_F32,
                        .outer = view[i].outer,
                        .n = view[i].n,
                        .inner = view[i].inner,
                        .divisor = 1};
}

/* Every result but the last has a place of its own; pieces share one. Returns the floats of all. */
static int64_t place_results(reduction *r) {
  int64_t used = 0, partial = 0, from = INPUT;
  for (int i = 0; i < r->n_passes; i++) {
    pass *p = &r->passes[i];
    int64_t parts = kd_cuda_reduce_parts(p->reduce.outer, p->reduce.n, p->reduce.inner);
    p->from = from;
    p->to = OUTPUT;
    if (i + 1 < r->n_passes) {
      p->to = used;
      used += (p->reduce.outer * p->reduce.inner + GRAIN - 1) / GRAIN * GRAIN;
    }
    from = p->to;
    if (parts > partial) partial = parts;
  }
  r->partial = used;
  return used + partial;
}

static kd_status reduce_prepare(kd_launch *launch) {
  const kd_reduce_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  KD_CHECK(kd_dtype_is_float(y->dtype), KD_ERR_INTERNAL, "reduce on CUDA gives floats, not %s",
           kd_dtype_name(y->dtype));
  reduction *r = kd_calloc(1, sizeof *r);
  launch->handle = r;
  launch->note = "reduce";
  r->empty = kd_shape_count(&x->shape) == 0;
  if (r->empty) return KD_OK;
  plan_passes(r, attr, x);
  kd_job_reduce *last = &r->passes[r->n_passes - 1].reduce;
  last->to = y->dtype;
  if (attr->kind == KD_REDUCE_MEAN)
    last->divisor = (float)(kd_shape_count(&x->shape) / kd_shape_count(&y->shape));
  launch->workspace_bytes = (size_t)place_results(r) * sizeof(float);
  return KD_OK;
}

static kd_status write_empty(const kd_launch *launch) {
  float value = kd_reduce_nothing(((const kd_reduce_attr *)launch->attr)->kind);
  const kd_tensor *y = &launch->output[0];
  KD_CHECK(y->dtype == KD_F32, KD_ERR_INTERNAL, "a reduction of nothing to %s", kd_dtype_name(y->dtype));
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  KD_CUDA(kd_cuda_fill_start(sizeof(float), bits, kd_shape_count(&y->shape), y->data, kd_cuda_stream(launch)),
          "a fill");
  return KD_OK;
}

static kd_status reduce_run(const kd_launch *launch) {
  const reduction *r = launch->handle;
  if (r->empty) return write_empty(launch);
  float *work = launch->workspace;
  for (int i = 0; i < r->n_passes; i++) {
    const pass *p = &r->passes[i];
    const void *from = p->from == INPUT ? launch->input[0].data : work + p->from;
    void *to = p->to == OUTPUT ? launch->output[0].data : work + p->to;
    KD_CUDA(kd_cuda_reduce_start(&p->reduce, from, to, work + r->partial, kd_cuda_stream(launch)),
            "a reduction");
  }
  return KD_OK;
}

static void reduce_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

/* --- searches -------------------------------------------------------------------------------------- */

static kd_status search_prepare(kd_launch *launch) {
  launch->note = "search";
  return launch->op == KD_OP_IN_TOP_K ? kd_dtype_check_index(launch->input[1].dtype) : KD_OK;
}

static kd_status argmax_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0];
  int axis = ((const kd_axis_attr *)launch->attr)->axis;
  KD_CUDA(kd_cuda_argmax_start(x->dtype, x->data, kd_shape_span(&x->shape, 0, axis), x->shape.dim[axis],
                               kd_shape_span(&x->shape, axis + 1, x->shape.rank), launch->output[0].data,
                               kd_cuda_stream(launch)),
          "a search");
  return KD_OK;
}

static kd_status in_top_k_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *labels = &launch->input[1];
  KD_CUDA(kd_cuda_in_top_k_start(x->dtype, x->data, kd_shape_span(&x->shape, 0, x->shape.rank - 1),
                                 x->shape.dim[x->shape.rank - 1], labels->dtype, labels->data,
                                 ((const kd_axis_attr *)launch->attr)->axis, launch->output[0].data,
                                 kd_cuda_stream(launch)),
          "a search");
  return KD_OK;
}

const kd_kernel kd_cuda_reduce = {.prepare = reduce_prepare, .run = reduce_run, .release = reduce_release};
const kd_kernel kd_cuda_argmax = {.prepare = search_prepare, .run = argmax_run};
const kd_kernel kd_cuda_in_top_k = {.prepare = search_prepare, .run = in_top_k_run};
