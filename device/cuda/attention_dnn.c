/* Attention of 16 bits by cuDNN. Masks become numbers that are added to scores, and queries that see no key
 * get their results from own kernels (attention_masks.cu). A gradient with a fixed order of sums keeps a
 * number of 16 bits for each score: it is made in pieces, some samples or some heads of one, one after the
 * other in the same memory. Dropout is always own: its bits are those of the CPU. */
#include "device/base/memory.h"
#include "device/cuda/attention.h"
#include "device/cuda/cuda.h"
#include "device/cuda/dnn_attention.h"

enum { GRAIN = 256, MOST_WORKSPACE = 1 << 30 };

int64_t kd_attention_piece = 256 << 20; /* so many scores leave no processor without work */

/* The last version whose gradient is wrong for other numbers of keys than multiples of a tile, by
 * cudnn-frontend's list of workarounds. */
enum { LAST_UNEVEN_FAULT = 91500 };

/* The score of a key that is hidden; the logarithm of a sum beside which any probability is 0. */
static const float hidden = -1e30f, immense = 1e30f;

typedef struct places { /* in the workspace */
  size_t bias, lse, unseen, total, sums, dk_heads, dv_heads;
} places;

typedef struct fast {
  kd_dnn_attention piece;
  kd_dnn_attention_values values;
  int64_t batch_pieces, head_pieces;
  kd_dnn_call *call; /* of each piece */
  kd_job_bias bias;
  bool masked; /* queries may see no key */
  size_t sums_bytes;
  places at;
} fast;

/* --- what is asked for ----------------------------------------------------------------------------- */

/* Whether all operands are of the same 16 bits, but lse, which is float32, and masks, which are of any type.
 */
static bool has_halves(const kd_launch *launch) {
  kd_dtype dtype = launch->input[0].dtype;
  bool gradient = launch->op == KD_OP_ATTENTION_GRAD, same = kd_dtype_is_half(dtype);
  int fixed = gradient ? KD_ATTENTION_GRAD_FIXED : KD_ATTENTION_FIXED;
  for (int i = 0; i < fixed; i++) same = same && launch->input[i].dtype == (i == 4 ? KD_F32 : dtype);
  for (int o = 0; o < launch->n_outputs; o++)
    same = same && launch->output[o].dtype == (!gradient && o == 1 ? KD_F32 : dtype);
  return same;
}

/* The forms that the library has kernels for. */
static bool is_known(const kd_launch *launch, const kd_job_attention *a) {
  bool gradient = launch->op == KD_OP_ATTENTION_GRAD;
  return has_halves(launch) && a->dropout <= 0 && a->window == 0 && a->features % 8 == 0 &&
         a->width % 8 == 0 && a->batch * a->queries * a->keys * a->heads > 0 &&
         (a->n_masks == 0 || a->unseen != KD_UNSEEN_SHIFT) &&
         (!gradient || a->keys % KD_DNN_TILE == 0 || cudnnGetVersion() > LAST_UNEVEN_FAULT);
}

/* The numbers that are added to scores, as few as tell keys apart. */
static void add_bias(fast *f, const kd_job_attention *a) {
  int64_t size[4] = {1, 1, 1, 0};
  const int64_t full[4] = {a->batch, a->heads, a->queries, a->keys};
  for (int m = 0; m < a->n_masks; m++)
    for (int d = 0; a->mask_stride[m][3] && d < 4; d++)
      if (a->mask_stride[m][d]) size[d] = full[d];
  f->bias = (kd_job_bias){.batch = size[0],
                          .heads = size[1],
                          .queries = size[2],
                          .count = size[0] * size[1] * size[2] * size[3],
                          .hidden = hidden};
  if (!f->bias.count) return;
  const int64_t piece[4] = {f->piece.batch, f->piece.heads, a->queries, a->keys};
  for (int d = 0; d < 4; d++) f->piece.bias[d] = size[d] > 1 ? piece[d] : 1;
}

static size_t take(kd_launch *launch, size_t bytes) {
  size_t place = launch->workspace_bytes;
  launch->workspace_bytes = (place + bytes + GRAIN - 1) / GRAIN * GRAIN;
  return place;
}

