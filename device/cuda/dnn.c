#include "device/cuda/dnn.h"

#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"

typedef cudnnBackendDescriptor_t descriptor;
typedef cudnnBackendAttributeName_t attribute;

enum { MOST_WORKSPACE = 256 << 20, MOST_CONFIGS = 64, MOST_NOTES = 16, MOST_PARTS = 24, AXES = 5 };
enum { UID_X = 1, UID_KERNEL, UID_BIAS, UID_Y, UID_VIRTUAL };

struct kd_dnn_plan {
  kd_dnn_spec spec;
  descriptor part[MOST_PARTS]; /* everything but the plan and the pack, in order of creation */
  int n_parts;
  descriptor graph, plan, pack;
  int64_t workspace;
  bool compiles;
};

#define DNN(call, what)                                                                                      \
  do {                                                                                                       \
    int dnn_error_ = (int)(call);                                                                            \
    if (dnn_error_) return kd_dnn_error(dnn_error_, what);                                                   \
  } while (0)

/* --- descriptors ----------------------------------------------------------------------------------- */

static kd_status open_part(kd_dnn_plan *p, cudnnBackendDescriptorType_t type, descriptor *made) {
  KD_CHECK(p->n_parts < MOST_PARTS, KD_ERR_INTERNAL, "a cuDNN graph of more than %d parts", MOST_PARTS);
  DNN(cudnnBackendCreateDescriptor(type, made), "a descriptor");
  p->part[p->n_parts++] = *made;
  return KD_OK;
}

static kd_status set(descriptor d, attribute name, cudnnBackendAttributeType_t type, int64_t count,
                     const void *values) {
  DNN(cudnnBackendSetAttribute(d, name, type, count, values), "an attribute");
  return KD_OK;
}

static kd_status set_int(descriptor d, attribute name, int64_t value) {
  return set(d, name, CUDNN_TYPE_INT64, 1, &value);
}

static kd_status set_float(descriptor d, attribute name, float value) {
  return set(d, name, CUDNN_TYPE_FLOAT, 1, &value);
}

