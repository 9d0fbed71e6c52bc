/* Models as Keras's config.json: texts that follow from keras.md 6.2 and 6.3. That Keras makes the same model
 * of them is checked in tests/interop. */
#include "device/base/file.h"
#include "io/json.h"
#include "launch/keras/export.h"
#include "support/check.h"

typedef struct exported {
  kd_config *config;
  kd_model *model;
  const kd_value *root;
  kd_texts notes;
} exported;

static exported export_text(const char *text) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, test_folder(), "model.ini");
  assert_ok(kd_file_write(path, text, strlen(text)));
  kd_ini_request request = {.n_files = 1, .files = &path};
  exported e = {.config = kd_config_load(&request, NULL)};
  e.model = kd_config_model(e.config);
  if (!e.model) fail_msg("%s", e.config->diag->messages[0]);
  const char *json = kd_export_keras(e.config->pool, e.model, e.config, &e.notes);
  assert_ok(kd_json_read(e.config->pool, "config.json", json, strlen(json), &e.root));
  kd_pool_destroy(pool);
  return e;
}

static void release(exported *e) {
  kd_model_destroy(e->model);
  kd_config_destroy(e->config);
}

/* "config.layers.1.config": what stands there, as JSON. */
static const kd_value *find(const exported *e, const char *path) {
  const kd_value *at = e->root;
  for (const char *part = path; at && *part; part += strspn(part, ".")) {
    size_t length = strcspn(part, ".");
    const char *key = kd_pool_strndup(e->config->pool, part, length);
    at = at->type == KD_V_LIST ? &at->items[atoi(key)] : kd_value_key(at, key);
    part += length;
  }
  return at;
}

static void holds(const exported *e, const char *path, const char *expected) {
  const kd_value *value = find(e, path);
  if (!value) fail_msg("there is no %s", path);
  assert_string_equal(kd_json_write(e->config->pool, value), expected);
}

static void chain(void **state) {
  (void)state;
  exported e = export_text("[run]\nname = small\n[input x]\nshape = 4\n[layers]\ny = Dense(3, relu)\n");
  assert_string_equal(
      kd_json_write(e.config->pool, e.root),
      "{\"module\":\"keras.src.models.functional\",\"class_name\":\"Functional\",\"config\":{\"name\":"
      "\"small\","
      "\"layers\":[{\"module\":\"keras.layers\",\"class_name\":\"InputLayer\",\"config\":{\"name\":\"x\","
      "\"batch_shape\":[null,4],\"dtype\":\"float32\"},\"registered_name\":null,\"name\":\"x\","
      "\"inbound_nodes\":[]},"
      "{\"module\":\"keras.layers\",\"class_name\":\"Dense\",\"config\":{\"name\":\"y\",\"dtype\":"
      "\"float32\","
      "\"units\":3,\"activation\":\"relu\"},\"registered_name\":null,\"name\":\"y\",\"inbound_nodes\":["
      "{\"args\":[{\"class_name\":\"__keras_tensor__\",\"config\":{\"shape\":[null,4],\"dtype\":\"float32\","
      "\"keras_history\":[\"x\",0,0]}}],\"kwargs\":{}}]}],"
      "\"input_layers\":[\"x\",0,0],\"output_layers\":[\"y\",0,0]},\"registered_name\":\"Functional\","
      "\"compile_config\":{}}");
  assert_int_equal(e.notes.count, 0);
  release(&e);
}

#define OBJECT(module, name, config)                                                                         \
  "{\"module\":\"" module "\",\"class_name\":\"" name "\",\"config\":{" config "},\"registered_name\":null}"
#define LAYER(name, config) OBJECT("keras.layers", name, "\"dtype\":\"float32\"" config)
#define CELLS                                                                                                \
  LAYER("StackedRNNCells", ",\"cells\":[" LAYER("LSTMCell", ",\"units\":2") "," LAYER(                       \
                               "GRUCell", ",\"units\":3,\"reset_after\":false") "]")

