/* Graphs of cuDNN in C: tensors, operations over them, and the text that tells one graph from another.
 *
 * Builders keep the first error in `status` and do nothing after it, so a graph is written down without a
 * check a line. Sizes and strides are in elements, the order of axes is cuDNN's. */
#ifndef KD_CUDA_DNN_GRAPH_H
#define KD_CUDA_DNN_GRAPH_H

#include "device/cuda/cuda.h"

typedef cudnnBackendDescriptor_t kd_dnn_part;

enum { KD_DNN_AXES = 5, KD_DNN_OPERATIONS = 40 };

typedef struct kd_dnn_graph {
  kd_dnn_part *part; /* all descriptors, in order of creation */
  size_t n_parts, part_room;
  kd_dnn_part operation[KD_DNN_OPERATIONS];
  int64_t n_operations, next_uid;
  char *text; /* every attribute that was set */
  size_t text_bytes, text_room;
  kd_dnn_part graph; /* set by kd_dnn_graph_end */
  kd_status status;
} kd_dnn_graph;

typedef struct kd_dnn_tensor {
  int64_t uid; /* 1 .. 99 for operands; 0: a value inside of the graph */
  cudnnDataType_t type;
  int rank, alignment;                            /* alignment in bytes; 0: 16 */
  int64_t size[KD_DNN_AXES], stride[KD_DNN_AXES]; /* strides of 0: the last axis is dense, as in C */
  bool by_value;                                  /* the address is one of the host; read at each run */
} kd_dnn_tensor;

cudnnDataType_t kd_dnn_type(kd_dtype dtype);

/* Begins an empty graph. Whatever happens, kd_dnn_graph_release ends it. */
void kd_dnn_graph_begin(kd_dnn_graph *graph);
void kd_dnn_graph_release(kd_dnn_graph *graph);
/* All operations are there. The status of the whole. */
kd_status kd_dnn_graph_end(kd_dnn_graph *graph);

kd_dnn_part kd_dnn_add_tensor(kd_dnn_graph *graph, const kd_dnn_tensor *tensor);

/* An operation is a descriptor of its kind whose attributes are set, then added. */
kd_dnn_part kd_dnn_open(kd_dnn_graph *graph, cudnnBackendDescriptorType_t type);
void kd_dnn_set(kd_dnn_graph *graph, kd_dnn_part part, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values);
void kd_dnn_set_int(kd_dnn_graph *graph, kd_dnn_part part, cudnnBackendAttributeName_t name, int64_t value);
void kd_dnn_set_part(kd_dnn_graph *graph, kd_dnn_part part, cudnnBackendAttributeName_t name,
                     kd_dnn_part value);
void kd_dnn_set_float32(kd_dnn_graph *graph, kd_dnn_part part, cudnnBackendAttributeName_t name);
void kd_dnn_finish(kd_dnn_graph *graph, kd_dnn_part part, const char *what);
void kd_dnn_add_operation(kd_dnn_graph *graph, kd_dnn_part operation, const char *what);

/* y = mode(x, b) in float32; b NULL: of x alone. */
void kd_dnn_pointwise(kd_dnn_graph *graph, cudnnPointwiseMode_t mode, kd_dnn_part x, kd_dnn_part b,
                      kd_dnn_part y);
/* y = the index along the axis, int32, of the shape of x. */
void kd_dnn_index(kd_dnn_graph *graph, kd_dnn_part x, int64_t axis, kd_dnn_part y);
/* y = x where choice holds, else other. */
void kd_dnn_select(kd_dnn_graph *graph, kd_dnn_part choice, kd_dnn_part x, kd_dnn_part other, kd_dnn_part y);
/* c = a b over the last two axes, sums in float32. */
void kd_dnn_matmul(kd_dnn_graph *graph, kd_dnn_part a, kd_dnn_part b, kd_dnn_part c);
/* y = the reduction over the axes where y has size 1. */
void kd_dnn_reduce(kd_dnn_graph *graph, cudnnReduceTensorOp_t kind, kd_dnn_part x, kd_dnn_part y);
/* y = x with the sizes and strides of y: a transposition where they say so. */
void kd_dnn_reshape(kd_dnn_graph *graph, kd_dnn_part x, kd_dnn_part y);

#endif
