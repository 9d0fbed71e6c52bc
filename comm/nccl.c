/* One communicator of NCCL per device: how it comes, what has become of it, how it goes. */
#include "comm/nccl_hidden.h"

#include <stdlib.h>
#include <string.h>

#include "device/base/clock.h"

_Static_assert(sizeof(ncclUniqueId) == KD_SUMS_ID, "the name of a group is NCCL's");

kd_status kd_nccl_status(const kd_nccl *nccl, ncclResult_t result, const char *what) {
  if (result == ncclSuccess) return KD_OK;
  const char *text = nccl->library->GetErrorString(result), *last = nccl->library->GetLastError(NULL);
  bool more = last && *last;
  const char *hint = strstr(text, "NCCL_DEBUG") ? "" : " (NCCL_DEBUG=INFO tells more)";
  return kd_fail(KD_ERR_RUN, "%s: %s: %s%s%s%s", nccl->library->text, what, text, more ? ": " : "",
                 more ? last : "", hint);
}

kd_status kd_nccl_settle(kd_device *device, ncclResult_t result, const char *what) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  for (bool first = true; result == ncclInProgress; first = false) {
    ncclResult_t error = nccl->library->CommGetAsyncError(nccl->comm, &result);
    if (error != ncclSuccess) result = error;
    if (result == ncclInProgress && device->patience)
      KD_TRY(device->patience(device->patience_context, first));
  }
  return kd_nccl_status(nccl, result, what);
}

/* --- connecting --- */

/* Sums in an order that does not depend on what else runs: in-network sums and the choice among algorithms
 * and protocols do. What the user has set stands. */
static void choose_order(void) {
  (void)setenv("NCCL_ALGO", "Ring", 0);
  (void)setenv("NCCL_PROTO", "Simple", 0);
  (void)setenv("NCCL_NVLS_ENABLE", "0", 0);
}

static kd_status nccl_ready(kd_device *device, char seat[KD_SUMS_SEAT]) {
  const kd_nccl_library *library;
  if (device->reproducible) choose_order();
  KD_TRY(kd_nccl_open(&library));
  KD_CUDA(cudaDeviceGetPCIBusId(seat, KD_SUMS_SEAT, kd_cuda_of(device)->ordinal), "the place of the device");
  return KD_OK;
}

static kd_status nccl_identify(kd_device *device, char id[KD_SUMS_ID]) {
  (void)device;
  kd_nccl unnamed = {0};
  KD_TRY(kd_nccl_open(&unnamed.library));
  return kd_nccl_status(&unnamed, unnamed.library->GetUniqueId((ncclUniqueId *)id), "a name for the ranks");
}

static kd_status make_stream(kd_nccl *nccl) {
  int least, greatest;
  KD_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest), "priorities of streams");
  KD_CUDA(cudaStreamCreateWithPriority(&nccl->stream, cudaStreamNonBlocking, greatest), "a stream");
  KD_CUDA(cudaEventCreateWithFlags(&nccl->reached, cudaEventDisableTiming), "an event");
  return KD_OK;
}

static kd_status nccl_connect(kd_device *device, const char id[KD_SUMS_ID], int rank, int size) {
  kd_nccl *nccl = kd_calloc(1, sizeof *nccl);
  *nccl = (kd_nccl){.rank = rank, .size = size};
  kd_cuda_of(device)->nccl = nccl;
  KD_TRY(kd_nccl_open(&nccl->library));
  KD_TRY(make_stream(nccl));
  ncclUniqueId name;
  memcpy(&name, id, sizeof name);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0; /* else a rank that never comes could not be given up */
  ncclResult_t result = nccl->library->CommInitRankConfig(&nccl->comm, size, name, rank, &config);
  return result == ncclInProgress ? KD_OK : kd_nccl_status(nccl, result, "connecting the ranks");
}

/* --- how it stands --- */

static kd_status nccl_poll(kd_device *device, int64_t *ended) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  ncclResult_t state = ncclSuccess, error = nccl->library->CommGetAsyncError(nccl->comm, &state);
  *ended = nccl->ended ? *nccl->ended : 0;
  if (error == ncclSuccess && state == ncclInProgress) {
    if (!nccl->connected) *ended = KD_SUMS_CONNECTING;
    return KD_OK;
  }
  const char *what = nccl->connected ? "a sum over ranks" : "connecting the ranks";
  KD_TRY(kd_nccl_status(nccl, error ? error : state, what));
  nccl->connected = true;
  return KD_OK;
}

/* --- the end --- */

static void nccl_abort(kd_device *device) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  if (!nccl || nccl->aborted) return;
  if (nccl->comm) (void)nccl->library->CommAbort(nccl->comm);
  nccl->aborted = true;
}

/* Other ranks may be gone by now: what does not end soon is cut off. */
static bool finalized(kd_nccl *nccl) {
  enum { SECONDS = 10 };
  double start = kd_now();
  ncclResult_t state = nccl->library->CommFinalize(nccl->comm);
  while (state == ncclInProgress && kd_now() - start < SECONDS)
    if (nccl->library->CommGetAsyncError(nccl->comm, &state) != ncclSuccess) return false;
  return state == ncclSuccess;
}

static void nccl_close(kd_device *device) {
  kd_nccl *nccl = kd_cuda_of(device)->nccl;
  if (!nccl) return;
  if (!nccl->connected) nccl_abort(device);
  kd_nccl_free(device);
  if (!nccl->aborted) {
    if (finalized(nccl))
      (void)nccl->library->CommDestroy(nccl->comm);
    else
      nccl_abort(device);
  }
  if (nccl->reached) (void)cudaEventDestroy(nccl->reached);
  if (nccl->stream) (void)cudaStreamDestroy(nccl->stream);
  kd_free(nccl);
  kd_cuda_of(device)->nccl = NULL;
}

static const char *nccl_describe(void) {
  const kd_nccl_library *library;
  return kd_nccl_open(&library) == KD_OK ? library->text : NULL;
}

const kd_device_sums kd_nccl_sums = {
    .ready = nccl_ready,
    .identify = nccl_identify,
    .connect = nccl_connect,
    .poll = nccl_poll,
    .alloc = kd_nccl_alloc,
    .free = kd_nccl_free,
    .start = kd_nccl_start,
    .join = kd_nccl_join,
    .abort = nccl_abort,
    .close = nccl_close,
    .describe = nccl_describe,
};
