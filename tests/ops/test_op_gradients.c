/* The gradients of the cases of cases.def, run as plans on the CPU, against the same graph in the
 * interpreter. (That the rules are right is the matter of tests/graph: there the interpreter's gradients meet
 * 4-point differences.) */
#include <math.h>

#include "support/check.h"
#include "support/compute.h"
#include "support/op_case.h"

typedef struct graph_case {
  kd_graph *g;
  const float **fed;
  int n_wanted;
  kd_sym wanted[KD_MAX_INPUTS], grads[KD_MAX_INPUTS];
} graph_case;

/* Fusion comes after differentiation: an operation with a fused activation has no gradient. */
static bool is_fused(const op_case *what) {
  if (what->op == KD_OP_MATMUL) return ((const kd_matmul_attr *)what->attr)->epilogue != KD_EPI_NONE;
  if (what->op == KD_OP_CONV) return ((const kd_conv_attr *)what->attr)->epilogue != KD_EPI_NONE;
  return what->op == KD_OP_BATCH_NORM && ((const kd_norm_attr *)what->attr)->relu;
}

/* Recurrent sequences of inference keep nothing for backward. */
static bool keeps_nothing(const op_case *what) {
  return what->op == KD_OP_RECURRENT && !(((const kd_recurrent_attr *)what->attr)->flags & KD_RNN_KEEP);
}

/* Types that compute() feeds, and something to differentiate by. */
static bool has_gradient(const op_case *what) {
  if ((kd_op_get(what->op)->flags & KD_OP_NO_GRAD) || is_fused(what) || keeps_nothing(what)) return false;
  bool floats = false;
  for (int i = 0; i < what->n_inputs; i++) {
    const op_input *input = &what->input[i];
    if (input->dtype == KD_BF16 || input->dtype == KD_F16 || input->dtype == KD_F64 || input->dtype == KD_I64)
      return false;
    if (input->data == DATA_SPECIAL) return false;
    floats = floats || input->dtype == KD_F32;
  }
  return floats;
}

static void feed(graph_case *c, kd_sym sym, const op_input *input, int which) {
  int64_t count = kd_shape_count(&input->shape);
  double *values = kd_calloc((size_t)count, sizeof *values);
  float *floats = kd_calloc((size_t)count, sizeof *floats);
  op_data_fill(input, which, values);
  for (int64_t i = 0; i < count; i++) floats[i] = (float)fmin(values[i], 0x1p31);
  kd_free(values);
  c->fed[sym] = floats;
}

/* The loss is the sum of all float32 results, each element with a weight of its own. The second result of an
 * attention, sums of exponentials, and what a recurrent sequence keeps are for their gradients only. */
static kd_sym add_loss(graph_case *c, kd_op op, int n_outputs, const kd_sym *outputs) {
  if (op == KD_OP_ATTENTION) n_outputs = 1;
  if (op == KD_OP_RECURRENT) n_outputs = 2;
  kd_sym loss = kd_const(c->g, 0);
  for (int o = 0; o < n_outputs; o++) {
    op_input weights = {KD_F32, DATA_NORMAL, 0, *kd_sym_shape(c->g, outputs[o])};
    if (kd_sym_get(c->g, outputs[o])->dtype != KD_F32) continue;
    kd_sym weight = kd_input(c->g, KD_F32, weights.shape, 100 + o, "weights");
    feed(c, weight, &weights, 50 + o);
    loss = kd_add(c->g, loss, kd_reduce_all(c->g, KD_REDUCE_SUM, kd_mul(c->g, outputs[o], weight)));
  }
  return loss;
}

static void open_case(graph_case *c, const op_case *what) {
  enum { MOST_SYMS = 1000 };
  *c = (graph_case){.g = kd_graph_create(), .fed = kd_calloc(MOST_SYMS, sizeof *c->fed)};
  kd_sym inputs[KD_MAX_INPUTS], outputs[KD_MAX_OUTPUTS];
  for (int i = 0; i < what->n_inputs; i++) {
    const op_input *input = &what->input[i];
    bool random = input->data == DATA_RANDOM;
    inputs[i] = random ? kd_value_sym(c->g, input->dtype, input->shape, i, "rng")
                       : kd_input(c->g, input->dtype, input->shape, i, "x");
    feed(c, inputs[i], input, i);
    if (input->dtype == KD_F32) c->wanted[c->n_wanted++] = inputs[i];
  }
  kd_append(c->g, what->op, what->attr, what->n_inputs, inputs, outputs);
  const kd_node *node = &c->g->nodes[c->g->n_nodes - 1];
  kd_sym loss = add_loss(c, what->op, node->n_outputs, outputs);
  assert_ok(kd_graph_status(c->g));
  assert_ok(kd_autodiff(c->g, loss, c->n_wanted, c->wanted, c->grads));
  assert_true(c->g->n_syms <= MOST_SYMS);
}

static void close_case(graph_case *c) {
  for (int i = 0; i < c->g->n_syms; i++) kd_free((void *)c->fed[i]);
  kd_free(c->fed);
  kd_graph_destroy(c->g);
}

/* Gradients add up the errors of a whole result. */
static double tolerance_of(const op_case *what) {
  return 2e-5 + 20 * what->tolerance;
}

static void check_case(const op_case *what) {
  graph_case c;
  float *expected[KD_MAX_INPUTS], *computed[KD_MAX_INPUTS];
  kd_sym list[KD_MAX_INPUTS];
  int count = 0;
  open_case(&c, what);
  for (int i = 0; i < c.n_wanted; i++)
    if (c.grads[i] != KD_NO_SYM && !c.fed[c.grads[i]]) list[count++] = c.grads[i];
  compute(c.g, COMPUTE_REFERENCE, c.fed, count, list, expected);
  compute(c.g, COMPUTE_PLAN, c.fed, count, list, computed);
  for (int i = 0; i < count; i++) {
    char text[160];
    snprintf(text, sizeof text, "%s (%s), gradient %d", kd_op_get(what->op)->name, what->name, i);
    size_t elements = (size_t)kd_shape_count(kd_sym_shape(c.g, list[i]));
    assert_close(computed[i], expected[i], elements, tolerance_of(what), tolerance_of(what), text);
    kd_free(expected[i]);
    kd_free(computed[i]);
  }
  close_case(&c);
}

static void test_gradients(void **state) {
  (void)state;
  bool seen[KD_N_OPS] = {false};
  for (int i = 0; i < n_op_cases; i++) {
    if (!has_gradient(&op_cases[i])) continue;
    check_case(&op_cases[i]);
    seen[op_cases[i].op] = true;
  }
  for (int op = 0; op < KD_N_OPS; op++)
    if (!seen[op] && !(kd_op_get((kd_op)op)->flags & KD_OP_NO_GRAD))
      fail_msg("no case differentiates %s", kd_op_get((kd_op)op)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
