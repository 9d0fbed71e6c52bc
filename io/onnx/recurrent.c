/* Recurrent sequences (device/recurrent.h): where ONNX has no operator for one, a Scan over the steps, whose
 * body is one step of the cell. It has every cell, function and mask. */
#include "io/onnx/recurrent.h"

typedef struct walk {
  kd_onnx *x;
  const kd_node *node;
  const kd_recurrent_attr *attr;
  kd_onnx_value kernel, bias; /* of the states; bias 0: none */
  kd_onnx_value block[3];     /* GRU_BEFORE: the kernel by gate */
  int64_t units;
} walk;

/* --- functions of a cell --------------------------------------------------------------------------- */

static kd_onnx_value clip(kd_onnx *x, kd_onnx_value v, float from, float to) {
  return KD_ONNX(x, "Clip", v, kd_onnx_float(x, from), kd_onnx_float(x, to));
}

static kd_onnx_value apply(kd_onnx *x, kd_cell_fn fn, kd_onnx_value v) {
  static const char *const names[KD_N_CELL_FNS] = {
      [KD_CELL_FN_TANH] = "Tanh",      [KD_CELL_FN_SIGMOID] = "Sigmoid",   [KD_CELL_FN_RELU] = "Relu",
      [KD_CELL_FN_ELU] = "Elu",        [KD_CELL_FN_SOFTPLUS] = "Softplus", [KD_CELL_FN_SOFTSIGN] = "Softsign",
      [KD_CELL_FN_EXPONENTIAL] = "Exp"};
  switch (fn) {
  case KD_CELL_FN_LINEAR:
    return v;
  case KD_CELL_FN_RELU6:
    return clip(x, v, 0, 6);
  case KD_CELL_FN_HARD_TANH:
    return clip(x, v, -1, 1);
  case KD_CELL_FN_HARD_SIGMOID:
    v = KD_ONNX(x, "Add", KD_ONNX(x, "Mul", v, kd_onnx_float(x, 1.0f / 6)), kd_onnx_float(x, 0.5f));
    return clip(x, v, 0, 1);
  default:
    return KD_ONNX(x, names[fn], v);
  }
}

/* --- one step -------------------------------------------------------------------------------------- */

/* Blocks of `units` columns. */
static void split(kd_onnx *x, kd_onnx_value v, int count, int64_t units, kd_onnx_value *parts) {
  int64_t sizes[KD_CELL_MAX_GATES];
  for (int i = 0; i < count; i++) sizes[i] = units;
  kd_onnx_append(x, "Split", 2, (kd_onnx_value[]){v, kd_onnx_ints(x, count, sizes)}, count, parts);
  kd_onnx_set_int(x, "axis", 1);
}

void kd_onnx_split_states(kd_onnx *x, kd_onnx_value joined, int count, int64_t units, kd_onnx_value *states) {
  if (count == 1)
    states[0] = joined;
  else
    split(x, joined, count, units, states);
}

kd_onnx_value kd_onnx_join_states(kd_onnx *x, int count, const kd_onnx_value *states) {
  if (count == 1) return states[0];
  kd_onnx_value joined = kd_onnx_call(x, "Concat", count, states);
  kd_onnx_set_int(x, "axis", 1);
  return joined;
}

static void step_lstm(const walk *w, kd_onnx_value z, const kd_onnx_value *before, kd_onnx_value *after) {
  kd_onnx *x = w->x;
  kd_onnx_value gate[4]; /* i, f, c, o */
  split(x, KD_ONNX(x, "Add", z, KD_ONNX(x, "MatMul", before[0], w->kernel)), 4, w->units, gate);
  for (int i = 0; i < 4; i++)
    gate[i] = apply(x, i == 2 ? w->attr->activation : w->attr->recurrent_activation, gate[i]);
  after[1] = KD_ONNX(x, "Add", KD_ONNX(x, "Mul", gate[1], before[1]), KD_ONNX(x, "Mul", gate[0], gate[2]));
  after[0] = KD_ONNX(x, "Mul", gate[3], apply(x, w->attr->activation, after[1]));
}

/* h' = z h + (1 - z) q */
static kd_onnx_value mixed(kd_onnx *x, kd_onnx_value z, kd_onnx_value h, kd_onnx_value q) {
  kd_onnx_value rest = KD_ONNX(x, "Mul", KD_ONNX(x, "Sub", kd_onnx_float(x, 1), z), q);
  return KD_ONNX(x, "Add", KD_ONNX(x, "Mul", z, h), rest);
}

