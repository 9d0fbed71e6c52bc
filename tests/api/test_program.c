// ctest: ranks=1,2,4 timeout=120
/* The same model, data and seed give the weights of `kdist fit`, bit for bit: from arrays, from [data], at
 * any number of ranks. */
#include <sys/stat.h>

#include "api/api_unit.h"

enum { ROWS = 60, FEATURES = 4, CLASSES = 3 };

static float points[ROWS][FEATURES];
static int32_t labels[ROWS];
static char root[256]; /* one folder for all ranks */

static FILE *create(const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", root, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  return file;
}

static void shell(const char *command) {
  if (kd_world_rank() == 0 && system(command) != 0) fail_msg("failed: %s", command);
}

static int setup(void **state) {
  (void)state;
  const char *folder = getenv("TMPDIR");
  snprintf(root, sizeof root, "%s/kdist-program-%ld-%d", folder ? folder : "/tmp", (long)getsid(0),
           kd_world_size());
  mkdir(root, 0700);
  for (int r = 0; r < ROWS; r++) {
    for (int f = 0; f < FEATURES; f++) points[r][f] = (float)((r * 7 + f * 5 + r * f) % 32) / 16 - 1;
    labels[r] = (points[r][0] > points[r][1]) + (points[r][2] > 0);
  }
  if (kd_world_rank() != 0) return 0;
  FILE *csv = create("data.csv");
  fprintf(csv, "a,b,c,d,label\n");
  for (int r = 0; r < ROWS; r++)
    fprintf(csv, "%g,%g,%g,%g,%d\n", (double)points[r][0], (double)points[r][1], (double)points[r][2],
            (double)points[r][3], (int)labels[r]);
  fclose(csv);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[400];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  shell(command);
  return 0;
}

/* Trains the text by the program, alone, and reads the weights into `net`. */
static void train_by_program(const char *ini, const char *overrides, kd_net *net) {
  char command[1024], path[400];
  if (kd_world_rank() == 0) {
    FILE *file = create("model.ini");
    fputs(ini, file);
    fclose(file);
  }
  snprintf(
      command, sizeof command,
      "cd '%s' && env -i PATH=\"$PATH\" OMP_WAIT_POLICY=passive %s fit model.ini run.dir=run --overwrite "
      "--progress=none %s",
      root, KDIST_PROGRAM, overrides);
  shell(command);
  snprintf(path, sizeof path, "%s/run/model.weights.h5", root);
  assert_ok(kd_load(net, path));
}

static kd_net *classifier(void) {
  kd_net *net;
  assert_ok(kd_net_create("classifier", &net));
  kd_out x = kd_net_input(net, "point", KD_F32, 1, (int64_t[]){FEATURES});
  kd_out a = kd_dense(x, 8, .activation = "gelu", .kernel_regularizer = "L2(0.001)");
  kd_out b = kd_dropout(kd_dense(x, 8, .activation = "tanh", .no_bias = true), 0.25);
  x = kd_layer_normalization(kd_concatenate(a, b));
  kd_dense(x, CLASSES, .name = "class");
  assert_ok(kd_compile(net, .optimizer = "AdamW(CosineDecay(0.02, $(4 * steps_per_epoch)), clipnorm=1.0)",
                       .loss = "SparseCategoricalCrossentropy(from_logits=true)", .metrics = "accuracy",
                       .seed = 11, .determinism = "world"));
  return net;
}

static void from_arrays(void **state) {
  (void)state;
  char ini[8192];
  kd_net *net = classifier(), *other;
  kd_data data = {.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}};
  assert_ok(kd_fit(net, &data, .epochs = 3, .batch_size = 16, .validation_split = 0.2,
                   .callbacks = "EarlyStopping(monitor=val_loss, patience=2, restore_best_weights=true)"));
  snprintf(ini, sizeof ini,
           "%s\n[data]\nformat = csv\ntrain = data.csv\nmap.class = label\n"
           "validation_split = 0.2\n[callbacks]\nstop = EarlyStopping(monitor=val_loss, patience=2, "
           "restore_best_weights=true)\n",
           kd_net_ini(net));
  assert_ok(kd_net_from_ini(kd_net_ini(net), &other));
  train_by_program(ini, "train.epochs=3 train.batch_size=16", other);
  api_same(net, other);
  kd_net_destroy(net);
  kd_net_destroy(other);
}

static void from_configuration(void **state) {
  (void)state;
  static const char ini[] = "[run]\nseed = 3\n[input x]\nshape = 6\n[layers]\na = Dense(7, "
                            "activation=relu)\nn = BatchNormalization()\n"
                            "out = Dense(2)\n[train]\nepochs = 2\nbatch_size = 24\noptimizer = SGD(0.05, "
                            "momentum=0.9)\nloss = mse\n"
                            "[distributed]\ndeterminism = world\n[data]\nformat = synthetic\nsamples = 100\n";
  kd_net *net, *other;
  assert_ok(kd_net_from_ini(ini, &net));
  assert_ok(kd_net_from_ini(ini, &other));
  assert_ok(kd_fit(net, NULL));
  assert_ok(kd_evaluate(net, NULL, 0));
  train_by_program(ini, "", other);
  api_same(net, other);
  kd_net_destroy(net);
  kd_net_destroy(other);
}

/* What `kdist fit` has begun goes on here. */
static void from_checkpoint(void **state) {
  (void)state;
  static const char ini[] = "[run]\nseed = 3\n[input x]\nshape = 6\n[layers]\na = Dense(7, "
                            "activation=relu)\nn = BatchNormalization()\n"
                            "out = Dense(2)\n[train]\nbatch_size = 24\noptimizer = Adam(0.05)\nloss = mse\n"
                            "[distributed]\ndeterminism = world\n[data]\nformat = synthetic\nsamples = 100\n";
  char folder[400];
  kd_net *net, *other;
  assert_ok(kd_net_from_ini(ini, &net));
  assert_ok(kd_net_from_ini(ini, &other));
  train_by_program(ini, "train.epochs=2", other);
  snprintf(folder, sizeof folder, "%s/run/checkpoints", root);
  assert_ok(kd_load_state(net, folder));
  api_same(net, other);
  int64_t step, epoch;
  assert_ok(kd_progress(net, &step, &epoch));
  assert_int_equal(step, 10);
  assert_ok(kd_fit(net, NULL, .initial_epoch = epoch, .epochs = 4));
  train_by_program(ini, "train.epochs=4", other);
  api_same(net, other);
  kd_net_destroy(net);
  kd_net_destroy(other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(from_arrays, setup),
    cmocka_unit_test(from_configuration),
    cmocka_unit_test_teardown(from_checkpoint, teardown),
};

KD_API_MAIN(tests)
