/* Each rank makes an anonymous file (memfd) for its part, and the others of its domain map it by way of
 * /proc/PID/fd. MPI_Win_allocate_shared would do the same in /dev/shm, but Open MPI 4.1 hangs when there is
 * no room, and many containers have 64 MB there; anonymous files are limited by memory alone, and reserved at
 * once. */
#include "comm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/reducer.h"
#include "device/base/clock.h"
#include "device/base/hash.h"
#include "device/base/log.h"

/* The head of a rank's part; the range starts on a page of its own. */
enum { HEAD = 4096 };
_Static_assert(sizeof(kd_progress) <= HEAD, "the progress counters fit before the range");

kd_reduce_memory *kd_reduce_memory_find(const kd_comm *comm, const void *base) {
  kd_reduce_memory *memory = comm->hidden->memories;
  while (memory && memory->base != base) memory = memory->next;
  return memory;
}

static void name_member(kd_reduce_memory *memory, int place, char *block) {
  memory->progress[place] = (kd_progress *)block;
  memory->part[place] = (float *)(block + HEAD);
}

static kd_reduce_memory *create(const kd_domains *layout, int members, size_t bytes) {
  kd_reduce_memory *memory = kd_calloc(1, sizeof *memory);
  memory->bytes = bytes;
  memory->layout = layout;
  memory->members = members;
  memory->progress = kd_calloc((size_t)members, sizeof *memory->progress);
  memory->part = kd_calloc((size_t)members, sizeof *memory->part);
  return memory;
}

static void release(kd_reduce_memory *memory) {
  if (!memory->shared && memory->base) kd_large_free(memory->progress[0], HEAD + memory->bytes);
  for (int i = 0; memory->shared && i < memory->members; i++)
    if (memory->progress[i]) munmap(memory->progress[i], HEAD + memory->bytes);
  kd_free(memory->progress);
  kd_free(memory->part);
  kd_free(memory);
}

static kd_status alloc_plain(kd_reduce_memory *memory) {
  void *block;
  KD_TRY(kd_large_alloc(HEAD + memory->bytes, &block));
  name_member(memory, 0, block);
  memory->base = memory->part[0];
  return KD_OK;
}

/* --- files --- */

/* How the others find a rank's file. */
typedef struct card {
  int pid, fd;
  uint64_t mark;
} card;

static kd_status map_file(kd_reduce_memory *memory, int fd, int place) {
  size_t bytes = HEAD + memory->bytes;
  void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  KD_CHECK(block != MAP_FAILED, KD_ERR_NOMEM, "mmap: %s", strerror(errno));
  madvise(block, bytes, MADV_HUGEPAGE);
  name_member(memory, place, block);
  return KD_OK;
}

/* Reserving all pages now lets a lack of memory show here, and no step pays for a first touch. They lie near
 * the processor of this rank. */
static kd_status fill_file(kd_reduce_memory *memory, int place, card *own) {
  off_t bytes = (off_t)(HEAD + memory->bytes);
  int code = posix_fallocate(own->fd, 0, bytes);
  KD_CHECK(code == 0, KD_ERR_NOMEM, "posix_fallocate: %s", strerror(code));
  KD_TRY(map_file(memory, own->fd, place));
  memory->progress[place]->mark = own->mark;
  return KD_OK;
}

static kd_status make_file(kd_reduce_memory *memory, int rank, int place, card *own) {
  double now = kd_now();
  own->pid = getpid();
  own->mark = kd_hash(&now, sizeof now, (uint64_t)own->pid * 65537u + (uint64_t)rank) | 1;
  own->fd = memfd_create("kdist gradients", MFD_CLOEXEC);
  KD_CHECK(own->fd >= 0, KD_ERR_RUN, "memfd_create: %s", strerror(errno));
  kd_status status = fill_file(memory, place, own);
  if (status != KD_OK) close(own->fd);
  return status;
}

