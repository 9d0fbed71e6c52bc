/* The CUDA runtime on the processor. Work waits in one queue, in the order in which it was put on any stream,
 * until the host waits or asks. Sums over ranks (nccl/nccl_double.c) may not be possible yet: what stands behind
 * them waits too. Device memory cannot be touched by the host in between, begins with garbage, and pinned
 * memory is read when a copy runs: what a GPU would do to wrong code happens here too. */
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#define dim3 emulate_dim3
#include "cuda/emulate.h"
#undef dim3
#include "cuda/emulated_counts.h"

/* True when it is done; else it is to be tried again. */
typedef std::function<bool()> attempt;
typedef std::vector<attempt> work_list;

static std::deque<attempt> queue;
static emulated_counts counts;
/* What is recorded: of the first stream, and of those that wait for its events until they are waited for. */
static work_list *recording;
static void *recorded_stream;
static std::set<void *> recorded_streams, unjoined;
static bool record_broken;
static std::map<void *, size_t> device_blocks, pinned_blocks;

static void protect(int access) {
  for (auto &block : device_blocks) mprotect(block.first, block.second, access);
}

/* As far as it goes; true when nothing is left. */
static bool advance() {
  if (queue.empty()) return true;
  protect(PROT_READ | PROT_WRITE);
  while (!queue.empty() && queue.front()()) queue.pop_front(), counts.done++;
  protect(PROT_NONE);
  return queue.empty();
}

static void nap() {
  usleep(100);
}

static void drain() {
  if (!queue.empty()) counts.waits++;
  while (!advance()) nap();
}

/* Until it is so, or something must wait. */
static bool advance_until(const std::function<bool()> &reached) {
  if (reached()) return true;
  counts.waits++;
  protect(PROT_READ | PROT_WRITE);
  while (!reached() && !queue.empty() && queue.front()()) queue.pop_front(), counts.done++;
  protect(PROT_NONE);
  return reached();
}

static bool is_recorded(void *stream) {
  return recording && recorded_streams.count(stream);
}

