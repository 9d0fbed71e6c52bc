/* MATMUL: oneDNN's matmul, which (with AVX-512) gives a row the same bits whatever the number of rows;
 * gradients of weights (a transposed) by sgemm, which is up to twice as fast there. */
#include <string.h>

#include "device/backend.h"
#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/onednn.h"

typedef struct matmul_state {
  kd_onednn *primitive; /* NULL: sgemm */
  int64_t m, k, n;
} matmul_state;

/* Both operands have one type, here after conversion (converted.c). */
static kd_status read_types(const kd_launch *launch, kd_product_types *types) {
  kd_dtype a = launch->input[0].dtype, b = launch->input[1].dtype, y = launch->output[0].dtype;
  bool known = a == b && (a == KD_F32 ? y == KD_F32 : a == KD_BF16 && (y == KD_BF16 || y == KD_F32));
  known = known && (launch->n_inputs < 3 || launch->input[2].dtype == KD_F32);
  KD_CHECK(known, KD_ERR_INTERNAL, "matmul of %s and %s to %s", kd_dtype_name(a), kd_dtype_name(b),
           kd_dtype_name(y));
  *types = (kd_product_types){.factors = a, .result = y};
  return KD_OK;
}

static kd_status disagree(const kd_launch *launch) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], y[KD_SHAPE_TEXT];
  return kd_fail(KD_ERR_INTERNAL, "matmul: shapes %s and %s do not give %s",
                 kd_shape_text(&launch->input[0].shape, a), kd_shape_text(&launch->input[1].shape, b),
                 kd_shape_text(&launch->output[0].shape, y));
}

/* Leading axes of an input, aligned to the right of the result's. */
static bool read_batch(const kd_shape *shape, const kd_shape *y, int64_t *batch) {
  int n_batch = y->rank - 2, own = shape->rank - 2;
  if (own > n_batch) return false;
  for (int i = 0; i < n_batch; i++) {
    int axis = i - (n_batch - own);
    batch[i] = axis < 0 ? 1 : shape->dim[axis];
    if (batch[i] != 1 && batch[i] != y->dim[i]) return false;
  }
  return true;
}

/* Joins neighbouring leading axes on which both inputs are full or both are repeated the same way. */
static void join_batch(kd_onednn_product *p) {
  int kept = 0;
  for (int i = 0; i < p->n_batch; i++) {
    bool same = kept > 0 &&
                (p->a_batch[kept - 1] == p->y_batch[kept - 1]) == (p->a_batch[i] == p->y_batch[i]) &&
                (p->b_batch[kept - 1] == p->y_batch[kept - 1]) == (p->b_batch[i] == p->y_batch[i]);
    if (same) {
      p->a_batch[kept - 1] *= p->a_batch[i];
      p->b_batch[kept - 1] *= p->b_batch[i];
      p->y_batch[kept - 1] *= p->y_batch[i];
    } else {
      p->a_batch[kept] = p->a_batch[i];
      p->b_batch[kept] = p->b_batch[i];
      p->y_batch[kept] = p->y_batch[i];
      kept++;
    }
  }
  p->n_batch = kept;
}

static bool all_ones(int count, const int64_t *batch) {
  for (int i = 0; i < count; i++)
    if (batch[i] != 1) return false;
  return true;
}

