/* Reading, merging, overriding and interpolating configuration documents. */
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/value.h"
#include "launch/interpolate.h"
#include "support/check.h"
#include "support/pool_and_diag.h"

static kd_ini *scan_bytes(const char *text, size_t bytes) {
  kd_ini *ini = kd_ini_create(pool);
  kd_ini_scan(ini, diag, "a.ini", text, bytes);
  return ini;
}

static kd_ini *scan(const char *text) {
  return scan_bytes(text, strlen(text));
}

static const char *text_of(const kd_ini *ini, const char *kind, const char *name, const char *key) {
  const kd_ini_key *found = kd_ini_key_find(kd_ini_section_find(ini, kind, name), key);
  return found ? found->text : "(absent)";
}

static void expect_errors(int count, ...) {
  if ((int)diag->count != count)
    fail_msg("%d errors instead of %d; the first is %s", (int)diag->count, count,
             diag->count ? diag->messages[0] : "absent");
  va_list args;
  va_start(args, count);
  for (int i = 0; i < count; i++) {
    const char *part = va_arg(args, const char *);
    if (!strstr(diag->messages[i], part)) fail_msg("'%s' is not in: %s", part, diag->messages[i]);
  }
  va_end(args);
}

static void sections_and_keys(void **state) {
  (void)state;
  const kd_ini *ini = scan("\xEF\xBB\xBF# head\r\n[run]\r\nname = a b  # note\r\n; note\r\nx-y=1\r\n"
                           "[layer fc1] # note\n\ttype\t=\tDense\n\tunits=#3\nempty =\n[train]\n"
                           "optimizer = SGD(momentum=0.9, # note\n    learning_rate=Cos(0,\n\n  # note\n"
                           "  a = 1))\ntext = \"a # b\" # c\nlast = 1");
  expect_errors(0);
  assert_int_equal(ini->n_sections, 3);
  assert_string_equal(text_of(ini, "run", NULL, "name"), "a b");
  assert_string_equal(text_of(ini, "run", NULL, "x-y"), "1");
  assert_string_equal(text_of(ini, "layer", "fc1", "type"), "Dense");
  assert_string_equal(text_of(ini, "layer", "fc1", "units"), "#3");
  assert_string_equal(text_of(ini, "layer", "fc1", "empty"), "");
  assert_string_equal(text_of(ini, "train", NULL, "optimizer"),
                      "SGD(momentum=0.9, learning_rate=Cos(0, a = 1))");
  assert_string_equal(text_of(ini, "train", NULL, "text"), "\"a # b\"");
  assert_string_equal(text_of(ini, "train", NULL, "last"), "1");
  assert_int_equal(kd_ini_section_find(ini, "layer", "fc1")->origin.line, 6);
  assert_int_equal(kd_ini_key_find(kd_ini_section_find(ini, "train", NULL), "optimizer")->origin.line, 11);
}

static void long_lines(void **state) {
  (void)state;
  size_t length = 3 << 20;
  char *text = kd_calloc(length + 32, 1);
  strcpy(text, "[a]\nb = ");
  memset(text + 8, 'x', length);
  const kd_ini *ini = scan(text);
  assert_int_equal(strlen(text_of(ini, "a", NULL, "b")), length);
  kd_free(text);
}

static void bad_lines(void **state) {
  (void)state;
  scan("[a]\nb = 1\nb = 2\n  3\nc\n[a]\nz = 1\n[b c d]\n[e\n[]\n[f] x\nk:v\n[g]\nk y = 1\n= "
       "3\n[h]\ngr\xC3\xB6\xC3\x9F = 1\n");
  expect_errors(10, "a.ini:3: [a]: 'b' stands twice; the first one is in line 2",
                "a.ini:5: 'c': expected [section] or key = value",
                "a.ini:6: [a] stands twice in this file; the first one is in line 1",
                "a.ini:8: '[b c d]': expected [kind]", "a.ini:9: '[e': expected", "a.ini:10: '[]': expected",
                "a.ini:11: '[f] x': expected", "a.ini:14: 'k y'", "a.ini:15: '= 3'",
                "a.ini:17: 'gr\xC3\xB6\xC3\x9F': a key has only");
}

