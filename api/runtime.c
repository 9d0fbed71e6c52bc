/* The process: ranks, messages, error texts. */
#include <string.h>

#include "api/net.h"
#include "device/base/log.h"

static struct {
  kd_comm *comm;
  int nets;
  bool sink_set;
  bool left; /* of a job of several ranks: MPI starts once only */
} runtime;

static void silence(void) {
  if (!runtime.sink_set) kd_log_set_sink(NULL, NULL);
  runtime.sink_set = true;
}

kd_status kd_runtime_join(kd_comm **comm) {
  silence();
  KD_CHECK(!runtime.left, KD_ERR_USAGE, "kd_finalize has left the job: nothing can be started after it");
  if (!runtime.comm) KD_TRY(kd_comm_open(&runtime.comm));
  *comm = runtime.comm;
  return KD_OK;
}

void kd_runtime_count_nets(int change) {
  silence();
  runtime.nets += change;
}

kd_status kd_init(void) {
  kd_comm *comm;
  return kd_runtime_join(&comm);
}

kd_status kd_finalize(void) {
  KD_CHECK(runtime.nets == 0, KD_ERR_USAGE, "kd_finalize: %d net%s still there; call kd_net_destroy before",
           runtime.nets, runtime.nets == 1 ? " is" : "s are");
  if (!runtime.comm) return KD_OK;
  runtime.left = runtime.comm->size > 1;
  kd_comm_close(runtime.comm);
  runtime.comm = NULL;
  return KD_OK;
}

int kd_world_rank(void) {
  return runtime.comm ? runtime.comm->rank : 0;
}

int kd_world_size(void) {
  return runtime.comm ? runtime.comm->size : 1;
}

const char *kd_error_text(void) {
  return kd_status_text();
}

kd_status kd_error_set(kd_status status, const char *text) {
  return kd_fail(status, "%s", text ? text : "");
}

void kd_set_log(void (*sink)(void *context, int level, const char *text), void *context) {
  runtime.sink_set = true;
  kd_log_set_level(KD_LOG_INFO);
  kd_log_set_sink(sink, context);
}

const char *kd_version(void) {
  return KDIST_VERSION;
}
