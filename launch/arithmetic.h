/* `$( )`: numbers, names, + - * / // %, comparisons, min, max, round, with Python's meaning. */
#ifndef KD_ARITHMETIC_H
#define KD_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

#include "device/base/memory.h"

typedef enum kd_number_type { KD_NUMBER_INT, KD_NUMBER_REAL, KD_NUMBER_BOOL } kd_number_type;
typedef struct kd_number {
  kd_number_type type;
  int64_t integer; /* INT; BOOL: 0 or 1 */
  double real;     /* set for all types */
} kd_number;

/* The value of a name, or of the text between ${ and }. Returns NULL, or why there is none. */
typedef const char *(*kd_number_lookup)(void *user, const char *name, kd_number *out);

/* The result as text ("12", "0.5", "true"), or NULL with the reason in *failure. */
const char *kd_arithmetic(kd_pool *pool, const char *expression, kd_number_lookup lookup, void *user,
                          const char **failure);

/* "8", "1e-3", "true" as a number; false for other text. */
bool kd_number_parse(const char *text, kd_number *out);

#endif
