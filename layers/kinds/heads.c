#include "layers/kinds/heads.h"

#include <math.h>

const kd_call_arg kd_heads_call_args[] = {
    {"key", KD_CALL_TENSOR, "the key; none: the value"},
    {"query_mask", KD_CALL_TENSOR,
     "mask (batch, steps) in place of the one that comes with the query; without effect on "
     "MultiHeadAttention, as in "
     "Keras"},
    {"value_mask", KD_CALL_TENSOR, "the same of the value"},
    {"key_mask", KD_CALL_TENSOR, "the same of the key"},
    {"attention_mask", KD_CALL_TENSOR,
     "what each query may see: (batch, query steps, key steps), or with heads"},
    {"return_attention_scores", KD_CALL_RESULT,
     "second output: the weights (batch, heads, query steps, key steps)"},
    {"use_causal_mask", KD_CALL_FLAG, "steps see no later ones"},
    KD_CALL_ROW_END,
};

void kd_heads_check(const kd_heads_options *o, kd_diag *diag, kd_origin origin) {
  if (o->flash_attention && o->dropout > 0)
    kd_diag_error(diag, origin, "flash_attention = true needs dropout = 0.0");
}

/* --- the call ------------------------------------------------------------------------------------- */

/* The tensor that a call argument names, as float; `otherwise` when it is not given. */
static kd_status named(const kd_build *build, const char *name, const kd_sym *inputs, kd_sym otherwise,
                       kd_sym *tensor) {
  int at;
  KD_TRY(kd_call_tensor(build, name, &at));
  *tensor = at < 0 ? otherwise : kd_as_float(build->graph, inputs[at]);
  return KD_OK;
}

kd_status kd_heads_call_read(const kd_build *build, int n_inputs, const kd_sym *inputs, kd_heads_call *call) {
  kd_graph *g = build->graph;
  int positional = kd_call_n_positional(build, n_inputs), key;
  KD_CHECK(positional == 2 || positional == 3, KD_ERR_USAGE,
           "needs 2 or 3 inputs (query, value, key), but has %d", positional);
  KD_TRY(kd_call_tensor(build, "key", &key));
  KD_CHECK(key < 0 || positional == 2, KD_ERR_USAGE, "the key is given by position and by name");
  if (key < 0) key = positional == 3 ? 2 : 1;
  call->query = kd_as_float(g, inputs[0]);
  call->value = kd_as_float(g, inputs[1]);
  call->key = kd_as_float(g, inputs[key]);
  KD_TRY(named(build, "query_mask", inputs, build->input_mask[0], &call->query_mask));
  KD_TRY(named(build, "value_mask", inputs, build->input_mask[1], &call->value_mask));
  KD_TRY(named(build, "key_mask", inputs, key == 1 ? KD_NO_SYM : build->input_mask[key], &call->key_mask));
  KD_TRY(named(build, "attention_mask", inputs, KD_NO_SYM, &call->attention_mask));
  KD_TRY(kd_call_flag(build, "use_causal_mask", &call->causal));
  KD_TRY(kd_call_flag(build, "return_attention_scores", &call->gives_scores));
  return kd_graph_status(g);
}

/* --- projections ---------------------------------------------------------------------------------- */

static const char *weight_name(kd_graph *g, const char *part, const char *name) {
  return kd_pool_printf(g->pool, "%s/%s", part, name);
}

/* x (.., kernel's first sizes) times the kernel, of which the last `n_out` axes are the result's. */
static kd_sym project(kd_build *build, const kd_projection *o, const char *part, kd_sym x,
                      const kd_shape *kernel_shape, int n_out) {
  kd_graph *g = build->graph;
  if (x == KD_NO_SYM) return x;
  int n_in = kernel_shape->rank - n_out;
  int64_t in = kd_shape_span(kernel_shape, 0, n_in),
          out = kd_shape_span(kernel_shape, n_in, kernel_shape->rank);
  kd_shape rows = *kd_sym_shape(g, x), result, bias = {.rank = n_out};
  rows.rank -= n_in - 1;
  rows.dim[rows.rank - 1] = in;
  result = rows;
  result.rank += n_out - 1;
  if (result.rank > KD_MAX_RANK)
    return kd_graph_fail(g, "the result would have %d axes; at most %d are possible", result.rank,
                         KD_MAX_RANK);
  for (int i = 0; i < n_out; i++) bias.dim[i] = result.dim[rows.rank - 1 + i] = kernel_shape->dim[n_in + i];
  kd_sym kernel = kd_build_kernel(build, weight_name(g, part, "kernel"), *kernel_shape, in, out,
                                  &o->kernel_initializer, &o->kernel_regularizer);
  kd_build_constrain(build, kernel, &o->kernel_constraint);
  kd_sym y = kd_matmul(g, kd_reshape(g, x, rows), kd_reshape(g, kernel, KD_SHAPE(in, out)), false, false);
  if (o->use_bias) {
    kd_sym b = kd_build_weight(build, weight_name(g, part, "bias"), bias, &o->bias_initializer,
                               &o->bias_regularizer, true);
    kd_build_constrain(build, b, &o->bias_constraint);
    y = kd_add_bias(g, y, kd_reshape(g, b, KD_SHAPE(out)));
  }
  y = kd_reshape(g, y, result);
  kd_build_activity(build, &o->activity_regularizer, y);
  return y;
}

