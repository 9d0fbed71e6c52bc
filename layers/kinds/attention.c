/* Attention and AdditiveAttention (keras/src/layers/attention): inputs query (batch, steps, features), value
 * and perhaps key; one head, no projections, dot products that are not scaled by their length. */
#include "layers/kinds/kinds.h"

enum { MODE_DOT, MODE_CONCAT };

typedef struct attention_options {
  bool use_scale;
  int score_mode;
  double dropout;
  int64_t seed;
} attention_options;

typedef struct attention_call {
  kd_sym query, value, key;
  kd_sym query_mask, value_mask; /* (batch, steps); KD_NO_SYM: none */
  bool causal, gives_scores;
} attention_call;

/* Masks come with the tensors, or as call argument mask = query_mask, value_mask. */
static kd_status read_masks(const kd_build *build, const kd_sym *inputs, attention_call *call) {
  int count, at[3];
  KD_TRY(kd_call_tensors(build, "mask", 3, &count, at));
  KD_CHECK(count != 1, KD_ERR_USAGE, "call argument mask needs two tensors: of the query and of the value");
  call->query_mask = count ? kd_as_float(build->graph, inputs[at[0]]) : build->input_mask[0];
  call->value_mask = count ? kd_as_float(build->graph, inputs[at[1]]) : build->input_mask[1];
  return KD_OK;
}

static kd_status check_shapes(const kd_graph *g, const attention_call *call) {
  const kd_shape *q = kd_sym_shape(g, call->query), *k = kd_sym_shape(g, call->key),
                 *v = kd_sym_shape(g, call->value);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], c[KD_SHAPE_TEXT];
  KD_CHECK(
      q->rank == 3 && k->rank == 3 && v->rank == 3 && q->dim[2] == k->dim[2] && k->dim[1] == v->dim[1],
      KD_ERR_USAGE,
      "needs a query, value and key (batch, steps, features), key with the query's features and the value's "
      "steps, but their shapes are %s, %s and %s",
      kd_layer_shape(g, call->query, a), kd_layer_shape(g, call->value, b), kd_layer_shape(g, call->key, c));
  for (int i = 0; i < 2; i++) {
    kd_sym mask = i ? call->value_mask : call->query_mask;
    const kd_shape *x = i ? v : q;
    if (mask == KD_NO_SYM) continue;
    const kd_shape *shape = kd_sym_shape(g, mask);
    KD_CHECK(shape->rank == 2 && shape->dim[0] == x->dim[0] && shape->dim[1] == x->dim[1], KD_ERR_USAGE,
             "the mask of the %s has shape %s; (batch, %lld) is needed", i ? "value" : "query",
             kd_layer_shape(g, mask, a), (long long)x->dim[1]);
  }
  return KD_OK;
}

static kd_status read_call(const kd_build *build, int n_inputs, const kd_sym *inputs, attention_call *call) {
  kd_graph *g = build->graph;
  int positional = kd_call_n_positional(build, n_inputs);
  KD_CHECK(positional == 2 || positional == 3, KD_ERR_USAGE,
           "needs 2 or 3 inputs (query, value, key), but has %d", positional);
  call->query = kd_as_float(g, inputs[0]);
  call->value = kd_as_float(g, inputs[1]);
  call->key = kd_as_float(g, inputs[positional - 1]);
  KD_TRY(read_masks(build, inputs, call));
  KD_TRY(kd_call_flag(build, "use_causal_mask", &call->causal));
  KD_TRY(kd_call_flag(build, "return_attention_scores", &call->gives_scores));
  KD_TRY(kd_graph_status(g));
  return check_shapes(g, call);
}

/* --- scores as dot products ------------------------------------------------------------------------ */

static kd_sym with_head(kd_graph *g, kd_sym x) {
  if (x == KD_NO_SYM) return x;
  const kd_shape *shape = kd_sym_shape(g, x);
  return kd_reshape(g, x, KD_SHAPE(shape->dim[0], shape->dim[1], 1, shape->dim[2]));
}

