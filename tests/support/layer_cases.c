#include "support/layer_cases.h"

static const char *const file_names[] = {"layers", "attention", "recurrent", "spectral", "called"};
enum { N_FILES = sizeof file_names / sizeof file_names[0] };
static golden_file *files[N_FILES];
const golden_case *layer_cases[4096];
int n_layer_cases;

int layer_cases_open(void **state) {
  (void)state;
  for (int f = 0; f < N_FILES; f++) {
    files[f] = golden_open(file_names[f]);
    for (int i = 0; i < files[f]->count; i++) layer_cases[n_layer_cases++] = &files[f]->cases[i];
  }
  return 0;
}

int layer_cases_close(void **state) {
  (void)state;
  for (int f = 0; f < N_FILES; f++) golden_close(files[f]);
  return 0;
}
