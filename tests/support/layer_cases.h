/* The golden cases of layers: those of tests/golden/make_layers.py and of the scripts of the other files. */
#ifndef KD_TEST_LAYER_CASES_H
#define KD_TEST_LAYER_CASES_H

#include "support/golden.h"

extern const golden_case *layer_cases[];
extern int n_layer_cases;

/* Set-up and tear-down of a group of tests. */
int layer_cases_open(void **state);
int layer_cases_close(void **state);

#endif
