/* Every wrong use of the C API gives a status with a text, prints nothing and leaves the net usable. */
#include <fcntl.h>
#include <math.h>

#include "api/api_unit.h"

enum { ROWS = 8, FEATURES = 3, CLASSES = 4 };

static float points[ROWS][FEATURES];
static int32_t labels[ROWS] = {0, 1, 2, 3, 0, 1, 2, 3};
static float result[ROWS * CLASSES];

static kd_net *empty(void) {
  kd_net *net;
  assert_ok(kd_net_create("net", &net));
  return net;
}

static kd_net *classifier(void) {
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "point", KD_F32, 1, (int64_t[]){FEATURES});
  kd_dense(x, CLASSES, .name = "class");
  assert_ok(kd_compile(net, .optimizer = "adam", .loss = "SparseCategoricalCrossentropy(from_logits=true)"));
  return net;
}

static kd_data good(void) {
  return (kd_data){.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}};
}

/* --- building: the first failure stays in the net --- */

typedef kd_out (*builder)(kd_net *net, kd_out x);

static kd_out unknown_class(kd_net *net, kd_out x) {
  (void)net;
  return kd_net_layer(x, "Dens", "units=3");
}

static kd_out bad_option(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(x, 3, .activation = "rellu");
}

static kd_out no_units(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(x, 0);
}

static kd_out unknown_key(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(x, 3, .more = "unitz=4");
}

static kd_out wrong_shape(kd_net *net, kd_out x) {
  (void)net;
  return kd_conv2d(x, 3, {3, 3});
}

static kd_out line_break(kd_net *net, kd_out x) {
  (void)net;
  return kd_net_layer(x, "Dense", "units=3\n[train]\nloss=mse");
}

static kd_out bad_class_name(kd_net *net, kd_out x) {
  (void)net;
  return kd_net_layer(x, "Dense(3)(x)", NULL);
}

static kd_out same_name(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(kd_dense(x, 3, .name = "a"), 3, .name = "a");
}

static kd_out bad_name(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(x, 3, .name = "a b");
}

static kd_out bad_rank(kd_net *net, kd_out x) {
  (void)x;
  return kd_net_input(net, "other", KD_F32, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1});
}

static kd_out bad_type(kd_net *net, kd_out x) {
  (void)x;
  return kd_net_input(net, "other", (kd_dtype)99, 0, NULL);
}

static kd_out no_inputs(kd_net *net, kd_out x) {
  (void)x;
  return kd_net_merge(net, "Add", NULL, 0, NULL);
}

static kd_out foreign_input(kd_net *net, kd_out x) {
  kd_net *other = empty();
  kd_out theirs = kd_net_input(other, "x", KD_F32, 1, (int64_t[]){FEATURES});
  kd_out mixed = kd_net_merge(net, "Add", NULL, 2, (kd_out[]){x, theirs});
  kd_net_destroy(other);
  return mixed;
}

static kd_out unequal_shapes(kd_net *net, kd_out x) {
  (void)net;
  return kd_add(x, kd_dense(x, FEATURES + 1));
}

static kd_out third_output(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(kd_net_result(kd_dense(x, 3), 2), 3);
}

static kd_out unbalanced(kd_net *net, kd_out x) {
  (void)net;
  return kd_dense(x, 3, .kernel_initializer = "HeNormal(");
}

static void building(void **state) {
  (void)state;
  static const struct {
    builder build;
    const char *text;
  } cases[] = {{unknown_class, "Dense"},    {bad_option, "relu"},    {no_units, "units"},
               {unknown_key, "units"},      {wrong_shape, "conv2d"}, {line_break, "line breaks"},
               {bad_class_name, "class"},   {same_name, "layer a"},  {bad_name, "a b"},
               {bad_rank, "axes"},          {bad_type, "kd_dtype"},  {no_inputs, "needs an input"},
               {foreign_input, "this net"}, {unequal_shapes, "add"}, {third_output, "dense"},
               {unbalanced, "HeNormal"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_net *net = empty();
    kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){FEATURES});
    kd_dense(cases[i].build(net, x), 2); /* behind a failed layer nothing else is told */
    assert_fails(kd_compile(net, .loss = "mse"), KD_ERR_USAGE, cases[i].text);
    kd_net_destroy(net);
  }
}