static kd_sym attend_dot(kd_build *build, const attention_options *o, const attention_call *call,
                         kd_sym scale) {
  kd_graph *g = build->graph;
  const kd_shape *v = kd_sym_shape(g, call->value), *q = kd_sym_shape(g, call->query);
  kd_shape result = KD_SHAPE(q->dim[0], q->dim[1], v->dim[2]), keys = KD_SHAPE(v->dim[0], 1, 1, v->dim[1]);
  bool drops = build->training && o->dropout > 0, masked = call->value_mask != KD_NO_SYM;
  kd_attention_attr attr = {.scale = 1,
                            .dropout = drops ? (float)o->dropout : 0,
                            .rows_per_sample = 1,
                            .causal = call->causal,
                            .n_masks = masked,
                            .unseen = KD_UNSEEN_SHIFT};
  kd_sym query = scale == KD_NO_SYM ? call->query : kd_mul(g, call->query, scale);
  kd_sym mask = masked ? kd_reshape(g, call->value_mask, keys) : KD_NO_SYM;
  return kd_reshape(g,
                    kd_attention(g, with_head(g, query), with_head(g, call->key), with_head(g, call->value),
                                 &mask, build->rng, &attr),
                    result);
}

/* --- scores that are written out ------------------------------------------------------------------- */

/* 1 where the query's step may see the key's, by place and mask; KD_NO_SYM: everywhere. */
static kd_sym visible(kd_graph *g, const attention_call *call, int64_t queries, int64_t keys) {
  kd_sym seen = KD_NO_SYM;
  if (call->causal)
    seen = kd_binary(g, KD_PW_LE, kd_iota(g, KD_SHAPE(1, keys), 1), kd_iota(g, KD_SHAPE(queries, 1), 0));
  if (call->value_mask == KD_NO_SYM) return seen;
  kd_sym mask = kd_reshape(g, call->value_mask, KD_SHAPE(kd_sym_shape(g, call->value)->dim[0], 1, keys));
  return seen == KD_NO_SYM ? mask : kd_binary(g, KD_PW_AND, mask, seen);
}

/* Sums of tanh(query + key). inner: factor within tanh; outer: factor of each tanh. KD_NO_SYM: 1. */
static kd_sym tanh_scores(kd_graph *g, const attention_call *call, kd_sym inner, kd_sym outer) {
  kd_shape q = *kd_sym_shape(g, call->query), k = *kd_sym_shape(g, call->key);
  kd_sym sum = kd_add(g, kd_reshape(g, call->query, KD_SHAPE(q.dim[0], q.dim[1], 1, q.dim[2])),
                      kd_reshape(g, call->key, KD_SHAPE(k.dim[0], 1, k.dim[1], k.dim[2])));
  if (inner != KD_NO_SYM) sum = kd_mul(g, sum, inner);
  kd_sym terms = kd_unary(g, KD_PW_TANH, sum);
  if (outer != KD_NO_SYM) terms = kd_mul(g, terms, outer);
  return kd_reduce_last(g, KD_REDUCE_SUM, terms, false);
}

static kd_sym dot_scores(kd_graph *g, const attention_call *call, kd_sym scale) {
  kd_sym query = scale == KD_NO_SYM ? call->query : kd_mul(g, call->query, scale);
  return kd_matmul(g, query, call->key, false, true);
}

/* weights: what the scores (batch, query steps, key steps) become by mask, softmax and dropout. */
static kd_sym apply_scores(kd_build *build, const attention_options *o, const attention_call *call,
                           kd_sym scores, kd_sym *weights) {
  kd_graph *g = build->graph;
  int64_t queries = kd_sym_shape(g, call->query)->dim[1], keys = kd_sym_shape(g, call->key)->dim[1];
  kd_sym seen = visible(g, call, queries, keys);
  if (seen != KD_NO_SYM) scores = kd_select(g, seen, scores, kd_shift(g, scores, -1e9));
  *weights = kd_dropped(build, o->dropout, kd_softmax(g, scores, false));
  return kd_matmul(g, *weights, call->value, false, false);
}

/* --- layers ---------------------------------------------------------------------------------------- */

static void finish(kd_build *build, const attention_call *call, kd_sym y, kd_sym weights, kd_sym *outputs) {
  kd_graph *g = build->graph;
  outputs[0] = y;
  if (call->gives_scores) outputs[1] = weights;
  build->output_mask[0] = call->query_mask;
  if (call->query_mask != KD_NO_SYM)
    outputs[0] = kd_select(g, kd_mask_factor(g, call->query_mask, y), y, kd_const(g, 0));
}