/* A process of that number may be another one here (containers that share a host name): hence the mark. */
static kd_status map_other(kd_reduce_memory *memory, int place, const card *other) {
  char path[64];
  struct stat info;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", other->pid, other->fd);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_RUN, "%s: %s", path, strerror(errno));
  kd_status status = KD_OK;
  if (fstat(fd, &info) != 0 || info.st_size != (off_t)(HEAD + memory->bytes))
    status = kd_fail(KD_ERR_RUN, "%s is another file", path);
  if (status == KD_OK) status = map_file(memory, fd, place);
  close(fd);
  KD_TRY(status);
  KD_CHECK(memory->progress[place]->mark == other->mark, KD_ERR_RUN, "%s is another file", path);
  return KD_OK;
}

static kd_status map_others(kd_comm *comm, kd_reduce_memory *memory, int place, const card *own) {
  card *cards = kd_calloc((size_t)memory->members, sizeof *cards);
  kd_status status = KD_OK;
  int code = MPI_Allgather(own, sizeof *own, MPI_BYTE, cards, sizeof *own, MPI_BYTE, comm->hidden->domain);
  if (code != MPI_SUCCESS) status = kd_comm_mpi_status(code, "MPI_Allgather");
  for (int i = 0; i < memory->members && status == KD_OK; i++)
    if (i != place) status = map_other(memory, i, &cards[i]);
  kd_free(cards);
  return status;
}

/* Maps the part of every member of the domain. All ranks return the same status. */
static kd_status alloc_shared(kd_comm *comm, kd_reduce_memory *memory) {
  int place = memory->layout->index[comm->rank];
  card own = {.fd = -1};
  memory->shared = true;
  kd_status status = make_file(memory, comm->rank, place, &own);
  bool made = status == KD_OK;
  status = kd_comm_all_ok(comm, status);
  if (status == KD_OK) status = kd_comm_all_ok(comm, map_others(comm, memory, place, &own));
  if (made) close(own.fd); /* everybody has opened it */
  memory->base = memory->part[place];
  return status;
}

/* --- the public calls --- */

/* Memory in which ranks of a host see each other, or NULL: then messages between plain memory still work. */
static kd_reduce_memory *try_shared(kd_comm *comm, size_t bytes) {
  const kd_domains *layout = &comm->hidden->shared;
  if (layout->n_domains == comm->size) return NULL;
  kd_reduce_memory *memory = create(layout, kd_domains_members(layout, layout->domain[comm->rank]), bytes);
  if (alloc_shared(comm, memory) == KD_OK) return memory;
  kd_log(KD_LOG_WARNING,
         "ranks of one host cannot share %zu MiB for gradients and exchange messages instead, which is "
         "slower: %s",
         (bytes >> 20) + 1, kd_status_text());
  release(memory);
  return NULL;
}

kd_status kd_comm_alloc_reduce(kd_comm *comm, size_t bytes, void **base) {
  *base = NULL;
  KD_TRY(kd_comm_agree(comm, "size of the gradients", bytes));
  KD_CHECK(bytes < PTRDIFF_MAX - 2 * HEAD, KD_ERR_NOMEM, "not enough memory: %zu bytes were asked for",
           bytes);
  bytes = (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
  kd_reduce_memory *memory = try_shared(comm, bytes);
  if (!memory) {
    memory = create(&comm->hidden->single, 1, bytes);
    kd_status status = kd_comm_all_ok(comm, alloc_plain(memory));
    if (status != KD_OK) {
      release(memory);
      return status;
    }
  }
  memory->next = comm->hidden->memories;
  comm->hidden->memories = memory;
  *base = memory->base;
  return KD_OK;
}

void kd_comm_free_reduce(kd_comm *comm, void *base) {
  kd_reduce_memory **link = &comm->hidden->memories;
  while (*link && (!base || (*link)->base != base)) link = &(*link)->next;
  if (!*link) return;
  kd_reduce_memory *memory = *link;
  *link = memory->next;
  release(memory);
}

bool kd_comm_claim_failure(kd_comm *comm) {
  kd_reduce_memory *memory = comm ? comm->hidden->memories : NULL;
  if (!memory) return true;
  return atomic_exchange(&memory->progress[0]->failing, 1) == 0;
}
