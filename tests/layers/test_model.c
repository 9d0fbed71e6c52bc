/* Models: errors of graphs, shared layers, shapes, layout, and Keras's order of layers. */
#include "layers/model.h"
#include "support/check.h"
#include "support/compute.h"
#include "support/one_layer.h"

static const kd_origin nowhere = {"model.ini", 3};

/* Finishes a wrong model; its errors must be exactly those texts' holders, in order. */
static void expect_errors(kd_model *model, int count, const char *const *texts) {
  kd_diag *diag = kd_diag_create();
  assert_int_equal(kd_model_finish(model, diag), KD_ERR_USAGE);
  for (int i = 0; i < count && i < (int)diag->count; i++)
    if (!strstr(diag->messages[i], texts[i])) fail_msg("'%s' is not in: %s", texts[i], diag->messages[i]);
  assert_int_equal(diag->count, count);
  kd_diag_destroy(diag);
  kd_model_destroy(model);
}

static kd_model *mlp(int64_t features) {
  kd_model *model = kd_model_create("mlp");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(features), 0, nowhere);
  x = layer_chain(model, "Dense(8, relu)", "fc1", 5, x);
  x = layer_chain(model, "BatchNormalization()", "norm", 6, x);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(3)", "fc2", 7, x));
  return model;
}

/* Tensors between layers have the layer's type of computation, weights stay float32, products take them as
 * they are, and a layer with a policy of its own gets its input cast. */
static void test_policies(void **state) {
  (void)state;
  kd_model *model = kd_model_create("mixed");
  model->policy = (kd_policy){KD_BF16, KD_F32};
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(5), 0, nowhere);
  x = layer_chain(model, "Dense(8, relu)", "fc1", 5, x);
  x = layer_chain(model, "BatchNormalization()", "norm", 6, x);
  x = layer_chain(model, "Dense(3)", "fc2", 7, x);
  model->layers[3]->policy = (kd_policy){KD_F32, KD_F32};
  kd_model_add_output(model, NULL, x);
  layer_finish(model);
  kd_dtype expected[] = {KD_F32, KD_BF16, KD_BF16, KD_F32};
  for (int i = 0; i < 4; i++) assert_int_equal(model->calls[i]->output_dtype[0], expected[i]);
  kd_graph *graph = kd_graph_create();
  kd_build_spec spec = {.batch = 2, .training = true};
  kd_built built;
  assert_ok(kd_model_build(model, graph, &spec, &built));
  for (int w = 0; w < model->n_weights; w++)
    if (built.weight[w] != KD_NO_SYM) assert_int_equal(kd_sym_get(graph, built.weight[w])->dtype, KD_F32);
  int products = 0;
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    if (node->op != KD_OP_MATMUL) continue;
    kd_dtype type = products++ ? KD_F32 : KD_BF16;
    const kd_matmul_attr *attr = node->attr;
    assert_int_equal(attr->types.factors, type);
    assert_int_equal(attr->types.result, type);
    assert_int_equal(kd_sym_get(graph, node->input[0])->dtype, type);
    assert_int_equal(kd_sym_get(graph, node->input[1])->role, KD_ROLE_WEIGHT);
  }
  assert_int_equal(products, 2);
  kd_graph_destroy(graph);
  kd_model_destroy(model);
}

static void test_weights_and_layout(void **state) {
  (void)state;
  kd_model *model = mlp(5);
  layer_finish(model);
  static const char *const paths[] = {"fc1/kernel", "fc1/bias",         "norm/gamma",
                                      "norm/beta",  "norm/moving_mean", "norm/moving_variance",
                                      "fc2/kernel", "fc2/bias"};
  assert_int_equal(model->n_weights, 8);
  for (int i = 0; i < 8; i++) assert_string_equal(model->weights[i].path, paths[i]);
  assert_int_equal(kd_model_count_params(model, true), 48 + 16 + 27);
  assert_int_equal(kd_model_count_params(model, false), 48 + 16 + 16 + 27);
  const int order[] = {7, 6, 3, 2, 1, 0};
  kd_model_layout(model, 6, order);
  const int64_t offsets[] = {16 + 32 + 16 + 16 + 16, 16 + 32 + 16 + 16, 16 + 32 + 16, 16 + 32, -1, -1, 16, 0};
  for (int i = 0; i < 8; i++) assert_int_equal(model->weights[i].offset, offsets[i]);
  for (int i = 0; i < 8; i++) {
    bool moving = i == 4 || i == 5;
    assert_int_equal(model->weights[i].place, 4 * (moving ? 16 * (i - 4) : offsets[i]));
  }
  assert_int_equal(model->trainable_floats, 16 + 32 + 16 + 16 + 16 + 48);
  assert_int_equal(model->trainable_bytes, 4 * model->trainable_floats);
  assert_int_equal(model->state_bytes, 4 * 32);
  assert_int_equal(model->layers[2]->first_weight, 2);
  assert_int_equal(model->layers[2]->n_weights, 4);
  kd_model_destroy(model);
}