/* Options of one layer on an input (6, 5): what is written beside name and dtype. */
static void options(void **state) {
  (void)state;
  static const struct {
    const char *layer, *config;
  } cases[] = {
      {"Dense(3)", "\"units\":3"},
      {"Dense(3, use_bias=true, kernel_initializer=glorot_uniform)", "\"units\":3"},
      {"Dense(3, gelu(approximate=true))",
       "\"units\":3,\"activation\":{\"module\":\"keras.src.ops.nn\",\"class_name\":\"Gelu\",\"config\":"
       "{\"approximate\":true},\"registered_name\":\"Gelu\"}"},
      {"Dense(3, gelu(approximate=false))", "\"units\":3,\"activation\":\"gelu\""},
      {"Dense(3, leaky_relu(0.3))",
       "\"units\":3,\"activation\":" LAYER("LeakyReLU", ",\"negative_slope\":0.3")},
      {"Dense(3, kernel_initializer=RandomNormal(0, 0.1), kernel_regularizer=l2, bias_constraint=MaxNorm(3))",
       "\"units\":3,\"kernel_initializer\":" OBJECT(
           "keras.initializers", "RandomNormal",
           "\"stddev\":0.1") ",\"kernel_regularizer\":" OBJECT("keras.regularizers", "L2",
                                                               "") ",\"bias_constraint\":" OBJECT("keras."
                                                                                                  "constraint"
                                                                                                  "s",
                                                                                                  "MaxNorm",
                                                                                                  "\"max_"
                                                                                                  "value\":3."
                                                                                                  "0")},
      {"Conv1D(4, 3, padding=same, dilation_rate=2)",
       "\"filters\":4,\"kernel_size\":3,\"padding\":\"same\",\"data_format\":\"channels_last\","
       "\"dilation_rate\":2"},
      {"Reshape(30)", "\"target_shape\":[30]"},
      {"Permute((2, 1))", "\"dims\":[2,1]"},
      {"Cropping1D((0, 2))", "\"cropping\":[0,2]"},
      {"Dropout(0.5, noise_shape=(none, 1, 5))", "\"rate\":0.5,\"noise_shape\":[null,1,5]"},
      {"LayerNormalization(axis=(1, 2))", "\"axis\":[1,2]"},
      {"Rescaling((1, 2, 3, 4, 0.5))", "\"scale\":[1.0,2.0,3.0,4.0,0.5],\"offset\":0.0"},
      {"LSTM(4, use_cudnn=true, recurrent_activation=none)",
       "\"units\":4,\"recurrent_activation\":null,\"use_cudnn\":true"},
      {"Bidirectional(LSTM(4), merge_mode=none)",
       "\"layer\":" LAYER("LSTM", ",\"units\":4") ",\"merge_mode\":null"},
      {"RNN(LSTMCell(2))", "\"cell\":" LAYER("LSTMCell", ",\"units\":2")},
      {"RNN([LSTMCell(2), GRUCell(3, reset_after=false)])", "\"cell\":" CELLS},
      {"TimeDistributed(Dense(3))", "\"layer\":" LAYER("Dense", ",\"units\":3")},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512], expected[1024];
    snprintf(text, sizeof text, "[input x]\nshape = 6, 5\n[layers]\ny = %s\n", cases[i].layer);
    snprintf(expected, sizeof expected, "{\"name\":\"y\",\"dtype\":\"float32\",%s}", cases[i].config);
    exported e = export_text(text);
    holds(&e, "config.layers.1.config", expected);
    release(&e);
  }
}

#define TENSOR(shape, history)                                                                               \
  "{\"class_name\":\"__keras_tensor__\",\"config\":{\"shape\":[" shape "],\"dtype\":\"float32\","            \
  "\"keras_history\":[" history "]}}"

