/* GroupQueryAttention (keras/src/layers/attention/grouped_query_attention.py): several heads of queries share
 * one head of keys and values. */
#include "layers/kinds/heads.h"

typedef struct gqa_options {
  int64_t head_dim, num_query_heads, num_key_value_heads;
  kd_heads_options heads;
} gqa_options;

static kd_status gqa_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                           kd_sym *outputs) {
  const gqa_options *o = layer->options;
  const kd_projection *p = &o->heads.projection;
  kd_graph *g = build->graph;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_heads_call call;
  KD_TRY(kd_heads_call_read(build, n_inputs, inputs, &call));
  kd_shape shape = *kd_sym_shape(g, call.query), value = *kd_sym_shape(g, call.value);
  KD_CHECK(
      shape.rank == 3 && value.rank == 3 && shape.dim[2] == value.dim[2], KD_ERR_USAGE,
      "needs query and value (batch, steps, features) with the same features, but their shapes are %s and %s",
      kd_layer_shape(g, call.query, a), kd_layer_shape(g, call.value, b));
  kd_sym q = kd_heads_project(build, p, "_query_dense", call.query, o->num_query_heads, o->head_dim);
  kd_sym k = kd_heads_project(build, p, "_key_dense", call.key, o->num_key_value_heads, o->head_dim),
         gate = KD_NO_SYM;
  if (o->heads.use_gate)
    gate = kd_heads_project(build, p, "_gate_dense", call.query, o->num_query_heads, o->head_dim);
  kd_sym v = kd_heads_project(build, p, "_value_dense", call.value, o->num_key_value_heads, o->head_dim), y;
  KD_TRY(kd_heads_attend(build, &o->heads, &call, 1, (int[]){1}, o->heads.dropout > 0, q, k, v, &y,
                         &outputs[1]));
  if (gate != KD_NO_SYM) y = kd_mul(g, y, kd_unary(g, KD_PW_SIGMOID, gate));
  outputs[0] = kd_heads_join(build, p, "_output_dense", y, &(kd_shape){.rank = 1, .dim = {shape.dim[2]}});
  kd_build_activity(build, &p->activity_regularizer,
                    outputs[0]); /* once more, as Keras does for this class */
  build->output_mask[0] = build->input_mask[0];
  return KD_OK;
}

static void gqa_check(const void *options, kd_diag *diag, kd_origin origin) {
  const gqa_options *o = options;
  kd_heads_check(&o->heads, diag, origin);
  if (o->num_key_value_heads > 0 && o->num_query_heads % o->num_key_value_heads != 0)
    kd_diag_error(diag, origin, "num_key_value_heads = %lld does not divide num_query_heads = %lld",
                  (long long)o->num_key_value_heads, (long long)o->num_query_heads);
}

static const kd_option options[] = {
    KD_ROW_INT(gqa_options, head_dim, NULL, 1, KD_SIZE_LIMIT, "features of a head"),
    KD_ROW_INT(gqa_options, num_query_heads, NULL, 1, 65536, "number of heads of queries"),
    KD_ROW_INT(gqa_options, num_key_value_heads, NULL, 1, 65536, "number of heads of keys and values"),
    KD_HEADS_ROWS_DROPOUT(gqa_options),
    KD_HEADS_ROWS_WINDOW(gqa_options),
    KD_HEADS_ROWS_PROJECTION(gqa_options),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_group_query_attention = {
    .base = {.name = "GroupQueryAttention",
             .aliases = "GroupedQueryAttention",
             .help = "attention whose heads of queries share keys and values; inputs: query, value, key",
             .options = options,
             .options_size = sizeof(gqa_options),
             .check = gqa_check},
    .min_inputs = 2,
    .max_inputs = 3,
    .build = gqa_build,
    .mask = KD_MASK_OWN,
    .call_args = kd_heads_call_args,
    .takes_training = true,
};