static kd_status read_product(const kd_launch *launch, kd_onednn_product *p) {
  const kd_matmul_attr *attr = launch->attr;
  const kd_shape *a = &launch->input[0].shape, *b = &launch->input[1].shape, *y = &launch->output[0].shape;
  if (a->rank < 2 || b->rank < 2 || y->rank < 2) return disagree(launch);
  *p = (kd_onednn_product){
      .n_batch = y->rank - 2,
      .m = a->dim[a->rank - (attr->transpose_a ? 1 : 2)],
      .k = a->dim[a->rank - (attr->transpose_a ? 2 : 1)],
      .n = b->dim[b->rank - (attr->transpose_b ? 2 : 1)],
      .transpose_a = attr->transpose_a,
      .transpose_b = attr->transpose_b,
      .bias = launch->n_inputs > 2,
      .epilogue = attr->epilogue,
  };
  if (p->k != b->dim[b->rank - (attr->transpose_b ? 1 : 2)] || y->dim[y->rank - 2] != p->m ||
      y->dim[y->rank - 1] != p->n || !read_batch(a, y, p->a_batch) || !read_batch(b, y, p->b_batch))
    return disagree(launch);
  KD_CHECK(!p->bias || kd_shape_count(&launch->input[2].shape) == p->n, KD_ERR_INTERNAL,
           "matmul: the bias has %lld values for %lld columns",
           (long long)kd_shape_count(&launch->input[2].shape), (long long)p->n);
  KD_TRY(read_types(launch, &p->types));
  KD_CHECK(p->k > 0, KD_ERR_USAGE, "matmul: the sums run over no elements");
  memcpy(p->y_batch, y->dim, sizeof(int64_t) * (size_t)p->n_batch);
  if (!p->transpose_a && p->n_batch && all_ones(p->n_batch, p->b_batch) &&
      kd_shape_span(a, 0, a->rank - 2) == kd_shape_span(y, 0, y->rank - 2)) {
    p->m *= kd_shape_span(y, 0, y->rank - 2);
    p->n_batch = 0;
  }
  join_batch(p);
  return KD_OK;
}

static kd_status run_sgemm(const kd_launch *launch) {
  const kd_matmul_attr *attr = launch->attr;
  const matmul_state *self = launch->handle;
  return kd_onednn_sgemm(attr->transpose_a, attr->transpose_b, self->m, self->n, self->k,
                         launch->input[0].data, launch->input[1].data, launch->output[0].data,
                         launch->device->threads);
}

static kd_status run_nothing(const kd_launch *launch) {
  (void)launch;
  return KD_OK;
}

static kd_status prepare(kd_launch *launch) {
  kd_onednn_product product;
  KD_TRY(read_product(launch, &product));
  if (kd_shape_count(&launch->output[0].shape) == 0) {
    launch->run = run_nothing;
    return KD_OK;
  }
  matmul_state *self = launch->handle = kd_calloc(1, sizeof *self);
  self->m = product.m, self->k = product.k, self->n = product.n;
  bool plain = product.n_batch == 0 && !product.bias && product.epilogue == KD_EPI_NONE &&
               product.types.factors == KD_F32;
  if (plain && product.transpose_a && !product.transpose_b) {
    launch->run = run_sgemm;
    launch->note = "sgemm";
    return kd_onednn_start(launch->device->threads);
  }
  KD_TRY(kd_onednn_product_create(&product, launch->device->threads, &self->primitive));
  launch->workspace_bytes = kd_onednn_scratch_bytes(self->primitive);
  launch->note = kd_onednn_note(self->primitive);
  launch->slow = kd_onednn_slow(self->primitive);
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  matmul_state *self = launch->handle;
  if (!self || !self->primitive) return KD_OK;
  KD_TRY(kd_onednn_bind(self->primitive, KD_ONEDNN_X, launch->input[0].data));
  KD_TRY(kd_onednn_bind(self->primitive, KD_ONEDNN_W, launch->input[1].data));
  if (launch->n_inputs > 2) KD_TRY(kd_onednn_bind(self->primitive, KD_ONEDNN_BIAS, launch->input[2].data));
  KD_TRY(kd_onednn_bind(self->primitive, KD_ONEDNN_Y, launch->output[0].data));
  return kd_onednn_bind(self->primitive, KD_ONEDNN_SCRATCH, launch->workspace);
}

static kd_status run(const kd_launch *launch) {
  const matmul_state *self = launch->handle;
  return kd_onednn_run(self->primitive);
}

static void release(kd_launch *launch) {
  matmul_state *self = launch->handle;
  if (self) kd_onednn_destroy(self->primitive);
  kd_free(self);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_matmul = {.prepare = prepare, .bind = bind, .run = run, .release = release};
