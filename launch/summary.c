#include "launch/summary.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/base/text.h"
#include "launch/size_text.h"
#include "launch/text_table.h"

int kd_terminal_columns(void) {
  int64_t columns;
  struct winsize size;
  const char *text = getenv("COLUMNS");
  if (text && kd_parse_int(text, &columns) && columns > 0 && columns < 10000) return (int)columns;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

static int64_t optimizer_scalars(const kd_optimizer *optimizer) {
  int64_t scale = optimizer->scaling.dynamic ? 4 : 0; /* iteration, rate, step_counter, dynamic_scale */
  return scale + (optimizer->rate.schedule.kind ? 1 : 2) + (optimizer->kind->scalar != NULL);
}

/* Numbers in all slots of one weight. */
static int64_t slot_params(const kd_optimizer *optimizer, const kd_weight *weight) {
  int64_t count = 0;
  kd_shape shape;
  for (int s = 0; s < optimizer->n_slots; s++)
    if (kd_optimizer_slot_shape(optimizer, s, weight, &shape)) count += kd_shape_count(&shape);
  return count;
}

int64_t kd_optimizer_params(const kd_model *model, const kd_optimizer *optimizer) {
  if (!optimizer) return 0;
  int64_t count = optimizer_scalars(optimizer);
  for (int w = 0; w < model->n_weights; w++) {
    const kd_weight *weight = &model->weights[w];
    if (!weight->trainable) continue;
    count += slot_params(optimizer, weight) + (optimizer->accumulation > 1 ? weight->count : 0);
  }
  return count;
}

/* Slots have the types of their weights; accumulated gradients and scalars take four bytes. */
static int64_t optimizer_bytes(const kd_model *model, const kd_optimizer *optimizer) {
  if (!optimizer) return 0;
  int64_t bytes = 4 * optimizer_scalars(optimizer);
  for (int w = 0; w < model->n_weights; w++) {
    const kd_weight *weight = &model->weights[w];
    if (!weight->trainable) continue;
    bytes += slot_params(optimizer, weight) * (int64_t)kd_dtype_size(weight->dtype);
    if (optimizer->accumulation > 1) bytes += 4 * weight->count;
  }
  return bytes;
}

int kd_summary_inner(kd_pool *pool, const kd_summary *s, const kd_summary_row *row, kd_inner_layer **inner) {
  if (row->layer < 0 || row->level >= s->depth) return 0;
  return kd_inner_layers(pool, s->model, row->layer, s->depth - row->level, inner);
}

/* "conv (Conv2D)", "stage1 (bottleneck x3)". */
static const char *row_name(kd_pool *pool, const kd_summary_row *row) {
  if (row->copies > 1) return kd_pool_printf(pool, "%s (%s x%d)", row->name, row->type, row->copies);
  return kd_pool_printf(pool, "%s (%s)", row->name, row->type);
}

static const char *connected_to(kd_pool *pool, const kd_summary_row *row) {
  const char *text = "";
  for (int i = 0; i < row->n_sources; i++) {
    const kd_summary_source *source = &row->sources[i];
    text = kd_pool_printf(pool, "%s%s%s[%d][%d]", text, i ? ", " : "", source->name, source->call,
                          source->output);
  }
  return row->n_sources ? text : "-";
}

static void print_row(kd_text_table *table, const kd_summary *s, const kd_summary_row *row) {
  char number[32];
  kd_pool *pool = kd_pool_create();
  const char *cells[KD_TABLE_COLUMNS] = {row_name(pool, row), kd_call_shapes(pool, row->last),
                                         kd_commas_text(row->params, number), connected_to(pool, row)};
  kd_text_table_row(table, cells);
  kd_inner_layer *inner;
  int n = kd_summary_inner(pool, s, row, &inner);
  for (int i = 0; i < n; i++) {
    const char *name =
        kd_pool_printf(pool, "%*s\xE2\x94\x94 %s (%s)", 3 * inner[i].level, "", inner[i].name, inner[i].type);
    const char *line[KD_TABLE_COLUMNS] = {name, "?", kd_commas_text(inner[i].params, number), "-"};
    kd_text_table_row(table, line);
  }
  kd_pool_destroy(pool);
}

static void print_table(FILE *out, const kd_summary *s) {
  static const char *const head[] = {"Layer (type)", "Output Shape", "Param #", "Connected to"};
  static const double chain_position[] = {0.45, 0.80, 1.0}, graph_position[] = {0.3, 0.56, 0.74, 1.0};
  static const bool right[] = {false, false, true, false};
  bool chain = s->rows.chain;
  int line = chain ? 88 : 108;
  if (s->columns - 4 < line) line = s->columns - 4;
  if (line < 40) line = 40;
  kd_text_table table;
  kd_text_table_start(&table, out, chain ? 3 : 4, line, chain ? chain_position : graph_position, right, head);
  /* A Sequential does not show its input. */
  for (int i = chain && s->model->n_outputs == 1 ? 1 : 0; i < s->rows.n; i++)
    print_row(&table, s, &s->rows.v[i]);
  kd_text_table_end(&table);
}

static void total_line(FILE *out, const char *label, int64_t count, int64_t bytes) {
  char number[32], size[32];
  fprintf(out, " %s params: %s (%s)\n", label, kd_commas_text(count, number),
          kd_bytes_text((double)bytes, size));
}

static void print_params(FILE *out, const kd_summary *s) {
  int64_t all = kd_model_count_params(s->model, false), trainable = kd_model_count_params(s->model, true);
  int64_t all_bytes = kd_model_param_bytes(s->model, false);
  int64_t trainable_bytes = kd_model_param_bytes(s->model, true);
  int64_t extra = kd_optimizer_params(s->model, s->optimizer);
  int64_t extra_bytes = optimizer_bytes(s->model, s->optimizer);
  total_line(out, "Total", all + extra, all_bytes + extra_bytes);
  total_line(out, "Trainable", trainable, trainable_bytes);
  total_line(out, "Non-trainable", all - trainable, all_bytes - trainable_bytes);
  if (s->optimizer) total_line(out, "Optimizer", extra, extra_bytes);
}

/* Where there is another policy than float32: the model's, and layers with one of their own. */
static void print_policies(FILE *out, const kd_model *model) {
  bool own = false, plain = model->policy.compute == KD_F32;
  for (int i = 0; i < model->n_layers; i++)
    own = own || !kd_policy_equal(model->layers[i]->policy, model->policy);
  if (plain && !own) return;
  fprintf(out, " Types: %s", kd_policy_name(model->policy));
  for (int i = 0; i < model->n_layers; i++)
    if (!kd_policy_equal(model->layers[i]->policy, model->policy))
      fprintf(out, ", %s: %s", model->layers[i]->name, kd_policy_name(model->layers[i]->policy));
  putc('\n', out);
}

static void size_line(FILE *out, const char *label, double bytes) {
  char size[32];
  fprintf(out, "   %-22s %s\n", label, kd_bytes_text(bytes, size));
}

static void print_costs(FILE *out, const kd_costs *c) {
  char a[32], b[32];
  if (c->call_flops) {
    fprintf(out, " Operations per sample: %s forward", kd_count_text(c->forward, a));
    if (c->training > 0) fprintf(out, ", %s in training", kd_count_text(c->training, b));
    putc('\n', out);
  }
  if (!c->measured) {
    fprintf(out, " %s: unknown: %s\n", c->call_flops ? "Memory per rank" : "Operations and memory",
            c->unknown);
    return;
  }
  const kd_replica_stats *stats = &c->forecast.stats;
  fprintf(out, " Memory per rank: %s (%d rank%s, passes of %lld rows of a batch of %lld)\n",
          kd_bytes_text(c->forecast.needed, a), c->ranks, c->ranks == 1 ? "" : "s", (long long)c->rows,
          (long long)c->batch_size);
  size_line(out, "weights", (double)stats->weight_bytes);
  if (c->training > 0) size_line(out, "gradients", (double)stats->reduce_bytes);
  if (stats->slot_bytes) size_line(out, "optimizer", (double)stats->slot_bytes);
  size_line(out, "activations and data", (double)stats->plan_bytes);
  if (c->forecast.copies > 0) size_line(out, "copies for checkpoints", c->forecast.copies);
}

void kd_summary_print(FILE *out, const kd_summary *s) {
  fprintf(out, "Model: \"%s\"\n", s->model->name);
  print_table(out, s);
  print_params(out, s);
  print_policies(out, s->model);
  print_costs(out, s->costs);
}
