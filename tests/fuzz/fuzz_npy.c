#include "fuzz_data.h"

/* An archive begins with the letters PK. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 2 && data[0] == 'P' && data[1] == 'K')
    fuzz_dataset("npz", 2, data, size);
  else
    fuzz_dataset("npy", 1, data, size);
  return 0;
}
