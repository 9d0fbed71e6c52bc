#include <string.h>

#include "launch/plot/plot.h"
#include "launch/plot/text_width.h"
#include "launch/size_text.h"

/* Sizes of texts and boxes. */
static const double NAME = 12, SMALL = 11, HEAD = 18;
static const double BOX_HEIGHT = 40, BOX_SIDE = 9, WORD_GAP = 7, MOST_TEXT = 300, MOST_NAME = 200,
                    MOST_TYPE = 160;
static const double MARGIN = 20, SWATCH = 12, LEGEND_LINE = 20, LEAST_WIDTH = 420;

typedef struct drawing {
  FILE *out;
  kd_pool *pool;
  const kd_outline *outline;
  kd_plot_label *labels; /* per node, cut to fit */
  const char **groups;   /* labels of groups, cut to fit */
  kd_picture picture;
  double x, y, width, height; /* where the picture stands; of the drawing */
} drawing;

/* Text of XML: markup escaped; what XML does not allow becomes '?'. */
static void xml(FILE *out, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '&')
      fputs("&amp;", out);
    else if (c == '<')
      fputs("&lt;", out);
    else if (c == '>')
      fputs("&gt;", out);
    else if (c == '"')
      fputs("&quot;", out);
    else
      putc(c < 0x20 ? '?' : c, out);
  }
}

static void make_labels(drawing *d, kd_picture_box *size, double *label_width) {
  const kd_outline *o = d->outline;
  for (int i = 0; i < o->n_nodes; i++) {
    kd_plot_label label = kd_plot_label_of(d->pool, o, i);
    label.name = kd_text_fit(d->pool, label.name, NAME, true, MOST_NAME);
    label.type = kd_text_fit(d->pool, label.type, SMALL, false, MOST_TYPE);
    label.detail = kd_text_fit(d->pool, label.detail, SMALL, false, MOST_TEXT);
    double first = kd_text_width(label.name, NAME, true) + WORD_GAP + kd_text_width(label.type, SMALL, false);
    double second = kd_text_width(label.detail, SMALL, false);
    size[i] =
        (kd_picture_box){.width = 2 * BOX_SIDE + (first > second ? first : second), .height = BOX_HEIGHT};
    d->labels[i] = label;
  }
  for (int g = 0; g < o->n_groups; g++) {
    const char *label = kd_plot_group_label(d->pool, &o->groups[g]);
    d->groups[g] = kd_text_fit(d->pool, label, SMALL, false, MOST_TEXT);
    label_width[g] = kd_text_width(d->groups[g], SMALL, false) + 2 * BOX_SIDE;
  }
}

static const char *subtitle(drawing *d) {
  char count[32];
  const kd_model *model = d->outline->model;
  int64_t params = kd_model_count_params(model, false);
  return kd_pool_printf(d->pool, "%d layers, %s params", model->n_layers, kd_commas_text(params, count));
}

static void start(drawing *d) {
  FILE *out = d->out;
  fprintf(
      out,
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
      "role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">",
      d->width, d->height, d->width, d->height);
  xml(out, d->outline->model->name);
  fputs("</title>\n<desc id=\"desc\">Layers of the model ", out);
  xml(out, d->outline->model->name);
  fprintf(out, ": %s. Edges run %s.</desc>\n", subtitle(d),
          d->picture.across ? "from left to right" : "from top to bottom");
  fputs(
      "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" "
      "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0.8L8 4L0 7.2z\" fill=\"#4d5761\"/></marker></defs>\n"
      "<style>\n"
      "text{font-family:'DejaVu Sans','Helvetica "
      "Neue',Helvetica,Arial,sans-serif;font-size:11px;fill:#1d2329}\n"
      ".h{font-size:18px;font-weight:bold}.n{font-size:12px;font-weight:bold}.s{fill:#46505a}\n"
      ".e{fill:none;stroke:#4d5761;stroke-width:1.2}.a{marker-end:url(#arrow)}\n"
      ".g{fill:#5d6f84;fill-opacity:.06;stroke:#8d9aa8;stroke-dasharray:4 "
      "3}.b{stroke-width:1.2}.o{stroke-width:2.6}\n"
      ".l{fill:#46505a;stroke:#fff;stroke-width:3;stroke-opacity:.85;paint-order:stroke}\n",
      out);
  for (int f = 0; f < KD_PLOT_FAMILIES; f++)
    fprintf(out, ".f%d{fill:%s;stroke:%s}", f, kd_plot_colours_of[f].fill, kd_plot_colours_of[f].stroke);
  fprintf(out, "\n</style>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", d->width, d->height);
}