static void test_hash(void **state) {
  (void)state;
  kd_model *a = mlp(5), *b = mlp(5), *c = mlp(6);
  layer_finish(a), layer_finish(b), layer_finish(c);
  assert_true(kd_model_hash(a) == kd_model_hash(b));
  assert_true(kd_model_hash(a) != kd_model_hash(c));
  b->layers[1]->trainable = false;
  assert_true(kd_model_hash(a) != kd_model_hash(b));
  kd_model_destroy(a), kd_model_destroy(b), kd_model_destroy(c);
}

/* A shape with -1 where it depends on a variable size. */
static void assert_call_shape(const kd_model *model, kd_tap tap, kd_shape expected) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  const kd_shape *shape = &model->calls[tap.call]->output_shape[tap.output];
  if (!kd_shape_equal(shape, &expected))
    fail_msg("shape %s, expected %s", kd_shape_text(shape, a), kd_shape_text(&expected, b));
}

static void test_variable_sizes(void **state) {
  (void)state;
  kd_model *model = kd_model_create("variable");
  kd_tap x = kd_model_add_input(model, "x", KD_U8, KD_SHAPE(-1, 28, 3), 0, nowhere);
  kd_tap conv = layer_chain(model, "Conv2D(4, 3, strides=2)", "conv", 5, x);
  kd_tap pool = layer_chain(model, "GlobalAveragePooling2D()", "pool", 6, conv);
  kd_tap flat = layer_chain(model, "Flatten()", "flat", 7, conv);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(2)", "fc", 8, pool));
  kd_model_add_output(model, "flat_out", flat);
  layer_finish(model);
  assert_call_shape(model, x, KD_SHAPE(-1, -1, 28, 3));
  assert_call_shape(model, conv, KD_SHAPE(-1, -1, 13, 4));
  assert_call_shape(model, pool, KD_SHAPE(-1, 4));
  assert_call_shape(model, flat, KD_SHAPE(-1, -1));
  assert_int_equal(model->calls[conv.call]->output_dtype[0], KD_F32);
  assert_string_equal(model->outputs[0].name, "fc");
  assert_string_equal(model->outputs[1].name, "flat_out");
  kd_model_destroy(model);
}

static void test_weight_of_variable_size(void **state) {
  (void)state;
  kd_model *model = kd_model_create("variable");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(-1, 4), 0, nowhere);
  x = layer_chain(model, "Flatten()", "flat", 5, x);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(2)", "fc", 6, x));
  const char *const texts[] = {"model.ini:6: layer fc (Dense): kernel has shape"};
  expect_errors(model, 1, texts);
}

/* Parts of the fixed batch are passes, more than it is not one. */
static void test_fixed_batch(void **state) {
  (void)state;
  kd_model *model = kd_model_create("fixed");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(3, 4), 5, nowhere);
  kd_model_add_output(model, NULL, layer_chain(model, "LSTM(2, stateful=true)", "fc", 6, x));
  layer_finish(model);
  assert_call_shape(model, model->outputs[0].tap, KD_SHAPE(5, 2)); /* as Keras shows it */
  kd_graph *g = kd_graph_create();
  kd_built built;
  assert_int_equal(model->n_kept, 1);
  assert_string_equal(model->kept[0].path, "fc/cell/state");
  assert_int_equal(model->kept[0].width, 4);
  assert_ok(kd_model_build(model, g, &(kd_build_spec){.batch = 3}, &built));
  assert_true(built.kept_before[0] != KD_NO_SYM && built.kept_after[0] != KD_NO_SYM);
  assert_fails(kd_model_build(model, g, &(kd_build_spec){.batch = 6}, &built), KD_ERR_USAGE,
               "a batch of 6 rows, but batch_size = 5 is fixed and layers are stateful");
  kd_graph_destroy(g);
  kd_model_destroy(model);
}

static void test_feeds(void **state) {
  (void)state;
  kd_model *model = mlp(5);
  layer_finish(model);
  kd_graph *g = kd_graph_create();
  kd_built built;
  kd_dtype pixels = KD_U8;
  assert_ok(kd_model_build(model, g, &(kd_build_spec){.batch = 7, .feed_dtype = &pixels}, &built));
  assert_int_equal(kd_sym_get(g, built.input[0])->dtype, KD_U8);
  assert_int_equal(kd_sym_get(g, built.output[0])->dtype, KD_F32);
  kd_shape right = KD_SHAPE(7, 3), wrong = KD_SHAPE(7, 4);
  assert_true(kd_shape_equal(kd_sym_shape(g, built.output[0]), &right));
  assert_fails(kd_model_build(model, g, &(kd_build_spec){.batch = 7, .feed_shape = &wrong}, &built),
               KD_ERR_USAGE, "data of shape (7, 4) does not fit the input's shape (None, 5)");
  kd_graph_destroy(g);
  kd_model_destroy(model);
}

