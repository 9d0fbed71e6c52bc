// ctest: timeout=300
/* Every golden case of the layers as an ONNX file, which onnxruntime computes (check_onnx_layers.py). Needs
 * KDIST_PYTHON with onnx and onnxruntime. */
#include <stdio.h>
#include <stdlib.h>

#include "io/onnx/export.h"
#include "support/check.h"
#include "support/export_cases.h"

/* At the last opset weights stand in files of their own. */
static kd_status write_onnx(const char *path, kd_model *model, const float *const *weights,
                            const void *opset_) {
  int opset = *(const int *)opset_;
  kd_onnx_options options = {.opset = opset, .one_file = opset == KD_ONNX_OPSET ? KD_ONNX_ONE_FILE : 0};
  return kd_onnx_write(path, model, weights, &options);
}

/* At the default opset also under a half policy, and with open sizes. */
static int run(const char *python, int opset) {
  int variants = opset == KD_ONNX_OPSET ? EXPORT_HALF | EXPORT_OPEN : 0;
  export_cases(test_folder(), ".onnx", variants, write_onnx, &opset);
  return export_check(python, "check_onnx_layers.py", test_folder());
}

int main(void) {
  const char *python = getenv("KDIST_PYTHON");
  if (!python || !*python) {
    puts("skipped: onnxruntime (KDIST_PYTHON is not set)");
    return 77;
  }
  int code = run(python, KD_ONNX_LAST_OPSET);
  return code ? code : run(python, KD_ONNX_OPSET);
}
