// ctest: timeout=300
/* Every golden case of the layers as an ONNX file, which onnxruntime computes (check_onnx_layers.py). Needs
 * KDIST_PYTHON with onnx and onnxruntime. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/base/file.h"
#include "io/onnx/export.h"
#include "support/check.h"
#include "support/one_layer.h"

static const char *const file_names[] = {"layers", "attention", "recurrent", "spectral", "called"};

static kd_status write_model(const golden_case *c, kd_model *model, const char *path, int opset) {
  const float *weights[GOLDEN_ARRAYS];
  for (int i = 0; i < model->n_weights; i++) weights[i] = golden_at(c, "weight", i)->values;
  kd_onnx_options options = {.opset = opset, .one_file = opset == KD_ONNX_OPSET ? KD_ONNX_ONE_FILE : 0};
  kd_status status = kd_onnx_write(path, model, weights, &options);
  kd_model_destroy(model);
  return status;
}

static void write_fixed(const golden_case *c, const char *path, int opset, kd_policy policy) {
  if (write_model(c, layer_model_golden(c, policy), path, opset) != KD_OK)
    fail_msg("%s: %s", c->text, kd_status_text());
}

/* The case with its steps, or the sizes of its images, left open, where the layer takes that: PATH, or why
 * there is no form in PATH.refused. */
static void write_open(const golden_case *c, const char *path, int opset) {
  kd_shape shapes[8];
  kd_dtype dtypes[8];
  int n = 0, open = 0;
  for (const golden_array *a; (a = golden_at(c, "input", n)); n++) {
    shapes[n] = a->shape;
    dtypes[n] = a->dtype;
    int end = a->shape.rank - (a->dtype == KD_F32);
    for (int axis = 1; axis < end; axis++) {
      if (shapes[n].dim[axis] == 1) continue; /* it may broadcast, which open sizes do not */
      shapes[n].dim[axis] = -1;
      open++;
    }
  }
  if (!open || *layer_errors_called(c->text, n, shapes, c->masked, 0)) return;
  kd_model *model = layer_model_called(c->text, c->line, !c->frozen, n, shapes, dtypes, c->masked);
  char refused[300];
  snprintf(refused, sizeof refused, "%s.refused", path);
  if (write_model(c, model, path, opset) != KD_OK)
    assert_ok(kd_file_write(refused, kd_status_text(), strlen(kd_status_text())));
}

/* At the default opset also under a half policy, and with open sizes; at the last one with weights in files
 * of their own. */
static void write_cases(const char *folder, int opset) {
  for (size_t f = 0; f < sizeof file_names / sizeof file_names[0]; f++) {
    golden_file *file = golden_open(file_names[f]);
    for (int i = 0; i < file->count; i++) {
      const golden_case *c = &file->cases[i];
      char path[256];
      snprintf(path, sizeof path, "%s/%s-%d.onnx", folder, file_names[f], i);
      write_fixed(c, path, opset, (kd_policy){0});
      if (opset != KD_ONNX_OPSET) continue;
      snprintf(path, sizeof path, "%s/%s-%d-half.onnx", folder, file_names[f], i);
      write_fixed(c, path, opset, (kd_policy){KD_BF16, KD_BF16});
      snprintf(path, sizeof path, "%s/%s-%d-open.onnx", folder, file_names[f], i);
      write_open(c, path, opset);
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
  int code = run(python, KD_ONNX_LAST_OPSET);
  return code ? code : run(python, KD_ONNX_OPSET);
}
