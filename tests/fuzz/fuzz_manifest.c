#include "fuzz_data.h"

#include "device/base/hash.h"

/* With a right checksum, so that the rest is looked at. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kd_dataset *set;
  uint8_t *copy = malloc(size + 1);
  memcpy(copy, data, size);
  if (size >= 16) {
    uint64_t checksum = kd_hash(copy + 16, size - 16, 0);
    memcpy(copy + 8, &checksum, sizeof checksum);
  }
  if (kd_dataset_open_manifest(copy, size, &set) == KD_OK) {
    fuzz_read(set);
    kd_dataset_close(set);
  }
  free(copy);
  return 0;
}
