#include "launch/summary_rows.h"

typedef struct maker {
  kd_pool *pool;
  const kd_outline *outline;
  const kd_model *model;
  kd_summary_rows rows;
  int *row_of;     /* per call */
  int *number;     /* per call: how many calls of its layer came before */
  int *first_tap;  /* per call: its first output in the arrays below */
  int *tap_number; /* per output: its number among those that leave a folded block, from 1; 0: none */
  int *taken_by;   /* per output: the last folded row that took it, from 1 */
} maker;

static int *numbers(kd_pool *pool, int count) {
  return kd_pool_alloc(pool, (size_t)count + 1, sizeof(int));
}

static void number_calls(maker *m) {
  int *calls = numbers(m->pool, m->model->n_layers), taps = 0;
  for (int i = 0; i < m->model->n_calls; i++) {
    const kd_call *call = m->model->calls[i];
    m->number[i] = calls[call->layer]++;
    m->first_tap[i] = taps;
    taps += call->n_outputs;
  }
  m->tap_number = numbers(m->pool, taps);
  m->taken_by = numbers(m->pool, taps);
}

/* The row of a call, made when it is the first. */
static int row_of(maker *m, int call, int *layer_row, int *node_row) {
  const kd_outline_node *node = &m->outline->nodes[m->outline->node_of[call]];
  int *place = node->layer >= 0 ? &layer_row[node->layer] : &node_row[m->outline->node_of[call]];
  if (*place > 0) return *place - 1;
  const char *name = node->layer >= 0 ? m->model->layers[node->layer]->name : node->name;
  m->rows.v[m->rows.n] = (kd_summary_row){.name = name,
                                          .type = node->type,
                                          .copies = node->copies,
                                          .layer = node->layer,
                                          .level = node->level,
                                          .params = node->params,
                                          .trained = node->trained};
  *place = ++m->rows.n;
  return *place - 1;
}

/* Calls by the number of their layer in Keras's order. */
static int *calls_in_order(maker *m) {
  const kd_model *model = m->model;
  int *order = numbers(m->pool, model->n_layers), *start = numbers(m->pool, model->n_layers + 1);
  int *rank = numbers(m->pool, model->n_layers), *calls = numbers(m->pool, model->n_calls);
  kd_model_keras_order(model, order);
  for (int i = 0; i < model->n_layers; i++) rank[order[i]] = i;
  for (int i = 0; i < model->n_calls; i++) start[rank[model->calls[i]->layer] + 1]++;
  for (int i = 0; i < model->n_layers; i++) start[i + 1] += start[i];
  for (int i = 0; i < model->n_calls; i++) calls[start[rank[model->calls[i]->layer]]++] = i;
  return calls;
}

static void make_rows(maker *m) {
  const kd_model *model = m->model;
  int *order = calls_in_order(m);
  int *layer_row = numbers(m->pool, model->n_layers), *node_row = numbers(m->pool, m->outline->n_nodes);
  m->rows.v = kd_pool_alloc(m->pool, (size_t)model->n_calls, sizeof *m->rows.v);
  for (int i = 0; i < model->n_calls; i++) {
    m->row_of[order[i]] = row_of(m, order[i], layer_row, node_row);
    m->rows.v[m->row_of[order[i]]].n_calls++;
  }
  int *calls = numbers(m->pool, model->n_calls), at = 0;
  for (int r = 0; r < m->rows.n; r++) {
    m->rows.v[r].calls = calls + at;
    at += m->rows.v[r].n_calls;
    m->rows.v[r].n_calls = 0;
  }
  for (int i = 0; i < model->n_calls; i++) {
    kd_summary_row *row = &m->rows.v[m->row_of[i]];
    calls[row->calls - calls + row->n_calls++] = i;
    row->last = model->calls[i];
  }
  for (int i = 0; i < m->outline->n_nodes; i++) {
    const kd_outline_node *node = &m->outline->nodes[i];
    m->rows.v[m->row_of[node->last_call]].flops += node->flops;
  }
}

/* Numbers the tensors that leave folded blocks, in the order of their first use. */
static void number_taps(maker *m) {
  int *leaving = numbers(m->pool, m->rows.n);
  for (int i = 0; i < m->model->n_calls; i++) {
    const kd_call *call = m->model->calls[i];
    for (int k = 0; k < call->n_inputs; k++) {
      int from = call->inputs[k].call, row = m->row_of[from];
      int *number = &m->tap_number[m->first_tap[from] + call->inputs[k].output];
      if (m->rows.v[row].copies && row != m->row_of[i] && *number == 0) *number = ++leaving[row];
    }
  }
}

static void add_source(maker *m, int row, kd_tap tap) {
  kd_summary_row *r = &m->rows.v[row];
  int from = m->row_of[tap.call], at = m->first_tap[tap.call] + tap.output;
  const kd_summary_row *source = &m->rows.v[from];
  if (r->copies && (from == row || m->taken_by[at] == row + 1)) return;
  if (r->copies) m->taken_by[at] = row + 1;
  r->sources[r->n_sources++] = source->copies
                                   ? (kd_summary_source){source->name, from, 0, m->tap_number[at] - 1}
                                   : (kd_summary_source){source->name, from, m->number[tap.call], tap.output};
}

static void find_sources(maker *m) {
  m->rows.chain = m->model->n_inputs == 1;
  for (int r = 0; r < m->rows.n; r++) {
    kd_summary_row *row = &m->rows.v[r];
    int most = 0;
    for (int i = 0; i < row->n_calls; i++) most += m->model->calls[row->calls[i]]->n_inputs;
    row->sources = kd_pool_alloc(m->pool, (size_t)most, sizeof *row->sources);
    for (int i = 0; i < row->n_calls; i++) {
      const kd_call *call = m->model->calls[row->calls[i]];
      for (int k = 0; k < call->n_inputs; k++) add_source(m, r, call->inputs[k]);
    }
    bool follows = row->n_sources == 0 ? r == 0 : row->n_sources == 1 && row->sources[0].row == r - 1;
    m->rows.chain = m->rows.chain && follows && (row->copies || row->n_calls == 1);
  }
}

kd_summary_rows kd_summary_rows_make(kd_pool *pool, const kd_outline *outline) {
  const kd_model *model = outline->model;
  maker m = {.pool = pool,
             .outline = outline,
             .model = model,
             .row_of = numbers(pool, model->n_calls),
             .number = numbers(pool, model->n_calls),
             .first_tap = numbers(pool, model->n_calls)};
  number_calls(&m);
  make_rows(&m);
  number_taps(&m);
  find_sources(&m);
  return m.rows;
}