/* Draws the legend of the families that occur when `draw` is set; returns its lower end in any case. */
static double legend(const drawing *d, double top, bool draw) {
  bool used[KD_PLOT_FAMILIES] = {false};
  double x = MARGIN, y = top, limit = d->width - MARGIN;
  for (int i = 0; i < d->outline->n_nodes; i++) used[d->labels[i].family] = true;
  for (int f = 0; f < KD_PLOT_FAMILIES; f++) {
    if (!used[f]) continue;
    const char *name = kd_plot_colours_of[f].name;
    double width = SWATCH + 5 + kd_text_width(name, SMALL, false) + 14;
    if (x + width > limit && x > MARGIN) {
      x = MARGIN;
      y += LEGEND_LINE;
    }
    if (draw)
      fprintf(d->out,
              "<rect class=\"b f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" rx=\"3\"/>"
              "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
              f, x, y, SWATCH, SWATCH, x + SWATCH + 5, y + SWATCH - 2, name);
    x += width;
  }
  return y + LEGEND_LINE;
}

static void head(drawing *d) {
  fprintf(d->out, "<text class=\"h\" x=\"%.0f\" y=\"%.0f\">", MARGIN, MARGIN + HEAD - 2);
  xml(d->out, kd_text_fit(d->pool, d->outline->model->name, HEAD, true, d->width - 2 * MARGIN));
  fprintf(d->out, "</text>\n<text class=\"s\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", MARGIN, MARGIN + HEAD + 16,
          subtitle(d));
}

static void group_boxes(const drawing *d) {
  for (int g = 0; g < d->outline->n_groups; g++) {
    kd_picture_box box = d->picture.groups[g];
    fprintf(d->out, "<rect class=\"g\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"8\"><title>",
            box.x + d->x, box.y + d->y, box.width, box.height);
    xml(d->out, d->outline->groups[g].path);
    fputs("</title></rect>\n", d->out);
  }
}

static void group_labels(const drawing *d) {
  for (int g = 0; g < d->outline->n_groups; g++) {
    kd_picture_box box = d->picture.groups[g];
    fprintf(d->out, "<text class=\"l\" x=\"%.1f\" y=\"%.1f\">",
            box.x + d->x + d->picture.label_x[g] + BOX_SIDE, box.y + d->y + 14);
    xml(d->out, d->groups[g]);
    fputs("</text>\n", d->out);
  }
}

/* Upright pieces are straight, slanted ones curves that leave and arrive upright. */
static void draw_line(const drawing *d, const kd_picture_line *line) {
  fprintf(d->out, "<path class=\"e%s\" d=\"", line->arrow ? " a" : "");
  for (int i = 0; i < line->n_points; i++) {
    double x = line->points[i].x + d->x, y = line->points[i].y + d->y;
    if (i == 0) {
      fprintf(d->out, "M%.1f %.1f", x, y);
      continue;
    }
    double px = line->points[i - 1].x + d->x, py = line->points[i - 1].y + d->y;
    double aside = d->picture.across ? y - py : x - px;
    bool on = i + 1 < line->n_points && aside > -0.05 && aside < 0.05;
    double next = !on                 ? 1
                  : d->picture.across ? line->points[i + 1].y - line->points[i].y
                                      : line->points[i + 1].x - line->points[i].x;
    if (on && next > -0.05 && next < 0.05) continue; /* the next piece goes straight on */
    if (aside > -0.05 && aside < 0.05)
      fprintf(d->out, "L%.1f %.1f", x, y);
    else if (d->picture.across)
      fprintf(d->out, "C%.1f %.1f %.1f %.1f %.1f %.1f", (px + x) / 2, py, (px + x) / 2, y, x, y);
    else
      fprintf(d->out, "C%.1f %.1f %.1f %.1f %.1f %.1f", px, (py + y) / 2, x, (py + y) / 2, x, y);
  }
  fputs("\"/>\n", d->out);
}

