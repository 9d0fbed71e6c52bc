/* Work that library kernels do while they write their result: bias and activation of matmul and convolution,
 * relu of batch normalisation and its mask in the gradient.
 *
 * Each pattern needs that nobody else reads the value in between. Gradients of relu, tanh and sigmoid read
 * the result of the activation, not its operand (layers/op/pointwise_step_grad.c), so the patterns hold in
 * training. */
#include <string.h>

#include "layers/plan/fuse.h"
#include "layers/plan/rewrite.h"

/* What becomes of a node. */
typedef struct change {
  bool absorbed;        /* its work is done by another node */
  kd_sym bias;          /* third input, or KD_NO_SYM */
  kd_epilogue epilogue; /* matmul and convolution */
  bool relu;            /* batch normalisation and its gradient */
  kd_sym result;        /* the tensor that its first output is now, or KD_NO_SYM */
  kd_sym dy;            /* BATCH_NORM_GRAD: the gradient before the mask, or KD_NO_SYM */
} change;

typedef struct pass {
  kd_rewrite rewrite;
  const kd_graph *graph;
  kd_readers readers;
  change *change; /* per node */
} pass;

/* The pointwise node that alone reads sym, or -1. */
static int only_reader(const pass *p, kd_sym sym) {
  if (p->rewrite.keep[sym] || kd_readers_count(&p->readers, sym) != 1) return -1;
  int reader = p->readers.node[p->readers.start[sym]];
  return p->graph->nodes[reader].op == KD_OP_POINTWISE ? reader : -1;
}

/* A pointwise node of one step whose result has the type and the shape of `like`. */
static const kd_pointwise_attr *single_step(const pass *p, int node, int n_inputs, kd_dtype type,
                                            kd_sym like) {
  const kd_pointwise_attr *attr = p->graph->nodes[node].attr;
  bool fits = attr->n_inputs == n_inputs && attr->n_steps == 1 && attr->n_outputs == 1 &&
              attr->output[0] == n_inputs && attr->output_dtype[0] == type &&
              kd_shape_equal(&attr->shape, &p->graph->syms[like].shape);
  return fits ? attr : NULL;
}

/* True when the tensor is there before `node` runs. */
static bool computed_before(const pass *p, kd_sym sym, int node) {
  const kd_node *producer = kd_producer(p->graph, sym, true);
  return !producer || producer - p->graph->nodes < node;
}

/* The bias when node adds a vector over the last axis to sum's result, else KD_NO_SYM. A vector has rank 1: a
 * residual or a bias of full rank has another meaning even where the sizes agree. */
static kd_sym match_bias(const pass *p, int node, kd_sym sum, int head) {
  const kd_pointwise_attr *attr = single_step(p, node, 2, KD_F32, sum);
  if (!attr || attr->step[0].op != KD_PW_ADD || attr->step[0].arg[0] == attr->step[0].arg[1])
    return KD_NO_SYM;
  const kd_node *add = &p->graph->nodes[node];
  kd_sym bias = add->input[0] == sum ? add->input[1] : add->input[0];
  const kd_sym_info *info = &p->graph->syms[bias], *full = &p->graph->syms[sum];
  bool vector = info->shape.rank == 1 && full->shape.rank > 1 &&
                info->shape.dim[0] == full->shape.dim[full->shape.rank - 1];
  return vector && kd_dtype_is_float(info->dtype) && computed_before(p, bias, head) ? bias : KD_NO_SYM;
}

static kd_epilogue match_activation(const pass *p, int node, kd_sym x) {
  const kd_pointwise_attr *attr = single_step(p, node, 1, p->graph->syms[x].dtype, x);
  if (!attr) return KD_EPI_NONE;
  switch (attr->step[0].op) {
  case KD_PW_RELU:
    return KD_EPI_RELU;
  case KD_PW_TANH:
    return KD_EPI_TANH;
  case KD_PW_SIGMOID:
    return KD_EPI_SIGMOID;
  default:
    return KD_EPI_NONE;
  }
}

static bool has_epilogue(const kd_node *node) {
  if (node->op == KD_OP_MATMUL) return ((const kd_matmul_attr *)node->attr)->epilogue != KD_EPI_NONE;
  return ((const kd_conv_attr *)node->attr)->epilogue != KD_EPI_NONE;
}

/* Takes the node's work over: its result is now the result of head. */
static void absorb(pass *p, int head, int node) {
  p->change[node].absorbed = true;
  p->change[head].result = p->graph->nodes[node].output[0];
}

/* The sum with a bias is float32. Behind a product in a half type it is taken in together with the cast back,
 * or not at all. Returns the tensor that is the product's result then. */
static kd_sym take_bias(pass *p, int head, int adder, kd_sym sum) {
  kd_sym bias = match_bias(p, adder, sum, head), biased = p->graph->nodes[adder].output[0];
  kd_dtype type = p->graph->syms[sum].dtype;
  if (bias == KD_NO_SYM) return sum;
  if (type != KD_F32) {
    int cast = only_reader(p, biased);
    const kd_pointwise_attr *attr = cast < 0 ? NULL : single_step(p, cast, 1, type, biased);
    if (!attr || attr->step[0].op != KD_PW_COPY) return sum;
    absorb(p, head, adder);
    adder = cast;
  }
  p->change[head].bias = bias;
  absorb(p, head, adder);
  return p->change[head].result;
}

static void match_linear(pass *p, int head) {
  const kd_node *node = &p->graph->nodes[head];
  kd_sym result = node->output[0];
  int reader = only_reader(p, result);
  if (reader < 0 || has_epilogue(node)) return;
  if (node->n_inputs == 2) {
    result = take_bias(p, head, reader, result);
    reader = only_reader(p, result);
  }
  kd_epilogue epilogue = reader < 0 ? KD_EPI_NONE : match_activation(p, reader, result);
  if (epilogue == KD_EPI_NONE) return;
  p->change[head].epilogue = epilogue;
  absorb(p, head, reader);
}

