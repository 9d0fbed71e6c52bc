/* The gradient rule of every primitive and of its option sets against 4-point differences. */
#include "support/check.h"
#include "support/gradient.h"

static bool op_seen[KD_N_OPS];

/* Runs one case: `expression` sees t, g and gives the tensor to differentiate. */
#define GRADIENT(name, ...)                                                                                  \
  do {                                                                                                       \
    trial t_, *t = &t_;                                                                                      \
    trial_open(t);                                                                                           \
    kd_graph *g = t->g;                                                                                      \
    kd_sym y_ = __VA_ARGS__;                                                                                 \
    for (int i_ = 0; i_ < g->n_nodes; i_++) op_seen[g->nodes[i_].op] = true;                                 \
    trial_check(t, y_, name);                                                                                \
    trial_close(t);                                                                                          \
  } while (0)

#define X(...) trial_input(t, KD_SHAPE(__VA_ARGS__), -2, 2)

/* --- moves ----------------------------------------------------------------------------------------- */

static void test_moves(void **state) {
  (void)state;
  GRADIENT("reshape", kd_unary(g, KD_PW_SQUARE, kd_reshape(g, X(2, 6), KD_SHAPE(3, 4))));
  GRADIENT("transpose", kd_transpose(g, X(2, 3, 4), (int[]){2, 0, 1}));
  GRADIENT("broadcast", kd_broadcast(g, X(3, 1), KD_SHAPE(2, 3, 4)));
  GRADIENT("broadcast of a scalar", kd_broadcast(g, trial_input(t, KD_SCALAR, 1, 2), KD_SHAPE(2, 3)));
  GRADIENT("slice", kd_slice_axis(g, X(3, 5, 2), 1, 1, 3));
  GRADIENT("strided slice", kd_slice(g, X(7, 6, 3), &(kd_slice_attr){{1, 0, 1}, {2, 3, 2}, {3, 2, 1}}));
  GRADIENT("strided slice to the end", kd_slice(g, X(7, 5), &(kd_slice_attr){{0, 4}, {4, 1}, {2, 4}}));
  GRADIENT("pad", kd_pad(g, X(2, 3), &(kd_pad_attr){{0, 2}, {1, 3}, 5}));
  GRADIENT("concat", kd_concat(g, 3, (kd_sym[]){X(2, 3), X(2, 1), X(2, 2)}, 1));
}

/* --- reductions ------------------------------------------------------------------------------------ */

static void test_reductions(void **state) {
  (void)state;
  static const char *const names[] = {"sum", "mean", "max", "min", "prod", "sumsq"};
  for (kd_reduce_kind kind = KD_REDUCE_SUM; kind <= KD_REDUCE_SUMSQ; kind++) {
    GRADIENT(names[kind], kd_reduce(g, kind, X(3, 4, 2), 1, (int[]){1}, false));
    GRADIENT(names[kind], kd_reduce(g, kind, X(3, 4, 2), 2, (int[]){0, -1}, true));
    GRADIENT(names[kind], kd_reduce_all(g, kind, X(3, 4)));
    GRADIENT(names[kind], kd_reduce_last(g, kind, kd_unary(g, KD_PW_EXP, X(3, 4)), false));
  }
}

static void test_lookup(void **state) {
  (void)state;
  GRADIENT("gather", kd_gather(g, X(5, 3), trial_integers(t, KD_SHAPE(2, 4), 0, 5)));
  kd_shape_attr table = {KD_SHAPE(5, 3)};
  GRADIENT("scatter_add", kd_append(g, KD_OP_SCATTER_ADD, &table, 2,
                                    (kd_sym[]){trial_integers(t, KD_SHAPE(2, 4), 0, 5), X(2, 4, 3)}, NULL));
}

/* --- linear ---------------------------------------------------------------------------------------- */

static kd_sym matmul(kd_graph *g, kd_sym a, kd_sym b, kd_sym bias, int transposed) {
  kd_matmul_attr attr = {.transpose_a = transposed & 1, .transpose_b = transposed & 2};
  return kd_append(g, KD_OP_MATMUL, &attr, bias == KD_NO_SYM ? 2 : 3, (kd_sym[]){a, b, bias}, NULL);
}

