/* Keys of Keras's configs that no option stands for: harmless at these values, which say what is so anyway.
 */
#include <string.h>

#include "launch/keras/import.h"

typedef struct known_key {
  const char *type; /* class; NULL: every one */
  const char *key;
  const char *values; /* as the configuration language prints them, between bars; NULL: any */
} known_key;

static const known_key known[] = {
    {NULL, "quantization_config", "none"},
    {NULL, "quantization_mode", "none"},
    {NULL, "lora_rank", "none"},
    {NULL, "lora_alpha", "none"},
    {NULL, "input_axes", "none"}, /* of initializers */
    {NULL, "output_axes", "none"},
    {NULL, "activity_regularizer", "none"},
    {NULL, "sparse", "false"},
    {NULL, "ragged", "false"},
    {NULL, "dtype", "none|float32|int32"}, /* of losses and metrics */
    {NULL, "axis", "-1"},
    {NULL, "fn", NULL}, /* of losses and metrics: says what the class says */
    {"SparseCategoricalCrossentropy", "ignore_class", "none"},
    {"BatchNormalization", "renorm", "false"},
    {"BatchNormalization", "renorm_clipping", NULL}, /* without renorm no effect */
    {"BatchNormalization", "renorm_momentum", NULL},
    {"LayerNormalization", "rms_scaling", "false"},
    {"ReversibleEmbedding", "reverse_dtype", "none"},
    {"Embedding", "input_length", NULL},
    {"DepthwiseConv1D", "groups", "1"},
    {"DepthwiseConv2D", "groups", "1"},
    {"MultiHeadAttention", "query_shape", NULL}, /* what it was built for */
    {"MultiHeadAttention", "key_shape", NULL},
    {"MultiHeadAttention", "value_shape", NULL},
    {NULL, "implementation", NULL}, /* of recurrent layers: how they compute */
    {NULL, "use_cudnn", NULL},
    {NULL, "time_major", "false"},
    {NULL, "decay", "none|0|0.0"}, /* of optimizers of Keras 2 */
    {NULL, "jit_compile", NULL},
    {NULL, "is_legacy_optimizer", "false"},
};

const char *kd_keras_key_now(const char *type, const char *key) {
  if (strcmp(key, "lr") == 0) return "learning_rate"; /* of optimizers */
  return strcmp(type, "LeakyReLU") == 0 && strcmp(key, "alpha") == 0 ? "negative_slope" : key;
}

/* Whether `text` is one of "|a|b|". */
static bool among(kd_pool *pool, const char *values, const char *text) {
  return strstr(kd_pool_printf(pool, "|%s|", values), kd_pool_printf(pool, "|%s|", text)) != NULL;
}

bool kd_keras_key_harmless(kd_pool *pool, const char *type, const char *key, const kd_value *value) {
  const char *text = kd_value_print(pool, value);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].key, key) != 0 || (known[i].type && strcmp(known[i].type, type) != 0)) continue;
    if (!known[i].values || among(pool, known[i].values, text)) return true;
  }
  return false;
}