static void bad_bytes(void **state) {
  (void)state;
  scan_bytes("[a]\nb = 1\n\0\n", 11);
  scan_bytes("\xFF\xFE[\0a\0]\0", 8);
  scan_bytes("[\0a\0]\0", 6);
  scan("[a]\nb = \xFF\n# \xFF is fine here\nc = 1 # \xFF and here\nd = \xC0\x80\n");
  expect_errors(5, "a.ini:3: a NUL byte", "a.ini:1: the file is UTF-16", "a.ini:1: a NUL byte",
                "a.ini:2: 'b = ?': invalid UTF-8", "a.ini:5: ");
}

static const char *write_file(const char *name, const char *text) {
  const char *path = kd_path_join(pool, test_folder(), name);
  assert_ok(kd_file_write(path, text, strlen(text)));
  return path;
}

static kd_ini *load(int n_files, const char *const *files, int n_overrides, const char *const *overrides) {
  kd_ini_request request = {.n_files = n_files,
                            .files = files,
                            .n_overrides = n_overrides,
                            .overrides = overrides,
                            .use_environment = true};
  return kd_ini_load(pool, diag, kd_sources_create(pool), &request);
}

static void order_of_precedence(void **state) {
  (void)state;
  assert_ok(kd_make_folders(kd_path_join(pool, test_folder(), "sub")));
  const char *system_file =
      write_file("system.ini", "[distributed]\nbackend = nccl\ntimeout = 5\nthreads = 1\n");
  const char *user_file = write_file("user.ini", "[distributed]\ntimeout = 6\n[train]\nepochs = 1\n");
  write_file("sub/base.ini", "include = ../deep.ini\n[train]\nepochs = 2\nbatch_size = 3\nshuffle = false\n");
  write_file("deep.ini", "[train]\nepochs = 1\nloss = mse\n[layers]\na = Dense(3)\n");
  const char *files[] = {
      write_file("a.ini", "include = ./sub/base.ini\n[train]\nepochs = 3\n[distributed]\nthreads = 2\n"),
      write_file("b.ini", "[train]\nepochs = 4\n[layer fc1]\ntype = Dense\n")};
  const char *overrides[] = {"train.epochs=6", "fc1.units = 512", "a.units=7", "layer.fc1.activation=relu"};
  setenv("KDIST_SET", " train.epochs=5  run.name=\"a b\" ", 1);
  kd_ini_request request = {.system_file = system_file,
                            .user_file = user_file,
                            .n_files = 2,
                            .files = files,
                            .n_overrides = 4,
                            .overrides = overrides,
                            .use_environment = true};
  const kd_ini *ini = kd_ini_load(pool, diag, kd_sources_create(pool), &request);
  unsetenv("KDIST_SET");
  expect_errors(1, "user.ini:3: [train]: a system or user file may have only");
  assert_string_equal(text_of(ini, "train", NULL, "epochs"), "6");
  assert_string_equal(text_of(ini, "train", NULL, "batch_size"), "3");
  assert_string_equal(text_of(ini, "train", NULL, "loss"), "mse");
  assert_string_equal(text_of(ini, "distributed", NULL, "backend"), "nccl");
  assert_string_equal(text_of(ini, "distributed", NULL, "timeout"), "6");
  assert_string_equal(text_of(ini, "distributed", NULL, "threads"), "2");
  assert_string_equal(text_of(ini, "run", NULL, "name"), "\"a b\"");
  assert_string_equal(text_of(ini, "layer", "fc1", "units"), "512");
  assert_string_equal(text_of(ini, "layer", "fc1", "activation"), "relu");
  assert_string_equal(text_of(ini, "layer", "a", "units"), "7");
  const kd_ini_key *key = kd_ini_key_find(kd_ini_section_find(ini, "train", NULL), "batch_size");
  assert_non_null(strstr(key->origin.file, "sub/base.ini"));
  assert_int_equal(key->origin.line, 4);
}

