#include "launch/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/base/text.h"
#include "launch/json_text.h"

enum { MAX_COLUMNS = 4, MAX_LINES = 64 };

typedef struct table {
  FILE *out;
  int n;
  int width[MAX_COLUMNS]; /* of the text, without padding */
  bool right[MAX_COLUMNS];
} table;

int kd_terminal_columns(void) {
  int64_t columns;
  struct winsize size;
  const char *text = getenv("COLUMNS");
  if (text && kd_parse_int(text, &columns) && columns > 0 && columns < 10000) return (int)columns;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

const char *kd_bytes_text(double bytes, char buffer[32]) {
  static const char *const units[] = {"B", "KB", "MB", "GB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 3; unit++) bytes /= 1024;
  snprintf(buffer, 32, "%.2f %s", bytes, units[unit]);
  return buffer;
}

static const char *commas(int64_t value, char buffer[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)value), used = 0;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') buffer[used++] = ',';
    buffer[used++] = digits[i];
  }
  buffer[used] = '\0';
  return buffer;
}

/* Column widths as the library behind Keras's table (rich) shrinks them: the excess is spread evenly,
 * rounding half to even. */
static void set_widths(table *t, int line, const double *position) {
  int current = 0, wanted = 0;
  for (int i = 0; i < t->n; i++) {
    t->width[i] = (int)(position[i] * line) - current;
    current += t->width[i];
    wanted += t->width[i] + 2;
  }
  int excess = wanted + t->n + 1 - line;
  for (int i = 0; i < t->n && excess > 0; i++) {
    int share = (int)rint((double)excess / (t->n - i));
    t->width[i] -= share;
    excess -= share;
    if (t->width[i] < 4) t->width[i] = 4;
  }
}

static void rule(const table *t, const char *left, const char *cell, const char *join, const char *right) {
  fputs(left, t->out);
  for (int i = 0; i < t->n; i++) {
    for (int c = 0; c < t->width[i] + 2; c++) fputs(cell, t->out);
    fputs(i + 1 < t->n ? join : right, t->out);
  }
  putc('\n', t->out);
}

/* Splits text at spaces into lines of at most `width`; a longer word is cut with an ellipsis. */
static int wrap(const char *text, int width, const char *start[MAX_LINES], int length[MAX_LINES]) {
  int n = 0;
  while (*text && n < MAX_LINES) {
    int fit = 0, word = (int)strcspn(text, " ");
    for (int end = word; end <= width; end = word) {
      fit = end;
      if (!text[end]) break;
      word = end + 1 + (int)strcspn(text + end + 1, " ");
    }
    start[n] = text;
    length[n++] = fit ? fit : (int)strcspn(text, " ");
    text += length[n - 1];
    while (*text == ' ') text++;
  }
  return n;
}

static void cell_line(const table *t, int column, const char *text, int length) {
  int width = t->width[column], pad = width - length;
  putc(' ', t->out);
  if (length > width) {
    fprintf(t->out, "%.*s\xE2\x80\xA6", width - 1, text);
  } else {
    if (t->right[column]) fprintf(t->out, "%*s", pad, "");
    fprintf(t->out, "%.*s", length, text);
    if (!t->right[column]) fprintf(t->out, "%*s", pad, "");
  }
  putc(' ', t->out);
}

static void row(const table *t, const char *bar, const char *const *cells) {
  const char *start[MAX_COLUMNS][MAX_LINES];
  int length[MAX_COLUMNS][MAX_LINES], lines[MAX_COLUMNS], most = 1;
  for (int i = 0; i < t->n; i++) {
    lines[i] = wrap(cells[i], t->width[i], start[i], length[i]);
    if (lines[i] > most) most = lines[i];
  }
  for (int line = 0; line < most; line++) {
    fputs(bar, t->out);
    for (int i = 0; i < t->n; i++) {
      bool has = line < lines[i];
      cell_line(t, i, has ? start[i][line] : "", has ? length[i][line] : 0);
      fputs(bar, t->out);
    }
    putc('\n', t->out);
  }
}

/* A chain: every call takes the one before, and no layer is called twice. */
static bool is_chain(const kd_model *model) {
  if (model->n_inputs != 1 || model->n_calls != model->n_layers) return false;
  for (int i = 0; i < model->n_calls; i++) {
    const kd_call *call = model->calls[i];
    if (call->n_inputs > 1 || (call->n_inputs == 1 && call->inputs[0].call != i - 1)) return false;
  }
  return true;
}

static int64_t layer_params(const kd_model *model, const kd_layer *layer) {
  int64_t count = 0;
  for (int w = 0; w < layer->n_weights; w++) count += model->weights[layer->first_weight + w].count;
  return count;
}

static const kd_call *last_call(const kd_model *model, int layer) {
  const kd_call *found = NULL;
  for (int i = 0; i < model->n_calls; i++)
    if (model->calls[i]->layer == layer) found = model->calls[i];
  return found;
}

