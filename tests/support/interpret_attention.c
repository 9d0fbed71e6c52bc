/* Attention (device/attention.h), probability by probability. */
#include <math.h>
#include <stdlib.h>

#include "device/base/memory.h"
#include "device/base/rng.h"
#include "support/interpret_call.h"

void interpret_iota(const call *c) {
  const kd_iota_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&attr->shape); i++)
    c->y[0][i] = (double)cell_of(&attr->shape, i).i[attr->axis];
}

/* One query of one head. */
typedef struct query {
  const call *c;
  const kd_attention_attr *attr;
  int first_mask;
  int64_t b, h, i;
  int64_t queries, keys, heads, groups, features, width;
  int64_t group;
  double *score, *kept; /* per key: score where seen; factor of dropout */
  bool *seen;
} query;

static const double *row_of(const double *x, int64_t b, int64_t steps, int64_t i, int64_t heads, int64_t h,
                            int64_t features) {
  return x + ((b * steps + i) * heads + h) * features;
}

static bool mask_allows(const query *q, int64_t j) {
  const kd_shape scores = KD_SHAPE(q->c->x_shape[0].dim[0], q->heads, q->queries, q->keys);
  const cell at = {{q->b, q->h, q->i, j}};
  for (int m = 0; m < q->attr->n_masks; m++) {
    int input = q->first_mask + m;
    if (q->c->x[input][broadcast_flat(&q->c->x_shape[input], &scores, &at)] == 0) return false;
  }
  return true;
}

static double dropout_factor(const query *q, int64_t j) {
  if (q->attr->dropout <= 0) return 1;
  const double *words = q->c->x[q->c->n_inputs - 1];
  uint32_t rng[KD_RNG_WORDS];
  for (int w = 0; w < KD_RNG_WORDS; w++) rng[w] = (uint32_t)words[w];
  int64_t rows = q->attr->rows_per_sample;
  uint64_t e = (uint64_t)((((q->b % rows) * q->heads + q->h) * q->queries + q->i) * q->keys + j);
  kd_philox block = kd_philox_block(e / 4, (uint64_t)rng[KD_RNG_SAMPLE] + (uint64_t)(q->b / rows),
                                    kd_rng_key(rng, q->attr->node));
  return kd_uniform_f32(block.v[e % 4]) >= q->attr->dropout ? 1 / (1 - (double)q->attr->dropout) : 0;
}

static void open_query(query *q) {
  const double *x = row_of(q->c->x[0], q->b, q->queries, q->i, q->heads, q->h, q->features);
  for (int64_t j = 0; j < q->keys; j++) {
    const double *y = row_of(q->c->x[1], q->b, q->keys, j, q->groups, q->group, q->features);
    double dot = 0;
    for (int64_t f = 0; f < q->features; f++) dot += x[f] * y[f];
    q->score[j] = (double)q->attr->scale * dot;
    q->seen[j] = mask_allows(q, j) && (!q->attr->causal || j <= q->i) &&
                 (!q->attr->window || llabs(j - q->i) < q->attr->window);
    q->kept[j] = dropout_factor(q, j);
  }
}

static double probability(const query *q, int64_t j, double lse) {
  if (lse == -INFINITY) return q->attr->unseen == KD_UNSEEN_ZERO ? 0 : 1 / (double)q->keys;
  return q->seen[j] ? exp(q->score[j] - lse) : 0;
}

static void forward_query(query *q) {
  double sum = 0, *y = q->c->y[0] + ((q->b * q->queries + q->i) * q->heads + q->h) * q->width;
  for (int64_t j = 0; j < q->keys; j++) sum += q->seen[j] ? exp(q->score[j]) : 0;
  double lse = log(sum);
  q->c->y[1][(q->b * q->heads + q->h) * q->queries + q->i] = lse;
  for (int64_t j = 0; j < q->keys; j++) {
    const double *v = row_of(q->c->x[2], q->b, q->keys, j, q->groups, q->group, q->width);
    for (int64_t f = 0; f < q->width; f++) y[f] += probability(q, j, lse) * q->kept[j] * v[f];
  }
}

static void backward_query(query *q) {
  const call *c = q->c;
  int64_t at = (q->b * q->queries + q->i) * q->heads + q->h;
  const double *x = c->x[0] + at * q->features, *y = c->x[3] + at * q->width, *dy = c->x[5] + at * q->width;
  double lse = c->x[4][(q->b * q->heads + q->h) * q->queries + q->i], total = 0;
  for (int64_t f = 0; f < q->width; f++) total += y[f] * dy[f];
  for (int64_t j = 0; j < q->keys; j++) {
    int64_t other = (q->b * q->keys + j) * q->groups + q->group;
    double p = probability(q, j, lse), dp = 0;
    for (int64_t f = 0; f < q->width; f++) {
      dp += dy[f] * c->x[2][other * q->width + f];
      c->y[2][other * q->width + f] += p * q->kept[j] * dy[f];
    }
    bool constant = lse == -INFINITY && q->attr->unseen != KD_UNSEEN_SHIFT;
    double slope = constant ? 0 : p * (q->kept[j] * dp - total) * (double)q->attr->scale;
    for (int64_t f = 0; f < q->features; f++) {
      c->y[0][at * q->features + f] += slope * c->x[1][other * q->features + f];
      c->y[1][other * q->features + f] += slope * x[f];
    }
  }
}

static void each_query(const call *c, int first_mask, void (*function)(query *q)) {
  const int64_t *q_dim = c->x_shape[0].dim, *v_dim = c->x_shape[2].dim;
  query q = {.c = c,
             .attr = c->attr,
             .first_mask = first_mask,
             .queries = q_dim[1],
             .keys = v_dim[1],
             .heads = q_dim[2],
             .groups = v_dim[2],
             .features = q_dim[3],
             .width = v_dim[3],
             .score = kd_calloc((size_t)v_dim[1], sizeof *q.score),
             .kept = kd_calloc((size_t)v_dim[1], sizeof *q.kept),
             .seen = kd_calloc((size_t)v_dim[1], sizeof *q.seen)};
  for (q.b = 0; q.b < q_dim[0]; q.b++)
    for (q.h = 0; q.h < q.heads; q.h++)
      for (q.i = 0; q.i < q.queries; q.i++) {
        q.group = q.h / (q.heads / q.groups);
        open_query(&q);
        function(&q);
      }
  kd_free(q.score);
  kd_free(q.kept);
  kd_free(q.seen);
}

void interpret_attention(const call *c) {
  each_query(c, KD_ATTENTION_FIXED, forward_query);
}

void interpret_attention_grad(const call *c) {
  each_query(c, KD_ATTENTION_GRAD_FIXED, backward_query);
}
