/* Pictures of whole models: groups hold what is theirs and nothing else, texts fit their boxes, SVG is XML.
 */
#include <ctype.h>
#include <math.h>

#include "device/base/file.h"
#include "launch/config.h"
#include "launch/plot/plot.h"
#include "launch/plot/text_width.h"
#include "support/check.h"

static const char branches[] =
    "[run]\nname = \"<a> & 'b'\"\n"
    "[block unit]\nparams = n\n"
    "fc = Dense(${n})\nact = Activation(relu)\n"
    "[block two]\nparams = n\n"
    "one = unit(${n})(@in)\nother = unit(${n})(@in2)\nadd = Add()(one, other)\n"
    "again = Add()(add, @in2)\n"
    "[input x]\nshape = 4\n[input y]\nshape = 4\n[input late]\nshape = 4\n"
    "[layers]\n"
    "mix = two(4, repeat=3)(x, y)\n"
    "a_name_so_long_that_no_box_of_a_picture_could_ever_hold_the_whole_of_it = Dense(4)\n"
    "inside = Concatenate()(mix.1/one, mix, late, "
    "a_name_so_long_that_no_box_of_a_picture_could_ever_hold_the_whole_of_it)\n"
    "end = two(4)(x, mix)\n"
    "[output inside]\nloss = mse\n[output end]\nloss = mse\n";

typedef struct drawn {
  kd_pool *pool;
  kd_config *config;
  kd_model *model;
  const kd_outline *outline;
  kd_picture picture;
  kd_picture_box *size;
} drawn;

static drawn draw(const char *path, int depth, bool across) {
  drawn d = {.pool = kd_pool_create()};
  kd_ini_request request = {.n_files = 1, .files = &path};
  d.config = kd_config_load(&request, NULL);
  d.model = kd_config_model(d.config);
  if (!d.model) fail_msg("%s", d.config->diag->messages[0]);
  d.outline = kd_outline_make(d.pool, d.model, d.config->spec, depth, NULL);
  d.size = kd_pool_alloc(d.pool, (size_t)d.outline->n_nodes, sizeof *d.size);
  double *labels = kd_pool_alloc(d.pool, (size_t)d.outline->n_groups + 1, sizeof *labels);
  for (int i = 0; i < d.outline->n_nodes; i++)
    d.size[i] = (kd_picture_box){.width = 50 + 13 * (i % 5), .height = 30};
  for (int g = 0; g < d.outline->n_groups; g++) labels[g] = 90;
  d.picture = kd_picture_make(d.pool, d.outline, d.size, labels, across);
  return d;
}

static void drop(drawn *d) {
  kd_model_destroy(d->model);
  kd_config_destroy(d->config);
  kd_pool_destroy(d->pool);
}

static const char *branches_file(kd_pool *pool) {
  const char *path = kd_path_join(pool, test_folder(), "branches.ini");
  assert_ok(kd_file_write(path, branches, strlen(branches)));
  return path;
}

static bool within(kd_picture_box in, kd_picture_box out) {
  return in.x >= out.x && in.y >= out.y && in.x + in.width <= out.x + out.width &&
         in.y + in.height <= out.y + out.height;
}

static bool apart(kd_picture_box a, kd_picture_box b) {
  return a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
}

static bool inside_group(const kd_outline *o, int group, int of) {
  while (group >= 0 && group != of) group = o->groups[group].parent;
  return group == of;
}

