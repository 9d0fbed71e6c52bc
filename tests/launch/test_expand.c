/* Expansion of blocks: a pure function from a document to a flat list of layers. */
#include "device/base/file.h"
#include "launch/model_spec.h"
#include "support/check.h"
#include "support/pool_and_diag.h"

static const kd_model_spec *make(kd_ini *ini) {
  kd_interpolation context = {.pool = pool, .diag = diag, .sources = kd_sources_create(pool), .ini = ini};
  return kd_model_spec_make(&context);
}

static const kd_model_spec *expand(const char *text) {
  kd_ini *ini = kd_ini_create(pool);
  kd_ini_scan(ini, diag, "a.ini", text, strlen(text));
  return make(ini);
}

static const kd_model_spec *expand_files(const char *first, const char *second, const char *override) {
  const char *paths[2] = {kd_path_join(pool, test_folder(), "x.ini"),
                          kd_path_join(pool, test_folder(), "y.ini")};
  assert_ok(kd_file_write(paths[0], first, strlen(first)));
  assert_ok(kd_file_write(paths[1], second, strlen(second)));
  kd_ini_request request = {
      .n_files = 2, .files = paths, .n_overrides = override ? 1 : 0, .overrides = &override};
  return make(kd_ini_load(pool, diag, kd_sources_create(pool), &request));
}

static void no_errors(void) {
  if (diag->count) fail_msg("%s", diag->messages[0]);
}

/* "conv = Conv2D(64, kernel=3)(image)" of one layer, with the names of its inputs. */
static const char *layer_text(const kd_model_spec *spec, const char *name) {
  const kd_layer_spec *layer = NULL;
  for (int i = 0; i < spec->n_layers; i++)
    if (!strcmp(spec->layers[i].name, name)) layer = &spec->layers[i];
  if (!layer) return "(absent)";
  const char *text =
      layer->type ? layer->type : kd_pool_printf(pool, "share %s", spec->layers[layer->share].name);
  text = kd_pool_printf(pool, "%s(", text);
  for (int i = 0; i < layer->args.count; i++)
    text = kd_pool_printf(pool, "%s%s%s%s%s", text, i ? ", " : "",
                          layer->args.v[i].key ? layer->args.v[i].key : "", layer->args.v[i].key ? "=" : "",
                          kd_value_print(pool, layer->args.v[i].value));
  text = kd_pool_printf(pool, "%s)(", text);
  for (int i = 0; i < layer->n_inputs; i++) {
    const kd_spec_tap *tap = &layer->inputs[i];
    const char *from = tap->layer >= 0   ? spec->layers[tap->layer].name
                       : tap->input >= 0 ? spec->inputs[tap->input].name
                                         : "?";
    text = kd_pool_printf(pool, "%s%s%s", text, i ? ", " : "", from);
    if (tap->output) text = kd_pool_printf(pool, "%s:%d", text, tap->output);
  }
  return kd_pool_printf(pool, "%s)", text);
}

static void check_order(const kd_model_spec *spec) {
  int *place = kd_pool_alloc(pool, (size_t)spec->n_layers, sizeof *place);
  for (int i = 0; i < spec->n_layers; i++) place[spec->order[i]] = i;
  for (int i = 0; i < spec->n_layers; i++)
    for (int k = 0; k < spec->layers[i].n_inputs; k++)
      if (spec->layers[i].inputs[k].layer >= 0)
        assert_true(place[spec->layers[i].inputs[k].layer] < place[i]);
}

static void chain(void **state) {
  (void)state;
  const kd_model_spec *spec =
      expand("[input image]\nshape = 28, 28, 1\n[layer scale]\ntype = Rescaling\nscale = $(1 / 255)\n"
             "[layer flat]\ntype = Flatten\nx-note = hm\n[layer fc1]\ntype = Dense\nunits = 256\n");
  no_errors();
  assert_int_equal(spec->n_layers, 3);
  assert_string_equal(layer_text(spec, "scale"), "Rescaling(scale=0.00392156862745098)(image)");
  assert_string_equal(layer_text(spec, "flat"), "Flatten()(scale)");
  assert_string_equal(layer_text(spec, "fc1"), "Dense(units=256)(flat)");
  assert_int_equal(spec->n_outputs, 1);
  assert_string_equal(spec->outputs[0].name, "fc1");
  assert_int_equal(spec->layers[2].origin.line, 9);
  assert_int_equal(diag->n_warnings, 0);
}

