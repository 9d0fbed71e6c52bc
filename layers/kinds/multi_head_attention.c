/* MultiHeadAttention (keras/src/layers/attention/multi_head_attention.py). */
#include "layers/kinds/heads.h"

typedef struct mha_options {
  int64_t num_heads, key_dim, value_dim;
  const kd_value *output_shape;
  kd_ints attention_axes;
  kd_heads_options heads;
} mha_options;

/* Positions among the axes of the query; none: all between batch and features. */
static kd_status read_axes(const mha_options *o, const kd_graph *g, kd_sym query, int *count, int *axes) {
  char text[KD_SHAPE_TEXT];
  int rank = kd_sym_shape(g, query)->rank;
  bool seen[KD_MAX_RANK] = {false};
  *count = o->attention_axes.count;
  for (int i = 0; i < *count; i++) {
    int64_t axis = o->attention_axes.v[i];
    int64_t at = axis < 0 ? axis + rank : axis;
    KD_CHECK(at >= 1 && at < rank - 1 && !seen[at], KD_ERR_USAGE,
             "attention_axes: axis %lld of the query of shape %s is batch or features, or stands twice",
             (long long)axis, kd_layer_shape(g, query, text));
    seen[at] = true;
    axes[i] = (int)at;
  }
  if (*count) return KD_OK;
  for (int i = 1; i < rank - 1; i++) axes[(*count)++] = i;
  return KD_OK;
}

/* Sizes of the last axes of the result. */
static kd_shape result_sizes(const mha_options *o, const kd_shape *query) {
  const kd_value *given = o->output_shape;
  if (!given || given->type == KD_V_NONE) return KD_SHAPE(query->dim[query->rank - 1]);
  if (given->type == KD_V_INT) return KD_SHAPE(given->integer);
  kd_shape sizes = {.rank = given->count};
  for (int i = 0; i < given->count; i++) sizes.dim[i] = given->items[i].integer;
  return sizes;
}

/* Masks, causality and windows are along the first axis (batch, steps, ..). */
static kd_status check_masks(const mha_options *o, const kd_heads_call *call, int n_axes, const int *axes) {
  bool masked = call->query_mask != KD_NO_SYM || call->key_mask != KD_NO_SYM ||
                call->value_mask != KD_NO_SYM || call->attention_mask != KD_NO_SYM || call->causal ||
                o->heads.sliding_window != KD_UNSET_INT;
  KD_CHECK(
      !masked || (n_axes == 1 && axes[0] == 1), KD_ERR_USAGE,
      "masks, use_causal_mask and sliding_window need attention over axis 1 alone; set attention_axes = 1");
  return KD_OK;
}

static kd_status mha_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                           kd_sym *outputs) {
  const mha_options *o = layer->options;
  const kd_projection *p = &o->heads.projection;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  kd_heads_call call;
  KD_TRY(kd_heads_call_read(build, n_inputs, inputs, &call));
  call.query_mask = build->input_mask[0]; /* Keras's layer reads it over the argument */
  kd_shape shape = *kd_sym_shape(g, call.query);
  KD_CHECK(shape.rank >= 3 && shape.rank < KD_MAX_RANK, KD_ERR_USAGE,
           "needs a query (batch, steps, features) of rank 3 to %d, but its shape is %s", KD_MAX_RANK - 1,
           kd_layer_shape(g, call.query, text));
  int n_axes, axes[KD_MAX_RANK];
  KD_TRY(read_axes(o, g, call.query, &n_axes, axes));
  KD_TRY(check_masks(o, &call, n_axes, axes));
  int64_t value_dim = o->value_dim == KD_UNSET_INT ? o->key_dim : o->value_dim;
  kd_sym q = kd_heads_project(build, p, "query_dense", call.query, o->num_heads, o->key_dim);
  kd_sym k = kd_heads_project(build, p, "key_dense", call.key, o->num_heads, o->key_dim), gate = KD_NO_SYM;
  if (o->heads.use_gate)
    gate = kd_heads_project(build, p, "_gate_dense", call.query, o->num_heads, value_dim);
  kd_sym v = kd_heads_project(build, p, "value_dense", call.value, o->num_heads, value_dim), y;
  /* Keras takes jax.nn.dot_product_attention or tf's twin where it can, else Softmax with a mask. */
  bool zero = o->heads.dropout > 0 || shape.rank != 3;
  KD_TRY(kd_heads_attend(build, &o->heads, &call, n_axes, axes, zero, q, k, v, &y, &outputs[1]));
  if (gate != KD_NO_SYM) y = kd_mul(g, y, kd_unary(g, KD_PW_SIGMOID, gate));
  kd_shape sizes = result_sizes(o, &shape);
  outputs[0] = kd_heads_join(build, p, "output_dense", y, &sizes);
  build->output_mask[0] = call.query_mask;
  return KD_OK;
}

static void mha_check(const void *options, kd_diag *diag, kd_origin origin) {
  const mha_options *o = options;
  const kd_value *sizes = o->output_shape;
  kd_heads_check(&o->heads, diag, origin);
  if (!sizes || sizes->type == KD_V_NONE) return;
  int count = sizes->type == KD_V_LIST ? sizes->count : 1;
  bool right = count > 0 && count < KD_MAX_RANK - 1;
  for (int i = 0; right && i < count; i++) {
    const kd_value *size = sizes->type == KD_V_LIST ? &sizes->items[i] : sizes;
    right = size->type == KD_V_INT && size->integer > 0 && size->integer < 1LL << 31;
  }
  if (!right) kd_diag_error(diag, origin, "output_shape must be none, a size or a list of sizes");
}

static const kd_option options[] = {
    KD_ROW_INT(mha_options, num_heads, NULL, 1, 65536, "number of heads"),
    KD_ROW_INT(mha_options, key_dim, NULL, 1, KD_SIZE_LIMIT, "features of a head's queries and keys"),
    {.name = "value_dim",
     .type = KD_OPT_INT,
     .offset = offsetof(mha_options, value_dim),
     .initial = "none",
     .help = "features of a head's values; none: key_dim",
     .min = 1,
     .max = KD_SIZE_LIMIT,
     .flags = KD_OPT_NONE_OK},
    KD_HEADS_ROWS_DROPOUT(mha_options),
    KD_ROW_VALUE(mha_options, output_shape, "none",
                 "sizes of the result behind the steps; none: the query's features"),
    {.name = "attention_axes",
     .type = KD_OPT_INTS,
     .offset = offsetof(mha_options, attention_axes),
     .initial = "none",
     .help = "axes attended over; none: all between batch and features",
     .min = -KD_MAX_RANK,
     .max = KD_MAX_RANK,
     .flags = KD_OPT_NONE_OK},
    KD_HEADS_ROWS_WINDOW(mha_options),
    KD_HEADS_ROWS_PROJECTION(mha_options),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_multi_head_attention = {
    .base = {.name = "MultiHeadAttention",
             .help = "attention by several heads; inputs: query, value, key (none: the value)",
             .options = options,
             .options_size = sizeof(mha_options),
             .check = mha_check},
    .min_inputs = 2,
    .max_inputs = 3,
    .build = mha_build,
    .mask = KD_MASK_OWN,
    .call_args = kd_heads_call_args,
    .takes_training = true,
};
