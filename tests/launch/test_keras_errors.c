/* Wrong and foreign models of Keras: each mistake is named with the file and its path in config.json. */
#include "launch/config.h"
#include "support/check.h"

/* What the file m.keras says, and sections of a configuration that names it. */
static kd_config *load(kd_pool *pool, const char *json, const char *ini, kd_model **model) {
  kd_sources *sources = kd_sources_create(pool);
  const char *files[] = {"a.ini"};
  kd_sources_add_text(sources, "m.keras", json);
  kd_sources_add_text(sources, "a.ini", kd_pool_printf(pool, "[model]\nfile = m.keras\n%s", ini ? ini : ""));
  kd_ini_request request = {.n_files = 1, .files = files};
  kd_config *config = kd_config_load(&request, sources);
  *model = kd_config_model(config);
  return config;
}

#define INPUT                                                                                                \
  "{\"class_name\": \"InputLayer\", \"config\": {\"name\": \"x\", \"batch_shape\": [null, 4], \"dtype\": "   \
  "\"float32\"}}"
#define LAYER(type, config)                                                                                  \
  "{\"module\": \"keras.layers\", \"class_name\": \"" type "\", \"config\": {\"name\": \"y\", " config "}}"
#define CHAIN(layers)                                                                                        \
  "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"m\", \"layers\": [" layers "]}"
#define MODEL(layer) CHAIN(INPUT ", " layer) "}"
#define DENSE        LAYER("Dense", "\"units\": 3")

/* A Functional of an input and a layer, with the call and the outputs as given. */
#define TENSOR(layer)                                                                                        \
  "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 4], \"keras_history\": [\"" layer   \
  "\", 0, 0]}}"
#define GRAPH(layer, calls, outputs)                                                                         \
  "{\"class_name\": \"Functional\", \"config\": {\"layers\": [{\"class_name\": \"InputLayer\", \"name\": "   \
  "\"x\", \"config\": {\"batch_shape\": [null, 4]}, \"inbound_nodes\": []}, {" layer                         \
  ", \"name\": \"y\", \"inbound_nodes\": " calls                                                             \
  "}], \"input_layers\": [\"x\", 0, 0], \"output_layers\": " outputs "}}"
#define UNITS     "\"class_name\": \"Dense\", \"config\": {\"units\": 3}"
#define CALL(arg) "[{\"args\": [" arg "], \"kwargs\": {}}]"

/* What an HDF5 file of Keras 2 says: no modules, the first layer has the shape of the input. */
#define OLD(layers, training) "{\"model_config\": " CHAIN(layers) "}, \"training_config\": " training "}"
#define OLD_DENSE(config)                                                                                    \
  "{\"class_name\": \"Dense\", \"config\": {\"name\": \"y\", \"trainable\": true, "                          \
  "\"batch_input_shape\": [null, 4], " config "}}"