static void step_gru(const walk *w, kd_onnx_value z, const kd_onnx_value *before, kd_onnx_value *after) {
  kd_onnx *x = w->x;
  kd_cell_fn rec = w->attr->recurrent_activation;
  kd_onnx_value given[3], inner[3], product = KD_ONNX(x, "MatMul", before[0], w->kernel);
  if (w->bias) product = KD_ONNX(x, "Add", product, w->bias);
  split(x, z, 3, w->units, given);
  split(x, product, 3, w->units, inner);
  kd_onnx_value update = apply(x, rec, KD_ONNX(x, "Add", given[0], inner[0]));
  kd_onnx_value reset = apply(x, rec, KD_ONNX(x, "Add", given[1], inner[1]));
  kd_onnx_value q = KD_ONNX(x, "Add", given[2], KD_ONNX(x, "Mul", reset, inner[2]));
  after[0] = mixed(x, update, before[0], apply(x, w->attr->activation, q));
}

/* The reset comes before the product, so the last block of the kernel stands alone. */
static void step_gru_before(const walk *w, kd_onnx_value z, const kd_onnx_value *before,
                            kd_onnx_value *after) {
  kd_onnx *x = w->x;
  kd_cell_fn rec = w->attr->recurrent_activation;
  kd_onnx_value given[3];
  split(x, z, 3, w->units, given);
  for (int i = 0; i < 2; i++)
    given[i] = apply(x, rec, KD_ONNX(x, "Add", given[i], KD_ONNX(x, "MatMul", before[0], w->block[i])));
  kd_onnx_value h = KD_ONNX(x, "Mul", given[1], before[0]);
  kd_onnx_value q = KD_ONNX(x, "Add", given[2], KD_ONNX(x, "MatMul", h, w->block[2]));
  after[0] = mixed(x, given[0], before[0], apply(x, w->attr->activation, q));
}

static void step_simple(const walk *w, kd_onnx_value z, const kd_onnx_value *before, kd_onnx_value *after) {
  kd_onnx *x = w->x;
  kd_onnx_value h = KD_ONNX(x, "Add", z, KD_ONNX(x, "MatMul", before[0], w->kernel));
  after[0] = apply(x, w->attr->activation, h);
}

typedef void (*step_fn)(const walk *w, kd_onnx_value z, const kd_onnx_value *before, kd_onnx_value *after);
static const step_fn steps[] = {[KD_CELL_LSTM] = step_lstm,
                                [KD_CELL_GRU] = step_gru,
                                [KD_CELL_GRU_BEFORE] = step_gru_before,
                                [KD_CELL_SIMPLE] = step_simple};

/* --- the walk -------------------------------------------------------------------------------------- */

static kd_onnx_value body_input(kd_onnx_block *body, kd_onnx *x, const char *what) {
  const char *name = kd_pool_printf(x->pool, "%s/%s_%d", x->node->scope, what, x->n_values);
  return body->inputs[body->n_inputs++] = kd_onnx_new(x, name);
}

/* Outputs of a graph are values of their own: one tensor may be state and output. */
static void body_output(kd_onnx_block *body, kd_onnx *x, kd_onnx_value v) {
  body->outputs[body->n_outputs++] = KD_ONNX(x, "Identity", v);
}

/* Inputs: states, the output before (where masked steps repeat it), z, the mask. Outputs: states, the output
 * twice or once. */
static kd_onnx_block *make_body(const walk *w, bool has_mask, bool repeats) {
  kd_onnx *x = w->x;
  kd_onnx_block *body = kd_pool_alloc(x->pool, 1, sizeof *body), *outside = x->block;
  int n_states = kd_cell_states(w->attr->cell);
  kd_onnx_value before[2], after[2], y, y_before = 0, mask = 0;
  x->block = body;
  for (int i = 0; i < n_states; i++) before[i] = body_input(body, x, "state");
  if (repeats) y_before = body_input(body, x, "before");
  kd_onnx_value z = body_input(body, x, "projected");
  if (has_mask) mask = body_input(body, x, "mask");
  steps[w->attr->cell](w, z, before, after);
  y = after[0];
  if (has_mask) {
    kd_onnx_value valid = kd_onnx_truth(x, kd_onnx_unsqueeze(x, mask, 1, (int64_t[]){1}));
    for (int i = 0; i < n_states; i++) after[i] = KD_ONNX(x, "Where", valid, after[i], before[i]);
    y = KD_ONNX(x, "Where", valid, y, repeats ? y_before : kd_onnx_float(x, 0));
  }
  for (int i = 0; i < n_states; i++) body_output(body, x, after[i]);
  if (repeats) body_output(body, x, y);
  body_output(body, x, y);
  x->block = outside;
  return body;
}

