/* The form is described in docs/looking.md. */
#include "launch/json_text.h"
#include "launch/summary.h"

static void text_key(FILE *out, const char *key, const char *value) {
  fprintf(out, "\"%s\":", key);
  kd_json_text(out, value);
}

static void integer_key(FILE *out, const char *key, int64_t value) {
  fprintf(out, ",\"%s\":%lld", key, (long long)value);
}

static void shape(FILE *out, const kd_shape *s) {
  putc('[', out);
  for (int i = 0; i < s->rank; i++) {
    if (i) putc(',', out);
    if (s->dim[i] < 0)
      fputs("null", out);
    else
      fprintf(out, "%lld", (long long)s->dim[i]);
  }
  putc(']', out);
}

static void outputs(FILE *out, const kd_call *call) {
  fputs(",\"outputs\":[", out);
  for (int i = 0; i < call->n_outputs; i++) {
    fprintf(out, "%s{\"shape\":", i ? "," : "");
    shape(out, &call->output_shape[i]);
    fprintf(out, ",\"dtype\":\"%s\"}", kd_dtype_name(call->output_dtype[i]));
  }
  putc(']', out);
}

static void sources(FILE *out, const kd_summary_row *row) {
  fputs(",\"inputs\":[", out);
  for (int i = 0; i < row->n_sources; i++) {
    fputs(i ? ",{" : "{", out);
    text_key(out, "name", row->sources[i].name);
    integer_key(out, "call", row->sources[i].call);
    integer_key(out, "output", row->sources[i].output);
    putc('}', out);
  }
  putc(']', out);
}

static void inner_layers(FILE *out, const kd_summary *s, const kd_summary_row *row) {
  kd_pool *pool = kd_pool_create();
  kd_inner_layer *inner;
  int n = kd_summary_inner(pool, s, row, &inner);
  if (n) fputs(",\"inner\":[", out);
  for (int i = 0; i < n; i++) {
    fputs(i ? ",{" : "{", out);
    text_key(out, "name", inner[i].name);
    putc(',', out);
    text_key(out, "type", inner[i].type);
    integer_key(out, "level", inner[i].level);
    integer_key(out, "params", inner[i].params);
    putc('}', out);
  }
  if (n) putc(']', out);
  kd_pool_destroy(pool);
}

static void layer(FILE *out, const kd_summary *s, const kd_summary_row *row) {
  putc('{', out);
  text_key(out, "name", row->name);
  putc(',', out);
  text_key(out, row->copies ? "block" : "type", row->type);
  if (row->copies) integer_key(out, "copies", row->copies);
  outputs(out, row->last);
  integer_key(out, "params", row->params);
  integer_key(out, "trainable_params", row->trained);
  if (s->costs->call_flops) integer_key(out, "forward_flops", (int64_t)row->flops);
  sources(out, row);
  inner_layers(out, s, row);
  putc('}', out);
}

static void costs(FILE *out, const kd_costs *c) {
  if (c->unknown) {
    putc(',', out);
    text_key(out, "unknown", c->unknown);
  }
  if (c->call_flops) integer_key(out, "forward_flops", (int64_t)c->forward);
  if (c->training > 0) integer_key(out, "training_flops", (int64_t)c->training);
  if (!c->measured) return;
  const kd_replica_stats *stats = &c->forecast.stats;
  fprintf(out, ",\"memory\":{\"ranks\":%d", c->ranks);
  integer_key(out, "batch_size", c->batch_size);
  integer_key(out, "pass_rows", c->rows);
  integer_key(out, "total", (int64_t)c->forecast.needed);
  integer_key(out, "weights", (int64_t)stats->weight_bytes);
  integer_key(out, "gradients", (int64_t)stats->reduce_bytes);
  integer_key(out, "optimizer", (int64_t)stats->slot_bytes);
  integer_key(out, "activations", (int64_t)stats->plan_bytes);
  integer_key(out, "checkpoint_copies", (int64_t)c->forecast.copies);
  putc('}', out);
}

void kd_summary_json(FILE *out, const kd_summary *s) {
  int64_t all = kd_model_count_params(s->model, false), trainable = kd_model_count_params(s->model, true);
  putc('{', out);
  text_key(out, "model", s->model->name);
  fputs(",\"layers\":[", out);
  for (int i = 0; i < s->rows.n; i++) {
    if (i) putc(',', out);
    layer(out, s, &s->rows.v[i]);
  }
  putc(']', out);
  integer_key(out, "params", all);
  integer_key(out, "trainable_params", trainable);
  integer_key(out, "non_trainable_params", all - trainable);
  integer_key(out, "optimizer_params", kd_optimizer_params(s->model, s->optimizer));
  costs(out, s->costs);
  fputs("}\n", out);
}