static void two_inputs_two_outputs(void **state) {
  (void)state;
  const kd_model_spec *spec = expand(
      "[output a]\n[output b]\nfrom = y:1\n[input title]\n[input body]\n[layer words]\ntype = "
      "Embedding\ninput = title\n"
      "[layer body_words]\nshare = words\ninput = body\n[layer a]\ntype = Dense\ninput = all\n[layer all]\n"
      "type = Concatenate\ninput = words, body_words\n[layers]\nx = LSTM(4, return_state=true)(words, "
      "initial_state=(all, y:2))\n"
      "y = LSTM(4)(all)\n");
  no_errors();
  assert_string_equal(layer_text(spec, "body_words"), "share words()(body)");
  assert_string_equal(layer_text(spec, "a"), "Dense()(all)");
  assert_string_equal(layer_text(spec, "all"), "Concatenate()(words, body_words)");
  assert_string_equal(layer_text(spec, "x"), "LSTM(4, return_state=true)(words, all, y:2)");
  check_order(spec);
  assert_int_equal(spec->n_outputs, 2);
  assert_int_equal(spec->outputs[1].tap.output, 1);
  const kd_layer_spec *x = &spec->layers[4];
  assert_string_equal(x->call_args.v[0].key, "initial_state");
  assert_string_equal(kd_value_print(pool, x->call_args.v[0].value), "(1, 2)");
  assert_int_equal(diag->n_warnings, 1);
  assert_non_null(strstr(diag->warnings[0], "a.ini:19: layer x: no output needs it"));
}

static void resnet50(void **state) {
  (void)state;
  const char *path = KDIST_SOURCE_DIR "/examples/resnet50.ini";
  const char *overrides[] = {"stage2.0/mix/conv.filters=99", "stage4.repeat=3", "logits.units=10"};
  kd_ini_request request = {.n_files = 1, .files = &path, .n_overrides = 3, .overrides = overrides};
  const kd_model_spec *spec = make(kd_ini_load(pool, diag, kd_sources_create(pool), &request));
  no_errors();
  assert_int_equal(spec->n_layers + spec->n_inputs, 195);
  check_order(spec);
  assert_string_equal(layer_text(spec, "stem/conv"), "Conv2D(64, 7, strides=2)(image)");
  assert_string_equal(layer_text(spec, "stage1.0/skip/conv"), "Conv2D(256, 1, strides=1)(pool)");
  assert_string_equal(layer_text(spec, "stage1.0/add"), "Add()(stage1.0/expand/act, stage1.0/skip/act)");
  assert_string_equal(layer_text(spec, "stage1.1/add"), "Add()(stage1.1/expand/act, stage1.0/out)");
  assert_string_equal(layer_text(spec, "stage1.1/skip/conv"), "(absent)");
  assert_string_equal(layer_text(spec, "stage2.0/mix/conv"),
                      "Conv2D(128, 3, strides=2, filters=99)(stage2.0/reduce/act)");
  assert_string_equal(layer_text(spec, "stage2.1/mix/conv"),
                      "Conv2D(128, 3, strides=1)(stage2.1/reduce/act)");
  assert_string_equal(layer_text(spec, "stage3.5/expand/act"), "Activation(linear)(stage3.5/expand/bn)");
  assert_string_equal(layer_text(spec, "gap"), "GlobalAveragePooling2D()(stage4.2/out)");
  assert_string_equal(layer_text(spec, "logits"), "Dense(1000, units=10)(gap)");
  const kd_layer_spec *stem = &spec->layers[0];
  assert_int_equal(stem->defaults->count, 3);
  assert_string_equal(stem->defaults->v[0].key, "padding");
  assert_int_equal(diag->n_warnings, 0);
}

static void block_of_two_inputs(void **state) {
  (void)state;
  const kd_model_spec *spec =
      expand("[block dec]\nparams = dim, rate = 0.5\nself = Attention(${dim})(@in, "
             "@in)\ncross = Attention()(self, @in2)\n"
             "drop = Dropout(${rate}) if $(rate > 0)\n[input a]\n[input b]\n[layer "
             "up]\ntype = dec\ninput = a, b\ndim = 3\n"
             "repeat = 2\nlast.rate = 0\ntrainable = false\ndtype = float32\n[layers]\nmid = "
             "Add()(up.0, up.1/cross)\nlast = Dense(4)(up)\n"
             "sum = Add()([mid, last])\n");
  no_errors();
  assert_string_equal(layer_text(spec, "up.0/self"), "Attention(3)(a, a)");
  assert_string_equal(layer_text(spec, "up.0/cross"), "Attention()(up.0/self, b)");
  assert_string_equal(layer_text(spec, "up.0/drop"), "Dropout(0.5)(up.0/cross)");
  assert_string_equal(layer_text(spec, "up.1/self"), "Attention(3)(up.0/drop, up.0/drop)");
  assert_string_equal(layer_text(spec, "up.1/cross"), "Attention()(up.1/self, b)");
  assert_string_equal(layer_text(spec, "mid"), "Add()(up.0/drop, up.1/cross)");
  assert_string_equal(layer_text(spec, "last"), "Dense(4)(up.1/cross)");
  assert_string_equal(layer_text(spec, "sum"), "Add()(mid, last)");
  assert_false(spec->layers[0].trainable);
  assert_string_equal(spec->layers[0].dtype, "float32");
  assert_null(spec->layers[spec->n_layers - 1].dtype);
  assert_int_equal(diag->n_warnings, 0);
}

