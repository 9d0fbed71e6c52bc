/* Primitive operations: ids, attributes, and how a kernel is bound and run. */
#ifndef KD_DEVICE_OP_H
#define KD_DEVICE_OP_H

#include <stdbool.h>

#include "device/attention.h"
#include "device/pointwise.h"
#include "device/recurrent.h"

typedef enum kd_op_flags {
  KD_OP_VIEW = 1,    /* the output is the input's memory; no kernel runs */
  KD_OP_INPLACE = 2, /* an output may take the memory of an input of equal size that dies here */
  KD_OP_NO_GRAD = 4, /* stated: there is no gradient rule */
} kd_op_flags;

typedef enum kd_op {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) KD_OP_##ID,
#include "device/ops.def"
#undef KD_OP
  KD_N_OPS
} kd_op;

typedef struct kd_none_attr {
  char unused;
} kd_none_attr;

typedef struct kd_shape_attr {
  kd_shape shape;
} kd_shape_attr;

typedef struct kd_axes_attr {
  int axes[KD_MAX_RANK];
} kd_axes_attr;

typedef struct kd_axis_attr {
  int axis;
} kd_axis_attr;

typedef struct kd_slice_attr {
  int64_t start[KD_MAX_RANK], size[KD_MAX_RANK], step[KD_MAX_RANK]; /* step >= 1; size counts results */
} kd_slice_attr;

typedef struct kd_pad_attr {
  int64_t before[KD_MAX_RANK], after[KD_MAX_RANK];
  float value;
} kd_pad_attr;

typedef struct kd_iota_attr {
  kd_shape shape;
  int axis;
} kd_iota_attr;

typedef enum kd_reduce_kind {
  KD_REDUCE_SUM,
  KD_REDUCE_MEAN,
  KD_REDUCE_MAX,
  KD_REDUCE_MIN,
  KD_REDUCE_PROD,
  KD_REDUCE_SUMSQ, /* sum of squares: norms */
} kd_reduce_kind;

typedef struct kd_reduce_attr {
  kd_reduce_kind kind;
  bool axis[KD_MAX_RANK]; /* true: reduced */
  bool keep;              /* reduced axes stay with size 1 */
} kd_reduce_attr;

/* Activations that a matmul or convolution may apply to its result (library epilogues). */
typedef enum kd_epilogue { KD_EPI_NONE, KD_EPI_RELU, KD_EPI_TANH, KD_EPI_SIGMOID } kd_epilogue;

/* Types of products (matmul and the convolutions). Both operands are rounded to `factors` where they have
 * another float type; sums are float32; bias and activation come before the rounding to `result`. So a kernel
 * may stay float32 in memory while it is multiplied in bfloat16. */
typedef struct kd_product_types {
  kd_dtype factors, result; /* KD_F32, KD_BF16 or KD_F16 */
} kd_product_types;

typedef struct kd_matmul_attr {
  bool transpose_a, transpose_b;
  kd_epilogue epilogue;
  kd_product_types types;
} kd_matmul_attr;

enum { KD_MAX_SPATIAL = 3 };
typedef struct kd_conv_attr {
  int spatial;                                              /* 1, 2 or 3 spatial axes */
  int64_t stride[KD_MAX_SPATIAL], dilation[KD_MAX_SPATIAL]; /* dilation 1: none */
  int64_t pad_before[KD_MAX_SPATIAL], pad_after[KD_MAX_SPATIAL];
  int64_t groups;
  kd_epilogue epilogue; /* CONV only */
  kd_product_types types;
  kd_shape shape; /* CONV_GRAD_DATA: of x; CONV_GRAD_KERNEL: of the kernel */
} kd_conv_attr;

typedef struct kd_pool_attr {
  int spatial;
  bool average; /* else maximum; the average is over real cells only (padding is not counted) */
  int64_t window[KD_MAX_SPATIAL], stride[KD_MAX_SPATIAL];
  int64_t pad_before[KD_MAX_SPATIAL], pad_after[KD_MAX_SPATIAL];
} kd_pool_attr;

typedef struct kd_norm_attr {
  float epsilon;
  bool relu; /* BATCH_NORM only: fused by the plan */
} kd_norm_attr;

typedef struct kd_norm_pool_attr {
  float epsilon;
  int window[2]; /* height and width of a window, and its stride */
} kd_norm_pool_attr;

typedef struct kd_softmax_attr {
  bool log;
} kd_softmax_attr;

typedef struct kd_xent_attr {
  int ignore; /* label that gives loss 0 and no gradient; INT32_MIN: none */
} kd_xent_attr;

/* Room for the largest attribute but the pointwise program, which is kept by pointer. */
typedef struct kd_op_info {
  const char *name;
  size_t attr_size;
  int min_inputs, max_inputs, n_outputs; /* POINTWISE: the attribute says how many outputs */
  int flags;
} kd_op_info;
const kd_op_info *kd_op_get(kd_op op);
/* Whether kernels of the primitive take every type by themselves: programs, moves, reductions and look-ups
 * do. Others compute in float32, and backends convert for them. */
bool kd_op_takes_all_types(kd_op op);

/* --- kernels ------------------------------------------------------------------------------------- */

typedef struct kd_device kd_device;

/* One bound operation of a plan. prepare sees types and shapes; the data pointers are set before bind. */
typedef struct kd_launch {
  kd_op op;
  const void *attr;
  int n_inputs, n_outputs;
  kd_tensor *input, *output;
  /* weight_input[i]: input i keeps its address and changes only when the weights are updated, so a kernel
   * may keep a copy in a layout of its own and renew it in refresh. */
  bool *weight_input;
  kd_device *device;
  size_t workspace_bytes; /* set by prepare: scratch memory, dead after run */
  void *workspace;        /* 64-byte aligned; shared with other launches */
  size_t state_bytes;     /* set by prepare: memory of this launch that lives as long as the plan */
  void *state;            /* 64-byte aligned */
  void *handle;           /* what prepare made (library objects); freed by release */
  const char *note;       /* set by prepare: the implementation, for `kdist plan` and warnings; static text */
  bool slow;              /* set by prepare: the library fell to reference or im2col code */
  kd_status (*run)(
      const struct kd_launch *launch); /* set by the plan from the kernel; prepare may replace it */
} kd_launch;

/* The types of a product's factors and result; float32 for all other primitives. */
const kd_product_types *kd_launch_product_types(const kd_launch *launch);

typedef struct kd_kernel {
  kd_status (*prepare)(kd_launch *launch);       /* may be NULL */
  kd_status (*bind)(kd_launch *launch);          /* may be NULL: addresses are known now */
  kd_status (*refresh)(const kd_launch *launch); /* may be NULL: weights have changed */
  kd_status (*run)(const kd_launch *launch);     /* allocates nothing, formats nothing */
  void (*release)(kd_launch *launch);            /* may be NULL */
} kd_kernel;

#endif