static void calls(void **state) {
  (void)state;
  exported e =
      export_text("[input a]\nshape = 5, 4\n[input b]\nshape = 5, 4\n[input m]\nshape = 5\n[layers]\n"
                  "d = Dense(4)(a)\ne = share(d)(b)\n"
                  "s = LSTM(4, return_state=true)(e, mask=m)\n"
                  "r = LSTM(4)(d, initial_state=(s:1, s:2), training=false)\n"
                  "left = Dense(7)(d)\n"
                  "t = Attention()(d, e, use_causal_mask=true, return_attention_scores=true)\n"
                  "p = GlobalAveragePooling1D()(t:0)\nz = Concatenate()(p, r, s)\n"
                  "[output z]\n[output e]\n");
  /* The order of layers is Keras's. */
  holds(&e, "config.input_layers", "[[\"a\",0,0],[\"b\",0,0],[\"m\",0,0]]");
  holds(&e, "config.output_layers", "[[\"z\",0,0],[\"d\",1,0]]");
  const kd_value *layers = find(&e, "config.layers");
  assert_int_equal(layers->count, 9);
  for (int i = 0; i < layers->count; i++) {
    const char *name = kd_value_key(&layers->items[i], "name")->text;
    const char *nodes = kd_json_write(e.config->pool, kd_value_key(&layers->items[i], "inbound_nodes"));
    assert_string_not_equal(name, "left");
    if (!strcmp(name, "d"))
      assert_string_equal(
          nodes, "[{\"args\":[" TENSOR("null,5,4", "\"a\",0,0") "],\"kwargs\":{}},{\"args\":[" TENSOR(
                     "null,5,4", "\"b\",0,0") "],\"kwargs\":{}}]");
    if (!strcmp(name, "s"))
      assert_string_equal(nodes,
                          "[{\"args\":[" TENSOR("null,5,4", "\"d\",1,0") "],\"kwargs\":{\"mask\":" TENSOR(
                              "null,5", "\"m\",0,0") "}}]");
    if (!strcmp(name, "r"))
      assert_string_equal(
          nodes, "[{\"args\":[" TENSOR(
                     "null,5,4", "\"d\",0,0") "],\"kwargs\":{"
                                              "\"initial_state\":[" TENSOR("null,4", "\"s\",0,1") "," TENSOR(
                                                  "null,4", "\"s\",0,2") "],\"training\":false}}]");
    if (!strcmp(name, "t"))
      assert_string_equal(
          nodes,
          "[{\"args\":[[" TENSOR("null,5,4", "\"d\",0,0") "," TENSOR(
              "null,5,4",
              "\"d\",1,0") "]],\"kwargs\":{\"use_causal_mask\":true,\"return_attention_scores\":true}}]");
  }
  release(&e);
}

/* The states of stacked cells are a list for each. */
static void stacked_states(void **state) {
  (void)state;
  exported e = export_text("[input x]\nshape = 5, 4\n[input h]\nshape = 2\n[input c]\nshape = 2\n[input g]\n"
                           "shape = 3\n[layers]\n"
                           "y = RNN([LSTMCell(2), GRUCell(3)])(x, initial_state=(h, c, g))\n");
  holds(&e, "config.layers.4.inbound_nodes.0.kwargs",
        "{\"initial_state\":[[" TENSOR("null,2", "\"h\",0,0") "," TENSOR("null,2", "\"c\",0,0") "],[" TENSOR(
            "null,3", "\"g\",0,0") "]]}");
  release(&e);
}