static const char *const cases[][3] = {
    /* config.json, sections, message */
    {"", NULL, "m.keras: not JSON at byte 0"},
    {"{\"class_name\": \"Sequential\"", NULL, "m.keras: not JSON at byte 27: it ends too early"},
    {"[1, 2]", NULL, "m.keras: the file's object is no Sequential and no Functional model"},
    {"{\"class_name\": 3}", NULL, "m.keras: the file's object is no Sequential"},
    {"{\"class_name\": \"Net\", \"registered_name\": \"Custom>Net\", \"config\": {}}", NULL,
     "m.keras: Custom>Net is no Sequential and no Functional model"},
    {"{\"class_name\": \"Sequential\"}", NULL, "m.keras: the model has no list of layers"},
    {"{\"class_name\": \"Sequential\", \"config\": {\"layers\": {}}}", NULL,
     "m.keras: the model has no list of"},
    {"{\"class_name\": \"Sequential\", \"config\": {\"layers\": [7]}}", NULL,
     "m.keras: config.layers: no layer of"},
    {CHAIN(DENSE) "}", NULL, "m.keras: config: the Sequential model has no input shape"},
    {CHAIN(INPUT ", " DENSE ", " DENSE) "}", NULL, "m.keras: config.layers[2]: two layers are named y"},
    {MODEL(LAYER("Dense", "\"units\": \"many\"")), NULL,
     "m.keras: config.layers[1].config: layer y (Dense): units = many is not of the right type: expected "
     "int"},
    {MODEL(LAYER("Dense", "\"units\": -1")), NULL, "layer y (Dense): units = -1 is out of range"},
    {MODEL(LAYER("Dense", "\"activation\": \"relu\"")), NULL,
     "m.keras: config.layers[1]: layer y (Dense): 'units' is"},
    {MODEL(LAYER("Dense", "\"units\": 3, \"lora_rank\": 4")), NULL,
     "m.keras: config.layers[1].config: layer y (Dense): lora_rank = 4 is not available here"},
    {MODEL(LAYER("Dense",
                 "\"units\": 3, \"activation\": {\"class_name\": \"function\", \"config\": \"mine\"}")),
     NULL, "layer y (Dense): activation: unknown activation 'mine'"},
    {MODEL(
         LAYER("Dense", "\"units\": 3, \"kernel_initializer\": {\"class_name\": \"Zero\", \"config\": {}}")),
     NULL,
     "m.keras: config.layers[1].config.kernel_initializer: layer y (Dense): kernel_initializer: unknown "
     "initializer"},
    {MODEL(LAYER("Dense",
                 "\"units\": 3, \"kernel_regularizer\": {\"class_name\": \"L9\", \"registered_name\": "
                 "\"Custom>L9\", \"config\": {}}")),
     NULL, "layer y (Dense): Custom>L9 is a class of your own"},
    {MODEL(LAYER("Dense", "\"units\": 3, \"dtype\": \"float12\"")), NULL,
     "layer y: dtype = float12 is unknown"},
    {MODEL(LAYER("Dense", "\"units\": 3, \"dtype\": \"float64\"")), NULL,
     "layer y: dtype = float64 is unknown"},
    {MODEL(LAYER("Densse", "\"units\": 3")), NULL,
     "m.keras: config.layers[1]: layer y: unknown type 'Densse'; did you"},
    {MODEL(LAYER("Lambda", "\"function\": {}")), NULL, "layer y (Lambda): Python code cannot be read"},
    {MODEL("{\"module\": \"mine\", \"class_name\": \"Mix\", \"registered_name\": \"pack>Mix\", \"config\": "
           "{\"name\": "
           "\"y\"}}"),
     NULL, "m.keras: config.layers[1]: layer y: pack>Mix is a class of your own"},
    {GRAPH(UNITS, CALL(TENSOR("z")), "[\"y\", 0, 0]"), NULL,
     "is no tensor of the model: expected [layer, call, output]"},
    {GRAPH(UNITS, CALL(TENSOR("y")), "[\"y\", 0, 0]"), NULL, "layer y: takes its input from itself"},
    {GRAPH(UNITS, CALL(TENSOR("x")), "[\"y\", 1, 0]"), NULL, "layer y has no call 1 with an output 0"},
    {GRAPH(UNITS, CALL(TENSOR("x")), "[\"y\", 0, 1]"), NULL,
     "output y: y has 1 output, there is no output 1"},
    {GRAPH(UNITS, CALL(TENSOR("x")), "[]"), NULL, "m.keras: config: the model has no output_layers"},
    {GRAPH(UNITS, CALL(TENSOR("x")), "[[\"y\"]]"), NULL, "is no tensor of the model"},
    {GRAPH(UNITS, "[5]", "[\"y\", 0, 0]"), NULL, "layer y: a call is {"},
    {GRAPH(UNITS, CALL("true"), "[\"y\", 0, 0]"), NULL, "argument 1 of its call is true, not a tensor"},
    {GRAPH("\"class_name\": \"Cumsum\", \"module\": \"keras.src.ops.numpy\", \"config\": {\"name\": \"y\"}",
           CALL(TENSOR("x")), "[\"y\", 0, 0]"),
     NULL, "y: keras.ops.Cumsum with these arguments has no layer that does the same"},
    {GRAPH("\"class_name\": \"GetItem\", \"module\": \"keras.src.ops.numpy\", \"config\": {\"name\": \"y\"}",
           CALL(TENSOR("x") ", 0"), "[\"y\", 0, 0]"),
     NULL, "y: keras.ops.GetItem with these arguments"},
    {MODEL(DENSE), "[layers]\nz = Dense(3)\n", "a.ini:3: [layers]: the model comes from a file"},
    {MODEL(DENSE), "[layer z]\nunits = 5\n", "a.ini:3: the model of the file has no layer 'z'"},
    {MODEL(DENSE), "[layer y]\ninput = x\n",
     "a.ini:3: layer y: the input of a layer of the file cannot be changed"},
    {MODEL(DENSE), "[layer y]\nunit = 5\n", "layer y (Dense): unknown key 'unit'; did you mean 'units'?"},
    {MODEL(DENSE), "[input z]\nshape = 4\n", "a.ini:3: [input z]: the model of the file has no such input"},
    {MODEL(DENSE), "[output z]\nloss = mse\n",
     "[output z]: the model of the file has no such output; its outputs are: y"},
    {MODEL(DENSE), "[output y]\nfrom = x\n", "a.ini:4: [output y]: from: the outputs are those of the file"},
    {CHAIN(INPUT ", " DENSE) ", \"compile_config\": {\"loss\": \"mze\"}}", NULL, "unknown loss 'mze'"},
    {CHAIN(INPUT ", " DENSE) ", \"compile_config\": {\"optimizer\": {\"class_name\": \"Adam\", \"config\": "
                             "{\"rate\": 1}}}}",
     NULL, "m.keras: compile_config.optimizer.config: optimizer: Adam: rate = 1 is not available here"},
    /* the object of an HDF5 file */
    {"{\"model_config\": 5, \"training_config\": null}", NULL,
     "m.keras: the file's object is no Sequential and no Functional"},
    {OLD(OLD_DENSE("\"units\": -1"), "null"), NULL,
     "m.keras: model_config.config.layers[0].config: layer y (Dense): units = -1 is out of range"},
    {OLD(OLD_DENSE("\"units\": 3"), "{\"optimizer_config\": {\"class_name\": \"SGD\", \"config\": "
                                    "{\"rate\": 1}}}"),
     NULL,
     "m.keras: training_config.optimizer_config.config: optimizer: SGD: rate = 1 is not available here"},
    {OLD("{\"class_name\": \"Dense\", \"config\": {\"name\": \"y\", \"trainable\": true, \"units\": 3}}",
         "null"),
     NULL, "m.keras: model_config.config: the Sequential model has no input shape"},
    {OLD(OLD_DENSE("\"units\": 3") ", {\"class_name\": \"Cumsum\", \"config\": {\"name\": \"z\"}}", "null"),
     NULL, "z: keras.ops.Cumsum with these arguments"},
    {GRAPH(UNITS, "[[[\"z\", 0, 0, {}]]]", "[[\"y\", 0, 0]]"), NULL, "is no tensor of the model"},
    {GRAPH(UNITS, "[[[\"x\", 0, 0, {\"mask\": [\"x\", 7, 0]}]]]", "[[\"y\", 0, 0]]"), NULL,
     "layer x has no call 7 with an output 0"},
    /* and some that are right */
    {OLD(OLD_DENSE("\"units\": 3"), "{\"loss\": {\"class_name\": \"MeanSquaredError\", \"config\": "
                                    "{\"reduction\": \"auto\"}}, \"optimizer_config\": {\"class_name\": "
                                    "\"SGD\", \"config\": {\"lr\": 0.1}}}"),
     NULL, NULL},
    {MODEL(DENSE), NULL, NULL},
    {CHAIN(INPUT ", " DENSE) ", \"compile_config\": {\"loss\": \"mze\"}}", "[train]\nloss = mse\n", NULL},
    {MODEL(DENSE),
     "[layer y]\nunits = 5\ntrainable = false\n[input x]\nbatch_size = 8\n[output y]\nloss = mse\n", NULL},
    {GRAPH(UNITS, "[[[\"x\", 0, 0, {}]]]", "[[\"y\", 0, 0]]"), NULL, NULL}, /* the form of Keras 2 */
};

