/* The composite form of cudnn-frontend's "scaled dot product attention": the library knows the pattern and
 * runs it as one kernel (Dao et al., "FlashAttention", 2022). */
#include "device/cuda/dnn_attention.h"

enum {
  UID_Q = 1,
  UID_K,
  UID_V,
  UID_Y,
  UID_LSE,
  UID_DY,
  UID_DQ,
  UID_DK,
  UID_DV,
  UID_TOTAL,
  UID_SCALE,
  UID_HIDDEN,
  UID_SUMS,
  UID_ONE,
  UID_BIAS,
  UID_DK_HEADS,
  UID_DV_HEADS
};

typedef struct builder {
  kd_dnn_graph graph;
  const kd_dnn_attention *a;
  cudnnDataType_t type;
} builder;

/* An operand (b, steps, heads, features) as (b, h, steps, features), or with the last two exchanged. */
static kd_dnn_part add_heads(builder *b, int64_t uid, int64_t heads, int64_t row_heads, int64_t steps,
                             int64_t features, bool turned) {
  int64_t row = row_heads * features;
  kd_dnn_tensor t = {.uid = uid,
                     .type = b->type,
                     .rank = 4,
                     .size = {b->a->batch, heads, turned ? features : steps, turned ? steps : features},
                     .stride = {steps * row, features, turned ? 1 : row, turned ? row : 1}};
  return kd_dnn_add_tensor(&b->graph, &t);
}

static kd_dnn_part add_query(builder *b, int64_t uid, int64_t features) {
  const kd_dnn_attention *a = b->a;
  return add_heads(b, uid, a->heads, a->row_heads, a->queries, features, false);
}

static kd_dnn_part add_key(builder *b, int64_t uid, int64_t features, bool turned) {
  const kd_dnn_attention *a = b->a;
  return add_heads(b, uid, a->groups, a->row_groups, a->keys, features, turned);
}

/* A value inside, or with a uid an operand, dense (b, h, rows, columns). */
static kd_dnn_part add_dense(builder *b, int64_t uid, cudnnDataType_t type, int64_t rows, int64_t columns) {
  kd_dnn_tensor t = {.uid = uid,
                     .type = type,
                     .rank = 4,
                     .alignment = type == CUDNN_DATA_FLOAT ? (int)sizeof(float) : 0,
                     .size = {b->a->batch, b->a->heads, rows, columns}};
  return kd_dnn_add_tensor(&b->graph, &t);
}

static kd_dnn_part add_scores(builder *b, cudnnDataType_t type) {
  return add_dense(b, 0, type, b->a->queries, b->a->keys);
}

static kd_dnn_part add_column(builder *b, int64_t uid) {
  return add_dense(b, uid, CUDNN_DATA_FLOAT, b->a->queries, 1);
}

static kd_dnn_part add_number(builder *b, int64_t uid) {
  kd_dnn_tensor t = {.uid = uid,
                     .type = CUDNN_DATA_FLOAT,
                     .rank = 4,
                     .alignment = sizeof(float),
                     .size = {1, 1, 1, 1},
                     .by_value = true};
  return kd_dnn_add_tensor(&b->graph, &t);
}

/* y = mode(x, other) of the shape of scores. */
static kd_dnn_part step(builder *b, cudnnPointwiseMode_t mode, kd_dnn_part x, kd_dnn_part other,
                        cudnnDataType_t type) {
  kd_dnn_part y = add_scores(b, type);
  kd_dnn_pointwise(&b->graph, mode, x, other, y);
  return y;
}

static kd_dnn_part add_bias(builder *b) {
  const int64_t *size = b->a->bias;
  kd_dnn_tensor t = {.uid = UID_BIAS,
                     .type = CUDNN_DATA_FLOAT,
                     .rank = 4,
                     .alignment = sizeof(float),
                     .size = {size[0], size[1], size[2], size[3]}};
  return kd_dnn_add_tensor(&b->graph, &t);
}

/* scale q k, and what hides keys. */
static kd_dnn_part masked_scores(builder *b, kd_dnn_part q, kd_dnn_part scale) {
  const kd_dnn_attention *a = b->a;
  kd_dnn_part k = add_key(b, UID_K, a->features, true), product = add_scores(b, CUDNN_DATA_FLOAT);
  kd_dnn_matmul(&b->graph, q, k, product);
  kd_dnn_part scores = step(b, CUDNN_POINTWISE_MUL, product, scale, CUDNN_DATA_FLOAT);
  if (kd_dnn_attention_biased(a))
    scores = step(b, CUDNN_POINTWISE_ADD, scores, add_bias(b), CUDNN_DATA_FLOAT);
  if (!a->causal) return scores;
  kd_dnn_part row = add_scores(b, CUDNN_DATA_INT32), column = add_scores(b, CUDNN_DATA_INT32);
  kd_dnn_part hidden = add_number(b, UID_HIDDEN), result = add_scores(b, CUDNN_DATA_FLOAT);
  kd_dnn_index(&b->graph, scores, 2, row);
  kd_dnn_index(&b->graph, scores, 3, column);
  kd_dnn_part seen = step(b, CUDNN_POINTWISE_CMP_GE, row, column, CUDNN_DATA_BOOLEAN);
  kd_dnn_select(&b->graph, seen, scores, hidden, result);
  return result;
}