static void wrong_files(void **state) {
  (void)state;
  const char *files[] = {
      write_file("c.ini", "include = d.ini\ny = 1\n[trian]\n[layer]\n[run x]\n[x-mine z]\na=1\n"),
      "/nowhere/e.ini"};
  write_file("d.ini", "include = c.ini, missing.ini\n");
  const char *overrides[] = {"epochs=3", "trian.epochs=3", "train.epochs", "nolayer.units=3",
                             "input.a.shape=3"};
  load(2, files, 5, overrides);
  expect_errors(12, "d.ini:1: include: the file includes itself:", "missing.ini: cannot open",
                "c.ini:2: 'y' stands before the first section", "/nowhere/e.ini: cannot open",
                "c.ini:3: [trian]: unknown kind of section 'trian'; did you mean 'train'?",
                "c.ini:4: [layer]: a name is missing", "c.ini:5: [run x]: this kind of section has no name",
                "command line: override 'epochs=3': expected section.key=value",
                "no section or layer is called 'trian'", "override 'train.epochs': expected",
                "no section or layer is called 'nolayer'", "there is no [input a]");
}

static void packed_sources(void **state) {
  (void)state;
  const char *path = write_file("p.ini", "[run]\nname = ${env:KDIST_TEST_X,none}\n");
  setenv("KDIST_TEST_X", "seen", 1);
  kd_sources *sources = kd_sources_create(pool), *copy;
  kd_ini_request request = {.n_files = 1, .files = &path};
  kd_ini *ini = kd_ini_load(pool, diag, sources, &request);
  kd_interpolation context = {.pool = pool, .diag = diag, .sources = sources, .ini = ini};
  kd_ini_section *run = kd_ini_section_find(ini, "run", NULL);
  assert_string_equal(kd_ini_resolve(&context, run, &run->keys[0]), "seen");
  char *data;
  size_t bytes;
  kd_sources_pack(sources, pool, &data, &bytes);
  unsetenv("KDIST_TEST_X");
  unlink(path);
  assert_ok(kd_sources_unpack(pool, data, bytes, &copy));
  assert_true(kd_sources_hash(copy) == kd_sources_hash(sources));
  ini = kd_ini_load(pool, diag, copy, &request);
  context = (kd_interpolation){.pool = pool, .diag = diag, .sources = copy, .ini = ini};
  run = kd_ini_section_find(ini, "run", NULL);
  assert_string_equal(kd_ini_resolve(&context, run, &run->keys[0]), "seen");
  expect_errors(0);
  assert_int_equal(kd_sources_unpack(pool, data, bytes - 1, &copy), KD_ERR_INTERNAL);
}

static const char *resolved(const char *ini_text, const char *kind, const char *key) {
  kd_ini *ini = scan(ini_text);
  static const kd_fact facts[] = {{"steps_per_epoch", "10", {0}}};
  kd_interpolation context = {.pool = pool,
                              .diag = diag,
                              .sources = kd_sources_create(pool),
                              .ini = ini,
                              .facts = facts,
                              .n_facts = 1};
  kd_ini_section *section = kd_ini_section_find(ini, kind, NULL);
  const char *text = kd_ini_resolve(&context, section, kd_ini_key_find(section, key));
  return text ? text : "(error)";
}

static void references(void **state) {
  (void)state;
  setenv("KDIST_TEST_X", "/data/x", 1);
  static const char ini[] =
      "[run]\nname = \"a b\"\nx-width = 4\n[layer fc1]\nunits = $(run.x-width)\n[train]\n"
      "a = ${b}/c\nb = ${run.name}\nc = \"${run.name}/${a}\"\nd = ${fc1.units} ${layer.fc1.units}\n"
      "e = ${env:KDIST_TEST_X}/f${env:KDIST_TEST_NONE,/g/${run.x-width}}\nf = $$x $y \"$$(1)\"\n"
      "g = $(5 * steps_per_epoch)\nh = ${run.x-width}\nb2 = $(2 * ${run.x-width})\n";
  char fixed[sizeof ini + 16];
  strcpy(fixed, ini);
  /* "$(run.x-width)" would read as a difference; ${} names such a key. */
  assert_string_equal(resolved(fixed, "train", "a"), "\"a b\"/c");
  assert_string_equal(resolved(fixed, "train", "c"), "\"a b/a b/c\"");
  assert_string_equal(resolved(fixed, "train", "e"), "/data/x/f/g/4");
  assert_string_equal(resolved(fixed, "train", "f"), "$x $y \"$(1)\"");
  assert_string_equal(resolved(fixed, "train", "g"), "50");
  assert_string_equal(resolved(fixed, "train", "h"), "4");
  assert_string_equal(resolved(fixed, "train", "b2"), "8");
  expect_errors(0);
  assert_string_equal(resolved(fixed, "train", "d"), "(error)");
  unsetenv("KDIST_TEST_X");
}

