#include "device/cuda/dnn_conv.h"

enum { UID_X = 1, UID_KERNEL, UID_Y, UID_BIAS };

/* Sizes as cuDNN has them, (n, c, spatial..); in memory the channels stand last. spatial NULL: all 1. uid 0:
 * a value inside, which is float32. */
static kd_dnn_part add_image(kd_dnn_graph *g, const kd_dnn_conv *s, int64_t uid, kd_dtype dtype, int64_t n,
                             int64_t c, const int64_t *spatial) {
  kd_dnn_tensor t = {.uid = uid, .type = kd_dnn_type(dtype), .rank = 2 + s->spatial, .size = {n, c}};
  int64_t next = c;
  if (uid == UID_BIAS) t.alignment = (int)kd_dtype_size(dtype);
  for (int a = 0; a < s->spatial; a++) t.size[2 + a] = spatial ? spatial[3 - s->spatial + a] : 1;
  for (int a = s->spatial - 1; a >= 0; a--) {
    t.stride[2 + a] = next;
    next *= t.size[2 + a];
  }
  t.stride[0] = next;
  t.stride[1] = 1;
  return kd_dnn_add_tensor(g, &t);
}

static kd_dnn_part add_geometry(kd_dnn_graph *g, const kd_dnn_conv *s) {
  int axes = s->spatial, skip = 3 - axes;
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  kd_dnn_set_int(g, made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, axes);
  kd_dnn_set_float32(g, made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
  kd_dnn_set(g, made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  kd_dnn_set(g, made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, axes, s->conv.before + skip);
  kd_dnn_set(g, made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, axes, s->after + skip);
  kd_dnn_set(g, made, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, axes, s->conv.dilation + skip);
  kd_dnn_set(g, made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, axes, s->conv.stride + skip);
  kd_dnn_finish(g, made, "a convolution");
  return made;
}

/* What the three passes call their operands. */
static const struct {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, kernel, y, alpha, beta;
} passes[] = {
    [KD_DNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [KD_DNN_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [KD_DNN_KERNEL] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static void add_convolution(kd_dnn_graph *g, const kd_dnn_conv *s, kd_dnn_part x, kd_dnn_part kernel,
                            kd_dnn_part y) {
  float one = 1, zero = 0;
  kd_dnn_part geometry = add_geometry(g, s), made = kd_dnn_open(g, passes[s->pass].type);
  kd_dnn_set_part(g, made, passes[s->pass].convolution, geometry);
  kd_dnn_set_part(g, made, passes[s->pass].x, x);
  kd_dnn_set_part(g, made, passes[s->pass].kernel, kernel);
  kd_dnn_set_part(g, made, passes[s->pass].y, y);
  kd_dnn_set(g, made, passes[s->pass].alpha, CUDNN_TYPE_FLOAT, 1, &one);
  kd_dnn_set(g, made, passes[s->pass].beta, CUDNN_TYPE_FLOAT, 1, &zero);
  kd_dnn_add_operation(g, made, "a convolution of these sizes");
}

/* The operand of this number is the result of the pass. */
static kd_dtype type_of(const kd_dnn_conv *s, kd_dnn_pass result_of) {
  return s->pass == result_of ? s->types.result : s->types.factors;
}

static void add_all(kd_dnn_graph *g, const kd_dnn_conv *s) {
  const kd_job_conv *c = &s->conv;
  kd_dnn_part x = add_image(g, s, UID_X, type_of(s, KD_DNN_DATA), c->batch, c->channels, c->in);
  kd_dnn_part kernel =
      add_image(g, s, UID_KERNEL, type_of(s, KD_DNN_KERNEL), c->filters, c->channels / c->groups, c->window);
  kd_dnn_part y = add_image(g, s, UID_Y, type_of(s, KD_DNN_FORWARD), c->batch, c->filters, c->out), inner[2];
  int steps = s->bias + s->relu;
  for (int i = 0; i < steps; i++) inner[i] = add_image(g, s, 0, KD_F32, c->batch, c->filters, c->out);
  add_convolution(g, s, x, kernel, steps ? inner[0] : y);
  if (s->bias) {
    kd_dnn_part bias = add_image(g, s, UID_BIAS, s->types.factors, 1, c->filters, NULL);
    kd_dnn_pointwise(g, CUDNN_POINTWISE_ADD, inner[0], bias, s->relu ? inner[1] : y);
  }
  if (s->relu) kd_dnn_pointwise(g, CUDNN_POINTWISE_RELU_FWD, inner[steps - 1], NULL, y);
}

kd_status kd_dnn_conv_plan(cudnnBackendDescriptor_t device, const kd_dnn_conv *conv, kd_dnn_plan **plan) {
  kd_dnn_graph graph;
  kd_dnn_graph_begin(&graph);
  add_all(&graph, conv);
  (void)kd_dnn_graph_end(&graph);
  return kd_dnn_plan_find(device, &graph, &conv->wish, plan);
}

kd_status kd_dnn_conv_bind(kd_dnn_call *call, const void *x, const void *kernel, const void *bias,
                           const void *y, void *workspace) {
  const int64_t uid[] = {UID_X, UID_KERNEL, UID_Y, UID_BIAS};
  const void *address[] = {x, kernel, y, bias};
  return kd_dnn_bind(call, bias ? 4 : 3, uid, address, workspace);
}
