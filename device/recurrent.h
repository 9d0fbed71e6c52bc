/* Recurrent sequences: cells, attributes and the order of the optional operands of RECURRENT and
 * RECURRENT_GRAD, shared by rules and kernels.
 *
 * Sizes: n rows (batch), t steps, u units, G gates, S states (h; LSTM: h and c), K saved values per unit.
 * A gate's columns stand together: z and the recurrent kernel have G blocks of u columns. With x the given
 * input projection of a step, h the state before it and U_g the block of gate g:
 *   LSTM        i, f, o = rec(x_g + h U_g), g = act(x_c + h U_c); c' = f c + i g; h' = o act(c')
 *               blocks i, f, c, o (Hochreiter and Schmidhuber 1997; keras LSTMCell)
 *   GRU         z, r = rec(x_g + h U_g + b_g), q = act(x_h + r (h U_h + b_h)); h' = z h + (1 - z) q
 *               blocks z, r, h (keras GRUCell with reset_after; cuDNN's form)
 *   GRU_BEFORE  the same with q = act(x_h + (r h) U_h) (Cho et al. 2014; reset_after = False)
 *   SIMPLE      h' = act(x + h U) */
#ifndef KD_DEVICE_RECURRENT_H
#define KD_DEVICE_RECURRENT_H

typedef enum kd_cell { KD_CELL_LSTM, KD_CELL_GRU, KD_CELL_GRU_BEFORE, KD_CELL_SIMPLE } kd_cell;

/* Functions whose derivative is known from their result: backward keeps results only. */
#define KD_CELL_FN_LIST                                                                                      \
  KD_CELL_FN(LINEAR, linear)                                                                                 \
  KD_CELL_FN(TANH, tanh)                                                                                     \
  KD_CELL_FN(SIGMOID, sigmoid)                                                                               \
  KD_CELL_FN(RELU, relu)                                                                                     \
  KD_CELL_FN(RELU6, relu6)                                                                                   \
  KD_CELL_FN(HARD_SIGMOID, hard_sigmoid)                                                                     \
  KD_CELL_FN(HARD_TANH, hard_tanh)                                                                           \
  KD_CELL_FN(ELU, elu)                                                                                       \
  KD_CELL_FN(SOFTPLUS, softplus)                                                                             \
  KD_CELL_FN(SOFTSIGN, softsign)                                                                             \
  KD_CELL_FN(EXPONENTIAL, exponential)

typedef enum kd_cell_fn {
#define KD_CELL_FN(ID, name) KD_CELL_FN_##ID,
  KD_CELL_FN_LIST
#undef KD_CELL_FN
      KD_N_CELL_FNS
} kd_cell_fn;

enum {
  KD_RNN_BACKWARDS = 1,   /* steps are taken from the last to the first */
  KD_RNN_REVERSED = 2,    /* y is written in the order in which steps are taken, else in the order of x */
  KD_RNN_ZERO_MASKED = 4, /* y of a masked step is 0, else the y before it (0 before the first one) */
  KD_RNN_KEEP = 8,        /* all steps of the saved values are kept for backward, else only one */
  /* Optional operands, in this order behind the others. */
  KD_RNN_BIAS = 16,   /* GRU: recurrent bias (3u). RECURRENT_GRAD: its gradient is wanted, no operand */
  KD_RNN_DY = 32,     /* RECURRENT_GRAD: gradient of y */
  KD_RNN_DSTATE = 64, /* RECURRENT_GRAD: gradient of the last state */
  KD_RNN_STATE = 128, /* state before the first step (n, S u); else zeros */
  KD_RNN_MASK = 256,  /* (n, t): 0 marks steps that leave the state as it is */
  KD_RNN_DROP = 512,  /* (n, G, u): factors of h in the product of each gate, the same for all steps */
};

/* Plain numbers without padding: graphs are hashed. */
typedef struct kd_recurrent_attr {
  kd_cell cell;
  kd_cell_fn activation, recurrent_activation;
  int flags;
} kd_recurrent_attr;

enum { KD_CELL_MAX_GATES = 4 };

static inline int kd_cell_gates(kd_cell cell) {
  return cell == KD_CELL_LSTM ? 4 : cell == KD_CELL_SIMPLE ? 1 : 3;
}
static inline int kd_cell_states(kd_cell cell) {
  return cell == KD_CELL_LSTM ? 2 : 1;
}
/* LSTM i, f, g, o, c'; GRU z, r, q and h U_h + b_h; GRU_BEFORE z, r, q; SIMPLE h'. */
static inline int kd_cell_saved(kd_cell cell) {
  static const int saved[] = {
      [KD_CELL_LSTM] = 5, [KD_CELL_GRU] = 4, [KD_CELL_GRU_BEFORE] = 3, [KD_CELL_SIMPLE] = 1};
  return saved[cell];
}

/* The place of an optional operand of RECURRENT, and of RECURRENT_GRAD; -1 when the attribute has it not. */
static inline int kd_recurrent_place(int flags, int fixed, int which) {
  if (!(flags & which)) return -1;
  for (int flag = KD_RNN_BIAS; flag < which; flag *= 2) fixed += (flags & flag) != 0;
  return fixed;
}
static inline int kd_recurrent_input(int flags, int which) {
  return kd_recurrent_place(flags, 2, which);
}
static inline int kd_recurrent_grad_input(int flags, int which) {
  return kd_recurrent_place(flags & ~KD_RNN_BIAS, 3, which);
}

#endif
