/* ATTENTION and ATTENTION_GRAD: for each head, blocks of queries go through a product, a softmax and a
 * product. No more than one block of scores per thread exists at any time; backward computes them again. */
#include <omp.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/base/rng.h"
#include "device/cpu/cpu.h"
#include "device/cpu/kernels.h"
#include "device/cpu/onednn.h"
#include "device/cpu/parallel.h"
#include "device/cpu/random.h"

/* A block of scores of this size stays in the second cache beside the keys and values; below MIN_ROWS the
 * products are slow. Causal blocks are short, since a block computes no score behind its last query. */
enum { BLOCK_FLOATS = 64 << 10, MIN_ROWS = 32, CAUSAL_ROWS = 64 };

typedef struct sizes {
  int64_t batch, queries, keys, heads, groups; /* groups: heads of keys and values */
  int64_t features, width;                     /* of queries and keys; of values */
  int64_t rows;                                /* queries of a block */
} sizes;

static sizes sizes_of(const kd_launch *launch) {
  const int64_t *q = launch->input[0].shape.dim, *v = launch->input[2].shape.dim;
  sizes s = {.batch = q[0],
             .queries = q[1],
             .keys = v[1],
             .heads = q[2],
             .groups = v[2],
             .features = q[3],
             .width = v[3],
             .rows = BLOCK_FLOATS / v[1]};
  const kd_attention_attr *attr = launch->attr;
  if (attr->causal && s.rows > CAUSAL_ROWS) s.rows = CAUSAL_ROWS;
  if (s.rows < MIN_ROWS) s.rows = MIN_ROWS;
  if (s.rows > s.queries) s.rows = s.queries;
  return s;
}

/* Blocks of one thread: scores, in backward their slopes, random numbers. */
static kd_status prepare(kd_launch *launch) {
  const kd_attention_attr *attr = launch->attr;
  sizes s = sizes_of(launch);
  int blocks = 1 + (launch->op == KD_OP_ATTENTION_GRAD) + (attr->dropout > 0);
  launch->workspace_bytes = (size_t)(launch->device->threads * blocks * s.rows * s.keys) * sizeof(float);
  launch->note = "gemm per head";
  return kd_onednn_start(launch->device->threads);
}

typedef struct head {
  const kd_launch *launch;
  sizes size;
  int64_t row, head, group;
  const float *q, *k, *v;
  float *scores, *slopes, *numbers; /* the thread's blocks; numbers NULL: no dropout */
} head;

static int masks_at(const kd_launch *launch) {
  return launch->op == KD_OP_ATTENTION ? KD_ATTENTION_FIXED : KD_ATTENTION_GRAD_FIXED;
}

static head open_head(const kd_launch *launch, int64_t row, int64_t index) {
  const kd_attention_attr *attr = launch->attr;
  const kd_tensor *in = launch->input;
  sizes s = sizes_of(launch);
  int64_t group = index / (s.heads / s.groups), block = s.rows * s.keys;
  head h = {.launch = launch, .size = s, .row = row, .head = index, .group = group};
  h.q = (const float *)in[0].data + (row * s.queries * s.heads + index) * s.features;
  h.k = (const float *)in[1].data + (row * s.keys * s.groups + group) * s.features;
  h.v = (const float *)in[2].data + (row * s.keys * s.groups + group) * s.width;
  bool backward = launch->op == KD_OP_ATTENTION_GRAD, drops = attr->dropout > 0;
  h.scores = (float *)launch->workspace + omp_get_thread_num() * (1 + backward + drops) * block;
  h.slopes = backward ? h.scores + block : NULL;
  h.numbers = drops ? h.scores + (1 + backward) * block : NULL;
  return h;
}

