/* NCCL for the emulated device: messages are files in a folder that the group's name tells, and calls are
 * work on the emulated stream that is tried until the others' files are there. As strict as a communicator
 * that does not block: each call is in progress until somebody has asked twice, and another call before that
 * is refused.
 *
 * KD_NCCL_VERSION=21903, KD_NCCL_INIT=never, KD_NCCL_INIT=fail:RANK, KD_NCCL_LOST=RANK:N (that rank hears of
 * a lost connection after N calls), KD_NCCL_SILENT=RANK:N (its calls from number N on never begin),
 * KD_NCCL_RECORD=RANK:N (its call number N while launches are recorded is refused),
 * KD_NCCL_STOP, KD_NCCL_KILL and KD_NCCL_SIGNAL=RANK:N (that signal, SIGUSR1, comes when call N begins). */
#include <dlfcn.h>
#include <nccl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CALLS = 256, MOST_RANKS = 16, ASKED = 2 };

typedef enum call_kind { ALL_REDUCE, SEND, RECEIVE } call_kind;

typedef struct call {
  call_kind kind;
  const float *from;
  float *to;
  size_t count;
  int peer;
  bool done;
} call;

/* The calls between GroupStart and GroupEnd, or one by itself. Tried on the stream, again after a replay. */
typedef struct batch {
  struct ncclComm *comm;
  call calls[MOST_CALLS];
  int n;
  bool begun;
  long number;
} batch;

struct ncclComm {
  char folder[96];
  int rank, size, in_progress;
  bool connected, aborted;
  const char *memory; /* registered */
  long started, done, recorded, sent[MOST_RANKS], received[MOST_RANKS];
};

static char last_error[96];
static batch *group;
static int depth;

/* --- the emulated device --- */

/* In the plug-in, or in a test that is linked with it. */
static void *plug_in(const char *name) {
  void *library = dlopen(getenv("KDIST_CUDA_PLUGIN"), RTLD_NOW | RTLD_NOLOAD);
  void *found = library ? dlsym(library, name) : NULL;
  if (!found) fprintf(stderr, "the double of NCCL needs the emulated plug-in\n"), exit(99);
  return found;
}

static void enqueue(void *stream, int (*work)(void *), void *data) {
  void (*function)(void *, int (*)(void *), void *);
  *(void **)&function = plug_in("kd_emulated_enqueue");
  function(stream, work, data);
}

static void note(const char *text) {
  void (*function)(const char *);
  *(void **)&function = plug_in("kd_emulated_note");
  function(text);
}

static bool recording(void) {
  int (*function)(void);
  *(void **)&function = plug_in("kd_emulated_recording");
  return function() != 0;
}

/* --- settings --- */

static bool setting(const char *name, int rank, long *number) {
  const char *text = getenv(name);
  int whose;
  return text && sscanf(text, "%d:%ld", &whose, number) == 2 && whose == rank;
}

/* --- messages --- */

static void file_name(char *name, size_t size, const ncclComm_t comm, const char *kind, int from, int to,
                      long number) {
  snprintf(name, size, "%s/%s-%d-%d-%ld", comm->folder, kind, from, to, number);
}

static void put(const ncclComm_t comm, const char *kind, int to, long number, const float *data,
                size_t count) {
  char name[160], part[176];
  file_name(name, sizeof name, comm, kind, comm->rank, to, number);
  snprintf(part, sizeof part, "%s.part", name);
  FILE *file = fopen(part, "wb");
  if (!file) return; /* the folder went with the job */
  if (count) fwrite(data, sizeof *data, count, file);
  fclose(file);
  rename(part, name);
}

static bool get(const ncclComm_t comm, const char *kind, int from, int to, long number, float *data,
                size_t count) {
  char name[160];
  file_name(name, sizeof name, comm, kind, from, to, number);
  FILE *file = fopen(name, "rb");
  if (!file) return false;
  size_t got = count ? fread(data, sizeof *data, count, file) : 0;
  bool more = fgetc(file) != EOF;
  fclose(file);
  if (got != count || more) fprintf(stderr, "NCCL: %s has another size than %zu\n", name, count), exit(99);
  return true;
}

