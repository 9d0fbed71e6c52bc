/* Gradients of recurrent sequences: all cells, all operands, all functions, against 4-point differences. */
#include "support/check.h"
#include "support/gradient.h"

static kd_sym steps_mask(trial *t, int64_t rows, int64_t steps) {
  return kd_cast(t->g, trial_integers(t, KD_SHAPE(rows, steps), 0, 2), KD_F32);
}

/* Two rows, four steps, three units with every operand that the flags ask for; results: 1 y, 2 last state. */
static kd_sym sequence(trial *t, kd_cell cell, kd_cell_fn act, kd_cell_fn rec, int flags, int results) {
  kd_graph *g = t->g;
  int64_t gates = kd_cell_gates(cell), units = 3, rows = 2, steps = 4;
  kd_recurrent_attr attr = {cell, act, rec, flags | KD_RNN_KEEP};
  kd_sym in[KD_MAX_INPUTS], out[4];
  int n = 0;
  in[n++] = trial_input(t, KD_SHAPE(rows, steps, gates * units), -1.5, 1.5);
  in[n++] = trial_input(t, KD_SHAPE(units, gates * units), -1, 1);
  if (flags & KD_RNN_BIAS) in[n++] = trial_input(t, KD_SHAPE(gates * units), -1, 1);
  if (flags & KD_RNN_STATE) in[n++] = trial_input(t, KD_SHAPE(rows, units * kd_cell_states(cell)), -1, 1);
  if (flags & KD_RNN_MASK) in[n++] = steps_mask(t, rows, steps);
  if (flags & KD_RNN_DROP) in[n++] = trial_constant(t, KD_SHAPE(rows, gates, units), 0, 2);
  kd_append(g, KD_OP_RECURRENT, &attr, n, in, out);
  kd_sym y = results & 1 ? kd_reduce_all(g, KD_REDUCE_SUMSQ, kd_shift(g, out[0], 0.3)) : kd_const(g, 0);
  return results & 2 ? kd_add(g, y, kd_reduce_all(g, KD_REDUCE_SUMSQ, kd_shift(g, out[1], 0.4))) : y;
}

static void check(const char *name, kd_cell cell, kd_cell_fn act, kd_cell_fn rec, int flags, int results) {
  trial t;
  trial_open(&t);
  trial_check(&t, sequence(&t, cell, act, rec, flags, results), name);
  trial_close(&t);
}

static void test_cells(void **state) {
  (void)state;
  for (kd_cell cell = KD_CELL_LSTM; cell <= KD_CELL_SIMPLE; cell++) {
    int bias = cell == KD_CELL_GRU ? KD_RNN_BIAS : 0, all = bias | KD_RNN_STATE | KD_RNN_MASK | KD_RNN_DROP;
    kd_cell_fn act = KD_CELL_FN_TANH, rec = KD_CELL_FN_SIGMOID;
    for (int results = 1; results <= 3; results++) {
      check("recurrent", cell, act, rec, bias, results);
      check("recurrent, all operands", cell, act, rec, all, results);
    }
    check("recurrent backwards", cell, act, rec, all | KD_RNN_BACKWARDS, 3);
    check("recurrent reversed", cell, act, rec, all | KD_RNN_BACKWARDS | KD_RNN_REVERSED | KD_RNN_ZERO_MASKED,
          3);
    check("recurrent with dropout", cell, act, rec, KD_RNN_DROP, 1);
  }
}

static void test_functions(void **state) {
  (void)state;
  for (kd_cell_fn fn = 0; fn < KD_N_CELL_FNS; fn++) {
    check("function of a cell", KD_CELL_LSTM, fn, KD_CELL_FN_SIGMOID, 0, 3);
    check("function of gates", KD_CELL_GRU, KD_CELL_FN_TANH, fn, 0, 3);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells), cmocka_unit_test(test_functions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
