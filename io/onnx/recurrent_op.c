/* LSTM, GRU and RNN of ONNX, which runtimes compute two to three times as fast as a Scan. They take x itself,
 * so the projection x W + b is looked for where the graph has it; W, b and the recurrent kernel must be
 * weights, and there is no mask. */
#include "io/onnx/recurrent.h"

typedef struct projection {
  kd_sym x;
  const kd_onnx_entry *kernel, *recurrent, *bias, *recurrent_bias; /* biases: NULL: none */
  int64_t features, units;
  int gates;
} projection;

static const char *function_name(kd_cell_fn fn) {
  return fn == KD_CELL_FN_TANH      ? "Tanh"
         : fn == KD_CELL_FN_SIGMOID ? "Sigmoid"
         : fn == KD_CELL_FN_RELU    ? "Relu"
                                    : NULL;
}

/* --- where the projection is ----------------------------------------------------------------------- */

static const kd_onnx_entry *weight_of(const kd_onnx *x, kd_sym sym, int rank) {
  const kd_onnx_entry *entry = &x->entry[sym];
  return entry->data && kd_sym_shape(x->graph, sym)->rank == rank ? entry : NULL;
}

/* z = matmul + bias: the product, and the bias in *bias; z itself where there is no bias. */
static kd_sym without_bias(const kd_onnx *x, kd_sym z, const kd_onnx_entry **bias) {
  const kd_node *node = kd_producer(x->graph, z, false);
  if (!node || node->op != KD_OP_POINTWISE) return z;
  const kd_pointwise_attr *attr = node->attr;
  if (attr->n_steps != 1 || attr->step[0].op != KD_PW_ADD || node->n_inputs != 2) return z;
  *bias = weight_of(x, node->input[1], 1);
  return *bias ? node->input[0] : z;
}

static bool find_projection(const kd_onnx *x, const kd_node *node, projection *p) {
  const kd_recurrent_attr *attr = node->attr;
  int place = kd_recurrent_input(attr->flags, KD_RNN_BIAS);
  *p = (projection){.recurrent = weight_of(x, node->input[1], 2), .gates = kd_cell_gates(attr->cell)};
  p->units = kd_sym_shape(x->graph, node->input[1])->dim[0];
  const kd_node *product = kd_producer(x->graph, without_bias(x, node->input[0], &p->bias), false);
  if (!product || product->op != KD_OP_MATMUL || !p->recurrent) return false;
  const kd_matmul_attr *matmul = product->attr;
  p->x = product->input[0];
  p->kernel = weight_of(x, product->input[1], 2);
  if (place >= 0 && !(p->recurrent_bias = weight_of(x, node->input[place], 1))) return false;
  p->features = kd_sym_shape(x->graph, product->input[1])->dim[0];
  return p->kernel && !matmul->transpose_a && !matmul->transpose_b && kd_sym_shape(x->graph, p->x)->rank == 3;
}

/* --- weights --------------------------------------------------------------------------------------- */

/* Keras's block for each of ONNX's. */
static int block_of(kd_cell cell, int gate) {
  static const int lstm[] = {0, 3, 1, 2}; /* i, o, f, c */
  return cell == KD_CELL_LSTM ? lstm[gate] : gate;
}

/* (rows, gates units) as (1, gates units, rows). */
static kd_onnx_value store_kernel(kd_onnx *x, kd_cell cell, const projection *p, const kd_onnx_entry *kernel,
                                  int64_t rows) {
  int64_t width = p->gates * p->units;
  float *data = kd_pool_alloc(x->pool, (size_t)(rows * width), sizeof *data);
  for (int64_t c = 0; c < width; c++)
    for (int64_t r = 0; r < rows; r++)
      data[c * rows + r] =
          kernel->data[r * width + block_of(cell, (int)(c / p->units)) * p->units + c % p->units];
  return kd_onnx_store(x, kernel->path, KD_SHAPE(1, width, rows), data);
}

/* Both biases behind each other; 0: none. */
static kd_onnx_value store_bias(kd_onnx *x, kd_cell cell, const projection *p) {
  const kd_onnx_entry *given[2] = {p->bias, p->recurrent_bias};
  int64_t width = p->gates * p->units;
  if (!given[0] && !given[1]) return 0;
  float *data = kd_pool_alloc(x->pool, (size_t)(2 * width), sizeof *data);
  for (int i = 0; i < 2; i++)
    for (int64_t c = 0; given[i] && c < width; c++)
      data[i * width + c] = given[i]->data[block_of(cell, (int)(c / p->units)) * p->units + c % p->units];
  return kd_onnx_store(x, (given[0] ? given[0] : given[1])->path, KD_SHAPE(1, 2 * width), data);
}

