/* SavedModels: nodes, names, sizes and constants of a small image net, the folder, errors. What they compute
 * is in interop/test_saved_model_layers. */
#include <sys/stat.h>
#include <unistd.h>

#include "device/base/file.h"
#include "io/saved_model/export.h"
#include "io/saved_model/saved_model.pb-c.h"
#include "support/check.h"
#include "support/one_layer.h"

enum { WEIGHTS = 16, LIMIT = 1 << 24 };

typedef struct fixture {
  kd_model *model;
  float *weight[WEIGHTS];
  char folder[256], file[300], temporary[300];
} fixture;

static kd_model *image_net(void) {
  kd_model *model = kd_model_create("net");
  kd_tap x = kd_model_add_input(model, "image", KD_F32, KD_SHAPE(8, 8, 3), 0, (kd_origin){0});
  x = layer_chain(model, "Conv2D(4, 3, padding=same, activation=relu)", "conv", 1, x);
  x = layer_chain(model, "DepthwiseConv2D(3)", "depth", 2, x);
  x = layer_chain(model, "BatchNormalization()", "norm", 3, x);
  x = layer_chain(model, "MaxPooling2D()", "pool", 4, x);
  x = layer_chain(model, "Dropout(0.5)", "drop", 5, x);
  x = layer_chain(model, "Flatten()", "flat", 6, x);
  kd_model_add_output(model, NULL, layer_chain(model, "Dense(5, softmax)", "scores", 7, x));
  layer_finish(model);
  return model;
}

static int setup(void **state) {
  fixture *f = kd_calloc(1, sizeof *f);
  f->model = image_net();
  layer_weights_make(f->model, f->weight);
  snprintf(f->folder, sizeof f->folder, "%s/served", test_folder());
  snprintf(f->file, sizeof f->file, "%s/saved_model.pb", f->folder);
  snprintf(f->temporary, sizeof f->temporary, "%s.tmp", f->folder);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  unlink(f->file);
  rmdir(f->folder);
  assert_int_not_equal(access(f->folder, F_OK), 0);
  assert_int_not_equal(access(f->temporary, F_OK), 0);
  layer_weights_free(f->model, f->weight);
  kd_model_destroy(f->model);
  kd_free(f);
  return 0;
}

static kd_status export_to(const fixture *f, kd_model *model, const char *folder) {
  return kd_saved_model_write(folder, model, (const float *const *)f->weight, KD_SAVED_MODEL_LIMIT);
}

static Tensorflow__SavedModel *read_model(const fixture *f) {
  kd_pool *pool = kd_pool_create();
  char *bytes;
  size_t size;
  assert_ok(kd_file_read(pool, f->file, LIMIT, &bytes, &size));
  Tensorflow__SavedModel *model = tensorflow__saved_model__unpack(NULL, size, (const uint8_t *)bytes);
  assert_non_null(model);
  kd_pool_destroy(pool);
  return model;
}

static const Tensorflow__NodeDef *find_node(const Tensorflow__GraphDef *graph, const char *name) {
  for (size_t i = 0; i < graph->n_node; i++)
    if (!strcmp(graph->node[i]->name, name)) return graph->node[i];
  fail_msg("no node %s", name);
  return NULL;
}

static int count_nodes(const Tensorflow__GraphDef *graph, const char *op) {
  int n = 0;
  for (size_t i = 0; i < graph->n_node; i++) n += !strcmp(graph->node[i]->op, op);
  return n;
}

static const Tensorflow__AttrValue *attribute(const Tensorflow__NodeDef *node, const char *key) {
  for (size_t i = 0; i < node->n_attr; i++)
    if (!strcmp(node->attr[i]->key, key)) return node->attr[i]->value;
  fail_msg("%s: no attribute %s", node->name, key);
  return NULL;
}

static void check_port(const Tensorflow__SignatureDef__TensorEntry *entry, const char *name, size_t rank,
                       const int64_t *sizes) {
  assert_string_equal(entry->key, name);
  assert_int_equal(entry->value->dtype, TENSORFLOW__DATA_TYPE__DT_FLOAT);
  assert_int_equal(entry->value->tensor_shape->n_dim, rank);
  for (size_t i = 0; i < rank; i++) assert_int_equal(entry->value->tensor_shape->dim[i]->size, sizes[i]);
}