kd_sym kd_heads_project(kd_build *build, const kd_projection *o, const char *part, kd_sym x, int64_t heads,
                        int64_t size) {
  if (x == KD_NO_SYM) return x;
  const kd_shape *shape = kd_sym_shape(build->graph, x);
  kd_shape kernel = KD_SHAPE(shape->dim[shape->rank - 1], heads, size);
  return project(build, o, part, x, &kernel, 2);
}

kd_sym kd_heads_join(kd_build *build, const kd_projection *o, const char *part, kd_sym x,
                     const kd_shape *sizes) {
  if (x == KD_NO_SYM) return x;
  const kd_shape *shape = kd_sym_shape(build->graph, x);
  kd_shape kernel = KD_SHAPE(shape->dim[shape->rank - 2], shape->dim[shape->rank - 1]);
  for (int i = 0; i < sizes->rank; i++) kernel.dim[kernel.rank++] = sizes->dim[i];
  return project(build, o, part, x, &kernel, sizes->rank);
}

/* --- attention ------------------------------------------------------------------------------------ */

/* Axes of (batch, .., heads, size) sorted into (batch, others, attended, heads, size). */
typedef struct fold {
  int perm[KD_MAX_RANK], inverse[KD_MAX_RANK];
  int n_others;
} fold;

static fold fold_axes(int rank, int n_axes, const int *axes) {
  fold f = {.n_others = 0};
  int next = 1;
  bool attended[KD_MAX_RANK] = {false};
  for (int i = 0; i < n_axes; i++) attended[axes[i]] = true;
  for (int i = 1; i < rank - 2; i++)
    if (!attended[i]) f.perm[next++] = i;
  f.n_others = next - 1;
  for (int i = 0; i < n_axes; i++) f.perm[next++] = axes[i];
  for (int i = rank - 2; i < rank; i++) f.perm[i] = i;
  for (int i = 0; i < rank; i++) f.inverse[f.perm[i]] = i;
  return f;
}

/* (batch * others, steps, heads, size) */
static kd_sym folded(kd_graph *g, const fold *f, kd_sym x, kd_shape *moved) {
  kd_sym y = kd_transpose(g, x, f->perm);
  *moved = *kd_sym_shape(g, y);
  int rank = moved->rank, others = 1 + f->n_others;
  return kd_reshape(g, y,
                    KD_SHAPE(kd_shape_span(moved, 0, others), kd_shape_span(moved, others, rank - 2),
                             moved->dim[rank - 2], moved->dim[rank - 1]));
}

/* A mask of given shape with one copy for each of the `others` rows of a sample. */
static kd_sym spread_mask(kd_graph *g, kd_sym mask, kd_shape shape, int64_t others) {
  mask = kd_reshape(g, mask, shape);
  if (others == 1 || mask == KD_NO_SYM || shape.dim[0] == 1) return mask;
  kd_shape split = {.rank = 5, .dim = {shape.dim[0], 1, shape.dim[1], shape.dim[2], shape.dim[3]}};
  kd_shape repeated = split;
  repeated.dim[1] = others;
  shape.dim[0] *= others;
  return kd_reshape(g, kd_broadcast(g, kd_reshape(g, mask, split), repeated), shape);
}

static kd_status check_steps(const kd_graph *g, const char *name, kd_sym mask, int64_t batch, int64_t steps) {
  char text[KD_SHAPE_TEXT];
  if (mask == KD_NO_SYM) return KD_OK;
  const kd_shape *shape = kd_sym_shape(g, mask);
  KD_CHECK(shape->rank == 2 && shape->dim[0] == batch && shape->dim[1] == steps, KD_ERR_USAGE,
           "%s of shape %s; (batch, %lld) is needed", name, kd_layer_shape(g, mask, text), (long long)steps);
  return KD_OK;
}

/* The masks as operands of the primitive: keys and values as one, queries, and the given mask of scores. */
static kd_status collect_masks(kd_build *build, const kd_heads_call *call, int64_t batch, int64_t others,
                               int64_t queries, int64_t keys, int *count, kd_sym *masks) {
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  kd_sym both = call->value_mask;
  *count = 0;
  KD_TRY(check_steps(g, "mask of the queries", call->query_mask, batch, queries));
  KD_TRY(check_steps(g, "mask of the values", call->value_mask, batch, keys));
  KD_TRY(check_steps(g, "mask of the keys", call->key_mask, batch, keys));
  if (call->key_mask != KD_NO_SYM)
    both = both == KD_NO_SYM ? call->key_mask : kd_mul(g, both, call->key_mask);
  if (both != KD_NO_SYM) masks[(*count)++] = spread_mask(g, both, KD_SHAPE(batch, 1, 1, keys), others);
  if (call->query_mask != KD_NO_SYM)
    masks[(*count)++] = spread_mask(g, call->query_mask, KD_SHAPE(batch, 1, queries, 1), others);
  if (call->attention_mask == KD_NO_SYM) return kd_graph_status(g);
  kd_shape shape = *kd_sym_shape(g, call->attention_mask);
  KD_CHECK(shape.rank == 3 || shape.rank == 4, KD_ERR_USAGE,
           "attention_mask of shape %s; (batch, %lld, %lld) is needed, or with an axis of heads",
           kd_layer_shape(g, call->attention_mask, text), (long long)queries, (long long)keys);
  if (shape.rank == 3) shape = KD_SHAPE(shape.dim[0], 1, shape.dim[1], shape.dim[2]);
  masks[(*count)++] = spread_mask(g, call->attention_mask, shape, others);
  return kd_graph_status(g);
}