static void test_messages(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_pool *pool = kd_pool_create();
    kd_model *model;
    kd_config *config = load(pool, cases[i][0], cases[i][1], &model);
    kd_status status = kd_diag_status(config->diag);
    if ((status == KD_OK) != (cases[i][2] == NULL) || (status == KD_OK && !model) ||
        (cases[i][2] && !strstr(kd_status_text(), cases[i][2])))
      fail_msg("case %zu:\n%s\nwanted: %s\ngot: %s", i, cases[i][0], cases[i][2] ? cases[i][2] : "a model",
               kd_status_text());
    kd_model_destroy(model);
    kd_config_destroy(config);
    kd_pool_destroy(pool);
  }
}

/* What a [layer] section changes is changed, and the rest is the file's. */
static void test_changes(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_model *model;
  kd_config *config = load(pool, MODEL(DENSE), "[layer y]\nunits = 5\ntrainable = false\n", &model);
  assert_non_null(model);
  assert_int_equal(kd_model_count_params(model, false), 4 * 5 + 5);
  assert_int_equal(kd_model_count_params(model, true), 0);
  kd_model_destroy(model);
  kd_config_destroy(config);
  kd_pool_destroy(pool);
}

/* Texts that would take far more memory or stack than they have bytes. */
static void test_limits(void **state) {
  (void)state;
  static const struct {
    const char *part;
    size_t bytes;
    const char *message;
  } repeated[] = {{"[", 1 << 10, "nesting too deep"}, {"[],", 3 << 20, "objects and lists"}};
  for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
    char *text = kd_calloc(repeated[i].bytes + 16, 1);
    text[0] = '[';
    for (size_t used = 1; used < repeated[i].bytes; used += strlen(repeated[i].part))
      memcpy(text + used, repeated[i].part, strlen(repeated[i].part));
    kd_model *model;
    kd_pool *pool = kd_pool_create();
    kd_config *config = load(pool, text, NULL, &model);
    kd_diag_status(config->diag);
    assert_null(model);
    if (!strstr(kd_status_text(), repeated[i].message))
      fail_msg("wanted %s, got: %s", repeated[i].message, kd_status_text());
    kd_config_destroy(config);
    kd_pool_destroy(pool);
    kd_free(text);
  }
}

