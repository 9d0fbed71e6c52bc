/* Writes checkpoints behind the steps: the caller's copy is made at once, the file by a thread. */
#include "io/checkpoint.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct kd_checkpoint_writer {
  char *folder;
  int keep;
  pthread_t thread;
  bool running;       /* a thread was started and not yet joined */
  kd_status status;   /* of that thread; read after joining it */
  char *text;         /* of its error */
  kd_pool *pool;      /* holds the names and texts of the copy */
  kd_checkpoint copy; /* records point into memory */
  void *memory;       /* kept from one checkpoint to the next */
  size_t memory_bytes;
};

kd_checkpoint_writer *kd_checkpoint_writer_create(const char *folder, int keep) {
  kd_checkpoint_writer *writer = kd_calloc(1, sizeof *writer);
  writer->folder = kd_strdup(folder);
  writer->keep = keep;
  return writer;
}

static void *run(void *context) {
  kd_checkpoint_writer *writer = context;
  writer->status = kd_checkpoint_write(writer->folder, &writer->copy, writer->keep);
  if (writer->status != KD_OK) writer->text = kd_strdup(kd_status_text());
  return NULL;
}

static size_t padded(size_t bytes) {
  return (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
}

static kd_status reserve(kd_checkpoint_writer *writer, const kd_checkpoint *checkpoint) {
  size_t bytes = 0;
  for (int i = 0; i < checkpoint->n_records; i++)
    bytes += padded(kd_tensor_bytes(&checkpoint->records[i].tensor));
  if (writer->memory && writer->memory_bytes >= bytes) return KD_OK;
  kd_large_free(writer->memory, writer->memory_bytes);
  writer->memory_bytes = bytes;
  return kd_large_alloc(bytes, &writer->memory);
}

static kd_status copy_checkpoint(kd_checkpoint_writer *writer, const kd_checkpoint *checkpoint) {
  KD_TRY(reserve(writer, checkpoint));
  kd_pool_destroy(writer->pool);
  kd_pool *pool = writer->pool = kd_pool_create();
  kd_checkpoint *copy = &writer->copy;
  *copy = *checkpoint;
  copy->records = kd_pool_alloc(pool, (size_t)copy->n_records, sizeof *copy->records);
  copy->notes = kd_pool_alloc(pool, (size_t)copy->n_notes, sizeof *copy->notes);
  char *to = writer->memory;
  for (int i = 0; i < copy->n_records; i++) {
    size_t bytes = kd_tensor_bytes(&checkpoint->records[i].tensor);
    copy->records[i] = checkpoint->records[i];
    copy->records[i].name = kd_pool_strdup(pool, checkpoint->records[i].name);
    copy->records[i].tensor.data = to;
    if (bytes) memcpy(to, checkpoint->records[i].tensor.data, bytes);
    to += padded(bytes);
  }
  for (int i = 0; i < copy->n_notes; i++) {
    copy->notes[i].name = kd_pool_strdup(pool, checkpoint->notes[i].name);
    copy->notes[i].text = kd_pool_strdup(pool, checkpoint->notes[i].text);
  }
  return KD_OK;
}

kd_status kd_checkpoint_writer_finish(kd_checkpoint_writer *writer) {
  if (!writer->running) return KD_OK;
  pthread_join(writer->thread, NULL);
  writer->running = false;
  kd_status status = writer->status;
  if (status != KD_OK) kd_fail(status, "%s", writer->text);
  kd_free(writer->text);
  writer->text = NULL;
  return status;
}

kd_status kd_checkpoint_writer_post(kd_checkpoint_writer *writer, const kd_checkpoint *checkpoint) {
  KD_TRY(kd_checkpoint_writer_finish(writer));
  KD_TRY(copy_checkpoint(writer, checkpoint));
  sigset_t all, before; /* signals are for the main thread */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&writer->thread, NULL, run, writer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  KD_CHECK(!failed, KD_ERR_RUN, "cannot start the checkpoint's thread: %s", strerror(failed));
  writer->running = true;
  return KD_OK;
}

void kd_checkpoint_writer_destroy(kd_checkpoint_writer *writer) {
  if (!writer) return;
  kd_checkpoint_writer_finish(writer);
  kd_pool_destroy(writer->pool);
  kd_large_free(writer->memory, writer->memory_bytes);
  kd_free(writer->folder);
  kd_free(writer);
}
