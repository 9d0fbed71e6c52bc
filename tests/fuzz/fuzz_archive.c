#include "fuzz_data.h"

#include "io/keras_archive.h"

/* Any bytes as a .keras archive: its config.json, and its weights for a model that has none, so that HDF5,
 * which fuzz_weights looks at, comes last. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { LIMIT = 1 << 20 };
  const char *path = fuzz_file(data, size);
  kd_pool *pool = kd_pool_create();
  kd_model *model = kd_model_create("fuzz");
  char *text;
  size_t bytes;
  if (kd_keras_read_config(pool, path, LIMIT, &text, &bytes) == KD_OK && (bytes > LIMIT || text[bytes]))
    abort();
  kd_keras_read_weights(path, model, NULL);
  kd_model_destroy(model);
  kd_pool_destroy(pool);
  return 0;
}
