/* One case of one primitive: what it is, what goes in, and running it outside of a plan. Cases stand in
 * ops/cases.def; tests and the benchmark read the same table. */
#ifndef KD_TEST_OP_CASE_H
#define KD_TEST_OP_CASE_H

#include "device/backend.h"
#include "layers/graph/graph.h"

typedef enum op_data {
  DATA_NORMAL,   /* about standard normal, multiples of 1/16: exact in every float type */
  DATA_POSITIVE, /* 1/2 .. 2 */
  DATA_SPACED,   /* distinct values: maxima have no ties */
  DATA_IDS,      /* whole numbers 0 .. range-1 */
  DATA_SPECIAL,  /* infinities, NaN, zeros, subnormal, huge and small numbers; see op_data.c */
  DATA_RANDOM,   /* the words of a random state */
  DATA_FORWARD,  /* what the forward primitive, the one before this in device/ops.def, makes of the other
                    inputs */
} op_data;

typedef struct op_input {
  kd_dtype dtype;
  op_data data;
  double range;
  kd_shape shape;
} op_input;

typedef struct op_case {
  const char *name;
  kd_op op;
  double tolerance; /* |difference| <= tolerance * (1 + |expected|); 0: exact */
  const void *attr;
  int n_inputs;
  const op_input *input;
} op_case;

#define SHAPE(...)                                                                                           \
  {                                                                                                          \
    .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = { __VA_ARGS__ }                       \
  }
#define ATTR(type, ...) (&(const kd_##type##_attr){__VA_ARGS__})
#define IN(dtype, data, ...)                                                                                 \
  { KD_##dtype, DATA_##data, 0, SHAPE(__VA_ARGS__) }
#define F32(data, ...) IN(F32, data, __VA_ARGS__)
#define IDS(range, ...)                                                                                      \
  { KD_I32, DATA_IDS, range, SHAPE(__VA_ARGS__) }
#define CASE(id, label, accuracy, attribute, ...)                                                            \
  {.name = label,                                                                                            \
   .op = KD_OP_##id,                                                                                         \
   .tolerance = accuracy,                                                                                    \
   .attr = attribute,                                                                                        \
   .n_inputs = sizeof((op_input[]){__VA_ARGS__}) / sizeof(op_input),                                         \
   .input = (const op_input[]){__VA_ARGS__}},

/* Memory of a tensor between guards: in the host's memory, and in the device's where that is another. */
typedef struct op_block {
  char *image;
  void *block; /* of the device; `image` itself where that is the host's */
  size_t bytes, place, total;
} op_block;

/* A case on a device: tensors between guards, results that start as NaN. */
typedef struct op_run {
  const op_case *what;
  kd_graph *graph;
  kd_node *node;   /* the primitive */
  double **values; /* of the graph's tensors */
  kd_device *device;
  kd_launch launch;
  kd_tensor input[KD_MAX_INPUTS], output[KD_MAX_OUTPUTS];
  kd_tensor result[KD_MAX_OUTPUTS]; /* the outputs in memory of the host */
  op_block in_block[KD_MAX_INPUTS], out_block[KD_MAX_OUTPUTS], workspace, state;
  bool weight_input[KD_MAX_INPUTS], in_place;
} op_run;

/* Graph and input values. With `expected`, the results are computed by the interpreter too. */
void op_run_open(op_run *run, const op_case *what, bool expected);
/* prepare and bind; tensors begin `offset` bytes behind a 64-byte boundary. With in_place, output i takes the
 * place of input i, as optimizers have it. */
void op_run_prepare(op_run *run, kd_device *device, int offset, bool in_place);
void op_run_once(op_run *run); /* fails the test when a guard was overwritten */
/* Compares all outputs with the expected values. `where` names device and threads. */
void op_run_compare(const op_run *run, const char *where);
void op_run_finish(op_run *run); /* undoes prepare */
void op_run_close(op_run *run);
size_t op_run_bytes(
    const op_run *run); /* read and written: all inputs and outputs; of a table the rows that are used */

/* op_types.c: a row again with all float32 operands in `type`; false when it has none, or infinities, which
 * op_data.c writes as float32 only. `what` points into the struct. */
typedef union op_product_attr {
  kd_matmul_attr matmul;
  kd_conv_attr conv;
} op_product_attr;
typedef struct op_typed_case {
  op_case what;
  op_input input[KD_MAX_INPUTS];
  op_product_attr attr;
} op_typed_case;
bool op_case_convert(const op_case *from, kd_dtype type, op_typed_case *typed);
kd_product_types *op_product_types(kd_op op, op_product_attr *attr); /* NULL: not a product */
bool op_case_has_types(const op_case *what);                         /* the row makes sense in other types */
/* Of a product: a kernel in float32, or its gradient; false: not a product. */
bool op_case_keep_master(op_typed_case *typed);

/* op_data.c */
void op_data_fill(const op_input *input, int which, double *values);
void op_data_encode(const double *values, int64_t count, kd_dtype dtype, void *to);
double op_data_decode(const kd_tensor *tensor, int64_t i);

extern const op_case op_cases[], op_benches[];
extern const int n_op_cases, n_op_benches;

#endif