/* Keras counts the calls of a layer: name[call][output]. */
static const char *connected_to(kd_pool *pool, const kd_model *model, int layer) {
  const char *text = "";
  for (int c = 0; c < model->n_calls; c++) {
    const kd_call *call = model->calls[c];
    if (call->layer != layer) continue;
    for (int i = 0; i < call->n_inputs; i++) {
      int source = call->inputs[i].call, node = 0;
      for (int before = 0; before < source; before++)
        node += model->calls[before]->layer == model->calls[source]->layer;
      text = kd_pool_printf(pool, "%s%s%s[%d][%d]", text, *text ? ", " : "",
                            model->layers[model->calls[source]->layer]->name, node, call->inputs[i].output);
    }
  }
  return *text ? text : "-";
}

static const char *shapes(kd_pool *pool, const kd_call *call) {
  char buffer[KD_SHAPE_TEXT];
  if (call->n_outputs == 1) return kd_pool_strdup(pool, kd_shape_text(&call->output_shape[0], buffer));
  const char *text = "[";
  for (int i = 0; i < call->n_outputs; i++)
    text = kd_pool_printf(pool, "%s%s%s", text, i ? ", " : "", kd_shape_text(&call->output_shape[i], buffer));
  return kd_pool_printf(pool, "%s]", text);
}

static void layer_row(const table *t, kd_pool *pool, const kd_model *model, int layer) {
  char number[32];
  const kd_layer *l = model->layers[layer];
  const char *cells[MAX_COLUMNS] = {kd_pool_printf(pool, "%s (%s)", l->name, l->kind->base.name),
                                    shapes(pool, last_call(model, layer)),
                                    commas(layer_params(model, l), number), NULL};
  if (t->n == 4) cells[3] = connected_to(pool, model, layer);
  row(t, "\xE2\x94\x82", cells);
}

static int64_t optimizer_params(const kd_model *model, const kd_optimizer *optimizer) {
  int64_t slots = optimizer->n_slots + (optimizer->accumulation > 1);
  int64_t scalars = (optimizer->rate.schedule.kind ? 1 : 2) + (optimizer->kind->scalar != NULL);
  return slots * kd_model_count_params(model, true) + scalars;
}

static void total_line(FILE *out, const char *label, int64_t count) {
  char number[32], size[32];
  fprintf(out, " %s params: %s (%s)\n", label, commas(count, number),
          kd_bytes_text(4.0 * (double)count, size));
}

void kd_summary_print(FILE *out, const kd_model *model, const kd_optimizer *optimizer, int columns) {
  static const double chain_position[] = {0.45, 0.80, 1.0}, graph_position[] = {0.3, 0.56, 0.74, 1.0};
  bool chain = is_chain(model);
  int line = chain ? 88 : 108;
  if (columns - 4 < line) line = columns - 4;
  if (line < 40) line = 40;
  table t = {.out = out, .n = chain ? 3 : 4, .right = {[2] = true}};
  set_widths(&t, line, chain ? chain_position : graph_position);
  kd_pool *pool = kd_pool_create();
  fprintf(out, "Model: \"%s\"\n", model->name);
  rule(&t, "\xE2\x94\x8F", "\xE2\x94\x81", "\xE2\x94\xB3", "\xE2\x94\x93");
  row(&t, "\xE2\x94\x83", (const char *[]){"Layer (type)", "Output Shape", "Param #", "Connected to"});
  rule(&t, "\xE2\x94\xA1", "\xE2\x94\x81", "\xE2\x95\x87", "\xE2\x94\xA9");
  for (int i = chain ? 1 : 0; i < model->n_layers; i++) {
    layer_row(&t, pool, model, i);
    if (i + 1 < model->n_layers) rule(&t, "\xE2\x94\x9C", "\xE2\x94\x80", "\xE2\x94\xBC", "\xE2\x94\xA4");
  }
  rule(&t, "\xE2\x94\x94", "\xE2\x94\x80", "\xE2\x94\xB4", "\xE2\x94\x98");
  int64_t all = kd_model_count_params(model, false), trainable = kd_model_count_params(model, true);
  int64_t extra = optimizer ? optimizer_params(model, optimizer) : 0;
  total_line(out, "Total", all + extra);
  total_line(out, "Trainable", trainable);
  total_line(out, "Non-trainable", all - trainable);
  if (optimizer) total_line(out, "Optimizer", extra);
  kd_pool_destroy(pool);
}

void kd_summary_json(FILE *out, const kd_model *model, const kd_optimizer *optimizer) {
  kd_pool *pool = kd_pool_create();
  int64_t all = kd_model_count_params(model, false), trainable = kd_model_count_params(model, true);
  fputs("{\"model\":", out);
  kd_json_text(out, model->name);
  fputs(",\"layers\":[", out);
  for (int i = 0; i < model->n_layers; i++) {
    const kd_layer *layer = model->layers[i];
    fprintf(out, "%s{\"name\":", i ? "," : "");
    kd_json_text(out, layer->name);
    fputs(",\"type\":", out);
    kd_json_text(out, layer->kind->base.name);
    fputs(",\"output_shape\":", out);
    kd_json_text(out, shapes(pool, last_call(model, i)));
    fputs(",\"connected_to\":", out);
    kd_json_text(out, connected_to(pool, model, i));
    fprintf(out, ",\"params\":%lld}", (long long)layer_params(model, layer));
  }
  fprintf(out, "],\"params\":%lld,\"trainable_params\":%lld,\"optimizer_params\":%lld}\n", (long long)all,
          (long long)trainable, (long long)(optimizer ? optimizer_params(model, optimizer) : 0));
  kd_pool_destroy(pool);
}