static void later_files_change_lines(void **state) {
  (void)state;
  const kd_model_spec *spec = expand_files(
      "[input a]\n[layers]\nfc = Dense(3, relu)\nout = b(2)\n[block b]\nparams = n\nx = Dense(${n})\n",
      "[layer fc]\nunits = 5\ntrainable = false\ndtype = mixed_bfloat16\n[layer out]\nn = 7\n", "fc.units=6");
  no_errors();
  assert_string_equal(layer_text(spec, "fc"), "Dense(3, relu, units=6)(a)");
  assert_true(spec->layers[0].args.v[2].override);
  assert_false(spec->layers[0].trainable);
  assert_string_equal(spec->layers[0].dtype, "mixed_bfloat16");
  assert_string_equal(layer_text(spec, "out/x"), "Dense(7)(fc)");
}

static void warnings(void **state) {
  (void)state;
  expand("[input a]\n[layer x]\ntype = Dense\n[input b]\n[layer y]\ntype = Dense\n[layer z]\ntype = "
         "Add\ninput = y, y\n[input c]\n");
  no_errors();
  assert_int_equal(diag->n_warnings, 5);
  assert_non_null(strstr(diag->warnings[0], "a.ini:2: layer x: takes input a because it stands above"));
  assert_non_null(strstr(diag->warnings[1], "a.ini:5: layer y: takes input b"));
  assert_non_null(strstr(diag->warnings[2], "layer x: no output needs it"));
  assert_non_null(strstr(diag->warnings[4], "a.ini:10: input c: nothing uses it"));
}

