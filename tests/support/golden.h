/* Golden values written by the scripts in tests/golden: a text file of cases and a file of float32 numbers.
 */
#ifndef KD_TEST_GOLDEN_H
#define KD_TEST_GOLDEN_H

#include "device/base/tensor.h"

enum { GOLDEN_ARRAYS = 128 };

/* One line "key name dtype dims offset"; integers are stored as float32 too. */
typedef struct golden_array {
  char key[16], name[64];
  kd_dtype dtype;
  kd_shape shape;
  size_t count;
  const float *values;
} golden_array;

typedef struct golden_case {
  const char *text; /* the layer as a configuration value, perhaps with call arguments in second brackets */
  int line;
  bool frozen;
  unsigned masked; /* bit i: input i goes through a Masking layer first */
  int count;
  golden_array array[GOLDEN_ARRAYS];
} golden_case;

typedef struct golden_file {
  int count;
  golden_case *cases;
  float *values;
  char *text;
} golden_file;

/* Reads tests/golden/<name>.txt and .bin; fails the test when they are damaged. */
golden_file *golden_open(const char *name);
void golden_close(golden_file *file);
/* The array with that key (and name, unless it is NULL); NULL when there is none. */
const golden_array *golden_find(const golden_case *c, const char *key, const char *name);
/* The i-th array with that key; NULL when there are fewer. */
const golden_array *golden_at(const golden_case *c, const char *key, int index);

#endif
