/* Configurations of engines as numbers, and on disk. Nothing of a file is given to the library but an
 * engine's number and its knobs; what comes back is tried by the same rules as the library's own proposals.
 */
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/disk_cache.h"
#include "device/cuda/dnn_plan.h"

enum { FIXED = 2 * sizeof(int64_t) };

static bool get(kd_dnn_part part, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                int64_t room, int64_t *count, void *values) {
  return cudnnBackendGetAttribute(part, name, type, room, count, values) == CUDNN_STATUS_SUCCESS;
}

static bool read_engine(kd_dnn_part config, int64_t *number) {
  kd_dnn_part engine;
  int64_t count = 0;
  if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
    return false;
  bool good = get(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) &&
              get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, number);
  (void)cudnnBackendDestroyDescriptor(engine);
  return good;
}

static bool read_knob(kd_dnn_part knob, int64_t *pair) {
  cudnnBackendKnobType_t type;
  int64_t count = 0;
  bool good = get(knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &count, &type) &&
              get(knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &count, &pair[1]);
  if (good) pair[0] = (int64_t)type;
  return good;
}

bool kd_dnn_choice_read(kd_dnn_part config, kd_dnn_choice *c) {
  kd_dnn_part knob[KD_DNN_KNOBS];
  int made = 0;
  bool good = true;
  *c = (kd_dnn_choice){0};
  for (; made < KD_DNN_KNOBS && good; made++)
    good = cudnnBackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &knob[made]) ==
           CUDNN_STATUS_SUCCESS;
  if (!good) made--;
  good = good && read_engine(config, &c->engine) &&
         get(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, KD_DNN_KNOBS,
             &c->n_knobs, knob) &&
         c->n_knobs < KD_DNN_KNOBS;
  for (int64_t i = 0; good && i < c->n_knobs; i++) good = read_knob(knob[i], c->knob[i]);
  for (int i = 0; i < made; i++) (void)cudnnBackendDestroyDescriptor(knob[i]);
  return good;
}

/* Descriptors of one configuration, all but the last in the graph of builders below. */
kd_dnn_part kd_dnn_choice_config(kd_dnn_part graph, kd_dnn_part device, const kd_dnn_choice *c) {
  kd_dnn_graph g;
  kd_dnn_part knob[KD_DNN_KNOBS], config = NULL;
  kd_dnn_graph_begin(&g);
  kd_dnn_part engine = kd_dnn_open(&g, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  kd_dnn_set_part(&g, engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  kd_dnn_set_int(&g, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, c->engine);
  kd_dnn_set_part(&g, engine, CUDNN_ATTR_ENGINE_DEVICEPROP, device);
  kd_dnn_finish(&g, engine, "an engine");
  for (int64_t i = 0; i < c->n_knobs; i++) {
    cudnnBackendKnobType_t type = (cudnnBackendKnobType_t)c->knob[i][0];
    knob[i] = kd_dnn_open(&g, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    kd_dnn_set(&g, knob[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    kd_dnn_set_int(&g, knob[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, c->knob[i][1]);
    kd_dnn_finish(&g, knob[i], "a knob");
  }
  kd_dnn_part made = kd_dnn_open(&g, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  kd_dnn_set_part(&g, made, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (c->n_knobs)
    kd_dnn_set(&g, made, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, c->n_knobs, knob);
  kd_dnn_finish(&g, made, "a configuration");
  if (g.status == KD_OK) {
    config = made;
    g.n_parts--; /* the caller's */
  }
  kd_dnn_graph_release(&g);
  return config;
}

bool kd_dnn_choice_find(const char *key, kd_dnn_choice *c) {
  char *data;
  size_t bytes;
  if (!kd_disk_cache_find("plan", key, sizeof *c, &data, &bytes)) return false;
  *c = (kd_dnn_choice){0};
  memcpy(c, data, bytes);
  kd_free(data);
  return bytes >= FIXED && c->n_knobs >= 0 && c->n_knobs < KD_DNN_KNOBS &&
         bytes == FIXED + (size_t)c->n_knobs * sizeof *c->knob;
}

void kd_dnn_choice_keep(const char *key, const kd_dnn_choice *c) {
  kd_disk_cache_keep("plan", key, c, FIXED + (size_t)c->n_knobs * sizeof *c->knob);
}

bool kd_dnn_none_find(const char *key) {
  char *data;
  size_t bytes;
  bool found = kd_disk_cache_find("none", key, 0, &data, &bytes);
  if (found) kd_free(data);
  return found;
}

void kd_dnn_none_keep(const char *key) {
  kd_disk_cache_keep("none", key, "", 0);
}