static void add_forward(builder *b) {
  const kd_dnn_attention *a = b->a;
  kd_dnn_graph *g = &b->graph;
  kd_dnn_part q = add_query(b, UID_Q, a->features);
  kd_dnn_part scores = masked_scores(b, q, add_number(b, UID_SCALE));
  kd_dnn_part most = add_column(b, 0), sum = add_column(b, 0), logarithm = add_column(b, 0);
  kd_dnn_reduce(g, CUDNN_REDUCE_TENSOR_MAX, scores, most);
  kd_dnn_part below = step(b, CUDNN_POINTWISE_SUB, scores, most, CUDNN_DATA_FLOAT);
  kd_dnn_part power = step(b, CUDNN_POINTWISE_EXP, below, NULL, CUDNN_DATA_FLOAT);
  kd_dnn_reduce(g, CUDNN_REDUCE_TENSOR_ADD, power, sum);
  kd_dnn_pointwise(g, CUDNN_POINTWISE_LOG, sum, NULL, logarithm);
  kd_dnn_pointwise(g, CUDNN_POINTWISE_ADD, most, logarithm, add_column(b, UID_LSE));
  kd_dnn_part probability = step(b, CUDNN_POINTWISE_DIV, power, sum, b->type);
  kd_dnn_matmul(g, probability, add_key(b, UID_V, a->width, false), add_query(b, UID_Y, a->width));
}

/* x (b, h, tq, tk) with its last two axes exchanged. */
static kd_dnn_part turned(builder *b, kd_dnn_part x) {
  const kd_dnn_attention *a = b->a;
  kd_dnn_tensor t = {.type = b->type,
                     .rank = 4,
                     .size = {a->batch, a->heads, a->keys, a->queries},
                     .stride = {a->heads * a->queries * a->keys, a->queries * a->keys, 1, a->keys}};
  kd_dnn_part y = kd_dnn_add_tensor(&b->graph, &t);
  kd_dnn_reshape(&b->graph, x, y);
  return y;
}

/* The sum of y dy over features, times 1: with a factor (which dropout would use) the library knows the whole
 * as one kernel; without it scores of float32 go through memory. */
static kd_dnn_part add_total(builder *b, kd_dnn_part dy) {
  const kd_dnn_attention *a = b->a;
  kd_dnn_graph *g = &b->graph;
  kd_dnn_part y = add_query(b, UID_Y, a->width), sum = add_column(b, 0);
  kd_dnn_part product = add_dense(b, 0, CUDNN_DATA_FLOAT, a->queries, a->width);
  kd_dnn_part total = add_column(b, UID_TOTAL);
  kd_dnn_pointwise(g, CUDNN_POINTWISE_MUL, dy, y, product);
  kd_dnn_reduce(g, CUDNN_REDUCE_TENSOR_ADD, product, sum);
  kd_dnn_pointwise(g, CUDNN_POINTWISE_MUL, sum, add_number(b, UID_ONE), total);
  return total;
}

/* The gradient of keys or values: slopes' x, added up over the heads that read the same ones. */
static void add_key_gradient(builder *b, kd_dnn_part slopes, kd_dnn_part x, int64_t uid, int64_t uid_heads,
                             int64_t features) {
  kd_dnn_part sum = add_key(b, uid, features, false);
  if (!kd_dnn_attention_folds(b->a)) {
    kd_dnn_matmul(&b->graph, slopes, x, sum);
    return;
  }
  kd_dnn_part all = add_dense(b, uid_heads, b->type, b->a->keys, features);
  kd_dnn_matmul(&b->graph, slopes, x, all);
  kd_dnn_reduce(&b->graph, CUDNN_REDUCE_TENSOR_ADD, all, sum);
}