/* All wrong layers are told at once; those behind a wrong one are passed over. */
static void test_all_errors(void **state) {
  (void)state;
  kd_model *model = kd_model_create("wrong");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(9, 6, 4), 0, nowhere);
  kd_tap big = layer_chain(model, "MaxPooling2D(7)", "big", 5, x);
  kd_tap after = layer_chain(model, "Dense(2)", "after", 6, big);
  kd_tap groups = layer_chain(model, "Conv2D(6, 3, groups=3)", "groups", 7, x);
  kd_tap pair[] = {x, layer_chain(model, "Conv2D(4, 3)", "small", 8, x)};
  kd_tap sum = layer_call(model, layer_add(model, "Add()", "sum", 9), 2, pair);
  kd_tap one = layer_call(model, layer_add(model, "Multiply()", "one", 10), 1, pair);
  kd_tap two = layer_call(model, layer_add(model, "Dense(2)", "two", 11), 2, pair);
  kd_tap reshaped = layer_chain(model, "Reshape((5, -1))", "reshaped", 12, x);
  kd_tap taps[] = {after, groups, sum, one, two, reshaped};
  for (int i = 0; i < 6; i++) kd_model_add_output(model, NULL, taps[i]);
  const char *const texts[] = {
      "model.ini:5: layer big (MaxPooling2D): a window of 7 cells does not fit axis 2 of the input of shape "
      "(None, 9, 6, 4)",
      "model.ini:7: layer groups (Conv2D): groups = 3 does not divide the 4 channels",
      "model.ini:9: layer sum (Add): input 2 of shape (None, 7, 4, 4) does not fit those before it, of shape "
      "(None, 9, 6, 4)",
      "model.ini:10: layer one (Multiply): needs at least 2 inputs, but has 1",
      "model.ini:11: layer two (Dense): takes at most 1 input, but has 2",
      "model.ini:12: layer reshaped (Reshape): an input of shape (None, 9, 6, 4) has 216 numbers a sample, "
      "which "
      "target_shape (None, 5, None) cannot hold",
  };
  expect_errors(model, 6, texts);
}

static void test_unknown_argument(void **state) {
  (void)state;
  kd_model *model = kd_model_create("wrong");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(4), 0, nowhere);
  const char *name = "use_causal_mask";
  const kd_value *value = kd_value_bool(model->pool, true);
  int layer = layer_add(model, "Dense(2)", "fc", 5);
  int number = kd_model_add_call(model, layer, NULL, 1, &x, 1, &name, &value, nowhere);
  kd_model_add_output(model, NULL, (kd_tap){number, 0});
  const char *const texts[] = {"layer fc (Dense): has no call argument 'use_causal_mask'"};
  expect_errors(model, 1, texts);
}

static void test_empty(void **state) {
  (void)state;
  const char *const texts[] = {"has no inputs", "has no outputs"};
  expect_errors(kd_model_create("empty"), 2, texts);
}

static void test_too_large(void **state) {
  (void)state;
  kd_model *model = kd_model_create("huge");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(2000000000), 0, nowhere);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(2000000000)", "fc", 5, x));
  const char *const texts[] = {
      "layer fc (Dense): kernel: a tensor of shape (2000000000, 2000000000) is too large"};
  expect_errors(model, 1, texts);
}

