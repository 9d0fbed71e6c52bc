#include "fuzz_data.h"

#include "io/keras_archive.h"

/* Any bytes as the HDF5 file of a whole model: what is taken out of its attributes is one text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { LIMIT = 1 << 20 };
  const char *path = fuzz_file(data, size);
  kd_pool *pool = kd_pool_create();
  char *text;
  size_t bytes;
  if (kd_keras_read_h5_config(pool, path, LIMIT, &text, &bytes) == KD_OK &&
      (bytes > LIMIT || strlen(text) != bytes))
    abort();
  kd_pool_destroy(pool);
  return 0;
}