static void add_gradient(builder *b) {
  const kd_dnn_attention *a = b->a;
  kd_dnn_graph *g = &b->graph;
  kd_dnn_part q = add_query(b, UID_Q, a->features);
  kd_dnn_part dy = add_query(b, UID_DY, a->width), scale = add_number(b, UID_SCALE);
  kd_dnn_part total = add_total(b, dy), scores = masked_scores(b, q, scale);
  kd_dnn_part below = step(b, CUDNN_POINTWISE_SUB, scores, add_column(b, UID_LSE), CUDNN_DATA_FLOAT);
  kd_dnn_part probability = step(b, CUDNN_POINTWISE_EXP, below, NULL, CUDNN_DATA_FLOAT);
  add_key_gradient(b, turned(b, probability), dy, UID_DV, UID_DV_HEADS, a->width);
  kd_dnn_part slope = add_scores(b, CUDNN_DATA_FLOAT);
  kd_dnn_matmul(g, dy, add_key(b, UID_V, a->width, true), slope);
  kd_dnn_part centred = step(b, CUDNN_POINTWISE_SUB, slope, total, CUDNN_DATA_FLOAT);
  kd_dnn_part weighted = step(b, CUDNN_POINTWISE_MUL, centred, probability, CUDNN_DATA_FLOAT);
  kd_dnn_part dscores = step(b, CUDNN_POINTWISE_MUL, weighted, scale, b->type);
  add_key_gradient(b, turned(b, dscores), q, UID_DK, UID_DK_HEADS, a->features);
  kd_dnn_part dq = add_query(b, UID_DQ, a->features);
  kd_dnn_part keys = add_key(b, UID_K, a->features, false);
  if (!kd_dnn_attention_adds(a)) {
    kd_dnn_matmul(g, dscores, keys, dq);
    return;
  }
  kd_dnn_part sums = add_dense(b, UID_SUMS, CUDNN_DATA_FLOAT, a->queries, a->features);
  kd_dnn_matmul(g, dscores, keys, sums);
  kd_dnn_pointwise(g, CUDNN_POINTWISE_IDENTITY, sums, NULL, dq);
}

/* The smallest number of equal parts of `count` that are no larger than `most`, or single ones. */
static int64_t parts_of(int64_t count, int64_t most) {
  int64_t parts = 1;
  while (parts < count && (count % parts != 0 || count / parts > most)) parts++;
  return parts;
}

static int64_t tiles(int64_t steps) {
  return (steps + KD_DNN_TILE - 1) / KD_DNN_TILE * KD_DNN_TILE;
}

int64_t kd_dnn_attention_kept(const kd_dnn_attention *a) {
  if (!a->gradient || kd_dnn_attention_adds(a)) return 0;
  return a->batch * a->heads * tiles(a->queries) * tiles(a->keys) * (int64_t)kd_dtype_size(a->dtype);
}

void kd_dnn_attention_cut(kd_dnn_attention *a, int64_t most, int64_t *batch, int64_t *heads) {
  *batch = *heads = 1;
  int64_t sample = kd_dnn_attention_kept(a) / a->batch, group = sample / a->groups;
  if (sample == 0) return;
  *batch = parts_of(a->batch, most / sample);
  if (sample > most) *heads = parts_of(a->groups, most / group);
  a->batch /= *batch;
  a->heads /= *heads;
  a->groups /= *heads;
}

kd_status kd_dnn_attention_plan(cudnnBackendDescriptor_t device, const kd_dnn_attention *attention,
                                kd_dnn_plan **plan) {
  builder b = {.a = attention, .type = kd_dnn_type(attention->dtype)};
  kd_dnn_graph_begin(&b.graph);
  if (attention->gradient)
    add_gradient(&b);
  else
    add_forward(&b);
  (void)kd_dnn_graph_end(&b.graph);
  return kd_dnn_plan_find(device, &b.graph, &attention->wish, plan);
}

kd_status kd_dnn_attention_bind(kd_dnn_call *call, const kd_dnn_attention *a, const kd_dnn_attention_data *d,
                                const kd_dnn_attention_values *values, void *workspace) {
  const struct {
    bool used;
    int64_t uid;
    const void *address;
  } all[] = {{true, UID_Q, d->q},
             {true, UID_K, d->k},
             {true, UID_V, d->v},
             {true, UID_Y, d->y},
             {true, UID_LSE, d->lse},
             {true, UID_SCALE, &values->scale},
             {a->causal, UID_HIDDEN, &values->hidden},
             {a->gradient, UID_DY, d->dy},
             {a->gradient, UID_DQ, d->dq},
             {a->gradient, UID_DK, d->dk},
             {a->gradient, UID_DV, d->dv},
             {a->gradient, UID_TOTAL, d->total},
             {a->gradient, UID_ONE, &values->one},
             {kd_dnn_attention_adds(a), UID_SUMS, d->sums},
             {kd_dnn_attention_biased(a), UID_BIAS, d->bias},
             {kd_dnn_attention_folds(a), UID_DK_HEADS, d->dk_heads},
             {kd_dnn_attention_folds(a), UID_DV_HEADS, d->dv_heads}};
  enum { ALL = sizeof all / sizeof *all };
  int64_t uid[ALL];
  const void *address[ALL];
  int count = 0;
  for (int i = 0; i < ALL; i++) {
    if (!all[i].used) continue;
    uid[count] = all[i].uid;
    address[count++] = all[i].address;
  }
  return kd_dnn_bind(call, count, uid, address, workspace);
}