static void errors(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"[layers]\na = Dense(3)(b)\n", "a.ini:3: layer a: no layer or input is called 'b'"},
      {"[layers]\nabc = Dense(3)\nd = Dense(2)(abd)\n", "'abd'; did you mean 'abc'?"},
      {"[layers]\na = Dense(3)\n[layer a]\ntype = Dense\n",
       "a.ini:4: one name for two layers: 'a' stands in a.ini:3"},
      {"[layer x]\ntype = Dense\n", "a.ini:2: one name for two layers: 'x' stands in a.ini:1"},
      {"[layers]\na = Dense(3)(b)\nb = Dense(3)\n", "layer a: takes its input from itself: "},
      {"[layers]\na = Dense(3)(a)\n", "layer a: takes its input from itself: a -> a"},
      {"[layers]\na = Dense(3)(b) if false\nb = Dense(3)(a) if false\n", "passes on itself"},
      {"[layers]\na = u(2)\n[block u]\nparams = n\nb = u(${n})\n", "block u uses itself: u -> u"},
      {"[layers]\na = u()\n[block u]\nb = v()\n[block v]\nc = u()\n", "block u uses itself: u -> v -> u"},
      {"[layers]\na = u(repeat=1000000000)\n[block u]\nb = Dense(2)\n",
       "repeat = 1000000000 is out of range: expected int in [1, 100000]"},
      {"[layers]\na = u(repeat=0)\n[block u]\nb = Dense(2)\n", "repeat = 0 is out of range"},
      {"[layers]\na = u(repeat=100000)\n[block u]\nb = Dense(2)\n", "expand to more than 100000 layers"},
      {"[layers]\na = u(repeat=50000)\n[block u]\nb = v(repeat=50000)\n[block v]\nc = Dense(2) if false\n",
       "more than 100000"},
      {"[layers]\na = u(1, m=2)\n[block u]\nparams = n\nb = Dense(2)\n",
       "layer a (u): unknown key 'm'; did you mean 'n'?"},
      {"[layers]\na = u(last.foo=2, n=1)\n[block u]\nparams = n\nb = Dense(2)\n",
       "unknown key 'last.foo'; the parameters are: n"},
      {"[layers]\na = u(1, 2)\n[block u]\nparams = n\nb = Dense(2)\n",
       "more values by position than the block's 1"},
      {"[layers]\na = u()\n[block u]\nparams = n\nb = Dense(2)\n", "layer a (u): 'n' is missing"},
      {"[layers]\na = u(1, n=1)\n[block u]\nparams = n\nb = Dense(2)\n", "'n' is given twice"},
      {"[layers]\na = u(1)\n[block u]\nparams = n\n", "block u: has no lines"},
      {"[layers]\na = u()\n[block u]\nb = Add()(@in, @in2)\n",
       "a.ini:5: layer a/b: @in2: block u is used with 1 input"},
      {"[layers]\na = u()\n[block u]\nb = Add()(@in, zz)\n", "no layer or input is called 'a/zz'"},
      {"[layers]\na = u()\n[block u]\nb = Dense(${nn})\n", "a.ini:5: ${nn}: there is no such key"},
      {"[layers]\na = Add()(@in)\n", "@in, @in2, ... stand in blocks only"},
      {"[layers]\na = Dense(2)(x:y)\n", "expected NAME or NAME:OUTPUT"},
      {"[layers]\na = Dense(2)(x:1)\n", "input 'x' has one output only"},
      {"[layers]\na = Dense(2) if maybe\n", "layer a: if needs true or false, not 'maybe'"},
      {"[layers]\na = Dense(2) when true\n",
       "expected Type(arguments)(inputs) if condition, found 'when true'"},
      {"[layers]\na.b = Dense(2)\n", "layer a.b: a name has only letters"},
      {"[layers]\na = Dense(2)(Dense(3))\n", "an input must be the name"},
      {"[layers]\na = Dense(2\n", "a bracket is not closed"},
      {"[layer a]\nunits = 3\n", "layer a: 'type' is missing"},
      {"[layer a]\ntype = Dense(3)\n", "type must be one name, not 'Dense(3)'"},
      {"[layer a]\nshare = b\n", "layer a: share: no layer or input is called 'b'"},
      {"[layer a]\nshare = a\n", "layer a: shares itself"},
      {"[layer a]\ntype = Dense\n[layer b]\nshare = a\nunits = 3\n",
       "behind share only input, trainable and call arguments"},
      {"[layer a]\ntype = Dense\nshare = b\n", "has both type and share"},
      {"[layer a]\ntype = Dense\n[output b]\n", "output b: no layer or input is called 'b'"},
      {"[layer a]\ntype = Dense\n[output a]\nfrom = z\n", "output a: no layer or input is called 'z'"},
      {"[block b c]\n", "expected [kind]"},
      {"[block b]\nparams = repeat\nc = Dense(2)\n", "'repeat' cannot be the name of a parameter"},
      {"[block b]\nparams = a, a\nc = Dense(2)\n", "parameter 'a' stands twice"},
      {"[defaults b]\nx = 1\n[block b]\nc = Dense(2)\n", "b is a block; its defaults stand in its params"},
      {"[layer a/b]\nunits = 3\n", "there is no layer 'a/b' that could be changed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_diag_destroy(diag);
    diag = kd_diag_create();
    expand(kd_pool_printf(pool, "[input x]\n%s", cases[i][0]));
    bool found = false;
    for (size_t k = 0; k < diag->count; k++) found = found || strstr(diag->messages[k], cases[i][1]);
    if (!found)
      fail_msg("'%s': '%s' is not in: %s", cases[i][0], cases[i][1],
               diag->count ? diag->messages[0] : "(no error)");
    if (diag->count != 1)
      fail_msg("'%s' gives %d errors; the second is %s", cases[i][0], (int)diag->count, diag->messages[1]);
  }
  expand("[layer a]\ntype = Dense\n");
  assert_non_null(strstr(diag->messages[diag->count - 1], "layer a: has no input: no [input]"));
}

static void all_errors_at_once(void **state) {
  (void)state;
  expand("[input x]\n[layers]\na = Dense(2\nb = Dense(2)(a, z)\nc = u()\nd = Dense(${q})\n[block u]\nparams "
         "= n\ne = F(1)\n");
  assert_int_equal(diag->count, 4);
}

static void empty(void **state) {
  (void)state;
  const kd_model_spec *spec = expand("[run]\nname = a\n[output y]\nloss = mse\n");
  no_errors();
  assert_int_equal(spec->n_layers, 0);
  assert_int_equal(spec->n_outputs, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(chain),
      TEST(two_inputs_two_outputs),
      TEST(resnet50),
      TEST(block_of_two_inputs),
      TEST(later_files_change_lines),
      TEST(warnings),
      TEST(errors),
      TEST(all_errors_at_once),
      TEST(empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
