/* Values of the configuration language: numbers, words, lists and calls in Keras form.
 *
 *   0.5   true   none   relu   "two words"   (3, 3)   [1, 2]   Adam(0.001, clipnorm=1.0)   dict(a=1)
 *
 * The same tree is made from INI text, from Keras JSON and by the C API; option tables read it. */
#ifndef KD_BASE_VALUE_H
#define KD_BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/base/diag.h"

typedef enum kd_value_type {
  KD_V_NONE,
  KD_V_BOOL,
  KD_V_INT,
  KD_V_FLOAT,
  KD_V_TEXT, /* a bare word or a quoted text */
  KD_V_LIST,
  KD_V_CALL, /* Name(items...), keys[i] is NULL for positional items; dict(...) is a call named "dict" */
} kd_value_type;

typedef struct kd_value kd_value;
struct kd_value {
  kd_value_type type;
  bool quoted;      /* KD_V_TEXT: written in quotes */
  bool boolean;     /* KD_V_BOOL */
  int64_t integer;  /* KD_V_INT */
  double real;      /* KD_V_FLOAT; also set for KD_V_INT */
  const char *text; /* KD_V_TEXT: the text; KD_V_CALL: the name; numbers: as written */
  int count;        /* KD_V_LIST, KD_V_CALL: number of items */
  kd_value *items;
  const char **keys; /* KD_V_CALL: count names or NULLs */
  kd_origin origin;
};

enum { KD_VALUE_DEPTH = 64 }; /* nesting of brackets; deeper is an error */

/* Reads one value that takes the whole text. With top_list, "a, b" without brackets is a list of two.
 * Errors go to diag with the origin; returns NULL then. Memory is the pool's. */
kd_value *kd_value_parse(kd_pool *pool, kd_diag *diag, kd_origin origin, const char *text, bool top_list);

/* Reads the first value of the text, without top list; *rest is what follows, after white space. */
kd_value *kd_value_parse_first(kd_pool *pool, kd_diag *diag, kd_origin origin, const char *text,
                               const char **rest);

/* The value as text in the canonical spelling of the configuration language. */
const char *kd_value_print(kd_pool *pool, const kd_value *value);

const kd_value *kd_value_key(const kd_value *call, const char *key); /* NULL when absent */

kd_value *kd_value_text(kd_pool *pool, const char *text);
kd_value *kd_value_int(kd_pool *pool, int64_t integer);
kd_value *kd_value_float(kd_pool *pool, double real);
kd_value *kd_value_bool(kd_pool *pool, bool boolean);

#endif
