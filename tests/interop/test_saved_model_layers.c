// ctest: timeout=300
/* Every golden case of the layers as a SavedModel, which TensorFlow computes (check_saved_model_layers.py).
 * Needs KDIST_PYTHON with tensorflow. */
#include <stdio.h>
#include <stdlib.h>

#include "io/saved_model/export.h"
#include "support/check.h"
#include "support/export_cases.h"

static kd_status write_folder(const char *path, kd_model *model, const float *const *weights,
                              const void *none) {
  (void)none;
  return kd_saved_model_write(path, model, weights, KD_SAVED_MODEL_LIMIT);
}

int main(void) {
  const char *python = getenv("KDIST_PYTHON");
  if (!python || !*python) {
    puts("skipped: tensorflow (KDIST_PYTHON is not set)");
    return 77;
  }
  export_cases(test_folder(), ".tf", EXPORT_OPEN, write_folder, NULL);
  return export_check(python, "check_saved_model_layers.py", test_folder());
}
