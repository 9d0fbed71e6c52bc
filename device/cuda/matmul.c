/* MATMUL: leading axes become batches of the library, or rows of one product where the right side is one
 * matrix. */
#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"
#include "device/cuda/product.h"

enum { GRAIN = 256 };

/* The innermost batch axes that both sides walk evenly are one call; the others are walked by the host. */
typedef struct matmul {
  kd_product *product;
  kd_product_types types;
  bool apart;                      /* bias and activation are added to float32 sums in the workspace */
  size_t sums_place;               /* of these in the workspace */
  int64_t calls, *from_a, *from_b; /* of each call, in elements; results follow one another */
  int64_t step_c;                  /* elements of a call's result */
} matmul;

/* Batch axes with their strides on both sides, merged; strides are 0 where a side broadcasts. */
typedef struct batch_axes {
  int rank;
  int64_t size[KD_MAX_RANK], a[KD_MAX_RANK], b[KD_MAX_RANK];
} batch_axes;

/* The stride of axis d of y in a tensor whose leading axes may broadcast. */
static int64_t stride_of(const kd_shape *x, const kd_shape *y, int d) {
  int own = d - (y->rank - x->rank);
  return own >= 0 && x->dim[own] > 1 ? kd_shape_span(x, own + 1, x->rank) : 0;
}

static batch_axes find_axes(const kd_launch *launch) {
  const kd_shape *y = &launch->output[0].shape;
  batch_axes axes = {0};
  for (int d = 0; d < y->rank - 2; d++) {
    int64_t size = y->dim[d], a = stride_of(&launch->input[0].shape, y, d),
            b = stride_of(&launch->input[1].shape, y, d);
    int last = axes.rank - 1;
    if (size == 1) continue;
    if (last >= 0 && axes.a[last] == a * size && axes.b[last] == b * size) {
      axes.size[last] *= size;
      axes.a[last] = a;
      axes.b[last] = b;
      continue;
    }
    axes.size[axes.rank] = size;
    axes.a[axes.rank] = a;
    axes.b[axes.rank++] = b;
  }
  return axes;
}

static kd_product_spec spec_of(const kd_launch *launch, batch_axes *axes) {
  const kd_matmul_attr *attr = launch->attr;
  const kd_shape *a = &launch->input[0].shape, *y = &launch->output[0].shape;
  kd_product_spec s = {.m = y->dim[y->rank - 2],
                       .n = y->dim[y->rank - 1],
                       .k = a->dim[a->rank - (attr->transpose_a ? 2 : 1)],
                       .transpose_a = attr->transpose_a,
                       .transpose_b = attr->transpose_b,
                       .types = {launch->input[0].dtype, launch->output[0].dtype},
                       .bias = launch->n_inputs == 3,
                       .relu = attr->epilogue == KD_EPI_RELU,
                       .tf32 = launch->device->tf32};
  if (axes->rank == 0) return s;
  int last = --axes->rank; /* the axes before it stay for the host */
  int64_t size = axes->size[last], step_a = axes->a[last], step_b = axes->b[last];
  if (step_b == 0 && !attr->transpose_a && step_a == s.m * s.k) {
    s.m *= size;
    return s;
  }
  s.batch = size;
  s.step_a = step_a;
  s.step_b = step_b;
  s.step_c = s.m * s.n;
  return s;
}

/* Where each call begins on both sides. */
static void plan_calls(matmul *m, const batch_axes *axes) {
  m->calls = 1;
  for (int d = 0; d < axes->rank; d++) m->calls *= axes->size[d];
  m->from_a = kd_calloc((size_t)m->calls + 1, sizeof *m->from_a);
  m->from_b = kd_calloc((size_t)m->calls + 1, sizeof *m->from_b);
  for (int64_t i = 0; i < m->calls; i++) {
    int64_t rest = i;
    for (int d = axes->rank - 1; d >= 0; d--) {
      m->from_a[i] += rest % axes->size[d] * axes->a[d];
      m->from_b[i] += rest % axes->size[d] * axes->b[d];
      rest /= axes->size[d];
    }
  }
}

/* The library adds a bias of the result's type only, and rounds before an activation that it does not know.
 */
