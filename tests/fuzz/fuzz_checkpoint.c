#include "fuzz_data.h"

#include "io/checkpoint_file.h"
#include "io/file_guard.h"

/* Inputs of odd length come as they are; others get a right guard, as if kdist had written them, so that what
 * is behind it is looked at. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kd_checkpoint *checkpoint;
  kd_pool *pool = kd_pool_create();
  const char *path = fuzz_file(data, size);
  if (size % 2 == 0 && size >= KD_GUARD_BYTES && kd_guard_write(path, "checkpoint", 1) != KD_OK) abort();
  if (kd_checkpoint_file_read(path, pool, &checkpoint) == KD_OK)
    for (int i = 0; i < checkpoint->n_records; i++)
      if (!kd_checkpoint_record(checkpoint, checkpoint->records[i].name)) abort();
  kd_pool_destroy(pool);
  return 0;
}