/* Which keys the queries from `first` on see. */
static kd_attention_rows block_rows(const head *h, int64_t first) {
  const kd_attention_attr *attr = h->launch->attr;
  const sizes *s = &h->size;
  int64_t left = s->queries - first;
  kd_attention_rows rows = {.first = first,
                            .count = left < s->rows ? left : s->rows,
                            .keys = s->keys,
                            .stride = s->keys,
                            .causal = attr->causal != 0,
                            .window = attr->window,
                            .n_masks = attr->n_masks,
                            .unseen = attr->unseen,
                            .dropout = attr->dropout,
                            .numbers = h->numbers};
  /* Every query sees a key then, so that nothing stands behind the last one. */
  if (attr->causal && !attr->window && !attr->n_masks && first + rows.count < s->keys)
    rows.keys = first + rows.count;
  for (int m = 0; m < attr->n_masks; m++) {
    const kd_tensor *mask = &h->launch->input[masks_at(h->launch) + m];
    const int64_t *dim = mask->shape.dim;
    int64_t b = dim[0] > 1 ? h->row : 0, i = dim[1] > 1 ? h->head : 0, query = dim[2] > 1 ? first : 0;
    rows.mask[m] = (const float *)mask->data + ((b * dim[1] + i) * dim[2] + query) * dim[3];
    rows.mask_row[m] = dim[2] > 1 ? dim[3] : 0;
    rows.mask_keys[m] = dim[3] > 1 || s->keys == 1;
  }
  return rows;
}

/* Random numbers of the block's probabilities; see kd_attention_attr. */
static void draw_block(const head *h, const kd_attention_rows *rows) {
  const kd_launch *launch = h->launch;
  const kd_attention_attr *attr = launch->attr;
  const sizes *s = &h->size;
  if (!h->numbers) return;
  const uint32_t *rng = launch->input[launch->n_inputs - 1].data;
  int64_t rows_per_sample = attr->rows_per_sample;
  int64_t first = ((h->row * s->heads + h->head) * s->queries + rows->first) * s->keys;
  kd_cpu_draw(kd_cpu_vector(launch->device), false, kd_rng_key(rng, attr->node), rng[KD_RNG_SAMPLE],
              rows_per_sample * s->heads * s->queries * s->keys, first, rows->count * s->keys, h->numbers);
}

/* scores = scale q k' */
static kd_status score_block(const head *h, const kd_attention_rows *rows) {
  const kd_attention_attr *attr = h->launch->attr;
  const sizes *s = &h->size;
  return kd_onednn_gemm(&(kd_gemm){.transpose_b = true,
                                   .m = rows->count,
                                   .n = rows->keys,
                                   .k = s->features,
                                   .alpha = attr->scale,
                                   .a = h->q + rows->first * s->heads * s->features,
                                   .a_stride = s->heads * s->features,
                                   .b = h->k,
                                   .b_stride = s->groups * s->features,
                                   .y = h->scores,
                                   .y_stride = s->keys});
}

/* --- forward -------------------------------------------------------------------------------------- */

static kd_status forward_head(const head *h) {
  const sizes *s = &h->size;
  const kd_tensor *out = h->launch->output;
  float *y = (float *)out[0].data + (h->row * s->queries * s->heads + h->head) * s->width;
  float *lse = (float *)out[1].data + (h->row * s->heads + h->head) * s->queries;
  for (int64_t first = 0; first < s->queries; first += s->rows) {
    kd_attention_rows rows = block_rows(h, first);
    KD_TRY(score_block(h, &rows));
    draw_block(h, &rows);
    kd_cpu_vector(h->launch->device)->attention_softmax(&rows, h->scores, lse + first);
    KD_TRY(kd_onednn_gemm(&(kd_gemm){.m = rows.count,
                                     .n = s->width,
                                     .k = rows.keys,
                                     .alpha = 1,
                                     .a = h->scores,
                                     .a_stride = s->keys,
                                     .b = h->v,
                                     .b_stride = s->groups * s->width,
                                     .y = y + first * s->heads * s->width,
                                     .y_stride = s->heads * s->width}));
  }
  return KD_OK;
}

/* --- backward ------------------------------------------------------------------------------------- */

/* y (keys, n) += alpha a' b, where a are the block's scores or slopes. */
static kd_status add_keys(const head *h, const kd_attention_rows *rows, const float *a, const float *b,
                          int64_t n, float alpha, float *y) {
  const sizes *s = &h->size;
  return kd_onednn_gemm(&(kd_gemm){.transpose_a = true,
                                   .m = rows->keys,
                                   .n = n,
                                   .k = rows->count,
                                   .alpha = alpha,
                                   .a = a,
                                   .a_stride = s->keys,
                                   .b = b,
                                   .b_stride = s->heads * n,
                                   .beta = 1,
                                   .y = y,
                                   .y_stride = s->groups * n});
}