static void node_rect(const drawing *d, int number, double shift) {
  kd_picture_box box = d->picture.nodes[number];
  fprintf(d->out, "<rect class=\"%s f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\"/>\n",
          d->outline->nodes[number].is_output ? "o" : "b", d->labels[number].family, box.x + d->x + shift,
          box.y + d->y + shift, box.width, box.height);
}

static void draw_node(drawing *d, int number) {
  const kd_outline_node *node = &d->outline->nodes[number];
  const kd_plot_label *label = &d->labels[number];
  kd_picture_box box = d->picture.nodes[number];
  double x = box.x + d->x + BOX_SIDE, y = box.y + d->y;
  fputs("<g><title>", d->out);
  xml(d->out, kd_pool_printf(d->pool, "%s (%s): %s%s", node->name, node->type,
                             kd_plot_label_of(d->pool, d->outline, number).detail,
                             node->is_output ? ", output" : ""));
  fputs("</title>\n", d->out);
  if (node->copies > 1) node_rect(d, number, 3);
  node_rect(d, number, 0);
  fprintf(d->out, "<text class=\"n\" x=\"%.1f\" y=\"%.1f\">", x, y + 16);
  xml(d->out, label->name);
  fprintf(d->out, "</text><text x=\"%.1f\" y=\"%.1f\">",
          x + kd_text_width(label->name, NAME, true) + WORD_GAP, y + 16);
  xml(d->out, label->type);
  fprintf(d->out, "</text><text class=\"s\" x=\"%.1f\" y=\"%.1f\">", x, y + 32);
  xml(d->out, label->detail);
  fputs("</text></g>\n", d->out);
}

void kd_plot_svg(FILE *out, const kd_outline *outline, bool across) {
  kd_pool *pool = kd_pool_create();
  size_t nodes = (size_t)outline->n_nodes, groups = (size_t)outline->n_groups;
  drawing d = {.out = out,
               .pool = pool,
               .outline = outline,
               .labels = kd_pool_alloc(pool, nodes + 1, sizeof(kd_plot_label)),
               .groups = kd_pool_alloc(pool, groups + 1, sizeof(char *))};
  kd_picture_box *size = kd_pool_alloc(pool, nodes + 1, sizeof *size);
  double *label_width = kd_pool_alloc(pool, groups + 1, sizeof *label_width);
  make_labels(&d, size, label_width);
  d.picture = kd_picture_make(pool, outline, size, label_width, across);
  d.width = d.picture.width + 2 * MARGIN;
  if (d.width < LEAST_WIDTH) d.width = LEAST_WIDTH;
  double legend_top = MARGIN + HEAD + 26;
  d.x = (d.width - d.picture.width) / 2;
  d.y = legend(&d, legend_top, false) + 14;
  d.height = d.y + d.picture.height + MARGIN;
  start(&d);
  head(&d);
  legend(&d, legend_top, true);
  group_boxes(&d);
  for (int i = 0; i < d.picture.n_lines; i++) draw_line(&d, &d.picture.lines[i]);
  for (int i = 0; i < outline->n_nodes; i++) draw_node(&d, i);
  group_labels(&d);
  fputs("</svg>\n", out);
  kd_pool_destroy(pool);
}
