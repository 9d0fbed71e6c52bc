/* Attention of heads: attributes and the order of the operands of ATTENTION and ATTENTION_GRAD, shared by
 * rules and kernels (Vaswani et al., "Attention is all you need", 2017, section 3.2).
 *
 * Sizes: b rows (batch), tq query steps, tk key steps, h query heads, hk heads of keys and values (hk divides
 * h; head i of the queries reads head i / (h / hk)), d features of queries and keys, e features of values.
 *   score(i, j) = scale q_i k_j where step i may see step j, p_i = softmax(score_i), y_i = sum_j drop(p_ij)
 * v_j A step sees another when causal (j <= i), window (|i - j| < window) and all masks (not 0) allow it. */
#ifndef KD_DEVICE_ATTENTION_H
#define KD_DEVICE_ATTENTION_H

/* What happens to a query that sees no key at all. Queries that see some give the others probability 0. */
typedef enum kd_unseen {
  KD_UNSEEN_MEAN,  /* scores are a constant: all keys have the same probability (jax.nn.dot_product_attention)
                    */
  KD_UNSEEN_ZERO,  /* probabilities are 0 (keras.layers.Softmax with a mask) */
  KD_UNSEEN_SHIFT, /* 1e9 is subtracted: as MEAN in float32, but scores have gradients
                      (keras.layers.Attention) */
} kd_unseen;

enum { KD_ATTENTION_MASKS = 3 };

/* Plain numbers without padding: graphs are hashed. */
typedef struct kd_attention_attr {
  float scale;
  float dropout; /* share of the probabilities that are dropped; > 0: the last operand is the rng tensor */
  unsigned node; /* of the random numbers */
  int rows_per_sample; /* rows that follow each other and belong to one sample of the batch (axes folded into
                          b); probability (row r, head, i, j) is drawn as element ((r % rows * h + head) * tq
                          + i) * tk + j of sample r / rows, see UNIFORM in pointwise.h */
  int causal;          /* 1 or 0 */
  int window;          /* 0: none */
  int n_masks;         /* float32, or as q (b or 1, h or 1, tq or 1, tk or 1), at most KD_ATTENTION_MASKS */
  kd_unseen unseen;
} kd_attention_attr;

/* Places of operands. ATTENTION: q, k, v, masks, [rng]. ATTENTION_GRAD: q, k, v, y, lse, dy, masks, [rng]. */
enum { KD_ATTENTION_FIXED = 3, KD_ATTENTION_GRAD_FIXED = 6 };

#endif