/* Models in models, each called twice, would be 2^30 layers. */
static void test_doubling(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  const char *inner = "\"class_name\": \"Dense\", \"config\": {\"units\": 4}";
  for (int level = 0; level < 24; level++)
    inner = kd_pool_printf(
        pool,
        "\"class_name\": \"Functional\", \"config\": {\"layers\": [{\"class_name\": \"InputLayer\", "
        "\"name\": \"x\", "
        "\"config\": {\"batch_shape\": [null, 4]}, \"inbound_nodes\": []}, {%s, \"name\": \"y\", "
        "\"inbound_nodes\": "
        "[{\"args\": [" TENSOR("x") "]}, {\"args\": [" TENSOR("y") "]}]}], \"input_layers\": [\"x\", 0, 0], "
                                                                   "\"output_layers\": [\"y\", %d, 0]}",
        inner, level == 0 ? 1 : 2);
  kd_model *model;
  kd_config *config = load(pool, kd_pool_printf(pool, "{%s}", inner), NULL, &model);
  assert_int_equal(kd_diag_status(config->diag), KD_ERR_USAGE);
  if (!strstr(kd_status_text(), "more than 100000 calls")) fail_msg("%s", kd_status_text());
  kd_config_destroy(config);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_messages),
      cmocka_unit_test(test_changes),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_doubling),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
