/* Every golden case of the layers as a file for another runtime, which a Python script then computes. */
#ifndef KD_TEST_EXPORT_CASES_H
#define KD_TEST_EXPORT_CASES_H

#include "layers/model.h"

typedef kd_status export_fn(const char *path, kd_model *model, const float *const *weights, const void *what);

enum { EXPORT_HALF = 1, EXPORT_OPEN = 2 };

/* Writes FOLDER/FILE-NUMBER and `end` for all cases; on request also FILE-NUMBER-half under a half policy,
 * and FILE-NUMBER-open with the steps, or the sizes of images, left open where the layer takes that, or why
 * there is no form in FILE-NUMBER-open..refused. */
void export_cases(const char *folder, const char *end, int variants, export_fn *write, const void *what);

/* The exit code of PYTHON tests/interop/SCRIPT FOLDER. */
int export_check(const char *python, const char *script, const char *folder);

#endif
