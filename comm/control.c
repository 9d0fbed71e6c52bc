/* Small collectives of the control path, all by way of rank 0: it receives from every rank and answers. Not
 * the fastest way, but rank 0 knows exactly who is missing. */
#include "comm/control.h"

#include <string.h>

#include "comm/watchdog.h"

enum { CHUNK = 1 << 30, SMALL = 64 << 10, TAG = 1 };

/* --- one message --- */

kd_status kd_comm_put(kd_comm *comm, int to, const void *data, size_t bytes, const char *what) {
  const char *at = data;
  do {
    int size = bytes < CHUNK ? (int)bytes : CHUNK;
    MPI_Request request;
    kd_watch watch;
    KD_MPI(MPI_Isend(at, size, MPI_BYTE, to, TAG, comm->hidden->control, &request));
    kd_watch_start(&watch, comm, KD_WAIT_INDIRECT, NULL);
    KD_TRY(kd_watch_requests(&watch, comm, 1, &request, &to, what));
    at += size;
    bytes -= (size_t)size;
  } while (bytes > 0);
  return KD_OK;
}

/* The message is looked at before it is received, so that a wrong size is an error and not a truncation. */
static kd_status get_piece(kd_comm *comm, int from, void *data, int size, kd_patience patience,
                           const char *what) {
  MPI_Comm control = comm->hidden->control;
  kd_watch watch;
  MPI_Message message;
  MPI_Status info;
  int there = 0, sent = 0;
  kd_watch_start(&watch, comm, patience, NULL);
  for (;;) {
    KD_MPI(MPI_Improbe(from, TAG, control, &there, &message, &info));
    if (there) break;
    if (!kd_watch_pause(&watch)) return kd_watch_late(&watch, comm, from, what);
  }
  KD_MPI(MPI_Get_count(&info, MPI_BYTE, &sent));
  KD_CHECK(sent == size, KD_ERR_INTERNAL, "rank %d @ %s sent %d bytes in %s, %d were expected", from,
           kd_comm_host(comm, from), sent, what, size);
  MPI_Request request;
  KD_MPI(MPI_Imrecv(data, size, MPI_BYTE, &message, &request));
  return kd_watch_requests(&watch, comm, 1, &request, &from, what);
}

/* Rank 0 is waited for longer: it may itself be waiting for the rank that is to blame. */
kd_status kd_comm_get(kd_comm *comm, int from, void *data, size_t bytes, const char *what) {
  kd_patience patience = from == 0 ? KD_WAIT_INDIRECT : KD_WAIT_DIRECT;
  char *at = data;
  do {
    int size = bytes < CHUNK ? (int)bytes : CHUNK;
    KD_TRY(get_piece(comm, from, at, size, patience, what));
    at += size;
    bytes -= (size_t)size;
  } while (bytes > 0);
  return KD_OK;
}

static kd_status check_peer(const kd_comm *comm, int peer) {
  KD_CHECK(peer >= 0 && peer < comm->size && peer != comm->rank, KD_ERR_INTERNAL,
           "rank %d of %d cannot exchange a message with rank %d", comm->rank, comm->size, peer);
  return KD_OK;
}

kd_status kd_comm_send(kd_comm *comm, int to, const void *data, size_t bytes) {
  KD_TRY(check_peer(comm, to));
  return kd_comm_put(comm, to, data, bytes, "a message between two ranks");
}

kd_status kd_comm_receive(kd_comm *comm, int from, void *data, size_t bytes) {
  KD_TRY(check_peer(comm, from));
  return kd_comm_get(comm, from, data, bytes, "a message between two ranks");
}

/* --- to rank 0 and back --- */

kd_status kd_comm_to_root(kd_comm *comm, const void *mine, size_t bytes, void *all, const char *what) {
  if (comm->rank != 0) return kd_comm_put(comm, 0, mine, bytes, what);
  if (bytes && all != mine) memcpy(all, mine, bytes);
  for (int r = 1; r < comm->size; r++)
    KD_TRY(kd_comm_get(comm, r, (char *)all + (size_t)r * bytes, bytes, what));
  return KD_OK;
}

