/* ONNX files: nodes, names and sizes of a small image net, weights in a file of their own, errors. What the
 * files compute is in interop/test_onnx_layers. */
#include <unistd.h>

#include "device/base/file.h"
#include "io/onnx/export.h"
#include "io/onnx/onnx.pb-c.h"
#include "support/check.h"
#include "support/one_layer.h"

enum { WEIGHTS = 16, LIMIT = 1 << 24 };

typedef struct fixture {
  kd_model *model;
  float *weight[WEIGHTS];
  char path[256], data[300];
} fixture;

static kd_model *image_net(void) {
  kd_model *model = kd_model_create("net");
  kd_tap x = kd_model_add_input(model, "image", KD_F32, KD_SHAPE(8, 8, 3), 0, (kd_origin){0});
  x = layer_chain(model, "Conv2D(4, 3, padding=same, activation=relu)", "conv1", 1, x);
  x = layer_chain(model, "BatchNormalization()", "norm", 2, x);
  kd_tap y = layer_chain(model, "Conv2D(4, 3, padding=same)", "conv2", 3, x);
  y = layer_call(model, layer_add(model, "Add()", "sum", 4), 2, (kd_tap[]){x, y});
  y = layer_chain(model, "MaxPooling2D()", "pool", 5, y);
  y = layer_chain(model, "Dropout(0.5)", "drop", 6, y);
  y = layer_chain(model, "Flatten()", "flat", 7, y);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(5, softmax)", "scores", 8, y));
  layer_finish(model);
  return model;
}

static int setup(void **state) {
  fixture *f = kd_calloc(1, sizeof *f);
  f->model = image_net();
  layer_weights_make(f->model, f->weight);
  snprintf(f->path, sizeof f->path, "%s/m.onnx", test_folder());
  snprintf(f->data, sizeof f->data, "%s.data", f->path);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  unlink(f->path);
  unlink(f->data);
  snprintf(f->data, sizeof f->data, "%s.tmp", f->path);
  assert_int_not_equal(access(f->data, F_OK), 0);
  layer_weights_free(f->model, f->weight);
  kd_model_destroy(f->model);
  kd_free(f);
  return 0;
}

static kd_status export_to(const fixture *f, kd_model *model, const char *path, int opset, int64_t one_file) {
  kd_onnx_options options = {.opset = opset, .one_file = one_file};
  return kd_onnx_write(path, model, (const float *const *)f->weight, &options);
}

static Onnx__ModelProto *read_model(kd_pool *pool, const char *path) {
  char *bytes;
  size_t size;
  assert_ok(kd_file_read(pool, path, LIMIT, &bytes, &size));
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, size, (const uint8_t *)bytes);
  assert_non_null(model);
  return model;
}

static int count_nodes(const Onnx__GraphProto *graph, const char *type) {
  int n = 0;
  for (size_t i = 0; i < graph->n_node; i++) n += !strcmp(graph->node[i]->op_type, type);
  return n;
}

static const Onnx__TensorProto *find_weight(const Onnx__GraphProto *graph, const char *name) {
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (!strcmp(graph->initializer[i]->name, name)) return graph->initializer[i];
  fail_msg("no weight %s", name);
  return NULL;
}

static void check_port(const Onnx__ValueInfoProto *port, const char *name, size_t rank,
                       const int64_t *sizes) {
  const Onnx__TensorShapeProto *shape = port->type->tensor_type->shape;
  assert_string_equal(port->name, name);
  assert_int_equal(port->type->tensor_type->elem_type, 1);
  assert_int_equal(shape->n_dim, rank);
  assert_string_equal(shape->dim[0]->dim_param, "batch");
  for (size_t i = 1; i < rank; i++) assert_int_equal(shape->dim[i]->dim_value, sizes[i]);
}