static kd_status check_folded(const kd_graph *g, const kd_heads_call *call, const fold *f, const kd_shape *q,
                              const kd_shape *k, const kd_shape *v) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], c[KD_SHAPE_TEXT];
  bool fits = q->rank == k->rank && k->rank == v->rank;
  for (int i = 0; fits && i < q->rank - 2; i++)
    fits = k->dim[i] == v->dim[i] && (i > f->n_others || q->dim[i] == k->dim[i]);
  KD_CHECK(
      fits, KD_ERR_USAGE,
      "query %s, key %s and value %s do not fit: key and value need the same steps, and all three the same "
      "axes beside those attended over",
      kd_layer_shape(g, call->query, a), kd_layer_shape(g, call->key, b), kd_layer_shape(g, call->value, c));
  return KD_OK;
}

/* Scores of the folded axes as (batch, others, heads, query axes, key axes). */
static kd_status unfold_scores(kd_graph *g, const fold *f, const kd_shape *q, const kd_shape *k,
                               kd_sym *scores) {
  kd_shape shape = {.rank = 0};
  int first = 1 + f->n_others, last = q->rank - 2, n_axes = last - first;
  KD_CHECK(first + 1 + 2 * n_axes <= KD_MAX_RANK, KD_ERR_USAGE,
           "the attention scores would have %d axes; at most %d are possible", first + 1 + 2 * n_axes,
           KD_MAX_RANK);
  for (int i = 0; i < first; i++) shape.dim[shape.rank++] = q->dim[i];
  shape.dim[shape.rank++] = q->dim[last];
  for (int i = first; i < last; i++) shape.dim[shape.rank++] = q->dim[i];
  for (int i = first; i < last; i++) shape.dim[shape.rank++] = k->dim[i];
  *scores = kd_reshape(g, *scores, shape);
  return KD_OK;
}

kd_status kd_heads_attend(kd_build *build, const kd_heads_options *o, const kd_heads_call *call, int n_axes,
                          const int *axes, bool zero, kd_sym q, kd_sym k, kd_sym v, kd_sym *result,
                          kd_sym *scores) {
  kd_graph *g = build->graph;
  KD_CHECK(!call->gives_scores || !o->flash_attention, KD_ERR_USAGE,
           "return_attention_scores = true needs flash_attention = false");
  KD_TRY(kd_graph_status(g));
  kd_shape q_moved, k_moved, v_moved;
  fold f = fold_axes(kd_sym_shape(g, q)->rank, n_axes, axes);
  q = folded(g, &f, q, &q_moved);
  k = folded(g, &f, k, &k_moved);
  v = folded(g, &f, v, &v_moved);
  KD_TRY(kd_graph_status(g));
  KD_TRY(check_folded(g, call, &f, &q_moved, &k_moved, &v_moved));
  int64_t others = kd_shape_span(&q_moved, 1, 1 + f.n_others), window = o->sliding_window;
  bool drops = build->training && o->dropout > 0;
  kd_attention_attr attr = {
      .scale = (float)(1 / sqrt((double)q_moved.dim[q_moved.rank - 1])),
      .dropout = drops ? (float)o->dropout : 0,
      .rows_per_sample = (int)others,
      .causal = call->causal,
      .window = window == KD_UNSET_INT ? 0 : (int)window,
      .unseen = zero ? KD_UNSEEN_ZERO : KD_UNSEEN_MEAN,
  };
  kd_sym masks[KD_ATTENTION_MASKS];
  KD_TRY(collect_masks(build, call, q_moved.dim[0], others, kd_sym_shape(g, q)->dim[1],
                       kd_sym_shape(g, k)->dim[1], &attr.n_masks, masks));
  uint32_t before = drops ? kd_stream_begin(g, o->seed) : 0;
  kd_sym y = call->gives_scores ? kd_heads_scores(build, &attr, masks, q, k, v, scores)
                                : kd_attention(g, q, k, v, masks, build->rng, &attr);
  if (drops) kd_stream_end(g, o->seed, before);
  if (call->gives_scores) KD_TRY(unfold_scores(g, &f, &q_moved, &k_moved, scores));
  q_moved.dim[q_moved.rank - 1] = v_moved.dim[v_moved.rank - 1];
  y = kd_reshape(g, y, q_moved);
  *result = y == KD_NO_SYM ? y : kd_transpose(g, y, f.inverse);
  return kd_graph_status(g);
}
