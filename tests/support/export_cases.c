#include "support/export_cases.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/base/file.h"
#include "support/check.h"
#include "support/one_layer.h"

typedef struct writer {
  export_fn *write;
  const void *what;
  char path[256];
} writer;

static kd_status write_model(const writer *w, const golden_case *c, kd_model *model) {
  const float *weights[GOLDEN_ARRAYS];
  for (int i = 0; i < model->n_weights; i++) weights[i] = golden_at(c, "weight", i)->values;
  kd_status status = w->write(w->path, model, weights, w->what);
  kd_model_destroy(model);
  return status;
}

static void write_fixed(const writer *w, const golden_case *c, kd_policy policy) {
  if (write_model(w, c, layer_model_golden(c, policy)) != KD_OK)
    fail_msg("%s: %s", c->text, kd_status_text());
}

static void write_open(const writer *w, const golden_case *c) {
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
  snprintf(refused, sizeof refused, "%s.refused", w->path);
  if (write_model(w, c, model) != KD_OK)
    assert_ok(kd_file_write(refused, kd_status_text(), strlen(kd_status_text())));
}

void export_cases(const char *folder, const char *end, int variants, export_fn *write, const void *what) {
  static const char *const file_names[] = {"layers", "attention", "recurrent", "spectral", "called"};
  writer w = {.write = write, .what = what};
  for (size_t f = 0; f < sizeof file_names / sizeof file_names[0]; f++) {
    golden_file *file = golden_open(file_names[f]);
    for (int i = 0; i < file->count; i++) {
      const golden_case *c = &file->cases[i];
      snprintf(w.path, sizeof w.path, "%s/%s-%d%s", folder, file_names[f], i, end);
      write_fixed(&w, c, (kd_policy){0});
      snprintf(w.path, sizeof w.path, "%s/%s-%d-half%s", folder, file_names[f], i, end);
      if (variants & EXPORT_HALF) write_fixed(&w, c, (kd_policy){KD_BF16, KD_BF16});
      snprintf(w.path, sizeof w.path, "%s/%s-%d-open%s", folder, file_names[f], i, end);
      if (variants & EXPORT_OPEN) write_open(&w, c);
    }
    golden_close(file);
  }
}

int export_check(const char *python, const char *script, const char *folder) {
  char path[512];
  snprintf(path, sizeof path, KDIST_SOURCE_DIR "/tests/interop/%s", script);
  pid_t child = fork();
  if (child == 0) {
    unsetenv("ASAN_OPTIONS");
    execl(python, python, path, folder, NULL);
    _exit(127);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
