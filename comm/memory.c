#include "comm/memory.h"

#include <string.h>

#include "comm/reducer.h"
#include "device/base/log.h"

/* The head of a rank's part; the range starts on a page of its own. */
enum { HEAD = 4096, PAGE = 4096 };
_Static_assert(sizeof(kd_progress) <= HEAD, "the progress counters fit before the range");

kd_reduce_memory *kd_reduce_memory_find(const kd_comm *comm, const void *base) {
  kd_reduce_memory *memory = comm->hidden->memories;
  while (memory && memory->base != base) memory = memory->next;
  return memory;
}

static void name_members(kd_reduce_memory *memory, int count) {
  memory->progress = kd_calloc((size_t)count, sizeof *memory->progress);
  memory->part = kd_calloc((size_t)count, sizeof *memory->part);
}

static void name_member(kd_reduce_memory *memory, int place, char *block) {
  memory->progress[place] = (kd_progress *)block;
  memory->part[place] = (float *)(block + HEAD);
}

static kd_status alloc_plain(kd_reduce_memory *memory, int place, int members) {
  void *block;
  KD_TRY(kd_large_alloc(HEAD + memory->bytes, &block));
  name_members(memory, members);
  name_member(memory, place, block);
  memory->base = memory->part[place];
  return KD_OK;
}

/* MPI does not align what it gives. All processes map the window at pages, so they all skip the same bytes.
 */
static char *next_page(char *block) {
  return block + (PAGE - (uintptr_t)block % PAGE) % PAGE;
}

/* Every rank's part begins on a page of its own, which it touches first: it lies near its processor, and a
 * /dev/shm that is smaller than it claims is noticed now and not in mid-training. */
static kd_status alloc_window(kd_comm *comm, kd_reduce_memory *memory, int place, int members) {
  MPI_Info info;
  char *block = NULL;
  KD_MPI(MPI_Info_create(&info));
  KD_MPI(MPI_Info_set(info, "alloc_shared_noncontig", "true"));
  MPI_Aint bytes = (MPI_Aint)(PAGE + HEAD + memory->bytes);
  int code = MPI_Win_allocate_shared(bytes, 1, info, comm->hidden->domain, &block, &memory->handle);
  MPI_Info_free(&info);
  KD_MPI(code);
  memory->window = true;
  memset(block, 0, (size_t)bytes);
  name_members(memory, members);
  for (int i = 0; i < members; i++) {
    MPI_Aint size;
    int unit;
    KD_MPI(MPI_Win_shared_query(memory->handle, i, &size, &unit, &block));
    name_member(memory, i, next_page(block));
  }
  memory->base = memory->part[place];
  return KD_OK;
}

static void release(kd_reduce_memory *memory) {
  if (memory->window)
    MPI_Win_free(&memory->handle);
  else if (memory->base)
    kd_large_free((char *)memory->base - HEAD, HEAD + memory->bytes);
  kd_free(memory->progress);
  kd_free(memory->part);
  kd_free(memory);
}

static kd_status window_for_all(kd_comm *comm, kd_reduce_memory *memory, int64_t *all_have_it) {
  const kd_domains *layout = &comm->hidden->shared;
  int place = layout->index[comm->rank], members = kd_domains_members(layout, layout->domain[comm->rank]);
  memory->layout = layout;
  kd_status status =
      members > 1 ? alloc_window(comm, memory, place, members) : alloc_plain(memory, place, members);
  *all_have_it = status == KD_OK;
  return kd_comm_reduce_i64(comm, KD_COMM_MIN, all_have_it, 1);
}

kd_status kd_comm_alloc_reduce(kd_comm *comm, size_t bytes, void **base) {
  *base = NULL;
  KD_TRY(kd_comm_agree(comm, "size of the gradients", bytes));
  KD_CHECK(bytes < PTRDIFF_MAX - HEAD, KD_ERR_NOMEM, "not enough memory: %zu bytes were asked for", bytes);
  kd_reduce_memory *memory = kd_calloc(1, sizeof *memory);
  memory->bytes = (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
  int64_t all_have_it;
  kd_status status = window_for_all(comm, memory, &all_have_it);
  if (status == KD_OK && !all_have_it && comm->size > 1) {
    /* A small /dev/shm (64 MB in many containers): messages between plain memory still work. */
    kd_log(KD_LOG_WARNING,
           "%zu MiB of shared memory for gradients are not to be had (%s); ranks of one host exchange "
           "messages, which is slower; enlarge /dev/shm (docker: --shm-size)",
           (bytes >> 20) + 1, kd_status_text());
    size_t size = memory->bytes;
    release(memory);
    memory = kd_calloc(1, sizeof *memory);
    memory->bytes = size;
    memory->layout = &comm->hidden->single;
    status = kd_comm_all_ok(comm, alloc_plain(memory, 0, 1));
  } else if (status == KD_OK && !all_have_it) {
    status = KD_ERR_NOMEM;
  }
  if (status != KD_OK) {
    release(memory);
    return status;
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