/* Two calls of one layer use one weight; its gradient is the sum of both uses. */
static void test_shared_layer(void **state) {
  (void)state;
  kd_model *model = kd_model_create("shared");
  kd_tap a = kd_model_add_input(model, "a", KD_F32, KD_SHAPE(2), 0, nowhere);
  kd_tap b = kd_model_add_input(model, "b", KD_F32, KD_SHAPE(2), 0, nowhere);
  int dense = layer_add(model, "Dense(1)", "fc", 5);
  kd_tap both[] = {layer_call(model, dense, 1, &a), layer_call(model, dense, 1, &b)};
  kd_model_add_output(model, NULL, layer_call(model, layer_add(model, "Subtract()", "minus", 6), 2, both));
  layer_finish(model);
  assert_int_equal(model->n_weights, 2);
  kd_graph *g = kd_graph_create();
  kd_built built;
  assert_ok(kd_model_build(model, g, &(kd_build_spec){.batch = 1, .training = true}, &built));
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUM, built.output[0]), gradient;
  assert_ok(kd_autodiff(g, loss, 1, &built.weight[0], &gradient));
  const float xa[] = {3, 5}, xb[] = {1, 7}, kernel[] = {2, -1}, bias[] = {4};
  const float **fed = kd_calloc((size_t)g->n_syms, sizeof *fed);
  fed[built.input[0]] = xa;
  fed[built.input[1]] = xb;
  fed[built.weight[0]] = kernel;
  fed[built.weight[1]] = bias;
  float *results[2];
  compute(g, COMPUTE_REFERENCE, fed, 2, (kd_sym[]){built.output[0], gradient}, results);
  const float output[] = {2 * 2 + -1 * -2}, expected[] = {2, -2};
  assert_close(results[0], output, 1, 1e-6, 0, "output");
  assert_close(results[1], expected, 2, 1e-6, 0, "gradient of the shared kernel");
  kd_free(results[0]), kd_free(results[1]), kd_free(fed);
  kd_graph_destroy(g);
  kd_model_destroy(model);
}

static void test_shared_layer_of_two_sizes(void **state) {
  (void)state;
  kd_model *model = kd_model_create("shared");
  kd_tap a = kd_model_add_input(model, "a", KD_F32, KD_SHAPE(2), 0, nowhere);
  kd_tap b = kd_model_add_input(model, "b", KD_F32, KD_SHAPE(3), 0, nowhere);
  int dense = layer_add(model, "Dense(1)", "fc", 5);
  kd_model_add_output(model, NULL, layer_call(model, dense, 1, &a));
  kd_model_add_output(model, NULL, layer_call(model, dense, 1, &b));
  const char *const texts[] = {
      "layer fc (Dense): kernel has shape (2, 1), but for another input size it would have "
      "shape (3, 1)"};
  expect_errors(model, 1, texts);
}

/* One graph of orders.txt: lines until the next `order`, which holds the truth. */
static void check_order(kd_model *model, char *line) {
  int *order = kd_calloc((size_t)model->n_layers, sizeof *order), position = 0;
  kd_model_keras_order(model, order);
  for (char *name = strtok(line, " "); name; name = strtok(NULL, " "), position++)
    if (strcmp(model->layers[order[position]]->name, name))
      fail_msg("%s, position %d: %s, expected %s", model->name, position,
               model->layers[order[position]]->name, name);
  kd_free(order);
  kd_model_destroy(model);
}

static int find_layer(const kd_model *model, const char *name) {
  for (int i = 0; i < model->n_layers; i++)
    if (strcmp(model->layers[i]->name, name) == 0) return i;
  fail_msg("no layer %s", name);
  return -1;
}

static void add_order_line(kd_model *model, char *line) {
  char *save, *kind = strtok_r(line, " ", &save), *name = strtok_r(NULL, " ", &save);
  if (strcmp(kind, "input") == 0) {
    (void)kd_model_add_input(model, name, KD_F32, KD_SHAPE(4), 0, nowhere);
  } else if (strcmp(kind, "layer") == 0) {
    char text[32];
    snprintf(text, sizeof text, "%s()", strtok_r(NULL, " ", &save));
    (void)layer_add(model, text, name, 1);
  } else if (strcmp(kind, "call") == 0) {
    kd_tap inputs[8];
    int n = 0;
    for (char *word; (word = strtok_r(NULL, " ", &save));) inputs[n++] = (kd_tap){atoi(word), 0};
    (void)layer_call(model, find_layer(model, name), n, inputs);
  } else {
    kd_model_add_output(model, NULL, (kd_tap){atoi(name), 0});
  }
}

static void test_keras_order(void **state) {
  (void)state;
  char line[1024];
  int graphs = 0;
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/orders.txt", "r");
  assert_non_null(file);
  kd_model *model = NULL;
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "graph", 5) == 0) {
      model = kd_model_create(line);
      graphs++;
    } else if (strncmp(line, "order ", 6) == 0) {
      check_order(model, line + 6);
    } else {
      add_order_line(model, line);
    }
  }
  fclose(file);
  assert_true(graphs >= 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_policies),
      cmocka_unit_test(test_weights_and_layout),
      cmocka_unit_test(test_hash),
      cmocka_unit_test(test_variable_sizes),
      cmocka_unit_test(test_weight_of_variable_size),
      cmocka_unit_test(test_fixed_batch),
      cmocka_unit_test(test_feeds),
      cmocka_unit_test(test_all_errors),
      cmocka_unit_test(test_unknown_argument),
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_shared_layer),
      cmocka_unit_test(test_shared_layer_of_two_sizes),
      cmocka_unit_test(test_keras_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
