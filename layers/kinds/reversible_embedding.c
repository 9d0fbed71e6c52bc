/* ReversibleEmbedding (keras/src/layers/core/reversible_embedding.py): a row of a table for each index, and
 * with the call argument reverse the way back, from vectors to a number for each index. share(NAME) uses the
 * same weights. */
#include "layers/kinds/kinds.h"

typedef struct reversible_options {
  int64_t input_dim, output_dim;
  bool tie_weights, mask_zero;
  kd_object embeddings_initializer, embeddings_regularizer, embeddings_constraint;
  double logit_soft_cap;
} reversible_options;

static kd_status look_up(kd_build *build, const reversible_options *o, kd_sym x, kd_sym table, kd_sym *y) {
  kd_graph *g = build->graph;
  kd_dtype dtype = kd_sym_get(g, x)->dtype;
  kd_sym ids = dtype == KD_I32 || dtype == KD_I64 ? x : kd_cast(g, x, KD_I32);
  *y = kd_gather(g, table, ids);
  if (o->mask_zero) build->output_mask[0] = kd_unary(g, KD_PW_SIGN, kd_unary(g, KD_PW_ABS, ids));
  return KD_OK;
}

/* back: the kernel of the way back, or KD_NO_SYM for the table. */
static kd_status reverse(kd_build *build, const reversible_options *o, kd_sym x, kd_sym table, kd_sym back,
                         kd_sym *y) {
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  const kd_shape *shape = kd_sym_shape(g, x);
  KD_CHECK(shape->rank >= 2 && shape->dim[shape->rank - 1] == o->output_dim, KD_ERR_USAGE,
           "reverse = true needs vectors of output_dim = %lld numbers, but the input's shape is %s",
           (long long)o->output_dim, kd_layer_shape(g, x, text));
  bool tied = back == KD_NO_SYM;
  *y = kd_matmul(g, kd_as_float(g, x), tied ? table : back, false, tied);
  if (o->logit_soft_cap != KD_UNSET_FLOAT)
    *y = kd_scale(g, kd_unary(g, KD_PW_TANH, kd_scale(g, *y, 1 / o->logit_soft_cap)), o->logit_soft_cap);
  return KD_OK;
}

static kd_status reversible_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                  kd_sym *outputs) {
  (void)n_inputs;
  const reversible_options *o = layer->options;
  bool backwards;
  KD_TRY(kd_call_flag(build, "reverse", &backwards));
  kd_sym table = kd_build_weight(build, "embeddings", KD_SHAPE(o->input_dim, o->output_dim),
                                 &o->embeddings_initializer, &o->embeddings_regularizer, true);
  kd_build_constrain(build, table, &o->embeddings_constraint);
  kd_sym back = KD_NO_SYM;
  if (!o->tie_weights)
    back = kd_build_weight(build, "reverse_embeddings", KD_SHAPE(o->output_dim, o->input_dim),
                           &o->embeddings_initializer, NULL, true);
  KD_TRY(kd_graph_status(build->graph));
  if (backwards) return reverse(build, o, inputs[0], table, back, &outputs[0]);
  return look_up(build, o, inputs[0], table, &outputs[0]);
}

static const kd_option options[] = {
    KD_ROW_INT(reversible_options, input_dim, NULL, 1, KD_SIZE_LIMIT, "size of the vocabulary"),
    KD_ROW_INT(reversible_options, output_dim, NULL, 1, KD_SIZE_LIMIT, "size of a vector"),
    KD_ROW_BOOL(reversible_options, tie_weights, "true",
                "the way back uses the table, else a kernel of its own"),
    KD_ROW_INITIALIZER(reversible_options, embeddings_initializer, "uniform"),
    KD_ROW_REGULARIZER(reversible_options, embeddings_regularizer),
    KD_ROW_CONSTRAINT(reversible_options, embeddings_constraint),
    KD_ROW_BOOL(reversible_options, mask_zero, "false", "index 0 means no step: later layers pass over it"),
    {.name = "logit_soft_cap",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(reversible_options, logit_soft_cap),
     .initial = "none",
     .help = "the way back gives cap * tanh(y / cap); none: y",
     .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN},
    KD_ROW_END,
};

static const kd_call_arg call_args[] = {
    {"reverse", KD_CALL_FLAG, "the way back: a number for each word of the vocabulary"},
    KD_CALL_ROW_END,
};

const kd_layer_kind kd_layer_reversible_embedding = {
    .base = {.name = "ReversibleEmbedding",
             .help = "a learned vector for each index, and with reverse = true the way back",
             .options = options,
             .options_size = sizeof(reversible_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = reversible_build,
    .mask = KD_MASK_OWN,
    .call_args = call_args,
};
