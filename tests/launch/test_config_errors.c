/* Wrong configurations: each mistake is named with file, line and what would be right; all of them at once.
 */
#include "device/base/file.h"
#include "launch/config.h"
#include "support/check.h"

static kd_config *load(const char *text, const char *override, kd_model **model) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, test_folder(), "a.ini");
  assert_ok(kd_file_write(path, text, strlen(text)));
  kd_ini_request request = {
      .n_files = 1, .files = &path, .n_overrides = override ? 1 : 0, .overrides = &override};
  kd_config *config = kd_config_load(&request, NULL);
  *model = kd_config_model(config);
  kd_pool_destroy(pool);
  return config;
}

/* A model that is right, in lines 1 to 6, with the case behind it. */
#define GOOD "[input x]\nshape = 4\n[layer fc]\ntype = Dense\nunits = 3\n[output fc]\n"

static const char *const cases[][2] = {
    {GOOD "loss = mse\n[train]\nepoch = 3\n",
     "a.ini:9: [train]: unknown key 'epoch'; did you mean 'epochs'?"},
    {GOOD "[train]\nepochs = 0\n", "a.ini:8: [train]: epochs = 0 is out of range: expected int >= 1"},
    {GOOD "[train]\nepochs = 8.5\n", "a.ini:8: [train]: epochs = 8.5 is not of the right type: expected int"},
    {GOOD "[train]\nepochs = eight\n", "epochs = eight is not of the right type"},
    {GOOD "[train]\nepochs = 8 8\n",
     "a.ini:8: a comma, or quotes around a text, is missing near '8' in '8 8'"},
    {GOOD "[train]\nepochs = 0x\n", "epochs = 0x is not"},
    {GOOD "[train]\nepochs =\n", "a.ini:8: a value is missing"},
    {GOOD "[train]\nbatch_size = 1e18\n", "batch_size = 1e18 is too large"},
    {GOOD "[train]\noptimizer = Adm(0.1)\n", "a.ini:8: unknown optimizer 'Adm'; did you mean 'Adam'?"},
    {GOOD "[train]\noptimizer = Adam(learning_rat=0.1)\n",
     "a.ini:8: optimizer Adam: unknown key 'learning_rat'; did you mean 'learning_rate'?"},
    {GOOD "[train]\nloss = mean_squared_eror\n",
     "a.ini:8: unknown loss 'mean_squared_eror'; did you mean 'mean_squared_error'?"},
    {GOOD "metrics = acuracy\n", "a.ini:7: unknown metric"},
    {GOOD "weighted_metrics = acuracy\n", "a.ini:7: unknown metric"},
    {GOOD "[train]\nweighted_metrics = dict(z=mse)\n",
     "a.ini:8: [train]: weighted_metrics: the model has no output 'z'"},
    {GOOD "[train]\nclass_weight = [1, -2]\n", "a.ini:8: [train]: class_weight: -2 is no number from 0 on"},
    {GOOD "[train]\nclass_weight = many\n", "a.ini:8: [train]: class_weight: many is no number from 0 on"},
    {GOOD "sample_weight = w\n[train]\nclass_weight = [1, 2]\n",
     "a.ini:9: [train]: class_weight and sample_weight cannot be used together"},
    {GOOD "[layer b]\ntype = Dense\nunits = 1\n[output b]\n[train]\nclass_weight = [1, 2]\n",
     "a.ini:12: [train]: class_weight works with a single output only"},
    {GOOD "[train]\nsteps_per_epoch = 2\ninitial_epoch = 1\n",
     "initial_epoch = 1 leaves nothing of epochs = 1"},
    {GOOD "[train]\nvalidation_freq = 0\n", "validation_freq = 0: expected int >= 1"},
    {GOOD "[callbacks]\nstop = EarlyStoping()\n",
     "a.ini:8: unknown callback 'EarlyStoping'; did you mean 'EarlyStopping'?"},
    {GOOD "[callbacks]\nstop = EarlyStopping(patience=x)\n", "callback EarlyStopping: patience = x"},
    {GOOD "[distributed]\ndeterminism = wrld\n",
     "a.ini:8: [distributed]: determinism = wrld is unknown; did you mean 'world'?"},
    {GOOD "[distributed]\ntimeout = 0\n", "timeout = 0 is out of range: expected float in (0, 1"},
    {GOOD "[data]\nformat = idx\nvalidation_split = 1\n",
     "validation_split = 1 is out of range: expected float in [0, 1)"},
    {GOOD "[data]\ntrain = a\n", "a.ini:7: [data]: 'format' is missing"},
    {GOOD "[data]\nformat = npz\ntrain = Foo(1)\n", "[data]: train = Foo(1): expected a path"},
    {GOOD "[data]\nformat = npz\nmap.z = k\n",
     "a.ini:9: [data]: map.z: the model has no input or output 'z'"},
    {GOOD "[log]\nlevel = loud\n", "level = loud is unknown: expected one of error|warning|info|debug"},
    {GOOD "[run]\nname = a, b\n", "name is one text; a text with commas or spaces needs quotes"},
    {GOOD "[output z]\nfrom = zz\n", "a.ini:8: output z: no layer or input is called 'zz'"},
    {GOOD "loss_weight = much\n", "a.ini:7: output fc: loss_weight = much"},
    {GOOD "[trian]\n", "a.ini:7: [trian]: unknown kind of section 'trian'; did you mean 'train'?"},
    {GOOD "[layers]\nb = Dense(4, activity_regularizer=OrthogonalRegularizer())\n",
     "activity_regularizer: OrthogonalRegularizer relates all rows of a batch"},
    {GOOD "[layers]\nb = Dense(4, bias_regularizer=OrthogonalRegularizer())\n",
     "OrthogonalRegularizer is for matrices, not for a weight of shape (4,)"},
    {GOOD "[layers]\nb = Dense(1, kernel_regularizer=OrthogonalRegularizer(mode=columns))\n",
     "OrthogonalRegularizer compares columns, but a weight of shape (3, 1) has one"},
    {GOOD "[layers]\nb = Dense(4, unit=3)\n",
     "a.ini:8: layer b (Dense): unknown key 'unit'; did you mean 'units'?"},
    {GOOD "[layers]\nb = Dense(4, dtype=mixed_bfloat)\n",
     "a.ini:8: layer b: dtype = mixed_bfloat is unknown; did you mean 'mixed_bfloat16'?"},
    {GOOD "[layers]\nb = Dense(4, dtype=int8)\n", "a.ini:8: layer b: dtype = int8 is unknown; known are: "
                                                  "float32, mixed_bfloat16, mixed_float16, bfloat16, "
                                                  "float16"},
    {GOOD "[layers]\nb = Dense(4, dtype=4)\n", "a.ini:8: layer b: dtype must be one name, not '4'"},
    {GOOD "[layers]\nb = share(fc, dtype=float32)(x)\n",
     "layer b: a shared layer has the dtype of the layer that it shares, not 'float32'"},
    {GOOD "[train]\ndtype_policy = mixed_bfloat\n",
     "[train]: dtype_policy = mixed_bfloat is unknown; did you mean 'mixed_bfloat16'?"},
    {GOOD "[train]\ndtype_policy = float64\n",
     "[train]: dtype_policy = float64 is unknown; did you mean 'float"},
    {GOOD "[layers]\nb = Dens(4)\n", "a.ini:8: layer b: unknown type 'Dens'; did you mean 'Dense'?"},
    {GOOD "[layers]\nb = myblok(4)\n[block myblock]\nparams = n\nc = Dense(${n})\n",
     "unknown type 'myblok'; did you mean block 'myblock'?"},
    {GOOD "[layers]\nb = Foobar(4)\n", "unknown type 'Foobar'; 'kdist layers' lists all types"},
    {GOOD "[layers]\nb = Dense(1e18)\n", "layer b (Dense): units = 1e18 is too large"},
    {GOOD "[layers]\nb = Dense(units=0)\n",
     "a.ini:8: layer b (Dense): units = 0 is out of range: expected int in [1, 2147483647]"},
    {GOOD "[layers]\nb = Dense(4, relu, true, zeros, zeros, none, none, none, none, none, 9)\n",
     "11 values are given by position, at most 10 are taken"},
    {GOOD "[layers]\nb = Dense(4, units=5)\n", "'units' is given twice"},
    {GOOD "[layers]\nb = Dropout(1.5)\n", "layer b (Dropout): rate = 1.5 is out of range"},
    {GOOD "[layers]\nb = Conv2D(4, 3)\n", "a.ini:8: layer b (Conv2D): "},
    {GOOD "[layers]\nb = Dense(2, kernel_initializer=HeNorml())\n",
     "layer b (Dense): kernel_initializer: unknown initializer 'HeNorml'; did you mean 'HeNormal'?"},
    {GOOD "[layers]\nb = Add()(fc:1, fc)\n", "layer b: fc has 1 output, there is no output 1"},
    {GOOD "[defaults Dens]\nunits = 3\n",
     "a.ini:7: [defaults Dens]: unknown layer type 'Dens'; did you mean 'Dense'?"},
    {GOOD "[defaults Dense]\nunis = 3\n",
     "a.ini:8: [defaults Dense]: unknown key 'unis'; did you mean 'units'?"},
    {GOOD "[block Conv2D]\na = Dense(2)\n", "block Conv2D: there is a layer type of that name"},
    {"[input x]\n[layer a]\ntype = Flatten\n", "a.ini:1: input x: 'shape' is missing"},
    {"[input x]\nshape = 3, 0\n[layer a]\ntype = Flatten\n",
     "a.ini:2: input x: shape = (3, 0): every size is an int"},
    {"[input x]\nshape = 3\ndtype = float33\n[layer a]\ntype = Flatten\n",
     "input x: dtype = float33 is unknown; did you mean 'float32'?"},
    {"[input x]\nshape = 1, 2, 3, 4, 5, 6\n[layer a]\ntype = Flatten\n", "shape has 6 sizes, at most 5"},
    {"[input x]\nshape = 2000000000, 2000000000, 2000000000\n[layer a]\ntype = Flatten\n[layer b]\ntype = "
     "Dense\nunits = 2\n",
     "too large"},
    {"[run]\nname = a\n", "the configuration has no model"},
    {GOOD "[layer b]\ntype = Dense\nunits = ${layer.fc.unit}\n",
     "a.ini:9: ${layer.fc.unit}: there is no such key"},
    {GOOD "[layer b]\ntype = Dense\nunits = $(7 // 0)\n", "a.ini:9: $(7 // 0): division by zero"},
};