/* What KD_EMULATE_LOG names gets a line for all work, and what orders streams and ranks. */
static void note(const char *text) {
  static FILE *log;
  const char *path = getenv("KD_EMULATE_LOG"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  if (!path) return;
  if (!log) {
    std::string name = std::string(path) + "." + (rank ? rank : "0");
    log = fopen(name.c_str(), "w");
  }
  if (log) fprintf(log, "%s\n", text), fflush(log);
}

static void enqueue(void *stream, attempt work) {
  if (!is_recorded(stream)) {
    queue.push_back(work);
    return;
  }
  recording->push_back(work);
  if (stream != recorded_stream) unjoined.insert(stream);
}

void emulate_enqueue(void *stream, std::function<void()> work) {
  note("work");
  enqueue(stream, [=] {
    work();
    return true;
  });
}

static bool is_pinned(const void *host) {
  auto next = pinned_blocks.upper_bound((void *)host);
  if (next == pinned_blocks.begin()) return false;
  --next;
  return (const char *)host < (char *)next->first + next->second;
}

emulated_counts emulate_counts() {
  return counts;
}

/* For the double of NCCL, which is a library of its own as the real one is. */
extern "C" void kd_emulated_enqueue(void *stream, int (*work)(void *), void *data) {
  enqueue(stream, [=] { return work(data) != 0; });
}
extern "C" int kd_emulated_recording(void) {
  return recording != NULL;
}
extern "C" void kd_emulated_note(const char *text) {
  note(text);
}

static size_t pages(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

extern "C" {

cudaError_t cudaMalloc(void **block, size_t bytes) {
  *block = mmap(NULL, pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*block == MAP_FAILED) return cudaErrorMemoryAllocation;
  memset(*block, 0xA5, pages(bytes));
  mprotect(*block, pages(bytes), PROT_NONE);
  device_blocks[*block] = pages(bytes);
  return cudaSuccess;
}

cudaError_t cudaFree(void *block) {
  if (!block) return cudaSuccess;
  drain();
  munmap(block, device_blocks[block]);
  device_blocks.erase(block);
  return cudaSuccess;
}

int kd_emulated_malloc(void **block, size_t bytes) {
  return cudaMalloc(block, bytes);
}
void kd_emulated_free(void *block) {
  (void)cudaFree(block);
}

cudaError_t cudaMallocHost(void **block, size_t bytes) {
  *block = malloc(bytes);
  pinned_blocks[*block] = bytes;
  return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *block) {
  pinned_blocks.erase(block);
  free(block);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void *block, size_t bytes, unsigned) {
  pinned_blocks[block] = bytes;
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void *block) {
  pinned_blocks.erase(block);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {
    std::vector<char> copy((const char *)from, (const char *)from + bytes);
    emulate_enqueue(stream, [=] { memcpy(to, copy.data(), bytes); });
    return cudaSuccess;
  }
  emulate_enqueue(stream, [=] { memcpy(to, from, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !is_pinned(to)) drain();
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  emulate_enqueue(stream, [=] { memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemset2DAsync(void *to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  emulate_enqueue(stream, [=] {
    for (size_t row = 0; row < height; row++) memset((char *)to + row * pitch, value, width);
  });
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *all) {
  size_t used = 0;
  const char *limit = getenv("KD_EMULATE_MEMORY");
  for (auto &block : device_blocks) used += block.second;
  *all = limit ? strtoull(limit, NULL, 10) : (size_t)8 << 30;
  *unused = *all > used ? *all - used : 0;
  return cudaSuccess;
}

/* --- streams, events ------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  *stream = (cudaStream_t)malloc(1);
  return cudaSuccess;
}
/* The stream of sums is the one with a priority. */
static cudaStream_t of_sums;
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int) {
  cudaError_t error = cudaStreamCreateWithFlags(stream, flags);
  of_sums = *stream;
  return error;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  drain();
  free(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (is_recorded(stream)) {
    record_broken = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  drain();
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t) {
  if (advance()) return cudaSuccess;
  nap();
  return cudaErrorNotReady;
}

struct event {
  std::shared_ptr<uint64_t> reached = std::make_shared<uint64_t>(0);
  uint64_t recorded = 0;
  cudaStream_t stream = NULL;
  bool captured = false;
};

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned) {
  const event *own = (event *)e;
  if (own->stream != stream && (own->stream == of_sums || stream == of_sums)) note("order streams");
  if (recording && own->captured) {
    recorded_streams.insert(stream);
    if (stream == recorded_stream) unjoined.erase(own->stream);
  } else if (is_recorded(stream) && own->stream) {
    record_broken = true; /* work that is not part of the record */
    return cudaErrorStreamCaptureIsolation;
  }
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *made, unsigned) {
  *made = (cudaEvent_t) new event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream) {
  event *own = (event *)e;
  uint64_t number = ++own->recorded;
  std::shared_ptr<uint64_t> reached = own->reached;
  own->stream = stream;
  own->captured = is_recorded(stream);
  if (!own->captured) emulate_enqueue(stream, [=] { *reached = number; });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  event *own = (event *)e;
  if (own->captured) return cudaErrorCapturedEvent;
  return advance_until([=] { return *own->reached == own->recorded; }) ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  cudaError_t error;
  while ((error = cudaEventQuery(e)) == cudaErrorNotReady) nap();
  return error;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete (event *)e;
  return cudaSuccess;
}

/* --- recorded work --------------------------------------------------------------------------------- */

/* KD_EMULATE_RECORD: "late" refuses at the end where there is work, anything else at the start. */
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const char *refuse = getenv("KD_EMULATE_RECORD");
  if (refuse && strcmp(refuse, "late") != 0) return cudaErrorStreamCaptureUnsupported;
  recording = new work_list;
  recorded_stream = stream;
  recorded_streams = {stream};
  unjoined.clear();
  record_broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph) {
  record_broken |= !recording->empty() && getenv("KD_EMULATE_RECORD");
  bool broken = record_broken || !unjoined.empty();
  *graph = NULL;
  if (broken)
    delete recording;
  else
    *graph = (cudaGraph_t)recording;
  recording = NULL;
  if (broken) return record_broken ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined;
  counts.records++;
  note("record");
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *ready, cudaGraph_t graph, unsigned long long) {
  *ready = (cudaGraphExec_t) new work_list(*(work_list *)graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t ready, cudaStream_t stream) {
  counts.replays++;
  note("replay");
  for (auto &work : *(work_list *)ready) enqueue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete (work_list *)graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t ready) {
  drain();
  delete (work_list *)ready;
  return cudaSuccess;
}

/* --- generated kernels: nvrtc_double.cpp makes shared objects, with their size in front -------------- */

struct library {
  void *object;
};

cudaError_t cudaLibraryLoadData(cudaLibrary_t *made, const void *code, cudaJitOption *, void **, unsigned,
                                cudaLibraryOption *, void **, unsigned) {
  size_t size;
  char path[] = "/tmp/kd_emulated_XXXXXX";
  memcpy(&size, code, sizeof size);
  int file = mkstemp(path);
  if (file < 0 || write(file, (const char *)code + sizeof size, size) != (ssize_t)size) return cudaErrorUnknown;
  close(file);
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unlink(path);
  if (!object) {
    fprintf(stderr, "%s\n", dlerror());
    return cudaErrorUnknown;
  }
  *made = (cudaLibrary_t) new library{object};
  return cudaSuccess;
}

struct kernel {
  void *function;
  int arguments;
  emulated_thread **place;
};

cudaError_t cudaLibraryGetKernel(cudaKernel_t *found, cudaLibrary_t from, const char *name) {
  void *object = ((library *)from)->object;
  kernel *k = new kernel{dlsym(object, name), *(int *)dlsym(object, "kd_arguments"),
                         (emulated_thread **)dlsym(object, "kd_emulated")};
  *found = (cudaKernel_t)k;
  return cudaSuccess;
}

cudaError_t cudaLibraryUnload(cudaLibrary_t from) {
  drain();
  dlclose(((library *)from)->object);
  delete (library *)from;
  return cudaSuccess;
}

/* All parameters are addresses: a function of fewer takes the first ones. */
enum { MOST_ARGUMENTS = 36 };
typedef void (*program)(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
                        void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
                        void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
                        void *, void *, void *);

static void call(void *function, void *const *a) {
  ((program)function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
                      a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23], a[24], a[25], a[26],
                      a[27], a[28], a[29], a[30], a[31], a[32], a[33], a[34], a[35]);
}

cudaError_t cudaLaunchKernel(const void *function, struct dim3 blocks, struct dim3 threads, void **argument,
                             size_t, cudaStream_t stream) {
  const kernel *k = (const kernel *)function;
  std::vector<void *> value(MOST_ARGUMENTS, nullptr);
  for (int i = 0; i < k->arguments; i++) value[(size_t)i] = *(void **)argument[i];
  emulated_size grid = {blocks.x, blocks.y, blocks.z}, block = {threads.x, threads.y, threads.z};
  void *target = k->function;
  emulated_thread **place = k->place;
  emulate_enqueue(stream, [=] {
    emulate_run(grid, block, [&] {
      *place = kd_emulated;
      call(target, value.data());
    });
  });
  return cudaSuccess;
}

/* --- the device ------------------------------------------------------------------------------------ */

cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int ordinal) {
  snprintf(id, (size_t)length, "0000:%02x:00.0", 0x10 + ordinal);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *property, int) {
  memset(property, 0, sizeof *property);
  strcpy(property->name, "emulated device");
  property->major = 9;
  property->totalGlobalMem = (size_t)8 << 30;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "emulated error";
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
}
