/* Plans of cuDNN for a graph.
 *
 * A plan is chosen for a device that cuDNN knows by description: the one of this process, or a JSON text, so
 * that a machine without a GPU can tell what another would run. The first configuration of the library's own
 * ranking is taken that keeps the precision that is asked for, has a fixed order of sums where that is asked
 * for, and needs no more workspace than is allowed; configurations that compile at run time only when
 * no other is left. Choices, and that there is none,
 * are kept on disk (disk_cache.h) by versions, device, wishes and graph. */
#ifndef KD_CUDA_DNN_PLAN_H
#define KD_CUDA_DNN_PLAN_H

#include "device/cuda/dnn_graph.h"

enum { KD_DNN_WORKSPACE = 256 << 20 }; /* bytes that a convolution may take */

typedef struct kd_dnn_wish {
  bool ordered;      /* a fixed order of sums */
  bool exact;        /* factors of float32 are multiplied as they are: no tensor cores */
  int64_t workspace; /* at most; bytes */
} kd_dnn_wish;

typedef struct kd_dnn_plan kd_dnn_plan;

/* The device `ordinal`, or the one that `json` describes when it is not NULL. Released by kd_dnn_forget. */
kd_status kd_dnn_device(int ordinal, const char *json, cudnnBackendDescriptor_t *device);
void kd_dnn_forget(cudnnBackendDescriptor_t device);

/* A plan for the graph, which is taken over whatever comes out. Plans of equal graphs on equal devices are
 * one. KD_ERR_RUN when the library has none. */
kd_status kd_dnn_plan_find(cudnnBackendDescriptor_t device, kd_dnn_graph *graph, const kd_dnn_wish *wish,
                           kd_dnn_plan **plan);
kd_dnn_plan *kd_dnn_plan_share(kd_dnn_plan *plan); /* the same, to be released once more */
void kd_dnn_plan_release(kd_dnn_plan *plan);       /* NULL is allowed */
size_t kd_dnn_plan_workspace(const kd_dnn_plan *plan);
bool kd_dnn_plan_compiles(const kd_dnn_plan *plan); /* made at run time rather than taken from the library */
bool kd_dnn_plan_remembered(const kd_dnn_plan *plan); /* its choice came from the disk */

/* A plan with addresses. */
typedef struct kd_dnn_call {
  kd_dnn_plan *plan; /* NULL: none */
  cudnnBackendDescriptor_t pack;
} kd_dnn_call;

/* Addresses of the operands with these uids: before run, and again when they change. */
kd_status kd_dnn_bind(kd_dnn_call *call, int count, const int64_t *uids, const void *const *addresses,
                      void *workspace);
kd_status kd_dnn_run(const kd_dnn_call *call, cudnnHandle_t handle);
void kd_dnn_call_release(kd_dnn_call *call);

/* --- dnn_choice.c ---------------------------------------------------------------------------------- */

/* A configuration as numbers, to be kept. */
enum { KD_DNN_KNOBS = 32 };
typedef struct kd_dnn_choice {
  int64_t engine, n_knobs, knob[KD_DNN_KNOBS][2]; /* of each: type, value */
} kd_dnn_choice;

/* False: it has more knobs than fit, or the library does not tell. */
bool kd_dnn_choice_read(kd_dnn_part config, kd_dnn_choice *choice);
/* The configuration, to be destroyed; NULL when the library refuses it. */
kd_dnn_part kd_dnn_choice_config(kd_dnn_part graph, kd_dnn_part device, const kd_dnn_choice *choice);
bool kd_dnn_choice_find(const char *key, kd_dnn_choice *choice);
void kd_dnn_choice_keep(const char *key, const kd_dnn_choice *choice);
/* That the library has no plan. */
bool kd_dnn_none_find(const char *key);
void kd_dnn_none_keep(const char *key);

#endif