static kd_status set_part(descriptor d, attribute name, descriptor part) {
  return set(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static kd_status set_dtype(descriptor d, attribute name) {
  cudnnDataType_t dtype = CUDNN_DATA_FLOAT;
  return set(d, name, CUDNN_TYPE_DATA_TYPE, 1, &dtype);
}

/* Sizes as cuDNN has them, (n, c, spatial..); in memory the channels stand last. */
static kd_status make_tensor(kd_dnn_plan *p, int64_t uid, int64_t n, int64_t c, const int64_t *spatial,
                             descriptor *made) {
  int axes = p->spec.spatial, skip = 3 - axes;
  int64_t size[AXES] = {n, c}, stride[AXES];
  int64_t alignment = uid == UID_BIAS ? 4 : 16, next = c;
  bool inner = uid >= UID_VIRTUAL;
  for (int s = 0; s < axes; s++) size[2 + s] = spatial ? spatial[skip + s] : 1;
  stride[1] = 1;
  for (int s = axes - 1; s >= 0; s--) {
    stride[2 + s] = next;
    next *= size[2 + s];
  }
  stride[0] = next;
  KD_TRY(open_part(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR, made));
  KD_TRY(set_dtype(*made, CUDNN_ATTR_TENSOR_DATA_TYPE));
  KD_TRY(set(*made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 2 + axes, size));
  KD_TRY(set(*made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 2 + axes, stride));
  KD_TRY(set_int(*made, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid));
  KD_TRY(set_int(*made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment));
  if (inner) KD_TRY(set(*made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &inner));
  DNN(cudnnBackendFinalize(*made), "a tensor");
  return KD_OK;
}

static kd_status make_convolution(kd_dnn_plan *p, descriptor *made) {
  const kd_dnn_spec *s = &p->spec;
  int axes = s->spatial, skip = 3 - axes;
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  KD_TRY(open_part(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, made));
  KD_TRY(set_int(*made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, axes));
  KD_TRY(set_dtype(*made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE));
  KD_TRY(set(*made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
  KD_TRY(set(*made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, axes, s->conv.before + skip));
  KD_TRY(set(*made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, axes, s->after + skip));
  KD_TRY(set(*made, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, axes, s->conv.dilation + skip));
  KD_TRY(set(*made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, axes, s->conv.stride + skip));
  DNN(cudnnBackendFinalize(*made), "a convolution");
  return KD_OK;
}

/* --- the graph ------------------------------------------------------------------------------------- */

/* What the three passes call their operands. */
static const struct {
  cudnnBackendDescriptorType_t type;
  attribute convolution, x, kernel, y, alpha, beta;
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

static kd_status make_operation(kd_dnn_plan *p, descriptor x, descriptor kernel, descriptor y,
                                descriptor *made) {
  descriptor convolution;
  kd_dnn_pass pass = p->spec.pass;
  KD_TRY(make_convolution(p, &convolution));
  KD_TRY(open_part(p, passes[pass].type, made));
  KD_TRY(set_part(*made, passes[pass].convolution, convolution));
  KD_TRY(set_part(*made, passes[pass].x, x));
  KD_TRY(set_part(*made, passes[pass].kernel, kernel));
  KD_TRY(set_part(*made, passes[pass].y, y));
  KD_TRY(set_float(*made, passes[pass].alpha, 1.0f));
  KD_TRY(set_float(*made, passes[pass].beta, 0.0f));
  DNN(cudnnBackendFinalize(*made), "a convolution of these sizes");
  return KD_OK;
}

/* b: the second operand; NULL: none. */
static kd_status make_pointwise(kd_dnn_plan *p, cudnnPointwiseMode_t mode, descriptor x, descriptor b,
                                descriptor y, descriptor *made) {
  descriptor step;
  KD_TRY(open_part(p, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, &step));
  KD_TRY(set(step, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode));
  KD_TRY(set_dtype(step, CUDNN_ATTR_POINTWISE_MATH_PREC));
  DNN(cudnnBackendFinalize(step), "a step behind a convolution");
  KD_TRY(open_part(p, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, made));
  KD_TRY(set_part(*made, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, step));
  KD_TRY(set_part(*made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x));
  if (b) KD_TRY(set_part(*made, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b));
  KD_TRY(set_part(*made, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y));
  DNN(cudnnBackendFinalize(*made), "a step behind a convolution");
  return KD_OK;
}

static kd_status make_graph(kd_dnn_plan *p) {
  const kd_job_conv *c = &p->spec.conv;
  descriptor x, kernel, bias = NULL, y, inner[2], operation[3];
  int operations = 1, steps = p->spec.bias + p->spec.relu;
  KD_TRY(make_tensor(p, UID_X, c->batch, c->channels, c->in, &x));
  KD_TRY(make_tensor(p, UID_KERNEL, c->filters, c->channels / c->groups, c->window, &kernel));
  KD_TRY(make_tensor(p, UID_Y, c->batch, c->filters, c->out, &y));
  for (int i = 0; i < steps; i++)
    KD_TRY(make_tensor(p, UID_VIRTUAL + i, c->batch, c->filters, c->out, &inner[i]));
  KD_TRY(make_operation(p, x, kernel, steps ? inner[0] : y, &operation[0]));
  if (p->spec.bias) {
    KD_TRY(make_tensor(p, UID_BIAS, 1, c->filters, NULL, &bias));
    KD_TRY(make_pointwise(p, CUDNN_POINTWISE_ADD, inner[0], bias, p->spec.relu ? inner[1] : y,
                          &operation[operations++]));
  }
  if (p->spec.relu)
    KD_TRY(make_pointwise(p, CUDNN_POINTWISE_RELU_FWD, inner[steps - 1], NULL, y, &operation[operations++]));
  KD_TRY(open_part(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &p->graph));
  KD_TRY(set(p->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations, operation));
  DNN(cudnnBackendFinalize(p->graph), "a graph");
  return KD_OK;
}

/* --- the choice ------------------------------------------------------------------------------------ */

static bool has_note(const cudnnBackendNumericalNote_t *notes, int64_t n, cudnnBackendNumericalNote_t note) {
  for (int64_t i = 0; i < n; i++)
    if (notes[i] == note) return true;
  return false;
}

/* True float32, a fixed order of sums; whether the engine is compiled at run time. */
static bool fits(const kd_dnn_plan *p, descriptor config, bool *compiles) {
  cudnnBackendNumericalNote_t notes[MOST_NOTES];
  cudnnBackendBehaviorNote_t behaviour[MOST_NOTES];
  int64_t n = 0, n_behaviour = 0, found = 0;
  descriptor engine;
  *compiles = false;
  if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
    return false;
  bool good = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &found, &engine) == CUDNN_STATUS_SUCCESS;
  good = good && cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                          MOST_NOTES, &n, notes) == CUDNN_STATUS_SUCCESS;
  good = good && cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                          MOST_NOTES, &n_behaviour, behaviour) == CUDNN_STATUS_SUCCESS;
  for (int64_t i = 0; good && i < n_behaviour; i++)
    *compiles = *compiles || behaviour[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
  (void)cudnnBackendDestroyDescriptor(engine);
  return good && !has_note(notes, n, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) &&
         !has_note(notes, n, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) &&
         !(p->spec.ordered && has_note(notes, n, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
}

/* The plan of a configuration, when its workspace stays below the limit. */
static bool try_config(kd_dnn_plan *p, descriptor device, descriptor config) {
  int64_t count = 0, bytes = 0;
  descriptor plan;
  if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) != CUDNN_STATUS_SUCCESS)
    return false;
  bool good = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config) == CUDNN_STATUS_SUCCESS;
  if (device)
    good =
        good && cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device) == CUDNN_STATUS_SUCCESS;
  good = good && cudnnBackendFinalize(plan) == CUDNN_STATUS_SUCCESS;
  good = good && cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                          &count, &bytes) == CUDNN_STATUS_SUCCESS;
  if (good && bytes <= MOST_WORKSPACE) {
    p->plan = plan;
    p->workspace = bytes;
    return true;
  }
  (void)cudnnBackendDestroyDescriptor(plan);
  return false;
}

