/* Attention whose scores are an output: the steps of the primitive one by one, as Keras computes it then. */
#include "layers/kinds/activations.h"
#include "layers/kinds/heads.h"

/* (batch, steps, heads, size) to (batch * heads, steps, size); heads are repeated to `heads`. */
static kd_sym by_head(kd_graph *g, kd_sym x, int64_t heads) {
  kd_shape shape = *kd_sym_shape(g, x);
  int64_t steps = shape.dim[1], own = shape.dim[2], size = shape.dim[3];
  if (own != heads) {
    x = kd_reshape(g, x, KD_SHAPE(shape.dim[0], steps, own, 1, size));
    x = kd_broadcast(g, x, KD_SHAPE(shape.dim[0], steps, own, heads / own, size));
    x = kd_reshape(g, x, KD_SHAPE(shape.dim[0], steps, heads, size));
  }
  x = kd_transpose(g, x, (int[]){0, 2, 1, 3});
  return kd_reshape(g, x, KD_SHAPE(shape.dim[0] * heads, steps, size));
}

static kd_sym both(kd_graph *g, kd_sym a, kd_sym b) {
  return a == KD_NO_SYM ? b : kd_binary(g, KD_PW_AND, a, b);
}

/* 1 where a query may see a key, by masks and place; KD_NO_SYM: everywhere. */
static kd_sym visible(kd_graph *g, const kd_attention_attr *attr, const kd_sym *masks, int64_t queries,
                      int64_t keys) {
  kd_sym seen = KD_NO_SYM, query = kd_iota(g, KD_SHAPE(queries, 1), 0),
         key = kd_iota(g, KD_SHAPE(1, keys), 1);
  if (attr->causal) seen = kd_binary(g, KD_PW_LE, key, query);
  if (attr->window) {
    kd_sym distance = kd_unary(g, KD_PW_ABS, kd_sub(g, query, key));
    seen = both(g, seen, kd_binary(g, KD_PW_LT, distance, kd_const(g, attr->window)));
  }
  for (int i = 0; i < attr->n_masks; i++) seen = both(g, seen, masks[i]);
  return seen;
}

/* A sample's rows stand behind each other: each sample draws its own numbers. */
static kd_sym drop(kd_build *build, double rate, int64_t rows_per_sample, kd_sym p) {
  kd_graph *g = build->graph;
  kd_shape shape = *kd_sym_shape(g, p), samples = shape;
  samples.dim[0] /= rows_per_sample;
  samples.dim[1] *= rows_per_sample;
  return kd_reshape(g, kd_dropped(build, rate, kd_reshape(g, p, samples)), shape);
}

kd_sym kd_heads_scores(kd_build *build, const kd_attention_attr *attr, const kd_sym *masks, kd_sym q,
                       kd_sym k, kd_sym v, kd_sym *scores) {
  kd_graph *g = build->graph;
  kd_shape shape = *kd_sym_shape(g, q);
  int64_t batch = shape.dim[0], queries = shape.dim[1], heads = shape.dim[2];
  int64_t keys = kd_sym_shape(g, k)->dim[1], size = kd_sym_shape(g, v)->dim[3];
  kd_sym products =
      kd_matmul(g, kd_scale(g, by_head(g, q, heads), (double)attr->scale), by_head(g, k, heads), false, true);
  products = kd_reshape(g, products, KD_SHAPE(batch, heads, queries, keys));
  kd_sym seen = visible(g, attr, masks, queries, keys);
  *scores = kd_softmax_masked(g, products, seen, 1, &(int64_t){-1});
  if (*scores == KD_NO_SYM) return KD_NO_SYM;
  kd_sym p = drop(build, (double)attr->dropout, attr->rows_per_sample, *scores);
  p = kd_reshape(g, p, KD_SHAPE(batch * heads, queries, keys));
  kd_sym y = kd_matmul(g, p, by_head(g, v, heads), false, false);
  y = kd_reshape(g, y, KD_SHAPE(batch, heads, queries, size));
  return kd_transpose(g, y, (int[]){0, 2, 1, 3});
}
