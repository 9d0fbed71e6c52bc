/* Embedding: a row of a table for each index (keras/src/layers/core/embedding.py). */
#include "layers/kinds/kinds.h"

typedef struct embedding_options {
  int64_t input_dim, output_dim;
  kd_object embeddings_initializer, embeddings_regularizer, embeddings_constraint;
  bool mask_zero;
} embedding_options;

static kd_status embedding_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  const embedding_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_dtype dtype = kd_sym_get(g, inputs[0])->dtype;
  kd_sym ids = dtype == KD_I32 || dtype == KD_I64 ? inputs[0] : kd_cast(g, inputs[0], KD_I32);
  kd_sym table = kd_build_weight(build, "embeddings", KD_SHAPE(o->input_dim, o->output_dim),
                                 &o->embeddings_initializer, &o->embeddings_regularizer, true);
  kd_build_constrain(build, table, &o->embeddings_constraint);
  outputs[0] = kd_gather(g, table, ids);
  if (o->mask_zero) build->output_mask[0] = kd_unary(g, KD_PW_SIGN, kd_unary(g, KD_PW_ABS, ids));
  return KD_OK;
}

static int64_t embedding_rows(const void *options) {
  return ((const embedding_options *)options)->input_dim;
}

static const kd_option options[] = {
    KD_ROW_INT(embedding_options, input_dim, NULL, 1, KD_SIZE_LIMIT, "size of the vocabulary"),
    KD_ROW_INT(embedding_options, output_dim, NULL, 1, KD_SIZE_LIMIT, "size of a vector"),
    KD_ROW_INITIALIZER(embedding_options, embeddings_initializer, "uniform"),
    KD_ROW_REGULARIZER(embedding_options, embeddings_regularizer),
    KD_ROW_CONSTRAINT(embedding_options, embeddings_constraint),
    KD_ROW_BOOL(embedding_options, mask_zero, "false", "index 0 means no step: later layers pass over it"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_embedding = {
    .base = {.name = "Embedding",
             .help = "a learned vector for each index",
             .options = options,
             .options_size = sizeof(embedding_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .takes_any_float = true,
    .build = embedding_build,
    .mask = KD_MASK_OWN,
    .table_rows = embedding_rows,
};