static kd_status backward_block(const head *h, const kd_attention_rows *rows, float *dk, float *dv) {
  const kd_launch *launch = h->launch;
  const kd_attention_attr *attr = launch->attr;
  const sizes *s = &h->size;
  const kd_tensor *in = launch->input;
  int64_t at = (h->row * s->queries + rows->first) * s->heads + h->head;
  kd_attention_slopes slopes = {.y = (const float *)in[3].data + at * s->width,
                                .dy = (const float *)in[5].data + at * s->width,
                                .width = s->width,
                                .row = s->heads * s->width};
  const float *lse = (const float *)in[4].data + (h->row * s->heads + h->head) * s->queries + rows->first;
  KD_TRY(score_block(h, rows));
  KD_TRY(kd_onednn_gemm(&(kd_gemm){.transpose_b = true,
                                   .m = rows->count,
                                   .n = rows->keys,
                                   .k = s->width,
                                   .alpha = 1,
                                   .a = slopes.dy,
                                   .a_stride = slopes.row,
                                   .b = h->v,
                                   .b_stride = s->groups * s->width,
                                   .y = h->slopes,
                                   .y_stride = s->keys}));
  draw_block(h, rows);
  kd_cpu_vector(launch->device)->attention_grad(rows, &slopes, lse, h->scores, h->slopes);
  KD_TRY(add_keys(h, rows, h->scores, slopes.dy, s->width, 1, dv));
  KD_TRY(add_keys(h, rows, h->slopes, h->q + rows->first * s->heads * s->features, s->features, attr->scale,
                  dk));
  return kd_onednn_gemm(&(kd_gemm){.m = rows->count,
                                   .n = s->features,
                                   .k = rows->keys,
                                   .alpha = attr->scale,
                                   .a = h->slopes,
                                   .a_stride = s->keys,
                                   .b = h->k,
                                   .b_stride = s->groups * s->features,
                                   .y = (float *)launch->output[0].data + at * s->features,
                                   .y_stride = s->heads * s->features});
}

static void clear(float *y, int64_t rows, int64_t columns, int64_t stride) {
  for (int64_t i = 0; i < rows; i++) memset(y + i * stride, 0, (size_t)columns * sizeof *y);
}

/* All query heads that read one head of keys and values. */
static kd_status backward_group(const kd_launch *launch, int64_t row, int64_t group) {
  sizes s = sizes_of(launch);
  int64_t share = s.heads / s.groups, at = row * s.keys * s.groups + group;
  float *dk = (float *)launch->output[1].data + at * s.features;
  float *dv = (float *)launch->output[2].data + at * s.width;
  clear(dk, s.keys, s.features, s.groups * s.features);
  clear(dv, s.keys, s.width, s.groups * s.width);
  for (int64_t i = 0; i < share; i++) {
    head h = open_head(launch, row, group * share + i);
    for (int64_t first = 0; first < s.queries; first += s.rows) {
      kd_attention_rows rows = block_rows(&h, first);
      KD_TRY(backward_block(&h, &rows, dk, dv));
    }
  }
  return KD_OK;
}

/* --- ranges --------------------------------------------------------------------------------------- */

typedef struct job {
  const kd_launch *launch;
  kd_status status; /* of any range that failed */
} job;

static void run_range(void *context, int64_t begin, int64_t end) {
  job *j = context;
  sizes s = sizes_of(j->launch);
  bool backward = j->launch->op == KD_OP_ATTENTION_GRAD;
  for (int64_t i = begin; i < end; i++) {
    kd_status status;
    if (backward) {
      status = backward_group(j->launch, i / s.groups, i % s.groups);
    } else {
      head h = open_head(j->launch, i / s.heads, i % s.heads);
      status = forward_head(&h);
    }
    if (status != KD_OK) __atomic_store_n(&j->status, status, __ATOMIC_RELAXED);
  }
}

static kd_status run(const kd_launch *launch) {
  sizes s = sizes_of(launch);
  job j = {.launch = launch, .status = KD_OK};
  int64_t items = s.batch * (launch->op == KD_OP_ATTENTION ? s.heads : s.groups);
  kd_cpu_parallel(launch->device, items, kd_cpu_grain(s.queries * s.keys * 16), run_range, &j);
  KD_CHECK(j.status == KD_OK, j.status, "attention: a product of matrices failed");
  return KD_OK;
}

const kd_kernel kd_cpu_attention = {.prepare = prepare, .run = run};
const kd_kernel kd_cpu_attention_grad = {.prepare = prepare, .run = run};