static void all_errors_at_once(void **state) {
  (void)state;
  kd_net *net = empty();
  kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){FEATURES});
  x = kd_dense(x, -1);
  x = kd_net_layer(x, "Dropuot", "0.5");
  kd_status status = kd_compile(net, .optimizer = "Adam(momentum=1)", .loss = "mse");
  assert_int_equal(status, KD_ERR_USAGE);
  assert_non_null(strstr(kd_error_text(), "units"));
  assert_non_null(strstr(kd_error_text(), "Dropout"));
  assert_non_null(strstr(kd_error_text(), "momentum"));
  kd_net_destroy(net);
  assert_fails(kd_net_from_ini("[layers]\na = Dense(0)\nb = Dense(2, activation=rellu)", &net), KD_ERR_USAGE,
               "model.ini:3");
  assert_null(net);
}

static void nothing_there(void **state) {
  (void)state;
  kd_net *net;
  kd_data data = good();
  assert_fails(kd_net_create("a b", &net), KD_ERR_USAGE, "a b");
  assert_null(net);
  assert_fails(kd_net_create(NULL, &net), KD_ERR_USAGE, "name");
  assert_fails(kd_net_from_ini(NULL, &net), KD_ERR_USAGE, "no text");
  assert_fails(kd_compile(NULL, .loss = "mse"), KD_ERR_USAGE, "no net");
  assert_fails(kd_fit(NULL, &data), KD_ERR_USAGE, "no net");
  assert_fails(kd_evaluate(NULL, &data, 0), KD_ERR_USAGE, "no net");
  assert_fails(kd_train_step(NULL, &data), KD_ERR_USAGE, "no net");
  assert_fails(kd_save(NULL, "x"), KD_ERR_USAGE, "no net");
  assert_fails(kd_net_status(NULL), KD_ERR_USAGE, "no net");
  assert_true(kd_dense(kd_net_input(NULL, "x", KD_F32, 0, NULL), 3).layer < 0);
  assert_fails(kd_net_output((kd_out){NULL, -1, 0}), KD_ERR_USAGE, "no net");
  kd_net_destroy(NULL);
  net = empty();
  assert_fails(kd_compile(net, .loss = "mse"), KD_ERR_USAGE, "no inputs");
  kd_net_destroy(net);
}

/* --- data --- */

static void data_errors(void **state) {
  (void)state;
  kd_net *net = classifier();
  const struct {
    kd_data data;
    const char *text;
  } cases[] = {
      {{.count = 0, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}}, "0 samples"},
      {{.count = ROWS, .y = {{.data = labels, .dtype = KD_I32}}}, "x[0].data (point) is NULL"},
      {{.count = ROWS, .x = {{.data = points}}}, "y[0].data (class) is NULL"},
      {{.count = ROWS, .x = {{.data = points}, {.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}},
       "x[1], but the model has 1 input"},
      {{.count = ROWS, .x = {{points, KD_F32, 1, {FEATURES + 1}}}, .y = {{.data = labels, .dtype = KD_I32}}},
       "(4,), but the model wants (3,)"},
      {{.count = ROWS, .x = {{points, KD_F32, 2, {3, 0}}}, .y = {{.data = labels, .dtype = KD_I32}}},
       "size 0"},
      {{.count = ROWS, .x = {{points, (kd_dtype)50, 0, {0}}}, .y = {{.data = labels, .dtype = KD_I32}}},
       "kd_dtype"},
      {{.count = ROWS, .x = {{points, KD_F32, 7, {0}}}, .y = {{.data = labels, .dtype = KD_I32}}}, "axes"},
      {{.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_F16}}}, "float16"},
      {{.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}, .n_w = 2},
       "n_w is 2"},
      {{.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}, .n_w = 1},
       "w[0].data"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_fails(kd_fit(net, &cases[i].data), KD_ERR_USAGE, cases[i].text);
    assert_int_equal(kd_evaluate(net, &cases[i].data, 0), KD_ERR_USAGE);
    assert_int_equal(kd_train_step(net, &cases[i].data), KD_ERR_USAGE);
  }
  kd_data data = good();
  int32_t wrong[ROWS] = {0, 1, 2, 3, 0, CLASSES, 2, 3};
  assert_ok(kd_train_step(net, &data));
  data.y[0].data = wrong;
  assert_fails(kd_fit(net, &data), KD_ERR_USAGE, "label 4 of class in row 5");
  assert_fails(kd_evaluate(net, &data, 0), KD_ERR_USAGE, "label 4");
  assert_fails(kd_train_step(net, &data), KD_ERR_USAGE, "label 4");
  data.y[0].data = labels;
  assert_ok(kd_train_step(net, &data));
  assert_ok(kd_fit(net, &data));
  kd_net_destroy(net);
}