static kd_status zeros(kd_onnx *x, kd_onnx_size rows, int64_t units, kd_onnx_value *v) {
  kd_onnx_value shape;
  KD_TRY(kd_onnx_shape_value(x, 2, (kd_onnx_size[]){rows, {units, units}}, &shape));
  *v = KD_ONNX(x, "Expand", kd_onnx_float(x, 0), shape);
  return KD_OK;
}

static kd_status first_states(const walk *w, kd_onnx_size rows, int count, kd_onnx_value *states) {
  int place = kd_recurrent_input(w->attr->flags, KD_RNN_STATE);
  if (place >= 0) {
    kd_onnx_split_states(w->x, kd_onnx_get(w->x, w->node->input[place]), count, w->units, states);
    return KD_OK;
  }
  for (int i = 0; i < count; i++) KD_TRY(zeros(w->x, rows, w->units, &states[i]));
  return KD_OK;
}

static void set_scan(const walk *w, kd_onnx_block *body, int n_scanned) {
  kd_onnx *x = w->x;
  int64_t axes[] = {1, 1}, backwards = (w->attr->flags & KD_RNN_BACKWARDS) != 0;
  int64_t in[] = {backwards, backwards}, out = backwards && !(w->attr->flags & KD_RNN_REVERSED);
  kd_onnx_set_body(x, "body", body);
  kd_onnx_set_int(x, "num_scan_inputs", n_scanned);
  kd_onnx_set_ints(x, "scan_input_axes", n_scanned, axes);
  kd_onnx_set_ints(x, "scan_input_directions", n_scanned, in);
  kd_onnx_set_ints(x, "scan_output_axes", 1, axes);
  kd_onnx_set_ints(x, "scan_output_directions", 1, &out);
}

kd_status kd_form_recurrent(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_recurrent_attr *attr = node->attr;
  walk w = {.x = x, .node = node, .attr = attr, .units = kd_sym_shape(x->graph, node->input[1])->dim[0]};
  int bias = kd_recurrent_input(attr->flags, KD_RNN_BIAS),
      mask = kd_recurrent_input(attr->flags, KD_RNN_MASK);
  bool repeats = mask >= 0 && !(attr->flags & KD_RNN_ZERO_MASKED);
  int n_states = kd_cell_states(attr->cell), n = n_states;
  kd_onnx_size size[KD_MAX_RANK];
  kd_onnx_value inputs[KD_ONNX_BODY_VALUES], outputs[KD_ONNX_BODY_VALUES];
  if (!x->target->only_scans && kd_onnx_recurrent_op(x, node)) return KD_OK;
  if (attr->flags & KD_RNN_DROP)
    return kd_onnx_refuse(x, "it draws random numbers; leave out training = true");
  kd_onnx_sizes(x, node->input[0], size);
  w.kernel = kd_onnx_get(x, node->input[1]);
  if (attr->cell == KD_CELL_GRU_BEFORE) split(x, w.kernel, 3, w.units, w.block);
  w.bias = bias < 0 ? 0 : kd_onnx_get(x, node->input[bias]);
  KD_TRY(first_states(&w, size[0], n_states, inputs));
  if (repeats) KD_TRY(zeros(x, size[0], w.units, &inputs[n++]));
  inputs[n++] = kd_onnx_get(x, node->input[0]);
  if (mask >= 0) inputs[n++] = kd_onnx_get(x, node->input[mask]);
  kd_onnx_block *body = make_body(&w, mask >= 0, repeats);
  kd_onnx_append(x, "Scan", n, inputs, body->n_outputs, outputs);
  set_scan(&w, body, mask >= 0 ? 2 : 1);
  kd_onnx_put(x, node->output[0], outputs[body->n_outputs - 1]);
  kd_onnx_put(x, node->output[1], kd_onnx_join_states(x, n_states, outputs));
  return KD_OK;
}