/* Nodes and groups lie in their groups, and apart from everything else. */
static void check_places(const drawn *d) {
  const kd_outline *o = d->outline;
  const kd_picture *p = &d->picture;
  kd_picture_box whole = {0, 0, p->width + 1e-6, p->height + 1e-6};
  for (int i = 0; i < o->n_nodes; i++) {
    assert_true(within(p->nodes[i], whole));
    assert_float_equal(p->nodes[i].width, d->size[i].width, 1e-9);
    assert_float_equal(p->nodes[i].height, d->size[i].height, 1e-9);
    for (int k = 0; k < i; k++) assert_true(apart(p->nodes[i], p->nodes[k]));
    for (int g = 0; g < o->n_groups; g++)
      assert_true(inside_group(o, o->nodes[i].group, g) ? within(p->nodes[i], p->groups[g])
                                                        : apart(p->nodes[i], p->groups[g]));
  }
  for (int g = 0; g < o->n_groups; g++)
    for (int k = 0; k < g; k++)
      assert_true(inside_group(o, g, k) ? within(p->groups[g], p->groups[k])
                                        : apart(p->groups[g], p->groups[k]));
}

/* Arrows end at the sides of nodes; every other line ends at the border of a group. */
static void check_lines(const drawn *d, bool across) {
  int arrows = 0;
  for (int i = 0; i < d->picture.n_lines; i++) {
    const kd_picture_line *line = &d->picture.lines[i];
    kd_lay_point end = line->points[line->n_points - 1];
    bool found = false;
    const kd_picture_box *boxes = line->arrow ? d->picture.nodes : d->picture.groups;
    int n = line->arrow ? d->outline->n_nodes : d->outline->n_groups;
    for (int k = 0; k < n && !found; k++) {
      kd_picture_box b = boxes[k];
      double along = across ? end.x : end.y, aside = across ? end.y - b.y : end.x - b.x;
      double near = across ? b.x : b.y, far = near + (across ? b.width : b.height);
      bool at = fabs(along - near) < 1e-6 || (!line->arrow && fabs(along - far) < 1e-6);
      found = at && aside > 0 && aside < (across ? b.height : b.width);
    }
    assert_true(found);
    arrows += line->arrow;
  }
  assert_true(arrows > 0);
}

static void places(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  const char *files[] = {branches_file(pool), KDIST_SOURCE_DIR "/examples/resnet50.ini",
                         KDIST_SOURCE_DIR "/tests/golden/summary/sequences.ini"};
  for (int f = 0; f < 3; f++)
    for (int depth = 0; depth < 4; depth++)
      for (int across = 0; across < 2; across++) {
        drawn d = draw(files[f], depth, across);
        check_places(&d);
        check_lines(&d, across);
        drop(&d);
      }
  kd_pool_destroy(pool);
}

static void folding(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  drawn d = draw(branches_file(pool), 1, false);
  assert_int_equal(d.outline->n_groups, 0);
  assert_int_equal(d.outline->n_nodes, 7);
  bool found = false;
  for (int i = 0; i < d.outline->n_nodes; i++) {
    const kd_outline_node *node = &d.outline->nodes[i];
    if (strcmp(node->name, "mix") != 0) continue;
    found = true;
    assert_string_equal(node->type, "two");
    assert_int_equal(node->copies, 3);
    assert_int_equal(node->params, 3 * 2 * 20);
  }
  assert_true(found);
  drop(&d);
  d = draw(branches_file(pool), 0, false);
  int unit = 0;
  for (int g = 0; g < d.outline->n_groups; g++) unit += !strcmp(d.outline->groups[g].block, "unit");
  assert_int_equal(unit, 8);
  assert_int_equal(d.outline->n_groups, 12);
  drop(&d);
  kd_pool_destroy(pool);
}

static char *svg_of(const drawn *d, bool across) {
  static char *text;
  static size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  kd_plot_svg(out, d->outline, across);
  fclose(out);
  return text;
}