/* Images are turned once on their way in and once before they are flattened, whatever stands between. */
static void test_structure(void **state) {
  fixture *f = *state;
  kd_pool *pool = kd_pool_create();
  assert_ok(export_to(f, f->model, f->path, KD_ONNX_OPSET, KD_ONNX_ONE_FILE));
  Onnx__ModelProto *model = read_model(pool, f->path);
  const Onnx__GraphProto *graph = model->graph;
  assert_int_equal(model->ir_version, 8);
  assert_int_equal(model->opset_import[0]->version, 17);
  assert_string_equal(graph->name, "net");
  assert_int_equal(graph->n_input, 1);
  assert_int_equal(graph->n_output, 1);
  check_port(graph->input[0], "image", 4, (int64_t[]){0, 8, 8, 3});
  check_port(graph->output[0], "scores", 2, (int64_t[]){0, 5});
  assert_int_equal(count_nodes(graph, "Transpose"), 2);
  assert_int_equal(count_nodes(graph, "Conv"), 2);
  assert_int_equal(count_nodes(graph, "MaxPool"), 1);
  assert_int_equal(count_nodes(graph, "Softmax"), 1);
  for (size_t i = 0; i < graph->n_node; i++)
    if (!strcmp(graph->node[i]->op_type, "Conv"))
      assert_true(!strncmp(graph->node[i]->name, "conv1/", 6) || !strncmp(graph->node[i]->name, "conv2/", 6));
  onnx__model_proto__free_unpacked(model, NULL);
  kd_pool_destroy(pool);
}

/* Kernels of convolutions are (filters, channels, window..) there. */
static void test_weights(void **state) {
  fixture *f = *state;
  kd_pool *pool = kd_pool_create();
  assert_ok(export_to(f, f->model, f->path, KD_ONNX_OPSET, KD_ONNX_ONE_FILE));
  Onnx__ModelProto *model = read_model(pool, f->path);
  const Onnx__TensorProto *kernel = find_weight(model->graph, "conv1/kernel");
  const int64_t dims[] = {4, 3, 3, 3};
  float values[4 * 27];
  assert_memory_equal(kernel->dims, dims, sizeof dims);
  assert_int_equal(kernel->raw_data.len, sizeof values);
  memcpy(values, kernel->raw_data.data, sizeof values);
  for (int filter = 0; filter < 4; filter++)
    for (int k = 0; k < 27; k++) {
      int channel = k / 9, window = k % 9, place = (window * 3 + channel) * 4 + filter;
      assert_true(values[filter * 27 + k] == f->weight[0][place]);
    }
  const Onnx__TensorProto *dense = find_weight(model->graph, "scores/kernel");
  assert_int_equal(dense->dims[0], 64);
  assert_int_equal(dense->dims[1], 5);
  find_weight(model->graph, "norm/moving_mean");
  onnx__model_proto__free_unpacked(model, NULL);
  kd_pool_destroy(pool);
}

/* A batch that the model fixes is a number. */
static void test_fixed_batch(void **state) {
  fixture *f = *state;
  kd_pool *pool = kd_pool_create();
  kd_model *net = kd_model_create("fixed");
  kd_tap x = kd_model_add_input(net, "x", KD_F32, KD_SHAPE(5, 3), 4, (kd_origin){0});
  kd_model_add_output(net, NULL, layer_chain(net, "LSTM(4)", "walk", 1, x));
  layer_finish(net);
  assert_ok(export_to(f, net, f->path, KD_ONNX_OPSET, KD_ONNX_ONE_FILE));
  Onnx__ModelProto *model = read_model(pool, f->path);
  assert_int_equal(model->graph->input[0]->type->tensor_type->shape->dim[0]->dim_value, 4);
  assert_int_equal(model->graph->output[0]->type->tensor_type->shape->dim[0]->dim_value, 4);
  onnx__model_proto__free_unpacked(model, NULL);
  kd_model_destroy(net);
  kd_pool_destroy(pool);
}

/* Recurrent layers are operators where those have the cell, and a Scan where a mask or a function needs one.
 */
static void test_recurrent(void **state) {
  static const struct {
    const char *layer, *node;
    unsigned masked;
  } cases[] = {
      {"LSTM(4)", "LSTM", 0},
      {"LSTM(4)", "Scan", 1},
      {"LSTM(4, use_bias=false, activation=relu, go_backwards=true, return_sequences=true)", "LSTM", 0},
      {"LSTM(4, activation=softplus)", "Scan", 0},
      {"GRU(4, return_state=true)", "GRU", 0},
      {"GRU(4, reset_after=false)", "GRU", 0},
      {"SimpleRNN(4)", "RNN", 0}};
  fixture *f = *state;
  kd_pool *pool = kd_pool_create();
  kd_shape shape = KD_SHAPE(2, 5, 3);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    kd_model *net = layer_model_called(cases[i].layer, 1, true, 1, &shape, NULL, cases[i].masked);
    assert_ok(export_to(f, net, f->path, KD_ONNX_OPSET, KD_ONNX_ONE_FILE));
    Onnx__ModelProto *model = read_model(pool, f->path);
    if (count_nodes(model->graph, cases[i].node) != 1)
      fail_msg("%s: no node %s", cases[i].layer, cases[i].node);
    assert_int_equal(count_nodes(model->graph, "Scan"), !strcmp(cases[i].node, "Scan"));
    find_weight(model->graph, "under_test/cell/kernel");
    find_weight(model->graph, "under_test/cell/recurrent_kernel");
    onnx__model_proto__free_unpacked(model, NULL);
    kd_model_destroy(net);
  }
  kd_pool_destroy(pool);
}