/* Orders of layers that keras.Model of Keras 3.15 gives: what makes masks stands between them. */
static void orders(void **state) {
  (void)state;
  static const struct {
    const char *text, *order;
  } cases[] = {
      {"[input x]\nshape = 5, 4\n[input z]\nshape = 4\n[layers]\nd1 = Dense(4)(x)\nm = Masking()(d1)\n"
       "l = LSTM(4)(m)\ne1 = Dense(4)(z)\ne2 = Dense(4)(e1)\ne3 = Dense(4)(e2)\nc = Concatenate()(e3, l)\n",
       "x z d1 e1 e2 m e3 l c "},
      {"[input x]\nshape = 5, 4\n[input w]\nshape = 5, 4\n[input z]\nshape = 4\n[layers]\nd1 = Dense(4)(x)\n"
       "m = Masking()(d1)\nd2 = Dense(4)(w)\nm2 = Masking()(d2)\na = Add()(m, m2)\nl = LSTM(4)(a)\n"
       "e1 = Dense(4)(z)\ne2 = Dense(4)(e1)\ne3 = Dense(4)(e2)\ne4 = Dense(4)(e3)\ne5 = Dense(4)(e4)\n"
       "e6 = Dense(4)(e5)\ne7 = Dense(4)(e6)\ne8 = Dense(4)(e7)\nc = Concatenate()(e8, l)\n",
       "z e1 e2 e3 x w e4 d1 d2 e5 e6 m m2 e7 a e8 l c "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    exported e = export_text(cases[i].text);
    const kd_value *layers = find(&e, "config.layers");
    char order[256] = "";
    for (int k = 0; k < layers->count; k++)
      snprintf(order + strlen(order), 32, "%s ", kd_value_key(&layers->items[k], "name")->text);
    assert_string_equal(order, cases[i].order);
    release(&e);
  }
}

/* Paths of blocks become names that Keras takes, each once. */
static void names(void **state) {
  (void)state;
  exported e = export_text(
      "[block two]\na = Dense(4)\nb = Dense(4)\n[input x]\nshape = 4\n[layers]\n"
      "s = two(repeat=2)\ns_0_a = Dense(4)\nk = Dense(2, trainable=false, dtype=mixed_bfloat16)\n");
  static const char *const expected[] = {"x", "s_0_a_1", "s_0_b", "s_1_a", "s_1_b", "s_0_a", "k"};
  for (int i = 0; i < 7; i++) {
    char path[64];
    snprintf(path, sizeof path, "config.layers.%d.name", i);
    assert_string_equal(find(&e, path)->text, expected[i]);
  }
  holds(&e, "config.layers.6.config",
        "{\"name\":\"k\",\"trainable\":false,\"dtype\":\"mixed_bfloat16\",\"units\":2}");
  release(&e);
}

static void compile(void **state) {
  (void)state;
  exported e = export_text("[input x]\nshape = 4\n[layers]\na = Dense(3)\nb = Dense(1)(a)\n"
                           "[output a]\nloss = sparse_categorical_crossentropy\nmetrics = accuracy\n"
                           "[output b]\nloss = Huber(0.5)\nloss_weight = 0.25\n"
                           "[train]\noptimizer = AdamW(CosineDecay(0.1, 100), clipnorm=1)\n");
  holds(&e, "compile_config.optimizer",
        OBJECT("keras.optimizers", "AdamW",
               "\"learning_rate\":" OBJECT(
                   "keras.optimizers.schedules", "CosineDecay",
                   "\"initial_learning_rate\":0.1,\"decay_steps\":100.0") ",\"clipnorm\":1.0"));
  holds(&e, "compile_config.loss",
        "[\"sparse_categorical_crossentropy\"," OBJECT("keras.losses", "Huber", "\"delta\":0.5") "]");
  holds(&e, "compile_config.loss_weights", "[1.0,0.25]");
  holds(&e, "compile_config.metrics", "[[\"accuracy\"],[]]");
  assert_null(find(&e, "compile_config.weighted_metrics"));
  release(&e);
  e = export_text("[input x]\nshape = 4\n[layers]\ny = Dense(3)\n[train]\nmetrics = ce\n"
                  "loss = sparse_categorical_crossentropy\n");
  holds(&e, "compile_config.metrics",
        "[" OBJECT("keras.metrics", "SparseCategoricalCrossentropy", "\"name\":\"ce\"") "]");
  release(&e);
  e = export_text("[input x]\nshape = 4\n[layers]\ny = Dense(3)\n[train]\nloss = mse\noptimizer = adam\n"
                  "dtype_policy = mixed_float16\n");
  holds(&e, "compile_config",
        "{\"optimizer\":" OBJECT(
            "keras.optimizers", "LossScaleOptimizer",
            "\"inner_optimizer\":" OBJECT("keras.optimizers", "Adam",
                                          "") ",\"initial_scale\":32768.0,\"dynamic_growth_steps\":2000,"
                                              "\"name\":\"loss_scale_optimizer\"") ",\"loss\":\"mse\"}");
  release(&e);
}

static void hub(void **state) {
  (void)state;
  exported e = export_text("[input x]\nshape = 6, 5\n[layers]\ny = PositionEmbedding(6)\n");
  assert_int_equal(e.notes.count, 1);
  assert_non_null(strstr(e.notes.v[0], "import keras_hub"));
  holds(&e, "config.layers.1.module", "\"keras_hub.layers\"");
  holds(&e, "config.layers.1.registered_name", "\"keras_hub>PositionEmbedding\"");
  release(&e);
}

/* What is the same model but not the same numbers in Keras is told, with the layer. */
static void notes(void **state) {
  (void)state;
  exported e = export_text("[input x]\nshape = 5\ndtype = int32\n[input h]\nshape = 3\n[layers]\n"
                           "e = Embedding(9, 4, mask_zero=true)(x)\nd = Dropout(0.5)(e, training=true)\n"
                           "g = GRU(3)(d, initial_state=h)\n");
  assert_int_equal(e.notes.count, 2);
  assert_non_null(strstr(e.notes.v[0], "layer d: Keras's fit, evaluate and predict"));
  assert_non_null(strstr(e.notes.v[1], "layer g: Keras gives no mask"));
  release(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chain),          cmocka_unit_test(options), cmocka_unit_test(calls),
      cmocka_unit_test(stacked_states), cmocka_unit_test(orders),  cmocka_unit_test(names),
      cmocka_unit_test(compile),        cmocka_unit_test(hub),     cmocka_unit_test(notes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