static void arithmetic(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"7 // 2", "3"},
      {"-7 // 2", "-4"},
      {"-7 % 3", "2"},
      {"7.5 % 2", "1.5"},
      {"8 / 2", "4.0"},
      {"1 / 255", "0.00392156862745098"},
      {"2 < 3", "true"},
      {"2 >= 3", "false"},
      {"2 == 2.0", "true"},
      {"min(3, 1, 2)", "1"},
      {"max(1.5, 1)", "1.5"},
      {"round(2.5)", "2"},
      {"round(3.5)", "4"},
      {"--3", "3"},
      {"1e3 + 1_000", "2000"},
      {"- 2 + 5", "3"},
      {"1e-3 * 1", "0.001"},
      {"5 != 5", "false"},
      {"b * 2", "6"},
      {"max(b, c) // 2", "2"},
      {"9223372036854775807 - 1", "9223372036854775806"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *ini = kd_pool_printf(pool, "[train]\nb = 3\nc = 5\na = $(%s)\n", cases[i][0]);
    const char *got = resolved(ini, "train", "a");
    if (strcmp(got, cases[i][1])) fail_msg("%s gives %s, expected %s", cases[i][0], got, cases[i][1]);
  }
  expect_errors(0);
}

static void wrong_references(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"${nam}", "a.ini:2: ${nam}: there is no such key; did you mean 'name'?"},
      {"${run.x}", "${run.x}: there is no such key"},
      {"${a}", "${a}: refers to itself: a in line 2 -> a"},
      {"${b}", "refers to itself: a in line 2 -> b in line 3 -> c in line 4 -> a"},
      {"${env:KDIST_TEST_NONE}", "the environment variable is not set"},
      {"${a", "a '}' is missing"},
      {"$(1", "a ')' is missing"},
      {"$(1 / 0)", "$(1 / 0): division by zero"},
      {"$(1 // 0)", "division by zero"},
      {"$(1 % 0.0)", "division by zero"},
      {"$(\"a\")", "is no number or name"},
      {"$(name + 1)", "'name' is 'n', which is no number"},
      {"$(abs(1))", "only min, max and round can be called"},
      {"$(1 2)", "'2' is left over"},
      {"$()", "a value is missing at the end"},
      {"$(1 +)", "a value is missing at the end"},
      {"$(9223372036854775807 + 1)", "the result is too large"},
      {"$(1e308 * 1e308)", "the result is not finite"},
      {"$(0x10)", "'0x10' is no number"},
      {"$(round(1, 2))", "round takes one value"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t before = diag->count;
    const char *ini = kd_pool_printf(pool, "[train]\na = %s\nb = ${c}\nc = ${a}\nname = n\n", cases[i][0]);
    assert_string_equal(resolved(ini, "train", "a"), "(error)");
    assert_int_equal(diag->count, before + 1);
    if (!strstr(diag->messages[before], cases[i][1]))
      fail_msg("'%s' is not in: %s", cases[i][1], diag->messages[before]);
  }
}

static void growth_is_limited(void **state) {
  (void)state;
  char ini[4096] = "[train]\nk0 = xxxxxxxxxxxxxxxx\n";
  for (int i = 1; i <= 30; i++) sprintf(ini + strlen(ini), "k%d = ${k%d}${k%d}\n", i, i - 1, i - 1);
  assert_string_equal(resolved(ini, "train", "k30"), "(error)");
  expect_errors(1, "the text grows beyond");
  char deep[4096] = "[train]\nk0 = $(";
  memset(deep + strlen(deep), '(', 3000);
  assert_string_equal(resolved(deep, "train", "k0"), "(error)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sections_and_keys),   TEST(long_lines),       TEST(bad_lines),         TEST(bad_bytes),
      TEST(order_of_precedence), TEST(wrong_files),      TEST(packed_sources),    TEST(references),
      TEST(arithmetic),          TEST(wrong_references), TEST(growth_is_limited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
