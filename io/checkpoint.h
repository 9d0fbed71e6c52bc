/* Checkpoints: canonical (nothing belongs to a rank), atomic, checksummed HDF5 files. One rank calls these.
 */
#ifndef KD_CHECKPOINT_H
#define KD_CHECKPOINT_H

#include "device/base/memory.h"
#include "device/base/tensor.h"

/* A checkpoint is a list of named arrays and named texts. The trainer decides what is in it. */
typedef struct kd_record {
  const char *name; /* "weights/conv1/kernel", "slots/momentum/conv1/kernel", "state/step" */
  kd_tensor tensor; /* host memory */
} kd_record;
typedef struct kd_note {
  const char *name; /* "config", "history", "callbacks/stop" */
  const char *text;
} kd_note;
typedef struct kd_checkpoint {
  int64_t step; /* global step: part of the file's name, step-%010lld.h5 */
  int n_records;
  kd_record *records;
  int n_notes;
  kd_note *notes;
} kd_checkpoint;

/* Writes folder/step-N.h5 (temporary name, checksum of every record and note, fsync, rename), then removes
 * all but the newest `keep`. */
kd_status kd_checkpoint_write(const char *folder, const kd_checkpoint *checkpoint, int keep);
/* The newest complete file of the folder. A damaged one is named in a warning and the one before is tried;
 * *checkpoint is NULL when the folder holds none at all; KD_ERR_USAGE when all are damaged. Memory is the
 * pool's. */
kd_status kd_checkpoint_read_newest(const char *folder, kd_pool *pool, kd_checkpoint **checkpoint,
                                    const char **path);
/* The newest step of which the folder has a file, good or damaged; -1: none. */
int64_t kd_checkpoint_newest_step(const char *folder);
/* Removes left-over *.tmp files of a folder. */
kd_status kd_checkpoint_sweep(const char *folder);

const kd_record *kd_checkpoint_record(const kd_checkpoint *checkpoint, const char *name);
const char *kd_checkpoint_note(const kd_checkpoint *checkpoint, const char *name);

/* Writes snapshots behind the steps that follow: a thread with one copy in hand. */
typedef struct kd_checkpoint_writer kd_checkpoint_writer;
kd_checkpoint_writer *kd_checkpoint_writer_create(const char *folder, int keep);
/* Copies the checkpoint (waits first for one that is still being written) and returns; errors of the one
 * before are returned here. */
kd_status kd_checkpoint_writer_post(kd_checkpoint_writer *writer, const kd_checkpoint *checkpoint);
kd_status kd_checkpoint_writer_finish(kd_checkpoint_writer *writer); /* waits for the last one */
void kd_checkpoint_writer_destroy(kd_checkpoint_writer *writer);

#endif