static void number_errors(void **state) {
  (void)state;
  kd_net *net = classifier();
  kd_data data = good();
  assert_fails(kd_fit(net, &data, .epochs = -1), KD_ERR_USAGE, "epochs = -1");
  assert_fails(kd_fit(net, &data, .epochs = 2, .initial_epoch = 2), KD_ERR_USAGE, "initial_epoch");
  assert_fails(kd_fit(net, &data, .batch_size = -4), KD_ERR_USAGE, "batch_size");
  assert_fails(kd_fit(net, &data, .validation_split = 1.5), KD_ERR_USAGE, "validation_split");
  assert_fails(kd_fit(net, &data, .validation_split = 0.999), KD_ERR_USAGE, "validation_split");
  assert_fails(kd_fit(net, &data, .n_hooks = 1), KD_ERR_USAGE, "hooks");
  assert_fails(kd_fit(net, NULL), KD_ERR_USAGE, "no [data]");
  assert_fails(kd_fit(net, NULL, .validation = &data), KD_ERR_USAGE, "validation");
  double points64[ROWS][FEATURES] = {{0}};
  kd_data other = data;
  other.x[0] = (kd_array){.data = points64, .dtype = KD_F64};
  assert_fails(kd_fit(net, &data, .validation = &other), KD_ERR_USAGE, "float64");
  assert_fails(kd_evaluate(net, &data, -1), KD_ERR_USAGE, "batch_size");
  assert_fails(kd_predict(net, &data, 0, NULL), KD_ERR_USAGE, "outputs");
  assert_fails(kd_train_step(net, NULL), KD_ERR_USAGE, "NULL");
  assert_fails(kd_set_learning_rate(net, -1), KD_ERR_USAGE, "rate");
  assert_fails(kd_set_learning_rate(net, (double)NAN), KD_ERR_USAGE, "rate");
  assert_fails(kd_get_weight(net, "class/kernels", result), KD_ERR_USAGE, "class/kernels");
  assert_fails(kd_save(net, NULL), KD_ERR_USAGE, "path");
  int rank;
  int64_t shape[KD_MAX_RANK];
  assert_fails(kd_net_output_shape(net, 1, &rank, shape), KD_ERR_USAGE, "1 output");
  double value;
  assert_fails(kd_history_metric(net, 0, "loss", &value), KD_ERR_USAGE, "0 epochs");
  assert_true(kd_dense(kd_net_last(net), 3).layer < 0); /* compiled already */
  assert_fails(kd_net_status(net), KD_ERR_USAGE, "before kd_compile");
  kd_net_destroy(net);
}

static void goal_errors(void **state) {
  (void)state;
  kd_net *net = empty();
  kd_dense(kd_net_input(net, "x", KD_F32, 1, (int64_t[]){-1}), 2); /* no open size for Dense */
  assert_int_equal(kd_compile(net, .loss = "mse"), KD_ERR_USAGE);
  kd_net_destroy(net);
  net = empty();
  kd_net_append(net, "Dense", "2"); /* no input */
  assert_int_equal(kd_compile(net, .loss = "mse"), KD_ERR_USAGE);
  kd_net_destroy(net);
  net = empty();
  kd_dense(kd_net_input(net, "x", KD_F32, 1, (int64_t[]){FEATURES}), 2);
  kd_data data = good();
  assert_ok(kd_predict(net, &data, 0, (float *[]){result})); /* compiled by the way */
  assert_fails(kd_fit(net, &data), KD_ERR_USAGE, "has a loss");
  assert_fails(kd_compile(net, .loss = "msee"), KD_ERR_USAGE, "kd_compile: unknown loss 'msee'");
  assert_fails(kd_compile(net, .loss = "mse", .metrics = "accurracy"), KD_ERR_USAGE, "Accuracy");
  assert_fails(kd_compile(net, .loss = "mse", .optimizer = "Adam(lr=oops)"), KD_ERR_USAGE, "learning_rate");
  assert_fails(kd_compile(net, .loss = "mse", .determinism = "always"), KD_ERR_USAGE, "determinism");
  assert_fails(kd_compile(net, .loss = "mse", .threads = -1), KD_ERR_USAGE, "threads");
  assert_fails(kd_compile(net, .loss = "mse", .device = "gpu"), KD_ERR_USAGE, "device = gpu is unknown");
  assert_fails(kd_compile(net, .loss = "mse", .dtype_policy = "float8"), KD_ERR_USAGE, "dtype_policy");
  kd_net_destroy(net);
}