static bool needs_sums(const kd_launch *launch) {
  kd_epilogue kind = ((const kd_matmul_attr *)launch->attr)->epilogue;
  bool own = launch->n_inputs == 3 || kind == KD_EPI_TANH || kind == KD_EPI_SIGMOID;
  return own && launch->output[0].dtype != KD_F32;
}

static kd_status check_types(const kd_launch *launch) {
  kd_dtype a = launch->input[0].dtype, b = launch->input[1].dtype, c = launch->output[0].dtype;
  bool half = kd_dtype_is_half(a) && (c == a || c == KD_F32);
  KD_CHECK(a == b && ((a == KD_F32 && c == KD_F32) || half), KD_ERR_INTERNAL,
           "matmul on CUDA takes two factors of one type, float32 or half, not %s and %s to %s",
           kd_dtype_name(a), kd_dtype_name(b), kd_dtype_name(c));
  return KD_OK;
}

static kd_status matmul_prepare(kd_launch *launch) {
  KD_TRY(check_types(launch));
  matmul *m = kd_calloc(1, sizeof *m);
  launch->handle = m;
  launch->note = kd_cuda_of(launch->device)->described > 0 ? "cuBLASLt, not planned without a GPU"
                 : launch->device->tf32                    ? "cuBLASLt, TF32 allowed"
                                                           : "cuBLASLt";
  batch_axes axes = find_axes(launch);
  kd_product_spec spec = spec_of(launch, &axes);
  m->apart = needs_sums(launch);
  if (m->apart) {
    spec.types.result = KD_F32;
    spec.bias = spec.relu = false;
  }
  m->types = spec.types;
  plan_calls(m, &axes);
  m->step_c = spec.m * spec.n * (spec.batch ? spec.batch : 1);
  KD_TRY(kd_product_make(kd_cuda_of(launch->device), &spec, &m->product, &launch->workspace_bytes));
  if (!m->apart) return KD_OK;
  m->sums_place = (launch->workspace_bytes + GRAIN - 1) / GRAIN * GRAIN;
  launch->workspace_bytes = m->sums_place + (size_t)kd_shape_count(&launch->output[0].shape) * sizeof(float);
  return KD_OK;
}

static kd_status run_calls(const kd_launch *launch, char *to) {
  const matmul *m = launch->handle;
  const char *a = launch->input[0].data, *b = launch->input[1].data;
  const float *bias = launch->n_inputs == 3 && !m->apart ? launch->input[2].data : NULL;
  int64_t factor = (int64_t)kd_dtype_size(m->types.factors), size = (int64_t)kd_dtype_size(m->types.result);
  for (int64_t i = 0; i < m->calls; i++)
    KD_TRY(kd_product_run(m->product, kd_cuda_of(launch->device), a + m->from_a[i] * factor,
                          b + m->from_b[i] * factor, bias, to + i * m->step_c * size, launch->workspace));
  return KD_OK;
}

static kd_status matmul_run(const kd_launch *launch) {
  const matmul *m = launch->handle;
  const kd_tensor *y = &launch->output[0];
  char *to = m->apart ? (char *)launch->workspace + m->sums_place : y->data;
  int64_t width = y->shape.dim[y->shape.rank - 1], count = kd_shape_count(&y->shape);
  kd_epilogue rest = ((const kd_matmul_attr *)launch->attr)->epilogue;
  if (count == 0) return KD_OK;
  KD_TRY(run_calls(launch, to));
  if (!m->apart && (rest == KD_EPI_RELU || rest == KD_EPI_NONE)) return KD_OK;
  const float *bias = launch->n_inputs == 3 && m->apart ? launch->input[2].data : NULL;
  KD_CUDA(kd_cuda_epilogue_start((int)rest, bias, count / width, width, (const float *)(const void *)to,
                                 y->dtype, y->data, kd_cuda_stream(launch)),
          "an activation");
  return KD_OK;
}

static void matmul_release(kd_launch *launch) {
  matmul *m = launch->handle;
  if (!m) return;
  kd_product_free(m->product);
  kd_free(m->from_a);
  kd_free(m->from_b);
  kd_free(m);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_matmul = {.prepare = matmul_prepare, .run = matmul_run, .release = matmul_release};