/* Every operand is a result of another node, and names are those that TensorFlow takes. */
static void check_names(const Tensorflow__GraphDef *graph) {
  for (size_t i = 0; i < graph->n_node; i++) {
    const Tensorflow__NodeDef *node = graph->node[i];
    assert_int_equal(strspn(node->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-"),
                     strlen(node->name));
    for (size_t k = 0; k < i; k++) assert_string_not_equal(graph->node[k]->name, node->name);
    for (size_t k = 0; k < node->n_input; k++) {
      char name[300];
      snprintf(name, sizeof name, "%.*s", (int)strcspn(node->input[k], ":"), node->input[k]);
      find_node(graph, name);
    }
  }
}

static void test_structure(void **state) {
  fixture *f = *state;
  assert_ok(export_to(f, f->model, f->folder));
  Tensorflow__SavedModel *model = read_model(f);
  assert_int_equal(model->saved_model_schema_version, 1);
  assert_int_equal(model->n_meta_graphs, 1);
  const Tensorflow__MetaGraphDef *meta = model->meta_graphs[0];
  assert_int_equal(meta->meta_info_def->n_tags, 1);
  assert_string_equal(meta->meta_info_def->tags[0], "serve");
  assert_int_equal(meta->n_signature_def, 1);
  assert_string_equal(meta->signature_def[0]->key, "serving_default");
  const Tensorflow__SignatureDef *signature = meta->signature_def[0]->value;
  assert_string_equal(signature->method_name, "tensorflow/serving/predict");
  assert_int_equal(signature->n_inputs, 1);
  assert_int_equal(signature->n_outputs, 1);
  check_port(signature->inputs[0], "image", 4, (int64_t[]){-1, 8, 8, 3});
  check_port(signature->outputs[0], "scores", 2, (int64_t[]){-1, 5});
  assert_string_equal(signature->inputs[0]->value->name, "image:0");
  check_names(meta->graph_def);
  assert_int_equal(count_nodes(meta->graph_def, "Placeholder"), 1);
  assert_int_equal(count_nodes(meta->graph_def, "Conv2D"), 1);
  assert_int_equal(count_nodes(meta->graph_def, "DepthwiseConv2dNative"), 1);
  assert_int_equal(count_nodes(meta->graph_def, "MaxPool"), 1);
  assert_int_equal(count_nodes(meta->graph_def, "Transpose"), 0); /* channels are last from end to end */
  tensorflow__saved_model__free_unpacked(model, NULL);
}

/* Weights are constants under their paths, in kdist's layout. */
static void test_weights(void **state) {
  fixture *f = *state;
  assert_ok(export_to(f, f->model, f->folder));
  Tensorflow__SavedModel *model = read_model(f);
  const Tensorflow__GraphDef *graph = model->meta_graphs[0]->graph_def;
  const Tensorflow__NodeDef *kernel = find_node(graph, "conv/kernel");
  assert_string_equal(kernel->op, "Const");
  const Tensorflow__TensorProto *tensor = attribute(kernel, "value")->tensor;
  assert_int_equal(tensor->tensor_shape->n_dim, 4);
  assert_int_equal(tensor->tensor_shape->dim[2]->size, 3);
  assert_int_equal(tensor->tensor_shape->dim[3]->size, 4);
  assert_int_equal(tensor->tensor_content.len, 4 * 27 * sizeof(float));
  assert_memory_equal(tensor->tensor_content.data, f->weight[0], 4 * 27 * sizeof(float));
  find_node(graph, "norm/moving_mean");
  tensorflow__saved_model__free_unpacked(model, NULL);
}

/* A sequence is one loop; the recurrent kernel enters it once. */
static void test_loop(void **state) {
  static const char *const layers[] = {"LSTM(4)", "GRU(4, go_backwards=true)",
                                       "SimpleRNN(4, return_state=true)"};
  fixture *f = *state;
  kd_shape shape = KD_SHAPE(2, 5, 3);
  for (unsigned i = 0; i < 6; i++) {
    kd_model *net = layer_model_called(layers[i / 2], 1, true, 1, &shape, NULL, i % 2);
    assert_ok(export_to(f, net, f->folder));
    Tensorflow__SavedModel *model = read_model(f);
    const Tensorflow__GraphDef *graph = model->meta_graphs[0]->graph_def;
    check_names(graph);
    assert_int_equal(count_nodes(graph, "LoopCond"), 1);
    assert_int_equal(count_nodes(graph, "Merge"), count_nodes(graph, "NextIteration"));
    assert_int_equal(count_nodes(graph, "Merge"), count_nodes(graph, "Switch"));
    int entering = 0;
    for (size_t n = 0; n < graph->n_node; n++)
      entering += !strcmp(graph->node[n]->op, "Enter") &&
                  !strcmp(graph->node[n]->input[0], "under_test/cell/recurrent_kernel");
    assert_int_equal(entering, 1);
    tensorflow__saved_model__free_unpacked(model, NULL);
    kd_model_destroy(net);
  }
}

/* A model that is there is replaced; a slash at the end changes nothing; folders of others are left alone. */
static void test_replaced(void **state) {
  fixture *f = *state;
  char path[400];
  struct stat before, after;
  snprintf(path, sizeof path, "%s/", f->folder);
  assert_ok(export_to(f, f->model, path));
  assert_int_equal(stat(f->file, &before), 0);
  f->weight[0][0] = 5;
  assert_ok(export_to(f, f->model, f->folder));
  assert_int_equal(stat(f->file, &after), 0);
  assert_int_equal(before.st_size, after.st_size);
  assert_true(before.st_ino != after.st_ino);
  snprintf(path, sizeof path, "%s/variables", f->folder);
  assert_int_equal(mkdir(path, 0755), 0);
  assert_fails(export_to(f, f->model, f->folder), KD_ERR_RUN,
               "the folder holds variables, which is no part of a model of kdist");
  rmdir(path);
  snprintf(path, sizeof path, "%s/", f->file);
  assert_fails(export_to(f, f->model, path), KD_ERR_RUN, "Not a directory");
}

static void test_errors(void **state) {
  fixture *f = *state;
  const float *const *weights = (const float *const *)f->weight;
  assert_fails(export_to(f, f->model, "no-folder/served"), KD_ERR_RUN,
               "no-folder/served.tmp: cannot create the folder");
  assert_fails(kd_saved_model_write(f->folder, f->model, weights, 1000), KD_ERR_USAGE, "export to ONNX");
  assert_fails(kd_saved_model_check(f->model, 1000), KD_ERR_USAGE, "export to ONNX");
  assert_ok(kd_saved_model_check(f->model, KD_SAVED_MODEL_LIMIT));
}

/* What has no form names layer and primitive. */
static void test_refused(void **state) {
  static const char text[] =
      "layer under_test has no form in SavedModel: primitive pointwise: it draws random numbers";
  fixture *f = *state;
  kd_shape shape = KD_SHAPE(2, 5, 3);
  kd_model *model = layer_model_called("Dropout(0.5)(training=true)", 1, true, 1, &shape, NULL, 0);
  assert_fails(export_to(f, model, f->folder), KD_ERR_USAGE, text);
  assert_fails(kd_saved_model_check(model, KD_SAVED_MODEL_LIMIT), KD_ERR_USAGE, text);
  kd_model_destroy(model);
}

/* A full disk leaves nothing behind. */
static void test_full(void **state) {
  fixture *f = *state;
  char path[400];
  if (access("/dev/full", W_OK) != 0) return;
  assert_int_equal(mkdir(f->temporary, 0755), 0);
  snprintf(path, sizeof path, "%s/saved_model.pb.tmp", f->temporary);
  assert_int_equal(symlink("/dev/full", path), 0);
  assert_fails(export_to(f, f->model, f->folder), KD_ERR_RUN, "cannot write");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_structure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_weights, setup, teardown),
      cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
      cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
      cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_full, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
