#include "device/cuda/dnn_plan.h"

#include <nvrtc.h>
#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/base/text.h"

enum { MOST_CONFIGS = 64, MOST_NOTES = 16 };

struct kd_dnn_plan {
  kd_dnn_plan *next; /* of all plans of the process */
  int users;
  kd_dnn_graph graph;
  kd_dnn_wish wish;
  char *key;
  kd_dnn_part plan;
  int64_t workspace;
  bool compiles, remembered;
  bool doubtful; /* a configuration failed for another reason than that it cannot be */
};

static kd_dnn_plan *plans;

#define DNN(call, what)                                                                                      \
  do {                                                                                                       \
    int dnn_error_ = (int)(call);                                                                            \
    if (dnn_error_) return kd_dnn_error(dnn_error_, what);                                                   \
  } while (0)

/* --- what a configuration promises ----------------------------------------------------------------- */

static bool has_note(const cudnnBackendNumericalNote_t *notes, int64_t n, cudnnBackendNumericalNote_t note) {
  for (int64_t i = 0; i < n; i++)
    if (notes[i] == note) return true;
  return false;
}

/* Sums are float32 always. */
static bool keeps(const kd_dnn_wish *wish, const cudnnBackendNumericalNote_t *notes, int64_t n) {
  if (has_note(notes, n, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)) return false;
  if (wish->ordered && has_note(notes, n, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) return false;
  return !wish->exact || (!has_note(notes, n, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) &&
                          !has_note(notes, n, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
}

static bool fits(const kd_dnn_plan *p, kd_dnn_part config, bool *compiles) {
  cudnnBackendNumericalNote_t notes[MOST_NOTES];
  cudnnBackendBehaviorNote_t behaviour[MOST_NOTES];
  int64_t n = 0, n_behaviour = 0, found = 0;
  kd_dnn_part engine;
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
  return good && keeps(&p->wish, notes, n);
}

/* For what it is, not for what happens to be missing. */
static bool is_refusal(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED &&
         status != CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING;
}

/* The plan of a configuration, when its workspace stays below the limit. */
static bool try_config(kd_dnn_plan *p, kd_dnn_part device, kd_dnn_part config) {
  int64_t count = 0, bytes = 0;
  kd_dnn_part plan;
  if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) != CUDNN_STATUS_SUCCESS)
    return false;
  bool good = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config) == CUDNN_STATUS_SUCCESS;
  good = good && cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device) == CUDNN_STATUS_SUCCESS;
  if (good) {
    cudnnStatus_t status = cudnnBackendFinalize(plan);
    good = status == CUDNN_STATUS_SUCCESS;
    p->doubtful = p->doubtful || (!good && !is_refusal(status));
  }
  good = good && cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                          &count, &bytes) == CUDNN_STATUS_SUCCESS;
  if (good && bytes <= p->wish.workspace) {
    p->plan = plan;
    p->workspace = bytes;
    return true;
  }
  (void)cudnnBackendDestroyDescriptor(plan);
  return false;
}

/* --- the choice ------------------------------------------------------------------------------------ */

/* A choice of an earlier process, held to the same rules. */
static void recall(kd_dnn_plan *p, kd_dnn_part device) {
  kd_dnn_choice choice;
  if (!kd_dnn_choice_find(p->key, &choice)) return;
  kd_dnn_part config = kd_dnn_choice_config(p->graph.graph, device, &choice);
  if (!config) return;
  p->remembered = fits(p, config, &p->compiles) && try_config(p, device, config);
  (void)cudnnBackendDestroyDescriptor(config);
}

static kd_status rank(kd_dnn_plan *p, kd_dnn_part device, cudnnBackendHeurMode_t mode, kd_dnn_part *config,
                      int64_t *n) {
  kd_dnn_part heuristic = kd_dnn_open(&p->graph, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  kd_dnn_set_part(&p->graph, heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, p->graph.graph);
  kd_dnn_set(&p->graph, heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  kd_dnn_set_part(&p->graph, heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  kd_dnn_finish(&p->graph, heuristic, "ranking of engines");
  KD_TRY(p->graph.status);
  DNN(cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                               MOST_CONFIGS, n, config),
      "ranking of engines");
  return KD_OK;
}

/* Engines of the library first, then those that are compiled. */
static void choose(kd_dnn_plan *p, kd_dnn_part device, const kd_dnn_part *config, int64_t n) {
  kd_dnn_choice choice;
  for (int compiled = 0; compiled <= 1; compiled++)
    for (int64_t i = 0; i < n; i++) {
      bool compiles;
      if (!fits(p, config[i], &compiles) || compiles != (compiled == 1)) continue;
      if (!try_config(p, device, config[i])) continue;
      p->compiles = compiles;
      if (kd_dnn_choice_read(config[i], &choice)) kd_dnn_choice_keep(p->key, &choice);
      return;
    }
}

static kd_status search(kd_dnn_plan *p, kd_dnn_part device) {
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  kd_dnn_part config[MOST_CONFIGS];
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
  if (!p->plan && !p->doubtful) kd_dnn_none_keep(p->key);
  return KD_OK;
}

/* --- devices --------------------------------------------------------------------------------------- */

kd_status kd_dnn_device(int ordinal, const char *json, kd_dnn_part *device) {
  DNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, device), "a device");
  int32_t id = ordinal;
  int error = json ? (int)cudnnBackendSetAttribute(*device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                                   CUDNN_TYPE_CHAR, (int64_t)strlen(json), json)
                   : (int)cudnnBackendSetAttribute(*device, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32,
                                                   1, &id);
  if (!error) error = (int)cudnnBackendFinalize(*device);
  if (!error) return KD_OK;
  kd_dnn_forget(*device);
  *device = NULL;
  return kd_dnn_error(error, "the description of the device");
}

