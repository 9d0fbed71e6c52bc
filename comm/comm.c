#include "comm/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/hidden.h"
#include "comm/launcher.h"
#include "device/base/log.h"
#include "device/base/text.h"

static const double DEFAULT_TIMEOUT = 600;

kd_status kd_comm_mpi_status(int code, const char *what) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) snprintf(text, sizeof text, "error %d", code);
  return kd_fail(KD_ERR_RUN, "%s: %s", what, text);
}

static kd_comm *create(void) {
  kd_comm *comm = kd_calloc(1, sizeof *comm);
  comm->hidden = kd_calloc(1, sizeof *comm->hidden);
  comm->size = comm->local_size = comm->n_hosts = 1;
  comm->hidden->pool = kd_pool_create();
  comm->hidden->timeout = DEFAULT_TIMEOUT;
  atomic_init(&comm->hidden->step, -1);
  if (gethostname(comm->host, sizeof comm->host - 1) != 0)
    snprintf(comm->host, sizeof comm->host, "localhost");
  return comm;
}

static void destroy(kd_comm *comm) {
  kd_pool_destroy(comm->hidden->pool);
  kd_free(comm->hidden);
  kd_free(comm);
}

/* --- joining the job --- */

static kd_status start_mpi(struct kd_comm_hidden *hidden, const kd_launcher *launcher) {
  int running = 0, level = 0;
  KD_MPI(MPI_Initialized(&running));
  if (running) {
    KD_MPI(MPI_Query_thread(&level));
  } else {
    kd_launcher_tune(launcher);
    KD_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level));
    hidden->finalize = true;
  }
  hidden->mpi = true;
  KD_CHECK(level >= MPI_THREAD_SERIALIZED, KD_ERR_RUN,
           "this MPI was started without support for threads (MPI_THREAD_SERIALIZED at least)");
  KD_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  return KD_OK;
}

/* What each rank tells all others when it joins. */
typedef struct introduction {
  char host[KD_HOST_LENGTH];
  int leader; /* lowest rank of its host */
  int domain; /* lowest rank of those it shares memory with */
} introduction;

/* Ranks share memory when they are on one host. For tests KDIST_TRANSPORT=mpi puts each rank alone, and
 * KDIST_TRANSPORT=hosts:N pretends that there are N hosts; shm (the default) takes what is there. */
static kd_status choose_domain(const kd_comm *comm, int *color) {
  const char *transport = getenv("KDIST_TRANSPORT");
  int hosts = 0;
  *color = 0;
  if (!transport || !*transport || !strcmp(transport, "shm")) return KD_OK;
  if (!strcmp(transport, "mpi")) {
    *color = comm->local_rank;
  } else if (sscanf(transport, "hosts:%d", &hosts) == 1 && hosts > 0) {
    *color = comm->local_rank * hosts / comm->local_size;
  } else {
    return kd_fail(KD_ERR_USAGE, "KDIST_TRANSPORT=%s: shm, mpi or hosts:N", kd_quoted(transport));
  }
  return KD_OK;
}

static kd_status split_domain(kd_comm *comm, introduction *mine) {
  struct kd_comm_hidden *hidden = comm->hidden;
  MPI_Comm host;
  KD_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &host));
  KD_MPI(MPI_Comm_rank(host, &comm->local_rank));
  KD_MPI(MPI_Comm_size(host, &comm->local_size));
  int color;
  KD_TRY(choose_domain(comm, &color));
  KD_MPI(MPI_Comm_split(host, color, comm->rank, &hidden->domain));
  int leaders[2] = {comm->rank, comm->rank};
  KD_MPI(MPI_Bcast(&leaders[0], 1, MPI_INT, 0, host));
  KD_MPI(MPI_Bcast(&leaders[1], 1, MPI_INT, 0, hidden->domain));
  mine->leader = leaders[0];
  mine->domain = leaders[1];
  KD_MPI(MPI_Comm_free(&host));
  return KD_OK;
}