static void each_is_named(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_model *model;
    kd_config *config = load(cases[i][0], NULL, &model);
    if (model) fail_msg("no error: %s", cases[i][0]);
    bool found = false;
    for (size_t k = 0; k < config->diag->count; k++)
      found = found || strstr(config->diag->messages[k], cases[i][1]);
    if (!found)
      fail_msg("%s: '%s' is not in: %s", cases[i][0], cases[i][1],
               config->diag->count ? config->diag->messages[0] : "(no error)");
    if (config->diag->count > 1)
      fail_msg("%s: %zu errors, the second is %s", cases[i][0], config->diag->count,
               config->diag->messages[1]);
    kd_config_destroy(config);
  }
}

/* One mistake in each part of one file. */
static void all_at_once(void **state) {
  (void)state;
  kd_model *model;
  kd_config *config =
      load("[input x]\nshape = 4, 4\nsize = 3\n[layers]\na = Dense(2, unit=3)\nb = Dens(3)(x)\n"
           "c = Conv2D(3, 3)(x)\nd = Dense(3)(y)\n[train]\nepochs = 0\noptimizer = adan\nloss = msee\n"
           "[callbacks]\nk = Foo()\n[runn]\n[distributed]\nthreads = none\nbackend = nccx\n",
           "train.batch=3", &model);
  assert_null(model);
  static const char *const parts[] = {
      "a.ini:15: [runn]: unknown kind",          "a.ini:8: layer d: no layer or input is called 'y'",
      "a.ini:10: [train]: epochs = 0",           "command line: [train]: unknown key 'batch'; known are: ",
      "a.ini:11: unknown optimizer 'adan'",      "a.ini:14: unknown callback 'Foo'",
      "a.ini:18: [distributed]: backend = nccx", "a.ini:12: unknown loss 'msee'",
      "a.ini:3: input x: unknown key 'size'",    "a.ini:5: layer a (Dense): unknown key 'unit'",
      "a.ini:6: layer b: unknown type 'Dens'",
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    bool found = false;
    for (size_t k = 0; k < config->diag->count; k++)
      found = found || strstr(config->diag->messages[k], parts[i]);
    if (!found)
      fail_msg("'%s' is not among %zu errors, the first is %s", parts[i], config->diag->count,
               config->diag->messages[0]);
  }
  assert_int_equal(kd_diag_status(config->diag), KD_ERR_USAGE);
  kd_config_destroy(config);
}

/* Shape errors come together with the others, as far as the model goes. */
static void shapes_too(void **state) {
  (void)state;
  kd_model *model;
  kd_config *config = load("[input x]\nshape = 4\n[layers]\na = Conv2D(3, 3)(x)\nb = Dense(2)(x)\nc = "
                           "Dense(0)(b)\nd = Add()(a, c)\n",
                           NULL, &model);
  assert_null(model);
  assert_int_equal(config->diag->count, 2);
  assert_non_null(strstr(config->diag->messages[0], "a.ini:6: layer c (Dense): units = 0"));
  assert_non_null(strstr(config->diag->messages[1], "a.ini:4: layer a (Conv2D): "));
  kd_config_destroy(config);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_named), cmocka_unit_test(all_at_once),
                                     cmocka_unit_test(shapes_too)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