/* The plan's workspace comes first. */
static void take_places(fast *f, kd_launch *launch, const kd_job_attention *a) {
  const kd_dnn_attention *p = &f->piece;
  size_t element = kd_dtype_size(p->dtype), number = sizeof(float);
  size_t rows = (size_t)(p->batch * p->heads * p->queries), keys = (size_t)(p->batch * p->heads * p->keys);
  (void)take(launch, f->call->plan ? kd_dnn_plan_workspace(f->call->plan) : (size_t)kd_dnn_attention_kept(p));
  if (p->gradient) f->at.total = take(launch, rows * number);
  if (kd_dnn_attention_adds(p)) f->sums_bytes = rows * (size_t)p->features * number;
  f->at.sums = take(launch, f->sums_bytes);
  if (kd_dnn_attention_folds(p)) {
    f->at.dk_heads = take(launch, keys * (size_t)p->features * element);
    f->at.dv_heads = take(launch, keys * (size_t)p->width * element);
  }
  f->at.bias = take(launch, (size_t)f->bias.count * number);
  if (!f->masked) return;
  if (p->gradient) f->at.lse = take(launch, (size_t)(a->batch * a->heads * a->queries) * number);
  f->at.unseen = take(launch, (size_t)(a->batch * a->groups * a->width) * number);
}

/* NULL without a driver, where a device that is not here is taken to have one from sm_80 on. */
static kd_status find_plan(const kd_cuda *cuda, const kd_dnn_attention *piece, kd_dnn_plan **plan) {
  *plan = NULL;
  if (cuda->undriven && cuda->capability >= 80) return KD_OK;
  return kd_dnn_attention_plan(cuda->dnn_device, piece, plan);
}

kd_status kd_attention_dnn_prepare(kd_launch *launch) {
  kd_job_attention a = kd_cuda_attention_job(launch);
  KD_CHECK(is_known(launch, &a), KD_ERR_RUN, "cuDNN has no attention of this form");
  fast *f = kd_calloc(1, sizeof *f);
  launch->handle = f;
  f->values = (kd_dnn_attention_values){.scale = a.scale, .hidden = hidden, .one = 1};
  f->masked = a.n_masks > 0;
  f->piece =
      (kd_dnn_attention){.dtype = launch->input[0].dtype,
                         .gradient = launch->op == KD_OP_ATTENTION_GRAD,
                         .causal = a.causal,
                         .batch = a.batch,
                         .queries = a.queries,
                         .keys = a.keys,
                         .heads = a.heads,
                         .groups = a.groups,
                         .features = a.features,
                         .width = a.width,
                         .row_heads = a.heads,
                         .row_groups = a.groups,
                         .wish = {.ordered = launch->device->reproducible, .workspace = MOST_WORKSPACE}};
  kd_dnn_attention_cut(&f->piece, kd_attention_piece, &f->batch_pieces, &f->head_pieces);
  add_bias(f, &a);
  KD_CHECK(f->bias.count <= MOST_WORKSPACE / (int64_t)sizeof(float), KD_ERR_RUN,
           "masks that tell apart too many scores to be written down together");
  kd_dnn_plan *plan;
  KD_TRY(find_plan(kd_cuda_of(launch->device), &f->piece, &plan));
  int64_t pieces = f->batch_pieces * f->head_pieces;
  f->call = kd_calloc((size_t)pieces, sizeof *f->call);
  for (int64_t i = 0; i < pieces; i++) f->call[i].plan = i && plan ? kd_dnn_plan_share(plan) : plan;
  take_places(f, launch, &a);
  launch->note = !plan        ? "cuDNN, not planned without a driver"
                 : pieces > 1 ? "cuDNN, in pieces"
                              : "cuDNN, no matrix of scores";
  return KD_OK;
}

/* --- addresses -------------------------------------------------------------------------------------- */

/* Piece (b, h) of an operand (batch, steps, heads, features). */
static const void *rows_of(const fast *f, const kd_tensor *x, int64_t b, int64_t h) {
  const int64_t *dim = x->shape.dim;
  int64_t sample = b * f->piece.batch, head = h * (dim[2] / f->head_pieces);
  return (const char *)x->data +
         (size_t)((sample * dim[1] * dim[2] + head) * dim[3]) * kd_dtype_size(x->dtype);
}

/* Of floats (batch, heads, `count` each), batch and heads 1 where they are for all. */
static const float *numbers_of(const fast *f, const float *x, int64_t b, int64_t h, int64_t batch,
                               int64_t heads, int64_t count) {
  int64_t sample = batch > 1 ? b * f->piece.batch : 0, head = heads > 1 ? h * f->piece.heads : 0;
  return x + (sample * heads + head) * count;
}