static kd_status introduce(kd_comm *comm) {
  struct kd_comm_hidden *hidden = comm->hidden;
  introduction mine = {0};
  memcpy(mine.host, comm->host, sizeof mine.host);
  KD_TRY(split_domain(comm, &mine));
  size_t n = (size_t)comm->size;
  introduction *all = kd_pool_alloc(hidden->pool, n, sizeof *all);
  KD_MPI(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, MPI_COMM_WORLD));
  hidden->hosts = kd_pool_alloc(hidden->pool, n, sizeof *hidden->hosts);
  int *color = kd_pool_alloc(hidden->pool, n, sizeof(int));
  comm->n_hosts = 0;
  for (int r = 0; r < comm->size; r++) {
    memcpy(hidden->hosts[r], all[r].host, KD_HOST_LENGTH);
    if (all[r].leader == r) {
      if (r == mine.leader) comm->host_index = comm->n_hosts;
      comm->n_hosts++;
    }
    color[r] = all[r].domain;
  }
  hidden->shared = kd_domains_make(hidden->pool, comm->size, color);
  for (int r = 0; r < comm->size; r++) color[r] = r;
  hidden->single = kd_domains_make(hidden->pool, comm->size, color);
  return KD_OK;
}

static kd_status join(kd_comm *comm, const kd_launcher *launcher) {
  struct kd_comm_hidden *hidden = comm->hidden;
  KD_TRY(start_mpi(hidden, launcher));
  KD_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank));
  KD_MPI(MPI_Comm_size(MPI_COMM_WORLD, &comm->size));
  KD_CHECK(launcher->size == 0 || comm->size == launcher->size, KD_ERR_RUN,
           "the launcher promises %d ranks, MPI has %d: was the program started by another MPI's mpirun?",
           launcher->size, comm->size);
  KD_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &hidden->control));
  KD_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &hidden->reduce));
  KD_TRY(introduce(comm));
  hidden->oversubscribed = comm->local_size > kd_launcher_processors();
  kd_log_identity(comm->rank, comm->size, comm->host);
  return KD_OK;
}

kd_comm *kd_comm_pretend(int size) {
  kd_comm *comm = create();
  struct kd_comm_hidden *hidden = comm->hidden;
  comm->alone = true;
  comm->size = comm->local_size = size;
  int *color = kd_pool_alloc(hidden->pool, (size_t)size, sizeof(int));
  hidden->shared = hidden->single = kd_domains_make(hidden->pool, size, color);
  hidden->hosts = kd_pool_alloc(hidden->pool, (size_t)size, sizeof *hidden->hosts);
  for (int r = 0; r < size; r++) memcpy(hidden->hosts[r], comm->host, KD_HOST_LENGTH);
  return comm;
}

kd_status kd_comm_open(kd_comm **result) {
  *result = NULL;
  kd_launcher launcher;
  KD_TRY(kd_launcher_find(&launcher));
  if (launcher.size == 1) {
    *result = kd_comm_pretend(1);
    return KD_OK;
  }
  kd_comm *comm = create();
  kd_status status = join(comm, &launcher);
  if (status != KD_OK) {
    /* Whatever MPI still holds ends with the process: after a failed start nobody can go on. */
    destroy(comm);
    return status;
  }
  comm->alone = comm->size == 1;
  *result = comm;
  return KD_OK;
}

/* --- the end --- */

void kd_comm_close(kd_comm *comm) {
  if (!comm) return;
  struct kd_comm_hidden *hidden = comm->hidden;
  if (hidden->mpi) {
    if (kd_comm_barrier(comm) != KD_OK) kd_comm_fail(comm, KD_ERR_RUN);
    MPI_Comm_free(&hidden->domain);
    MPI_Comm_free(&hidden->reduce);
    MPI_Comm_free(&hidden->control);
    if (hidden->finalize) MPI_Finalize();
  }
  destroy(comm);
}

_Noreturn void kd_comm_abort(kd_comm *comm, int exit_code) {
  fflush(NULL);
  if (comm && comm->hidden->mpi) MPI_Abort(MPI_COMM_WORLD, exit_code);
  _exit(exit_code);
}

_Noreturn void kd_comm_fail(kd_comm *comm, kd_status status) {
  enum { PATIENCE_SECONDS = 5 };
  if (kd_comm_claim_failure(comm)) {
    kd_log(KD_LOG_ERROR, "%s", kd_status_text());
  } else {
    /* Another rank of this host reports and ends the job, which ends this process too. */
    sleep(PATIENCE_SECONDS);
  }
  kd_comm_abort(comm, kd_status_exit_code(status));
}

const char *kd_comm_host(const kd_comm *comm, int rank) {
  return rank >= 0 && rank < comm->size ? comm->hidden->hosts[rank] : "?";
}