static void match_norm(pass *p, int head) {
  kd_sym result = p->graph->nodes[head].output[0];
  int reader = only_reader(p, result);
  if (reader < 0 || match_activation(p, reader, result) != KD_EPI_RELU) return;
  p->change[head].relu = true;
  absorb(p, head, reader);
}

bool kd_match_relu_mask(const kd_node *node, kd_sym *y, kd_sym *dy) {
  if (node->op != KD_OP_POINTWISE) return false;
  const kd_pointwise_attr *attr = node->attr;
  if (attr->n_inputs != 2 || attr->n_steps != 2 || attr->n_outputs != 1 || attr->output[0] != 3) return false;
  const kd_pw_step *zero = &attr->step[0], *select = &attr->step[1];
  if (zero->op != KD_PW_CONST || zero->imm.value != 0 || select->op != KD_PW_SELECT) return false;
  if (select->arg[0] > 1 || select->arg[1] > 1 || select->arg[2] != 2) return false;
  *y = node->input[select->arg[0]];
  *dy = node->input[select->arg[1]];
  return true;
}

/* The batch normalisation with fused relu whose result is y, or NULL. */
static const kd_node *norm_behind(const pass *p, kd_sym y) {
  const kd_node *relu = kd_producer(p->graph, y, false);
  if (!relu || !p->change[relu - p->graph->nodes].absorbed) return NULL;
  const kd_node *norm = kd_producer(p->graph, relu->input[0], false);
  return norm->op == KD_OP_BATCH_NORM ? norm : NULL;
}

static void match_norm_grad(pass *p, int head) {
  const kd_graph *graph = p->graph;
  const kd_node *grad = &graph->nodes[head];
  kd_sym masked = grad->input[5], y, dy;
  int mask = graph->syms[masked].node;
  if (mask < 0 || p->rewrite.keep[masked] || kd_readers_count(&p->readers, masked) != 1) return;
  if (!kd_match_relu_mask(&graph->nodes[mask], &y, &dy)) return;
  const kd_node *norm = norm_behind(p, y);
  if (!norm || memcmp(norm->input, grad->input, 3 * sizeof(kd_sym)) != 0) return;
  if (norm->output[1] != grad->input[3] || norm->output[2] != grad->input[4]) return;
  const kd_sym_info *raw = &graph->syms[dy], *full = &graph->syms[masked];
  if (raw->dtype != full->dtype || !kd_shape_equal(&raw->shape, &full->shape)) return;
  p->change[mask].absorbed = true;
  p->change[head].relu = true;
  p->change[head].dy = dy;
}

static void match(pass *p, int n) {
  switch (p->graph->nodes[n].op) {
  case KD_OP_MATMUL:
  case KD_OP_CONV:
    match_linear(p, n);
    break;
  case KD_OP_BATCH_NORM:
    match_norm(p, n);
    break;
  case KD_OP_BATCH_NORM_GRAD:
    match_norm_grad(p, n);
    break;
  default:
    break;
  }
}

static void emit(pass *p, int n) {
  const kd_node *node = &p->graph->nodes[n];
  const change *c = &p->change[n];
  kd_sym inputs[KD_MAX_INPUTS], outputs[KD_MAX_OUTPUTS];
  memcpy(inputs, node->input, (size_t)node->n_inputs * sizeof *inputs);
  memcpy(outputs, node->output, (size_t)node->n_outputs * sizeof *outputs);
  int n_inputs = node->n_inputs;
  if (c->bias != KD_NO_SYM) inputs[n_inputs++] = c->bias;
  if (c->dy != KD_NO_SYM) inputs[5] = c->dy;
  if (c->result != KD_NO_SYM) outputs[0] = c->result;
  union {
    kd_matmul_attr matmul;
    kd_conv_attr conv;
    kd_norm_attr norm;
  } attr;
  memcpy(&attr, node->attr, kd_op_get(node->op)->attr_size);
  if (node->op == KD_OP_MATMUL && c->epilogue) attr.matmul.epilogue = c->epilogue;
  if (node->op == KD_OP_CONV && c->epilogue) attr.conv.epilogue = c->epilogue;
  if (c->relu) attr.norm.relu = true;
  kd_rewrite_add(&p->rewrite, node, node->op, &attr, n_inputs, inputs, node->n_outputs, outputs);
}

kd_graph *kd_fuse_epilogues(const kd_graph *graph, const bool *keep, kd_sym *map) {
  pass p = {.rewrite = kd_rewrite_begin(graph, keep, map), .graph = graph};
  p.readers = kd_readers_find(graph, p.rewrite.needed);
  p.change = kd_calloc((size_t)graph->n_nodes, sizeof *p.change);
  for (int n = 0; n < graph->n_nodes; n++) p.change[n].bias = p.change[n].result = p.change[n].dy = KD_NO_SYM;
  for (int n = 0; n < graph->n_nodes; n++)
    if (p.rewrite.needed[n]) match(&p, n);
  for (int n = 0; n < graph->n_nodes; n++) {
    const change *c = &p.change[n];
    if (!p.rewrite.needed[n] || c->absorbed || kd_node_is_view(&graph->nodes[n])) continue;
    if (c->bias != KD_NO_SYM || c->dy != KD_NO_SYM || c->result != KD_NO_SYM)
      emit(&p, n);
    else
      kd_rewrite_copy(&p.rewrite, &graph->nodes[n]);
  }
  kd_free(p.change);
  kd_readers_free(&p.readers);
  return kd_rewrite_end(&p.rewrite);
}