static kd_status attention_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  const attention_options *o = layer->options;
  attention_call call;
  KD_TRY(read_call(build, n_inputs, inputs, &call));
  kd_object ones = kd_fixed_initializer(build, "ones");
  kd_sym scale = o->use_scale ? kd_build_weight(build, "scale", KD_SCALAR, &ones, NULL, true) : KD_NO_SYM;
  kd_sym y, weights = KD_NO_SYM;
  uint32_t before = kd_stream_begin(build->graph, o->seed);
  if (o->score_mode == MODE_CONCAT) {
    kd_sym weight = kd_build_weight(build, "concat_score_weight", KD_SCALAR, &ones, NULL, true);
    kd_sym scores = kd_mul(build->graph, tanh_scores(build->graph, &call, scale, KD_NO_SYM), weight);
    y = apply_scores(build, o, &call, scores, &weights);
  } else if (call.gives_scores) {
    y = apply_scores(build, o, &call, dot_scores(build->graph, &call, scale), &weights);
  } else {
    y = attend_dot(build, o, &call, scale);
  }
  kd_stream_end(build->graph, o->seed, before);
  finish(build, &call, y, weights, outputs);
  return KD_OK;
}

static kd_status additive_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                kd_sym *outputs) {
  const attention_options *o = layer->options;
  attention_call call;
  KD_TRY(read_call(build, n_inputs, inputs, &call));
  kd_object glorot = kd_fixed_initializer(build, "glorot_uniform");
  kd_shape features = KD_SHAPE(kd_sym_shape(build->graph, call.query)->dim[2]);
  kd_sym scale = o->use_scale ? kd_build_weight(build, "scale", features, &glorot, NULL, true) : KD_NO_SYM;
  uint32_t before = kd_stream_begin(build->graph, o->seed);
  kd_sym weights;
  kd_sym y = apply_scores(build, o, &call, tanh_scores(build->graph, &call, KD_NO_SYM, scale), &weights);
  kd_stream_end(build->graph, o->seed, before);
  finish(build, &call, y, weights, outputs);
  return KD_OK;
}

#define ROW_DROPOUT                                                                                          \
  {                                                                                                          \
    .name = "dropout", .type = KD_OPT_FLOAT, .offset = offsetof(attention_options, dropout),                 \
    .initial = "0.0", .help = "share of the attention probabilities that are dropped in training", .max = 1, \
    .flags = KD_OPT_OPEN_MAX                                                                                 \
  }
static const kd_option attention_table[] = {
    KD_ROW_BOOL(attention_options, use_scale, "false", "learn a factor of the scores"),
    KD_ROW_CHOICE(attention_options, score_mode, "dot", "dot|concat",
                  "dot products, or sums of tanh(query + key) with a learnt factor"),
    ROW_DROPOUT,
    KD_ROW_SEED(attention_options),
    KD_ROW_END,
};
static const kd_option additive_table[] = {
    KD_ROW_BOOL(attention_options, use_scale, "true", "learn a factor for each feature"),
    ROW_DROPOUT,
    KD_ROW_SEED(attention_options),
    KD_ROW_END,
};

static const kd_call_arg call_args[] = {
    {"mask", KD_CALL_TENSORS,
     "masks (batch, steps) of query and value, in place of those that come with them"},
    {"return_attention_scores", KD_CALL_RESULT, "second output: the weights (batch, query steps, key steps)"},
    {"use_causal_mask", KD_CALL_FLAG, "steps see no later ones"},
    KD_CALL_ROW_END,
};

#define LAYER(id, class, text, table, function)                                                              \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = sizeof(attention_options)},    \
      .min_inputs = 2,                                                                                       \
      .max_inputs = 3,                                                                                       \
      .build = function,                                                                                     \
      .mask = KD_MASK_OWN,                                                                                   \
      .takes_list = true,                                                                                    \
      .call_args = call_args,                                                                                \
      .takes_training = true,                                                                                \
  };
LAYER(attention, "Attention", "dot-product attention; inputs: query, value, key (none: the value)",
      attention_table, attention_build)
LAYER(additive_attention, "AdditiveAttention",
      "Bahdanau's attention; inputs: query, value, key (none: the value)", additive_table, additive_build)