/* Well-formed: tags close in order, attributes are quoted, '&' begins a known entity. */
static void check_xml(const char *text) {
  const char *stack[32];
  int depth = 0;
  for (const char *c = strchr(text + 1, '<'); *c; c++) {
    if (*c == '&')
      assert_true(!strncmp(c, "&amp;", 5) || !strncmp(c, "&lt;", 4) || !strncmp(c, "&gt;", 4) ||
                  !strncmp(c, "&quot;", 6));
    assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
    if (*c != '<') continue;
    bool closes = c[1] == '/', quoted = false;
    const char *name = c + 1 + closes;
    size_t length = strcspn(name, " />");
    for (c = name; *c && (quoted || *c != '>'); c++) {
      quoted ^= *c == '"';
      assert_true(!quoted || *c != '<');
    }
    assert_true(*c == '>' && isalpha((unsigned char)*name));
    if (closes) {
      assert_true(depth > 0 && !strncmp(stack[depth - 1], name, length));
      depth--;
    } else if (c[-1] != '/') {
      assert_true(depth < 32);
      stack[depth++] = name;
    }
  }
  assert_int_equal(depth, 0);
}

static double number_after(const char *text, const char *key) {
  return strtod(strstr(text, key) + strlen(key), NULL);
}

/* Every text of a node ends before its box does. */
static void check_texts(const char *svg) {
  int texts = 0;
  for (const char *g = strstr(svg, "<g>"); g; g = strstr(g + 1, "<g>")) {
    const char *end = strstr(g, "</g>"), *rect = strstr(g, "<rect");
    double right = number_after(rect, " x=\"") + number_after(rect, " width=\"");
    for (const char *t = strstr(g, "<text"); t && t < end; t = strstr(t + 1, "<text")) {
      const char *start = strchr(t, '>') + 1;
      char words[400] = "";
      snprintf(words, sizeof words, "%.*s", (int)(strstr(start, "</text>") - start), start);
      bool name = !strncmp(t, "<text class=\"n\"", 15);
      assert_true(number_after(t, " x=\"") + kd_text_width(words, name ? 12 : 11, name) <= right);
      texts++;
    }
  }
  assert_true(texts > 0 && texts % 3 == 0);
}

static void svg(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  const char *files[] = {branches_file(pool), KDIST_SOURCE_DIR "/examples/resnet50.ini"};
  for (int f = 0; f < 2; f++)
    for (int across = 0; across < 2; across++) {
      drawn d = draw(files[f], 0, across);
      char *text = svg_of(&d, across), *again = svg_of(&d, across);
      check_xml(text);
      check_texts(text);
      assert_string_equal(text, again);
      assert_non_null(strstr(text, f ? "25,610,152 params" : "&lt;a&gt; &amp; 'b'"));
      free(text);
      free(again);
      drop(&d);
    }
  kd_pool_destroy(pool);
}

static void texts(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  assert_float_equal(kd_text_width("mmm", 10, false), 29.4, 1e-9);
  assert_string_equal(kd_text_fit(pool, "short", 10, false, 100), "short");
  const char *cut = kd_text_fit(pool, "a text that is too long", 10, false, 60);
  assert_true(kd_text_width(cut, 10, false) <= 60);
  assert_non_null(strstr(cut, "\xE2\x80\xA6"));
  /* Characters of several bytes stay whole. */
  const char *wide = kd_text_fit(pool, "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC", 10, false, 35);
  assert_true(kd_valid_utf8(wide, strlen(wide)));
  kd_pool_destroy(pool);
}

static void families(void **state) {
  (void)state;
  assert_int_equal(kd_plot_family_of("SpectralNormalization"), KD_PLOT_NORM);
  assert_int_equal(kd_plot_family_of("SpatialDropout2D"), KD_PLOT_NOISE);
  assert_int_equal(kd_plot_family_of("GlobalAveragePooling2D"), KD_PLOT_POOLING);
  assert_int_equal(kd_plot_family_of("AdditiveAttention"), KD_PLOT_ATTENTION);
  assert_int_equal(kd_plot_family_of("PReLU"), KD_PLOT_ACTIVATION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(places), cmocka_unit_test(folding),  cmocka_unit_test(svg),
      cmocka_unit_test(texts),  cmocka_unit_test(families),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