static kd_status bind_piece(kd_launch *launch, int64_t b, int64_t h) {
  fast *f = launch->handle;
  const kd_dnn_attention *p = &f->piece;
  const kd_tensor *in = launch->input, *out = launch->output;
  char *w = launch->workspace;
  const float *lse = !p->gradient ? out[1].data : f->masked ? (float *)(void *)(w + f->at.lse) : in[4].data;
  kd_dnn_attention_data data = {.q = rows_of(f, &in[0], b, h),
                                .k = rows_of(f, &in[1], b, h),
                                .v = rows_of(f, &in[2], b, h),
                                .y = rows_of(f, p->gradient ? &in[3] : &out[0], b, h),
                                .lse = numbers_of(f, lse, b, h, in[0].shape.dim[0], p->row_heads, p->queries),
                                .bias = numbers_of(f, (float *)(void *)(w + f->at.bias), b, h, f->bias.batch,
                                                   f->bias.heads, f->bias.queries * p->keys),
                                .total = w + f->at.total,
                                .sums = w + f->at.sums,
                                .dk_heads = w + f->at.dk_heads,
                                .dv_heads = w + f->at.dv_heads};
  if (p->gradient) {
    data.dy = rows_of(f, &in[5], b, h);
    data.dq = rows_of(f, &out[0], b, h);
    data.dk = rows_of(f, &out[1], b, h);
    data.dv = rows_of(f, &out[2], b, h);
  }
  return kd_dnn_attention_bind(&f->call[b * f->head_pieces + h], p, &data, &f->values, w);
}

kd_status kd_attention_dnn_bind(kd_launch *launch) {
  fast *f = launch->handle;
  for (int64_t b = 0; b < f->batch_pieces; b++)
    for (int64_t h = 0; h < f->head_pieces; h++) KD_TRY(bind_piece(launch, b, h));
  return KD_OK;
}

/* --- runs ------------------------------------------------------------------------------------------- */

static float *floats(const kd_launch *launch, size_t place) {
  return (float *)(void *)((char *)launch->workspace + place);
}

/* What the plan reads: numbers for keys that are hidden, logarithms without infinities. */
static kd_status start_masks(const kd_launch *launch, const kd_job_attention *a) {
  const fast *f = launch->handle;
  KD_CUDA(kd_cuda_attention_bias_start(a, &f->bias, floats(launch, f->at.bias), kd_cuda_stream(launch)),
          "masks of attention");
  if (f->piece.gradient)
    KD_CUDA(kd_cuda_attention_seen_start(a->batch * a->heads * a->queries, launch->input[4].data, immense,
                                         floats(launch, f->at.lse), kd_cuda_stream(launch)),
            "masks of attention");
  return KD_OK;
}

/* Queries that see no key: the plan's results are replaced, or completed. */
static kd_status finish_unseen(const kd_launch *launch, const kd_job_attention *a) {
  const fast *f = launch->handle;
  const kd_tensor *in = launch->input, *out = launch->output;
  float *room = floats(launch, f->at.unseen);
  bool zero = a->unseen == KD_UNSEEN_ZERO;
  if (!f->piece.gradient)
    KD_CUDA(kd_cuda_attention_unseen_start(a, in[2].dtype, in[2].data, zero ? NULL : room, out[0].data,
                                           out[1].data, kd_cuda_stream(launch)),
            "attention without keys");
  else if (!zero)
    KD_CUDA(kd_cuda_attention_unseen_grad_start(a, in[5].dtype, in[4].data, in[5].data, room, out[2].data,
                                                kd_cuda_stream(launch)),
            "attention without keys");
  return KD_OK;
}

kd_status kd_attention_dnn_run(const kd_launch *launch) {
  const fast *f = launch->handle;
  kd_cuda *cuda = kd_cuda_of(launch->device);
  kd_job_attention a = kd_cuda_attention_job(launch);
  if (f->sums_bytes)
    KD_CUDA(cudaMemsetAsync((char *)launch->workspace + f->at.sums, 0, f->sums_bytes, cuda->stream),
            "clearing memory");
  if (f->masked) KD_TRY(start_masks(launch, &a));
  for (int64_t i = 0; i < f->batch_pieces * f->head_pieces; i++) KD_TRY(kd_dnn_run(&f->call[i], cuda->dnn));
  return f->masked ? finish_unseen(launch, &a) : KD_OK;
}

void kd_attention_dnn_release(kd_launch *launch) {
  fast *f = launch->handle;
  if (!f) return;
  for (int64_t i = 0; f->call && i < f->batch_pieces * f->head_pieces; i++) kd_dnn_call_release(&f->call[i]);
  kd_free(f->call);
  kd_free(f);
  launch->handle = NULL;
}