kd_status kd_comm_from_root(kd_comm *comm, void *data, size_t bytes, const char *what) {
  if (comm->rank != 0) return kd_comm_get(comm, 0, data, bytes, what);
  for (int r = 1; r < comm->size; r++) KD_TRY(kd_comm_put(comm, r, data, bytes, what));
  return KD_OK;
}

static kd_status barrier(kd_comm *comm, const char *what) {
  KD_TRY(kd_comm_to_root(comm, NULL, 0, NULL, what));
  return kd_comm_from_root(comm, NULL, 0, what);
}

kd_status kd_comm_barrier(kd_comm *comm) {
  return barrier(comm, "a barrier");
}

kd_status kd_comm_broadcast(kd_comm *comm, void *data, size_t bytes) {
  if (comm->alone || bytes == 0) return KD_OK;
  if (bytes <= SMALL) return kd_comm_from_root(comm, data, bytes, "a broadcast");
  /* MPI's own broadcast has no limit: it begins when everybody is there. */
  KD_TRY(barrier(comm, "a broadcast"));
  for (size_t at = 0; at < bytes; at += CHUNK) {
    int size = bytes - at < CHUNK ? (int)(bytes - at) : CHUNK;
    KD_MPI(MPI_Bcast((char *)data + at, size, MPI_BYTE, 0, comm->hidden->control));
  }
  return KD_OK;
}

kd_status kd_comm_broadcast_text(kd_comm *comm, kd_pool *pool, const char *text, const char **copy) {
  int64_t length = text ? (int64_t)strlen(text) : -1;
  KD_TRY(kd_comm_broadcast(comm, &length, sizeof length));
  *copy = NULL;
  if (length < 0) return KD_OK;
  char *block = kd_pool_alloc(pool, (size_t)length + 1, 1);
  if (comm->rank == 0) memcpy(block, text, (size_t)length);
  *copy = block;
  return kd_comm_broadcast(comm, block, (size_t)length);
}

kd_status kd_comm_all_gather(kd_comm *comm, const void *mine, size_t bytes, void *all) {
  KD_TRY(kd_comm_to_root(comm, mine, bytes, all, "a gather to all"));
  return kd_comm_broadcast(comm, all, bytes * (size_t)comm->size);
}

kd_status kd_comm_gather(kd_comm *comm, const void *mine, size_t bytes, void **all, size_t *sizes) {
  *all = NULL;
  size_t *counts = kd_calloc((size_t)comm->size, sizeof *counts);
  kd_status status = kd_comm_to_root(comm, &bytes, sizeof bytes, counts, "a gather");
  if (status == KD_OK && comm->rank != 0 && bytes) status = kd_comm_put(comm, 0, mine, bytes, "a gather");
  if (status == KD_OK && comm->rank == 0) {
    size_t total = 0, at = bytes;
    for (int r = 0; r < comm->size; r++) total += counts[r];
    *all = kd_calloc(total, 1);
    if (bytes) memcpy(*all, mine, bytes);
    for (int r = 1; r < comm->size && status == KD_OK; at += counts[r++])
      if (counts[r]) status = kd_comm_get(comm, r, (char *)*all + at, counts[r], "a gather");
    if (sizes) memcpy(sizes, counts, (size_t)comm->size * sizeof *counts);
  }
  kd_free(counts);
  return status;
}

kd_status kd_comm_gather_rows(kd_comm *comm, const void *mine, const int64_t *rows, size_t row_bytes,
                              void *all) {
  static const char what[] = "the gathering of predictions";
  size_t own = (size_t)rows[comm->rank] * row_bytes;
  if (comm->rank != 0) return own ? kd_comm_put(comm, 0, mine, own, what) : KD_OK;
  if (own && all != mine) memcpy(all, mine, own);
  char *at = (char *)all + own;
  for (int r = 1; r < comm->size; r++) {
    size_t bytes = (size_t)rows[r] * row_bytes;
    if (bytes) KD_TRY(kd_comm_get(comm, r, at, bytes, what));
    at += bytes;
  }
  return KD_OK;
}