static kd_status rank(kd_dnn_plan *p, descriptor device, cudnnBackendHeurMode_t mode, descriptor *config,
                      int64_t *n) {
  descriptor heuristic;
  KD_TRY(open_part(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic));
  KD_TRY(set_part(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, p->graph));
  KD_TRY(set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
  KD_TRY(set_part(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device));
  DNN(cudnnBackendFinalize(heuristic), "ranking of engines");
  DNN(cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                               MOST_CONFIGS, n, config),
      "ranking of engines");
  return KD_OK;
}

/* Engines of the library first, then those that are compiled. */
static void choose(kd_dnn_plan *p, descriptor device, const descriptor *config, int64_t n) {
  for (int compiled = 0; compiled <= 1 && !p->plan; compiled++)
    for (int64_t i = 0; i < n && !p->plan; i++) {
      bool compiles;
      if (!fits(p, config[i], &compiles) || compiles != (compiled == 1)) continue;
      if (try_config(p, device, config[i])) p->compiles = compiles;
    }
}

static kd_status find_plan(kd_dnn_plan *p, descriptor device) {
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  descriptor config[MOST_CONFIGS];
  for (int m = 0; m < 2 && !p->plan; m++) {
    int64_t n = 0, made = 0;
    kd_status status = KD_OK;
    for (; made < MOST_CONFIGS && status == KD_OK; made++) {
      int error = (int)cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[made]);
      if (error) status = kd_dnn_error(error, "a configuration");
    }
    if (status == KD_OK) status = rank(p, device, modes[m], config, &n);
    if (status == KD_OK) choose(p, device, config, n);
    for (int64_t i = 0; i < made; i++) (void)cudnnBackendDestroyDescriptor(config[i]);
    KD_TRY(status);
  }
  KD_CHECK(p->plan, KD_ERR_RUN, "cuDNN has no plan in float32 for this convolution");
  return KD_OK;
}

/* --- interface ------------------------------------------------------------------------------------- */

kd_status kd_dnn_device(int ordinal, const char *json, descriptor *device) {
  DNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, device), "a device");
  int32_t id = ordinal;
  kd_status status = json ? set(*device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                (int64_t)strlen(json), json)
                          : set(*device, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &id);
  int error = status == KD_OK ? (int)cudnnBackendFinalize(*device) : 0;
  if (error) status = kd_dnn_error(error, "the description of the device");
  if (status == KD_OK) return KD_OK;
  kd_dnn_forget(*device);
  *device = NULL;
  return status;
}

void kd_dnn_forget(descriptor device) {
  if (device) (void)cudnnBackendDestroyDescriptor(device);
}

kd_status kd_dnn_make(descriptor device, const kd_dnn_spec *spec, kd_dnn_plan **plan) {
  kd_dnn_plan *p = kd_calloc(1, sizeof *p);
  *plan = p;
  p->spec = *spec;
  kd_status status = make_graph(p);
  if (status == KD_OK) status = find_plan(p, device);
  if (status == KD_OK) return KD_OK;
  kd_dnn_free(p);
  *plan = NULL;
  return status;
}

void kd_dnn_free(kd_dnn_plan *p) {
  if (!p) return;
  if (p->pack) (void)cudnnBackendDestroyDescriptor(p->pack);
  if (p->plan) (void)cudnnBackendDestroyDescriptor(p->plan);
  for (int i = p->n_parts - 1; i >= 0; i--) (void)cudnnBackendDestroyDescriptor(p->part[i]);
  kd_free(p);
}

size_t kd_dnn_workspace(const kd_dnn_plan *p) {
  return (size_t)p->workspace;
}

bool kd_dnn_compiles(const kd_dnn_plan *p) {
  return p->compiles;
}

kd_status kd_dnn_bind(kd_dnn_plan *p, const void *x, const void *kernel, const void *bias, const void *y,
                      void *workspace) {
  int64_t uid[] = {UID_X, UID_KERNEL, UID_Y, UID_BIAS};
  const void *address[] = {x, kernel, y, bias};
  int64_t count = p->spec.bias ? 4 : 3;
  if (p->pack) (void)cudnnBackendDestroyDescriptor(p->pack);
  p->pack = NULL;
  DNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &p->pack), "addresses");
  KD_TRY(set(p->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uid));
  KD_TRY(set(p->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, address));
  KD_TRY(set(p->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
  DNN(cudnnBackendFinalize(p->pack), "addresses");
  return KD_OK;
}

kd_status kd_dnn_run(const kd_dnn_plan *p, cudnnHandle_t handle) {
  DNN(cudnnBackendExecute(handle, p->plan, p->pack), "a convolution");
  return KD_OK;
}
