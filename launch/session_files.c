/* Are the data files of every rank the same? */
#include <sys/stat.h>

#include "device/base/hash.h"
#include "io/fingerprint.h"
#include "launch/session.h"

/* Equal on ranks of one host that see the same files. */
static uint64_t identity(const kd_dataset *set) {
  uint64_t hash = 0;
  for (int i = 0; i < set->n_files; i++) {
    struct stat info = {0};
    if (stat(set->files[i].path, &info) != 0) continue;
    const int64_t facts[] = {(int64_t)info.st_dev, (int64_t)info.st_ino, (int64_t)info.st_size,
                             (int64_t)info.st_mtim.tv_sec, (int64_t)info.st_mtim.tv_nsec};
    hash = kd_hash(facts, sizeof facts, hash + 1);
  }
  return hash;
}

static kd_status compare_contents(const kd_dataset *set) {
  for (int i = 0; i < set->n_files; i++) {
    const kd_data_file *file = &set->files[i];
    int64_t size;
    uint64_t checksum;
    KD_TRY(kd_file_fingerprint(file->path, &size, &checksum));
    KD_CHECK(
        size == file->size && checksum == file->checksum, KD_ERR_USAGE,
        "%s differs from rank 0's file (%lld bytes here, %lld there); give all ranks the same data, or use "
        "[distributed] shard = coordinator",
        file->path, (long long)size, (long long)file->size);
  }
  return KD_OK;
}

/* On rank 0's host a look at the directory tells. On other hosts one rank reads for its neighbours. */
kd_status kd_session_compare_files(kd_session *s, const kd_dataset *set) {
  const kd_comm *comm = s->comm;
  if (comm->size == 1 || s->config->run.distributed.shard == KD_SHARD_COORDINATOR) return KD_OK;
  uint64_t mine = identity(set), first = mine;
  KD_TRY(kd_comm_broadcast(s->comm, &first, sizeof first));
  bool neighbour = comm->host_index == 0;
  bool read = neighbour ? mine != first : comm->local_rank == 0;
  return kd_comm_all_ok(s->comm, read ? compare_contents(set) : KD_OK);
}