static void test_matmul(void **state) {
  (void)state;
  for (int tr = 0; tr < 4; tr++) {
    int64_t am = tr & 1 ? 4 : 3, ak = tr & 1 ? 3 : 4, bk = tr & 2 ? 2 : 4, bn = tr & 2 ? 4 : 2;
    GRADIENT("matmul", matmul(g, X(am, ak), X(bk, bn), KD_NO_SYM, tr));
    GRADIENT("matmul with bias", matmul(g, X(am, ak), X(bk, bn), X(2), tr));
    GRADIENT("matmul of rows", matmul(g, X(5, am, ak), X(bk, bn), X(2), tr));
    GRADIENT("matmul batch", matmul(g, X(2, 3, am, ak), X(2, 3, bk, bn), KD_NO_SYM, tr));
    GRADIENT("matmul broadcast", matmul(g, X(2, 1, am, ak), X(3, bk, bn), KD_NO_SYM, tr));
    GRADIENT("matmul broadcast left", matmul(g, X(am, ak), X(3, bk, bn), X(2), tr));
  }
}

static const kd_conv_attr line = {
    .spatial = 1, .stride = {2}, .dilation = {1}, .pad_before = {1}, .pad_after = {2}, .groups = 1};
static const kd_conv_attr plane = {.spatial = 2, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
static const kd_conv_attr strided = {.spatial = 2,
                                     .stride = {2, 3},
                                     .dilation = {2, 1},
                                     .pad_before = {1, 0},
                                     .pad_after = {2, 1},
                                     .groups = 2};
static const kd_conv_attr depthwise = {.spatial = 2,
                                       .stride = {1, 1},
                                       .dilation = {1, 1},
                                       .pad_before = {1, 1},
                                       .pad_after = {1, 1},
                                       .groups = 3};
static const kd_conv_attr volume = {
    .spatial = 3, .stride = {1, 2, 1}, .dilation = {1, 1, 1}, .pad_after = {0, 1, 0}, .groups = 1};

static kd_sym conv(kd_graph *g, kd_sym x, kd_sym kernel, kd_sym bias, const kd_conv_attr *attr) {
  return kd_append(g, KD_OP_CONV, attr, bias == KD_NO_SYM ? 2 : 3, (kd_sym[]){x, kernel, bias}, NULL);
}

static void test_conv(void **state) {
  (void)state;
  GRADIENT("conv 1d", conv(g, X(2, 6, 3), X(3, 3, 2), X(2), &line));
  GRADIENT("conv 2d", conv(g, X(2, 4, 5, 2), X(2, 3, 2, 3), KD_NO_SYM, &plane));
  GRADIENT("conv 2d strided", conv(g, X(1, 6, 7, 4), X(3, 2, 2, 4), X(4), &strided));
  GRADIENT("conv depthwise", conv(g, X(2, 3, 3, 3), X(3, 3, 1, 6), KD_NO_SYM, &depthwise));
  GRADIENT("conv 3d", conv(g, X(1, 3, 4, 3, 2), X(2, 2, 2, 2, 2), X(2), &volume));
}

static kd_sym conv_other(kd_graph *g, kd_op op, kd_sym a, kd_sym b, const kd_conv_attr *attr,
                         kd_shape shape) {
  kd_conv_attr shaped = *attr;
  shaped.shape = shape;
  return kd_append(g, op, &shaped, 2, (kd_sym[]){a, b}, NULL);
}

static void test_transposed_conv(void **state) {
  (void)state;
  GRADIENT("transposed conv 1d",
           conv_other(g, KD_OP_CONV_GRAD_DATA, X(2, 4, 2), X(3, 3, 2), &line, KD_SHAPE(2, 6, 3)));
  GRADIENT("transposed conv 2d",
           conv_other(g, KD_OP_CONV_GRAD_DATA, X(1, 3, 3, 4), X(3, 2, 2, 4), &strided, KD_SHAPE(1, 6, 8, 4)));
  GRADIENT("kernel gradient 1d",
           conv_other(g, KD_OP_CONV_GRAD_KERNEL, X(2, 6, 3), X(2, 4, 2), &line, KD_SHAPE(3, 3, 2)));
  GRADIENT("kernel gradient 2d", conv_other(g, KD_OP_CONV_GRAD_KERNEL, X(1, 6, 8, 4), X(1, 3, 3, 4), &strided,
                                            KD_SHAPE(3, 2, 2, 4)));
}

static void test_pool(void **state) {
  (void)state;
  kd_pool_attr one = {.spatial = 1, .window = {3}, .stride = {2}, .pad_before = {1}, .pad_after = {1}};
  kd_pool_attr two = {
      .spatial = 2, .window = {3, 2}, .stride = {1, 2}, .pad_before = {1, 0}, .pad_after = {1, 1}};
  kd_pool_attr three = {.spatial = 3, .window = {2, 2, 2}, .stride = {1, 2, 1}};
  for (int average = 0; average < 2; average++) {
    one.average = two.average = three.average = average;
    GRADIENT("pool 1d", kd_pool_op(g, X(2, 7, 2), &one));
    GRADIENT("pool 2d", kd_pool_op(g, X(2, 4, 5, 2), &two));
    GRADIENT("pool 3d", kd_pool_op(g, X(1, 3, 4, 3, 2), &three));
  }
}

/* --- normalisation --------------------------------------------------------------------------------- */

/* All three results: statistics are differentiable too. */
static kd_sym norm_sum(kd_graph *g, kd_op op, kd_sym x, kd_sym gamma, kd_sym beta, int results) {
  kd_sym out[3];
  kd_append(g, op, &(kd_norm_attr){.epsilon = 1e-2f}, 3, (kd_sym[]){x, gamma, beta}, out);
  kd_sym y = results & 1 ? kd_reduce_all(g, KD_REDUCE_SUMSQ, out[0]) : kd_const(g, 0);
  if (results & 2) y = kd_add(g, y, kd_reduce_all(g, KD_REDUCE_SUMSQ, out[1]));
  if (results & 4) y = kd_add(g, y, kd_reduce_all(g, KD_REDUCE_SUMSQ, out[2]));
  return y;
}

static void test_norm(void **state) {
  (void)state;
  GRADIENT("batch norm", kd_batch_norm(g, X(3, 2, 3), X(3), X(3), 1e-3, &(kd_sym){0}, &(kd_sym){0}));
  GRADIENT("batch norm, all results", norm_sum(g, KD_OP_BATCH_NORM, X(4, 3), X(3), X(3), 7));
  GRADIENT("layer norm", kd_layer_norm(g, X(3, 2, 4), X(4), X(4), 1e-3));
  GRADIENT("layer norm, all results", norm_sum(g, KD_OP_LAYER_NORM, X(2, 2, 3), X(3), X(3), 7));
  for (int results = 2; results <= 6; results += 2) {
    kd_sym gamma, beta;
    GRADIENT("batch norm statistics",
             (gamma = trial_constant(t, KD_SHAPE(3), 1, 2), beta = trial_constant(t, KD_SHAPE(3), 0, 1),
              norm_sum(g, KD_OP_BATCH_NORM, X(4, 3), gamma, beta, results)));
    GRADIENT("layer norm statistics",
             (gamma = trial_constant(t, KD_SHAPE(3), 1, 2), beta = trial_constant(t, KD_SHAPE(3), 0, 1),
              norm_sum(g, KD_OP_LAYER_NORM, X(4, 3), gamma, beta, results)));
  }
}

static void test_softmax(void **state) {
  (void)state;
  GRADIENT("exchange with one rank", kd_exchange(g, X(3, 4)));
  GRADIENT("softmax", kd_softmax(g, X(2, 2, 4), false));
  GRADIENT("log softmax", kd_softmax(g, X(3, 4), true));
  GRADIENT("sparse cross-entropy",
           kd_sparse_xent(g, X(4, 3), trial_integers(t, KD_SHAPE(4), 0, 3), INT32_MIN));
  GRADIENT("sparse cross-entropy, ignored",
           kd_sparse_xent(g, X(2, 3, 3), trial_integers(t, KD_SHAPE(2, 3), 0, 3), 1));
  GRADIENT("CTC", kd_ctc(g, X(4, 6, 3), trial_integers(t, KD_SHAPE(4, 3), 0, 3)));
  GRADIENT("CTC, more labels than steps", kd_ctc(g, X(2, 2, 4), trial_integers(t, KD_SHAPE(2, 5), 0, 4)));
  GRADIENT("CTC, no labels", kd_ctc(g, X(2, 3, 3), trial_integers(t, KD_SHAPE(2, 2), 0, 1)));
}

/* Masks hide some keys of all queries, and all keys of some. */
static kd_sym attend(trial *t, kd_attention_attr attr, int64_t batch, int64_t heads, int64_t groups) {
  kd_sym q = trial_input(t, KD_SHAPE(batch, 3, heads, 2), -1, 1),
         k = trial_input(t, KD_SHAPE(batch, 4, groups, 2), -1, 1),
         v = trial_input(t, KD_SHAPE(batch, 4, groups, 3), -1, 1);
  kd_sym masks[] = {trial_integers(t, KD_SHAPE(batch, 1, 1, 4), 0, 2),
                    trial_integers(t, KD_SHAPE(batch, 1, 3, 1), 0, 2)};
  for (int i = 0; i < 2; i++) masks[i] = kd_cast(t->g, masks[i], KD_F32);
  attr.scale = 0.7f;
  attr.rows_per_sample = 1;
  return kd_attention(t->g, q, k, v, masks, attr.dropout > 0 ? trial_rng(t) : KD_NO_SYM, &attr);
}

static void test_attention(void **state) {
  (void)state;
  GRADIENT("attention", attend(t, (kd_attention_attr){0}, 2, 2, 2));
  GRADIENT("attention, causal", attend(t, (kd_attention_attr){.causal = 1}, 1, 1, 1));
  GRADIENT("attention, window", attend(t, (kd_attention_attr){.window = 2}, 1, 1, 1));
  GRADIENT("attention, grouped heads", attend(t, (kd_attention_attr){0}, 1, 4, 2));
  GRADIENT("attention, masks", attend(t, (kd_attention_attr){.n_masks = 2}, 2, 2, 1));
  GRADIENT("attention, masks, unseen zero",
           attend(t, (kd_attention_attr){.n_masks = 2, .unseen = KD_UNSEEN_ZERO}, 2, 1, 1));
  GRADIENT("attention, dropout", attend(t, (kd_attention_attr){.dropout = 0.4f, .n_masks = 1}, 2, 2, 1));
}

/* All cells and operands: test_recurrent_gradients.c. */
static void test_recurrent(void **state) {
  (void)state;
  kd_recurrent_attr attr = {KD_CELL_LSTM, KD_CELL_FN_TANH, KD_CELL_FN_SIGMOID, KD_RNN_KEEP};
  GRADIENT("recurrent", kd_append(g, KD_OP_RECURRENT, &attr, 2, (kd_sym[]){X(2, 3, 8), X(2, 8)}, NULL));
}

/* Runs last: each primitive that has a gradient was in some case above. */
static void test_every_rule_was_checked(void **state) {
  (void)state;
  for (kd_op op = 0; op < KD_N_OPS; op++)
    if (!(kd_op_get(op)->flags & KD_OP_NO_GRAD) && !op_seen[op])
      fail_msg("no case for %s", kd_op_get(op)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_moves),     cmocka_unit_test(test_reductions),
      cmocka_unit_test(test_lookup),    cmocka_unit_test(test_matmul),
      cmocka_unit_test(test_conv),      cmocka_unit_test(test_transposed_conv),
      cmocka_unit_test(test_pool),      cmocka_unit_test(test_norm),
      cmocka_unit_test(test_softmax),   cmocka_unit_test(test_attention),
      cmocka_unit_test(test_recurrent), cmocka_unit_test(test_every_rule_was_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
