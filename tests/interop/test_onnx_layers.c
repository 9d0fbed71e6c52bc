// ctest: timeout=300
/* Every golden case of the layers as an ONNX file, which onnxruntime computes (check_onnx_layers.py). Needs
 * KDIST_PYTHON with onnx and onnxruntime. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/onnx/export.h"
#include "support/check.h"
#include "support/one_layer.h"

static const char *const file_names[] = {"layers", "attention", "recurrent", "spectral", "called"};

static void write_case(const golden_case *c, const char *path, int opset) {
  kd_model *model = layer_model_golden(c, (kd_policy){0});
  const float *weights[GOLDEN_ARRAYS];
  for (int i = 0; i < model->n_weights; i++) weights[i] = golden_at(c, "weight", i)->values;
  kd_onnx_options options = {.opset = opset, .one_file = KD_ONNX_ONE_FILE};
  if (kd_onnx_write(path, model, weights, &options) != KD_OK) fail_msg("%s: %s", c->text, kd_status_text());
  kd_model_destroy(model);
}

static void write_cases(const char *folder, int opset) {
  for (size_t f = 0; f < sizeof file_names / sizeof file_names[0]; f++) {
    golden_file *file = golden_open(file_names[f]);
    for (int i = 0; i < file->count; i++) {
      char path[256];
      snprintf(path, sizeof path, "%s/%s-%d.onnx", folder, file_names[f], i);
      write_case(&file->cases[i], path, opset);
    }
    golden_close(file);
  }
}

/* The exit code of PYTHON check_onnx_layers.py FOLDER. */
static int check(const char *python, const char *folder) {
  pid_t child = fork();
  if (child == 0) {
    unsetenv("ASAN_OPTIONS");
    execl(python, python, KDIST_SOURCE_DIR "/tests/interop/check_onnx_layers.py", folder, NULL);
    _exit(127);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *python, int opset) {
  write_cases(test_folder(), opset);
  return check(python, test_folder());
}

int main(void) {
  const char *python = getenv("KDIST_PYTHON");
  if (!python || !*python) {
    puts("skipped: onnxruntime (KDIST_PYTHON is not set)");
    return 77;
  }
  int code = run(python, KD_ONNX_OPSET);
  return code ? code : run(python, KD_ONNX_LAST_OPSET);
}
