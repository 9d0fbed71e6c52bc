/* The kernels as the host sees them: functions that put one or a few kernels on a stream and return CUDA's
 * error number, 0 when all is well. Sizes are in elements; nothing waits, nothing is allocated. Included by C
 * and by CUDA sources. */
#ifndef KD_CUDA_LAUNCH_H
#define KD_CUDA_LAUNCH_H

#ifdef __cplusplus
extern "C" {
#endif

#include "device/base/rng.h"
#include "device/base/tensor.h"
#include "device/recurrent.h"

/* --- moves.cu -------------------------------------------------------------------------------------- */

/* A strided copy of elements of 1, 2, 4 or 8 bytes; axes are merged where they can be. */
typedef struct kd_job_copy {
  int rank, element;
  int64_t count, size[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK]; /* strides in elements */
} kd_job_copy;
int kd_cuda_copy_start(const kd_job_copy *copy, const void *from, void *to, void *stream);
/* Element-sized patterns, count times. */
int kd_cuda_fill_start(int element, uint64_t pattern, int64_t count, void *to, void *stream);
/* y[i] = i / inner % n */
int kd_cuda_iota_start(int64_t count, int64_t n, int64_t inner, float *y, void *stream);
int kd_cuda_gather_start(kd_dtype id_type, const void *ids, int64_t n_ids, int64_t rows, int64_t row_bytes,
                         const void *table, void *to, void *stream);
/* y = epilogue(x + bias), of rows of `width`; bias may be NULL, y may be x. kind: kd_epilogue. */
int kd_cuda_epilogue_start(int kind, const float *bias, int64_t rows, int64_t width, const float *x,
                           kd_dtype y_type, void *y, void *stream);
/* Between float types; to float32 by way of `rounding` where that is a type of 16 bits. */
int kd_cuda_convert_start(kd_dtype from_type, kd_dtype to_type, kd_dtype rounding, int64_t count,
                          const void *from, void *to, void *stream);

/* --- sums.cu --------------------------------------------------------------------------------------- */

/* to += from */
int kd_cuda_add_start(float *to, const float *from, int64_t count, void *stream);

/* *number += 1, as memory of the host, pinned. In the order of one stream. */
int kd_cuda_count_start(int64_t *number, void *stream);

/* The fixed tree over partial sums, as a stack machine (comm/tree.h): push an input, add one to the top, or
 * (input NULL) add the top to what is below. `inputs` and their array are device memory. */
enum { KD_JOIN_DEPTH = 14 };
typedef struct kd_job_join {
  const float *input; /* of float 0 of the sum; moves: of float 0 of the range that is summed */
  int push, moves;
} kd_job_join;
/* to[i] for i < count is the join of the inputs' floats i; those of inputs that move: offset + i. to may be
 * an input. */
int kd_cuda_join_start(const kd_job_join *joins, int n_joins, int64_t offset, int64_t count, float *to,
                       void *stream);

/* --- reduce.cu ------------------------------------------------------------------------------------- */

/* y (outer, inner) = the reduction over n of x (outer, n, inner). kind: kd_reduce_kind, MEAN divides by
 * `divisor`. partial: room for kd_cuda_reduce_parts(...) floats. */
typedef struct kd_job_reduce {
  int kind;
  kd_dtype from, to;
  int64_t outer, n, inner;
  float divisor; /* of the result; 1: none */
} kd_job_reduce;
int64_t kd_cuda_reduce_parts(int64_t outer, int64_t n, int64_t inner);
int kd_cuda_reduce_start(const kd_job_reduce *reduce, const void *x, void *y, float *partial, void *stream);
int kd_cuda_argmax_start(kd_dtype dtype, const void *x, int64_t outer, int64_t n, int64_t inner, int32_t *y,
                         void *stream);
int kd_cuda_in_top_k_start(kd_dtype dtype, const void *x, int64_t rows, int64_t n, kd_dtype label_type,
                           const void *labels, int k, float *y, void *stream);

/* --- scatter.cu ------------------------------------------------------------------------------------ */

/* Rows are added to the table in the order of their positions: ids are sorted first, keeping that order. */
typedef struct kd_job_scatter {
  kd_dtype id_type, dtype;
  int64_t n_ids, table_rows, width;
} kd_job_scatter;
size_t kd_cuda_scatter_bytes(const kd_job_scatter *scatter);
/* y holds what rows without an id keep. */
int kd_cuda_scatter_start(const kd_job_scatter *scatter, const void *ids, const void *rows, void *y,
                          void *workspace, void *stream);

/* --- softmax.cu ------------------------------------------------------------------------------------ */

int kd_cuda_softmax_start(bool log, const float *x, int64_t rows, int64_t n, float *y, void *stream);
int kd_cuda_softmax_grad_start(bool log, const float *y, const float *dy, int64_t rows, int64_t n, float *dx,
                               void *stream);
int kd_cuda_xent_start(int ignore, const float *x, kd_dtype label_type, const void *labels, int64_t rows,
                       int64_t n, float *loss, float *most, float *sum, void *stream);
int kd_cuda_xent_grad_start(int ignore, const float *x, kd_dtype label_type, const void *labels,
                            const float *most, const float *sum, const float *dloss, int64_t rows, int64_t n,
                            float *dx, void *stream);

/* --- ctc.cu ---------------------------------------------------------------------------------------- */

typedef struct kd_job_ctc {
  int64_t batch, steps, classes, labels;
  const float *logs;
  kd_dtype label_type;
  const void *label;
  double *states; /* workspace: kd_cuda_ctc_doubles */
} kd_job_ctc;
int64_t kd_cuda_ctc_doubles(const kd_job_ctc *ctc, bool grad);
int kd_cuda_ctc_start(const kd_job_ctc *ctc, float *loss, void *stream);
int kd_cuda_ctc_grad_start(const kd_job_ctc *ctc, const float *dloss, float *dlogs, void *stream);

/* --- norm.cu --------------------------------------------------------------------------------------- */

/* workspace: kd_cuda_norm_floats floats. */
int64_t kd_cuda_norm_floats(int64_t rows, int64_t channels);
int kd_cuda_batch_statistics_start(const float *x, int64_t rows, int64_t channels, float *mean,
                                   float *variance, float *workspace, void *stream);
typedef struct kd_job_norm {
  int64_t rows, channels;
  float epsilon;
  bool relu;
  const float *x, *gamma, *beta, *mean, *variance; /* layer norm: of rows, and 1 / deviation */
} kd_job_norm;
int kd_cuda_batch_norm_start(const kd_job_norm *norm, float *y, void *stream);
int kd_cuda_batch_norm_grad_start(const kd_job_norm *norm, const float *dy, float *dx, float *dgamma,
                                  float *dbeta, float *workspace, void *stream);
int kd_cuda_layer_norm_start(const kd_job_norm *norm, float *y, float *mean, float *rstd, void *stream);
int kd_cuda_layer_norm_grad_start(const kd_job_norm *norm, const float *dy, float *dx, float *dgamma,
                                  float *dbeta, float *workspace, void *stream);

/* --- pool.cu --------------------------------------------------------------------------------------- */

/* Always three spatial axes; the first ones have size 1 where there are fewer. */
typedef struct kd_job_pool {
  bool average;
  int64_t batch, channels, in[3], out[3], window[3], stride[3], before[3];
} kd_job_pool;
int kd_cuda_pool_start(const kd_job_pool *pool, const float *x, float *y, void *stream);
/* winner: an int32 per result, room for the maximum's places; unused for averages. */
int kd_cuda_pool_grad_start(const kd_job_pool *pool, const float *x, const float *dy, float *dx,
                            int32_t *winner, void *stream);
/* Maxima of relu(batch norm) over windows that do not overlap; pool: in, out, window. */
int kd_cuda_norm_pool_start(const kd_job_pool *pool, const kd_job_norm *norm, float *y, void *stream);
int kd_cuda_norm_pool_grad_start(const kd_job_pool *pool, const kd_job_norm *norm, const float *dy, float *dx,
                                 float *dgamma, float *dbeta, float *workspace, void *stream);

/* --- conv.cu: plain loops, for what the library has no plan for ------------------------------------- */

/* Three spatial axes, as pooling. kernel (k.., c / groups, f). */
typedef struct kd_job_conv {
  int64_t batch, channels, filters, groups, in[3], out[3], window[3], stride[3], dilation[3], before[3];
} kd_job_conv;
int kd_cuda_conv_start(const kd_job_conv *conv, const float *x, const float *kernel, float *y, void *stream);
int kd_cuda_conv_data_start(const kd_job_conv *conv, const float *dy, const float *kernel, float *dx,
                            void *stream);
int kd_cuda_conv_kernel_start(const kd_job_conv *conv, const float *x, const float *dy, float *dkernel,
                              void *stream);

/* --- attention.cu ---------------------------------------------------------------------------------- */

enum { KD_CUDA_MASKS = 3 };
typedef struct kd_job_attention {
  float scale, dropout;
  unsigned node;
  int rows_per_sample, causal, window, unseen, n_masks;
  int64_t batch, queries, keys, heads, groups, features, width;
  const float *q, *k, *v;
  const void *mask[KD_CUDA_MASKS];
  kd_dtype mask_type[KD_CUDA_MASKS];
  int64_t mask_stride[KD_CUDA_MASKS][4]; /* of row, head, query, key; 0 where the mask broadcasts */
  const uint32_t *rng;
} kd_job_attention;
int kd_cuda_attention_start(const kd_job_attention *a, float *y, float *lse, void *stream);
/* total: a float per query and head. */
int kd_cuda_attention_grad_start(const kd_job_attention *a, const float *y, const float *lse, const float *dy,
                                 float *dq, float *dk, float *dv, float *total, void *stream);

/* --- attention_masks.cu: around attention by cuDNN, which takes no masks ---------------------------- */

/* What is added to scores: (batch, heads, queries, keys) floats, `count` in all; sizes are 1 where masks
 * broadcast. */
typedef struct kd_job_bias {
  int64_t batch, heads, queries, count;
  float hidden; /* for keys that a mask hides, else 0 */
} kd_job_bias;
/* From masks that tell keys apart; the others hide whole queries. */
int kd_cuda_attention_bias_start(const kd_job_attention *a, const kd_job_bias *size, float *y, void *stream);
/* y and lse of queries that see no key. v, y of `type`; means: room for (b, groups, width) floats, NULL where
 * y is 0 then. */
int kd_cuda_attention_unseen_start(const kd_job_attention *a, kd_dtype type, const void *v, float *means,
                                   void *y, float *lse, void *stream);
/* y = lse, but `most` for queries that see no key. */
int kd_cuda_attention_seen_start(int64_t count, const float *lse, float most, float *y, void *stream);
/* dv += what comes from those queries. dy, dv of `type`; sums: room for (b, groups, width) floats. */
int kd_cuda_attention_unseen_grad_start(const kd_job_attention *a, kd_dtype type, const float *lse,
                                        const void *dy, float *sums, void *dv, void *stream);

/* --- recurrent.cu: what is done to each unit of each row; products are made by the library ----------- */

typedef struct kd_job_cell {
  kd_cell cell;
  kd_cell_fn activation, recurrent_activation;
  int flags;
  int gates, states, saved; /* of the cell: device/recurrent.h */
  int64_t rows, steps, units;
} kd_job_cell;

/* One step forward. acc (rows, G u): the product of the state before and the recurrent kernel. */
typedef struct kd_job_cell_step {
  int64_t step, at, out, kept, last; /* number; place in z and mask, in y; in saved values; of the y before */
  const float *z, *bias, *mask, *acc;
  float *state, *y, *saved, *before; /* state (rows, S u) holds the state before, then behind the step */
} kd_job_cell_step;
int kd_cuda_cell_start(const kd_job_cell *cell, const kd_job_cell_step *step, void *stream);
/* GRU_BEFORE, between its two products: the gates z and r into saved, left = r h. */
int kd_cuda_cell_reset_start(const kd_job_cell *cell, const kd_job_cell_step *step, float *left,
                             void *stream);
/* dropped (gates, rows, u) = h drop_g for `gates` gates from `first` on; h with `stride` floats between rows,
 * drop (rows / repeat, G, u). */
int kd_cuda_cell_drop_start(const kd_job_cell *cell, int first, int gates, int64_t rows, int64_t repeat,
                            const float *h, int64_t stride, const float *drop, float *dropped, void *stream);

/* One step backward. dstate (rows, S u): gradient of the state behind the step, then of that before it but
 * for what comes through the products. */
typedef struct kd_job_cell_back {
  int64_t step, at, out;
  const float *saved, *before, *state, *mask, *dy;
  float *dstate, *dheld, *dz; /* dz (rows, steps, G u) */
  float *dinner;              /* (rows, steps, u) of the product of gate h: GRU; GRU_BEFORE: of left */
  float *left;                /* GRU_BEFORE: r h (rows, steps, u) */
} kd_job_cell_back;
int kd_cuda_cell_back_start(const kd_job_cell *cell, const kd_job_cell_back *back, void *stream);
/* GRU_BEFORE, behind the product that gave dinner (rows, u) at this step: the gradient of r and of h. */
int kd_cuda_cell_back_reset_start(const kd_job_cell *cell, const kd_job_cell_back *back, const float *dleft,
                                  void *stream);
/* dstate.h += sum over gates of parts (gates, rows, u), times drop (rows, G, u) from gate `first` on where
 * given. Rows that are masked at this step have zeros there. */
int kd_cuda_cell_add_start(const kd_job_cell *cell, int first, int gates, const float *parts,
                           const float *drop, float *dstate, void *stream);

#ifdef __cplusplus
}
#endif

#endif