void kd_dnn_forget(kd_dnn_part device) {
  if (device) (void)cudnnBackendDestroyDescriptor(device);
}

/* What a choice depends on; released with kd_free. Without a driver, or a compiler, there are fewer engines,
 * and the library does not say so. */
static char *make_key(kd_dnn_part device, const kd_dnn_graph *graph, const kd_dnn_wish *wish) {
  int64_t length = 0, got = 0;
  int driver = 0, major = 0, minor = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)nvrtcVersion(&major, &minor);
  if (cudnnBackendGetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0, &length,
                               NULL) != CUDNN_STATUS_SUCCESS ||
      length < 0)
    length = 0;
  size_t room = (size_t)length + graph->text_bytes + 256;
  char *key = kd_calloc(room, 1), *text = kd_calloc((size_t)length + 1, 1);
  (void)cudnnBackendGetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, length,
                                 &got, text);
  (void)snprintf(key, room, "cuDNN %zu, driver %d, NVRTC %d.%d\n%s\nordered %d exact %d workspace %lld\n%.*s",
                 cudnnGetVersion(), driver, major, minor, text, wish->ordered, wish->exact,
                 (long long)wish->workspace, (int)graph->text_bytes, graph->text);
  kd_free(text);
  return key;
}

/* --- plans ----------------------------------------------------------------------------------------- */

static void free_plan(kd_dnn_plan *p) {
  if (p->plan) (void)cudnnBackendDestroyDescriptor(p->plan);
  kd_dnn_graph_release(&p->graph);
  kd_free(p->key);
  kd_free(p);
}

static kd_dnn_plan *find_shared(const char *key) {
  kd_dnn_plan *p = plans;
  while (p && !kd_streq(p->key, key)) p = p->next;
  return p;
}

static kd_status make_plan(kd_dnn_part device, kd_dnn_plan *p) {
  recall(p, device);
  if (!p->plan && !kd_dnn_none_find(p->key)) KD_TRY(search(p, device));
  KD_CHECK(p->plan, KD_ERR_RUN, "cuDNN has no plan of this precision for this graph");
  p->users = 1;
  p->next = plans;
  plans = p;
  return KD_OK;
}

kd_status kd_dnn_plan_find(kd_dnn_part device, kd_dnn_graph *graph, const kd_dnn_wish *wish,
                           kd_dnn_plan **plan) {
  *plan = NULL;
  kd_status status = graph->status;
  if (status != KD_OK) {
    kd_dnn_graph_release(graph);
    return status;
  }
  char *key = make_key(device, graph, wish);
  kd_dnn_plan *p = find_shared(key);
  if (p) {
    kd_free(key);
    kd_dnn_graph_release(graph);
    *plan = kd_dnn_plan_share(p);
    return KD_OK;
  }
  p = kd_calloc(1, sizeof *p);
  *p = (kd_dnn_plan){.graph = *graph, .wish = *wish, .key = key};
  *graph = (kd_dnn_graph){0};
  status = make_plan(device, p);
  if (status == KD_OK)
    *plan = p;
  else
    free_plan(p);
  return status;
}

kd_dnn_plan *kd_dnn_plan_share(kd_dnn_plan *p) {
  p->users++;
  return p;
}

void kd_dnn_plan_release(kd_dnn_plan *p) {
  if (!p || --p->users > 0) return;
  kd_dnn_plan **link = &plans;
  while (*link != p) link = &(*link)->next;
  *link = p->next;
  free_plan(p);
}

size_t kd_dnn_plan_workspace(const kd_dnn_plan *p) {
  return (size_t)p->workspace;
}

bool kd_dnn_plan_compiles(const kd_dnn_plan *p) {
  return p->compiles;
}

bool kd_dnn_plan_remembered(const kd_dnn_plan *p) {
  return p->remembered;
}

/* --- calls ----------------------------------------------------------------------------------------- */

kd_status kd_dnn_bind(kd_dnn_call *call, int count, const int64_t *uids, const void *const *addresses,
                      void *workspace) {
  if (call->pack) (void)cudnnBackendDestroyDescriptor(call->pack);
  call->pack = NULL;
  DNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &call->pack), "addresses");
  DNN(cudnnBackendSetAttribute(call->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids),
      "addresses");
  DNN(cudnnBackendSetAttribute(call->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count,
                               addresses),
      "addresses");
  DNN(cudnnBackendSetAttribute(call->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                               &workspace),
      "addresses");
  DNN(cudnnBackendFinalize(call->pack), "addresses");
  return KD_OK;
}

kd_status kd_dnn_run(const kd_dnn_call *call, cudnnHandle_t handle) {
  DNN(cudnnBackendExecute(handle, call->plan->plan, call->pack), "a plan");
  return KD_OK;
}

void kd_dnn_call_release(kd_dnn_call *call) {
  if (call->pack) (void)cudnnBackendDestroyDescriptor(call->pack);
  kd_dnn_plan_release(call->plan);
  *call = (kd_dnn_call){0};
}