/* From the highest rank to the lowest: another order than the host's tree has. */
static bool all_reduce(const ncclComm_t comm, call *c, long number) {
  float *part = malloc(c->count * sizeof *part), *sum = calloc(c->count, sizeof *sum);
  bool complete = true;
  for (int r = comm->size - 1; r >= 0 && complete; r--) {
    complete = get(comm, "all", r, 0, number, part, c->count);
    for (size_t i = 0; complete && i < c->count; i++)
      sum[i] = r == comm->size - 1 ? part[i] : sum[i] + part[i];
  }
  if (complete) memcpy(c->to, sum, c->count * sizeof *sum);
  free(part);
  free(sum);
  return complete;
}

static void begin(batch *b) {
  b->number = b->comm->started++;
  b->begun = true;
  for (int i = 0; i < b->n; i++) {
    call *c = &b->calls[i];
    c->done = false;
    if (c->kind == ALL_REDUCE) put(b->comm, "all", 0, b->number, c->from, c->count);
    if (c->kind == SEND) put(b->comm, "one", c->peer, b->comm->sent[c->peer]++, c->from, c->count);
  }
}

static bool finish(ncclComm_t comm, batch *b, call *c) {
  if (c->kind == SEND) return true;
  if (c->kind == ALL_REDUCE) return all_reduce(comm, c, b->number);
  if (!get(comm, "one", c->peer, comm->rank, comm->received[c->peer], c->to, c->count)) return false;
  comm->received[c->peer]++;
  return true;
}

static int work(void *data) {
  batch *b = data;
  ncclComm_t comm = b->comm;
  long call_number;
  if (comm->aborted) return 1;
  if (!b->begun && setting("KD_NCCL_SILENT", comm->rank, &call_number) && comm->started >= call_number)
    return 0;
  if (!b->begun && setting("KD_NCCL_STOP", comm->rank, &call_number) && comm->started == call_number)
    raise(SIGSTOP);
  if (!b->begun && setting("KD_NCCL_SIGNAL", comm->rank, &call_number) && comm->started == call_number)
    raise(SIGUSR1);
  if (!b->begun && setting("KD_NCCL_KILL", comm->rank, &call_number) && comm->started == call_number)
    raise(SIGKILL);
  if (!b->begun) begin(b);
  for (int i = 0; i < b->n; i++) {
    call *c = &b->calls[i];
    if (!c->done) c->done = finish(comm, b, c);
    if (!c->done) return 0; /* messages of a pair come in order */
  }
  comm->done++;
  b->begun = false;
  return 1;
}

/* --- calls --- */

static ncclResult_t submit(batch *b, cudaStream_t stream) {
  b->comm->in_progress = ASKED;
  enqueue(stream, work, b); /* it may be recorded and come again, so it is not freed */
  return ncclInProgress;
}

static cudaStream_t group_stream;

static ncclResult_t add(ncclComm_t comm, call c, cudaStream_t stream) {
  char line[128];
  static const char *const names[] = {"all-reduce", "send", "receive"};
  if (comm->in_progress) {
    snprintf(last_error, sizeof last_error, "a call before the last one was under way");
    return ncclInvalidUsage;
  }
  long refused, number = recording() ? comm->recorded++ : -1;
  if (setting("KD_NCCL_RECORD", comm->rank, &refused) && number == refused) {
    snprintf(last_error, sizeof last_error, "this cannot be captured");
    return ncclInvalidUsage;
  }
  const char *place = (const char *)(c.kind == RECEIVE ? c.to : c.from);
  if (!comm->memory || place < comm->memory) {
    snprintf(last_error, sizeof last_error, "memory that is not registered");
    return ncclInvalidArgument;
  }
  int distance = c.kind == ALL_REDUCE ? 0 : (c.peer - comm->rank + comm->size) % comm->size;
  snprintf(line, sizeof line, "%s %zu distance %d", names[c.kind], c.count, distance);
  if (c.kind == ALL_REDUCE)
    snprintf(line, sizeof line, "all-reduce %zu at %td", c.count, (place - comm->memory) / 4);
  note(line);
  batch *b = group ? group : calloc(1, sizeof *b);
  if (b->n == MOST_CALLS) return ncclInvalidUsage;
  b->comm = comm;
  b->calls[b->n++] = c;
  group_stream = stream;
  return depth ? ncclSuccess : submit(b, stream);
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat32 || op != ncclSum) return ncclInvalidArgument;
  return add(comm, (call){ALL_REDUCE, from, to, count, 0, false}, stream);
}

ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (type != ncclFloat32 || peer == comm->rank) return ncclInvalidArgument;
  return add(comm, (call){SEND, from, NULL, count, peer, false}, stream);
}

ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (type != ncclFloat32 || peer == comm->rank) return ncclInvalidArgument;
  return add(comm, (call){RECEIVE, NULL, to, count, peer, false}, stream);
}

