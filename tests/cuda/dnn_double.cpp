/* cuDNN's graph interface, with engines that compute in plain loops (dnn_graph_double.cpp). It proposes three: one whose
 * sums have no fixed order, one on tensor cores, an exact one; kdist must choose. Descriptors must be finished before use, as
 * there. KD_EMULATE_DNN=none: no engine for anything, so that kdist's own loops run. What the library itself plans is seen by
 * test_dnn_plans, from descriptions of devices. */
#include "cuda/dnn_double.h"

#include <stdlib.h>
#include <string.h>

#define dim3 emulate_dim3
#include "cuda/emulate.h"
#undef dim3

enum { DISORDERED, TENSOR_CORE, EXACT, ENGINES, KNOB_VALUE = 5, WORKSPACE = 3000 };

static cudaStream_t stream_of_handle;

static size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
  case CUDNN_TYPE_INT64:
    return sizeof(int64_t);
  case CUDNN_TYPE_BOOLEAN:
    return sizeof(bool);
  case CUDNN_TYPE_CHAR:
    return 1;
  case CUDNN_TYPE_DOUBLE:
    return sizeof(double);
  case CUDNN_TYPE_VOID_PTR:
    return sizeof(void *);
  default:
    return sizeof(int); /* enumerations, int32, float */
  }
}

static void put(dnn_part *d, int name, cudnnBackendAttributeType_t type, int64_t count, const void *values) {
  dnn_attribute a = {type, count, {}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < count; i++)
      a.parts.push_back(std::make_shared<dnn_part>(*((dnn_part *const *)values)[i]));
  else
    a.bytes.assign((const char *)values, (const char *)values + (size_t)count * size_of(type));
  d->attribute[name] = a;
}

static bool has_engines() {
  const char *wish = getenv("KD_EMULATE_DNN");
  return !wish || strcmp(wish, "none") != 0;
}

/* A configuration: an engine of the graph, and its only knob. */
static dnn_part config_of(const dnn_ref &graph, int64_t number) {
  int type = CUDNN_KNOB_TYPE_TILE_SIZE;
  int64_t value = KNOB_VALUE;
  dnn_part engine = {CUDNN_BACKEND_ENGINE_DESCRIPTOR, true, {}}, knob = {CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, true, {}},
           config = {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, true, {}};
  dnn_part *parts[] = {graph.get(), &engine, &knob};
  put(&engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[0]);
  put(&engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number);
  put(&knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
  put(&knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &value);
  put(&config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[1]);
  put(&config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[2]);
  return config;
}

static cudnnStatus_t give_configs(const dnn_part &heuristic, int64_t room, int64_t *count, void *values) {
  *count = 0;
  for (int64_t i = 0; has_engines() && i < ENGINES && i < room; i++)
    *((dnn_part **)values)[(*count)++] = config_of(heuristic.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), i);
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_notes(const dnn_part &engine, int name, int64_t *count, void *values) {
  *count = 0;
  if (name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE) return CUDNN_STATUS_SUCCESS;
  int64_t number = engine.value<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  if (number == DISORDERED) ((int *)values)[(*count)++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  if (number == TENSOR_CORE) ((int *)values)[(*count)++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_stored(const dnn_attribute &a, int64_t room, int64_t *count, void *values) {
  if (count) *count = a.count;
  int64_t n = a.count < room ? a.count : room;
  if (a.type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < n; i++) *((dnn_part **)values)[i] = *a.parts[(size_t)i];
  else if (n > 0)
    memcpy(values, a.bytes.data(), (size_t)n * size_of(a.type));
  return CUDNN_STATUS_SUCCESS;
}

static bool refuses(const dnn_part &d) {
  for (auto &a : d.attribute)
    for (auto &p : a.second.parts)
      if (!p->finished) return true;
  if (d.type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) return !dnn_graph_is_known(d);
  if (d.type == CUDNN_BACKEND_ENGINE_DESCRIPTOR) {
    int64_t number = d.value<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    return !has_engines() || number < 0 || number >= ENGINES;
  }
  return d.type == CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR &&
         d.value<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE) != KNOB_VALUE;
}

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  *handle = (cudnnHandle_t)malloc(1);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  free(handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t stream) {
  stream_of_handle = stream;
  return CUDNN_STATUS_SUCCESS;
}
size_t cudnnGetVersion() {
  return 91900;
}
const char *cudnnGetErrorString(cudnnStatus_t) {
  return "emulated error";
}
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *made) {
  *made = (cudnnBackendDescriptor_t) new dnn_part{type, false, {}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  delete (dnn_part *)d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values) {
  if (((dnn_part *)d)->finished || count < 1) return CUDNN_STATUS_BAD_PARAM;
  put((dnn_part *)d, name, type, count, values);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t from, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t room, int64_t *count, void *values) {
  const dnn_part &d = *(dnn_part *)from;
  if (!d.finished) return CUDNN_STATUS_NOT_INITIALIZED;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) return give_configs(d, room, count, values);
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE || name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE)
    return give_notes(d, name, count, values);
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    *(int64_t *)values = WORKSPACE;
    return CUDNN_STATUS_SUCCESS;
  }
  return d.has(name) ? give_stored(d.get(name), room, count, values) : CUDNN_STATUS_NOT_SUPPORTED;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  if (refuses(*(dnn_part *)d)) return CUDNN_STATUS_NOT_SUPPORTED;
  ((dnn_part *)d)->finished = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t with) {
  const dnn_part &pack = *(dnn_part *)with;
  dnn_ref engine = ((dnn_part *)plan)->part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->part(CUDNN_ATTR_ENGINECFG_ENGINE);
  dnn_ref graph = engine->part(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  bool tf32 = engine->value<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) == TENSOR_CORE;
  std::map<int64_t, void *> address;
  const int64_t *uids = pack.values<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  void *const *pointers = pack.values<void *>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  for (int64_t i = 0; i < pack.get(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).count; i++) address[uids[i]] = pointers[i];
  void *workspace = pack.value<void *>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  emulate_enqueue(stream_of_handle, [=] {
    memset(workspace, 0x7F, WORKSPACE);
    dnn_graph_run(*graph, address, tf32);
  });
  return CUDNN_STATUS_SUCCESS;
}
}