/* --- the operator ---------------------------------------------------------------------------------- */

static void set_functions(kd_onnx *x, const kd_recurrent_attr *attr) {
  const char *rec = function_name(attr->recurrent_activation), *act = function_name(attr->activation);
  const char *lstm[] = {rec, act, act}, *gru[] = {rec, act};
  if (attr->cell == KD_CELL_LSTM)
    kd_onnx_set_texts(x, "activations", 3, lstm);
  else if (attr->cell == KD_CELL_SIMPLE)
    kd_onnx_set_texts(x, "activations", 1, &act);
  else
    kd_onnx_set_texts(x, "activations", 2, gru);
}

static const int turn[] = {1, 0, 2}; /* batch first to steps first, and back */

/* (batch, steps, units) of Y (steps, 1, batch, units). */
static kd_onnx_value sequence_of(kd_onnx *x, const kd_recurrent_attr *attr, kd_onnx_value y) {
  y = KD_ONNX(x, "Squeeze", y, kd_onnx_ints(x, 1, (int64_t[]){1}));
  if ((attr->flags & KD_RNN_BACKWARDS) && (attr->flags & KD_RNN_REVERSED)) {
    kd_onnx_value first = kd_onnx_ints(x, 1, (int64_t[]){-1}),
                  last = kd_onnx_ints(x, 1, (int64_t[]){INT64_MIN + 1});
    y = KD_ONNX(x, "Slice", y, first, last, kd_onnx_ints(x, 1, (int64_t[]){0}), first);
  }
  return kd_onnx_transpose(x, y, 3, turn);
}

static void emit(kd_onnx *x, const kd_node *node, const projection *p) {
  static const char *const types[] = {
      [KD_CELL_LSTM] = "LSTM", [KD_CELL_GRU] = "GRU", [KD_CELL_GRU_BEFORE] = "GRU", [KD_CELL_SIMPLE] = "RNN"};
  const kd_recurrent_attr *attr = node->attr;
  int states = kd_cell_states(attr->cell), place = kd_recurrent_input(attr->flags, KD_RNN_STATE);
  kd_onnx_value in[7] = {0}, out[3], before[2];
  in[0] = kd_onnx_transpose(x, kd_onnx_get(x, p->x), 3, turn);
  in[1] = store_kernel(x, attr->cell, p, p->kernel, p->features);
  in[2] = store_kernel(x, attr->cell, p, p->recurrent, p->units);
  in[3] = store_bias(x, attr->cell, p);
  if (place >= 0) {
    kd_onnx_split_states(x, kd_onnx_get(x, node->input[place]), states, p->units, before);
    for (int i = 0; i < states; i++) in[5 + i] = kd_onnx_unsqueeze(x, before[i], 1, (int64_t[]){0});
  }
  kd_onnx_append(x, types[attr->cell], place < 0 ? 4 : 5 + states, in, 1 + states, out);
  kd_onnx_set_int(x, "hidden_size", p->units);
  kd_onnx_set_text(x, "direction", attr->flags & KD_RNN_BACKWARDS ? "reverse" : "forward");
  if (attr->cell == KD_CELL_GRU) kd_onnx_set_int(x, "linear_before_reset", 1);
  set_functions(x, attr);
  for (int i = 0; i < states; i++)
    out[1 + i] = KD_ONNX(x, "Squeeze", out[1 + i], kd_onnx_ints(x, 1, (int64_t[]){0}));
  kd_onnx_put(x, node->output[0], sequence_of(x, attr, out[0]));
  kd_onnx_put(x, node->output[1], kd_onnx_join_states(x, states, out + 1));
}

bool kd_onnx_recurrent_op(kd_onnx *x, const kd_node *node) {
  const kd_recurrent_attr *attr = node->attr;
  projection p;
  bool simple = attr->cell == KD_CELL_SIMPLE || function_name(attr->recurrent_activation);
  if (attr->flags & (KD_RNN_MASK | KD_RNN_DROP) || !simple || !function_name(attr->activation)) return false;
  if (!find_projection(x, node, &p)) return false;
  emit(x, node, &p);
  return true;
}