/* --- the program's own functions --- */

static kd_status read_badly(void *context, int field, int64_t n, const int64_t *rows, void *out) {
  if (*(int *)context == 0) return kd_error_set(KD_ERR_RUN, "the sensor is off");
  if (*(int *)context == 1) return KD_ERR_NOMEM;
  for (int64_t i = 0; field == KD_LABEL(0) && i < n; i++) ((int32_t *)out)[i] = labels[rows[i]];
  return field == 0 ? kd_error_set(KD_ERR_RUN, "no points today") : KD_OK;
}

static kd_status fail_silently(void *context, kd_net *net) {
  (void)context, (void)net;
  return KD_ERR_INTERNAL;
}

static void own_functions(void **state) {
  (void)state;
  kd_net *net = classifier();
  int mood = 0;
  kd_data data = {.count = ROWS, .y = {{.dtype = KD_I32}}, .read = read_badly, .context = &mood},
          rows = good();
  assert_fails(kd_fit(net, &data), KD_ERR_RUN, "the sensor is off");
  assert_fails(kd_train_step(net, &data), KD_ERR_RUN, "the sensor is off");
  mood = 1;
  assert_fails(kd_fit(net, &data), KD_ERR_NOMEM, "y[0]");
  mood = 2; /* labels are there: it fails in the loader's thread */
  assert_fails(kd_fit(net, &data), KD_ERR_RUN, "no points today");
  assert_fails(kd_evaluate(net, &data, 0), KD_ERR_RUN, "no points today");
  assert_fails(kd_predict(net, &data, 0, (float *[]){result}), KD_ERR_RUN, "no points today");
  assert_fails(kd_train_step(net, &data), KD_ERR_RUN, "no points today");
  kd_hooks hooks = {.train_begin = fail_silently};
  assert_fails(kd_fit(net, &rows, .hooks = &hooks, .n_hooks = 1), KD_ERR_INTERNAL, "train_begin failed");
  assert_ok(kd_fit(net, &rows));
  kd_net_destroy(net);
}

/* --- messages --- */

static void note(void *context, int level, const char *text) {
  assert_true(level >= 0 && level <= 2);
  strncat(context, text, 500);
}

static void messages(void **state) {
  (void)state;
  char heard[1024] = "";
  kd_set_log(note, heard);
  kd_net *net = classifier();
  kd_data data = good();
  assert_ok(
      kd_compile(net, .optimizer = "SGD(1e38)", .loss = "SparseCategoricalCrossentropy(from_logits=true)"));
  points[1][1] = INFINITY;
  assert_ok(kd_fit(net, &data, .epochs = 3, .batch_size = 2));
  points[1][1] = 1;
  assert_non_null(strstr(heard, "TerminateOnNaN"));
  assert_null(strchr(heard, '\n'));
  kd_set_log(NULL, NULL);
  kd_net_destroy(net);
}

/* All tests run with their output in files: what the library writes there is an error. */
int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(building),      cmocka_unit_test(all_errors_at_once), cmocka_unit_test(nothing_there),
      cmocka_unit_test(data_errors),   cmocka_unit_test(number_errors),      cmocka_unit_test(goal_errors),
      cmocka_unit_test(own_functions), cmocka_unit_test(messages),
  };
  char path[300];
  snprintf(path, sizeof path, "%s/output", test_folder());
  int out = dup(1), err = dup(2), file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
  if (file < 0) return 95;
  cmocka_set_message_output(CM_OUTPUT_XML); /* into a file of its own */
  snprintf(path, sizeof path, "%s/report-%%g.xml", test_folder());
  setenv("CMOCKA_XML_FILE", path, 1);
  dup2(file, 1);
  dup2(file, 2);
  int failures = cmocka_run_group_tests_name("errors", tests, NULL, NULL);
  fflush(NULL);
  off_t printed = lseek(file, 0, SEEK_END);
  dup2(out, 1);
  dup2(err, 2);
  snprintf(path, sizeof path, "cat %s/report-*.xml %s/output", test_folder(), test_folder());
  if (failures || printed) (void)!system(path);
  if (kd_finalize() != KD_OK) fprintf(stderr, "%s\n", kd_error_text());
  return failures || printed || kd_finalize() != KD_OK;
}