static const char *entry(const Onnx__TensorProto *tensor, const char *key) {
  for (size_t i = 0; i < tensor->n_external_data; i++)
    if (!strcmp(tensor->external_data[i]->key, key)) return tensor->external_data[i]->value;
  fail_msg("no %s", key);
  return NULL;
}

/* Small constants stay in the model, the others stand on pages of a file beside it. */
static void test_two_files(void **state) {
  fixture *f = *state;
  kd_pool *pool = kd_pool_create();
  char *bytes;
  size_t size;
  assert_ok(export_to(f, f->model, f->path, KD_ONNX_OPSET, 0));
  Onnx__ModelProto *model = read_model(pool, f->path);
  assert_ok(kd_file_read(pool, f->data, LIMIT, &bytes, &size));
  const Onnx__TensorProto *dense = find_weight(model->graph, "scores/kernel");
  size_t offset = strtoull(entry(dense, "offset"), NULL, 10),
         length = strtoull(entry(dense, "length"), NULL, 10);
  assert_int_equal(dense->data_location, ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL);
  assert_string_equal(entry(dense, "location"), "m.onnx.data");
  assert_int_equal(length, 64 * 5 * sizeof(float));
  assert_int_equal(offset % 4096, 0);
  assert_true(offset + length <= size);
  assert_memory_equal(bytes + offset, f->weight[f->model->n_weights - 2], length);
  assert_int_equal(find_weight(model->graph, "scores/bias")->n_external_data, 0);
  onnx__model_proto__free_unpacked(model, NULL);
  kd_pool_destroy(pool);
}

static void test_errors(void **state) {
  fixture *f = *state;
  assert_fails(export_to(f, f->model, f->path, 16, KD_ONNX_ONE_FILE), KD_ERR_USAGE,
               "opset 16 is not known; use 17 to 23");
  assert_fails(export_to(f, f->model, f->path, 24, KD_ONNX_ONE_FILE), KD_ERR_USAGE, "opset 24");
  assert_fails(export_to(f, f->model, "no-folder/m.onnx", 17, KD_ONNX_ONE_FILE), KD_ERR_RUN,
               "no-folder/m.onnx.tmp: cannot create");
}

/* What depends on numbers that are drawn, or on the batch before, names layer and primitive. */
static void test_refused(void **state) {
  fixture *f = *state;
  kd_shape shape = KD_SHAPE(2, 5, 3);
  kd_model *model = layer_model_called("Dropout(0.5)(training=true)", 1, true, 1, &shape, NULL, 0);
  assert_fails(export_to(f, model, f->path, 17, 0), KD_ERR_USAGE,
               "layer under_test has no form in ONNX: primitive pointwise: it draws random numbers");
  kd_model_destroy(model);
  model = kd_model_create("kept");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(5, 3), 4, (kd_origin){0});
  kd_model_add_output(model, NULL, layer_chain(model, "LSTM(4, stateful=true)", "walk", 1, x));
  layer_finish(model);
  assert_fails(export_to(f, model, f->path, 17, 0), KD_ERR_USAGE,
               "layer walk has no form in ONNX: primitive recurrent: it keeps a state");
  kd_model_destroy(model);
}

/* A full disk leaves no file behind. */
static void test_full(void **state) {
  fixture *f = *state;
  if (access("/dev/full", W_OK) != 0) return;
  char temporary[300];
  snprintf(temporary, sizeof temporary, "%s.tmp", f->path);
  assert_int_equal(symlink("/dev/full", temporary), 0);
  assert_fails(export_to(f, f->model, f->path, 17, KD_ONNX_ONE_FILE), KD_ERR_RUN, "cannot write");
  assert_int_not_equal(access(temporary, F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_structure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_weights, setup, teardown),
      cmocka_unit_test_setup_teardown(test_fixed_batch, setup, teardown),
      cmocka_unit_test_setup_teardown(test_recurrent, setup, teardown),
      cmocka_unit_test_setup_teardown(test_two_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_full, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