ncclResult_t ncclGroupStart(void); /* the header has no parameter list */
ncclResult_t ncclGroupEnd(void);
ncclResult_t ncclGroupStart(void) {
  if (depth++ == 0) group = calloc(1, sizeof *group);
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void) {
  if (depth == 0) return ncclInvalidUsage;
  if (--depth) return ncclSuccess;
  batch *b = group;
  group = NULL;
  return b->n ? submit(b, group_stream) : ncclSuccess;
}

/* --- the communicator --- */

ncclResult_t ncclGetVersion(int *version) {
  const char *other = getenv("KD_NCCL_VERSION");
  *version = other ? atoi(other) : NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  const char *where = getenv("KD_NCCL_FOLDER");
  memset(id, 0, sizeof *id);
  snprintf(id->internal, 90, "%s/group-XXXXXX", where ? where : "/tmp");
  return mkdtemp(id->internal) ? ncclSuccess : ncclSystemError;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *made, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t *config) {
  const char *init = getenv("KD_NCCL_INIT");
  int failing;
  char order[96];
  if (config->blocking != 0 || size > MOST_RANKS) return ncclInvalidArgument;
  ncclComm_t comm = calloc(1, sizeof *comm);
  snprintf(comm->folder, sizeof comm->folder, "%.90s", id.internal);
  comm->rank = rank;
  comm->size = size;
  *made = comm;
  const char *algo = getenv("NCCL_ALGO"), *proto = getenv("NCCL_PROTO"), *nvls = getenv("NCCL_NVLS_ENABLE");
  snprintf(order, sizeof order, "connect %d, %s %s %s", size, algo ? algo : "-", proto ? proto : "-",
           nvls ? nvls : "-");
  note(order);
  if (init && sscanf(init, "fail:%d", &failing) == 1 && failing == rank) return ncclSystemError;
  if (!init || strcmp(init, "never") != 0) put(comm, "here", 0, 0, NULL, 0);
  return ncclInProgress;
}

static bool all_here(ncclComm_t comm) {
  for (int r = 0; r < comm->size; r++)
    if (!get(comm, "here", r, 0, 0, NULL, 0)) return false;
  return true;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state) {
  long after;
  if (!comm->connected) comm->connected = all_here(comm);
  *state = comm->connected ? ncclSuccess : ncclInProgress;
  if (comm->in_progress && --comm->in_progress) *state = ncclInProgress;
  if (setting("KD_NCCL_LOST", comm->rank, &after) && comm->done >= after) {
    snprintf(last_error, sizeof last_error, "connection closed by the other side");
    *state = ncclRemoteError;
  }
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  comm->in_progress = ASKED;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm->in_progress) return ncclInvalidUsage;
  note("destroy");
  free(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->aborted = true; /* what is on the stream still looks at it */
  note("abort");
  return ncclSuccess;
}

ncclResult_t ncclCommRegister(const ncclComm_t comm, void *memory, size_t size, void **handle) {
  (void)size;
  comm->memory = memory;
  *handle = memory;
  return ncclSuccess;
}

ncclResult_t ncclCommDeregister(const ncclComm_t comm, void *handle) {
  if (handle != comm->memory) return ncclInvalidArgument;
  comm->memory = NULL;
  return ncclSuccess;
}

ncclResult_t ncclMemAlloc(void **memory, size_t size) {
  int (*function)(void **, size_t);
  *(void **)&function = plug_in("kd_emulated_malloc");
  return function(memory, size) ? ncclUnhandledCudaError : ncclSuccess;
}

ncclResult_t ncclMemFree(void *memory) {
  void (*function)(void *);
  *(void **)&function = plug_in("kd_emulated_free");
  function(memory);
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
  return result == ncclSystemError   ? "unhandled system error"
         : result == ncclRemoteError ? "remote process exited or there was a network error"
                                     : "invalid usage";
}

/* Of the process, as the real one. */
const char *ncclGetLastError(ncclComm_t comm) {
  (void)comm;
  return last_error;
}
