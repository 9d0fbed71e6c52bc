/* The typed layers: their fields become the text of Keras arguments, which kd_net_layer reads. */
#include <stdarg.h>
#include <stdio.h>

#include "api/net.h"
#include "device/base/text.h"

typedef enum field_type { END, NUMBER, NUMBERS, REAL, WORD, SWITCH } field_type;

/* One field of an argument struct, as it was given. */
typedef struct field {
  field_type type;
  const char *key;
  bool given;             /* false: Keras's default */
  int64_t number;         /* NUMBER */
  double real;            /* REAL */
  const char *word;       /* WORD, SWITCH */
  const int64_t *numbers; /* NUMBERS: count of them, or up to the first zero */
  size_t count;
} field;

static const char *numbers_text(kd_pool *pool, const field *f) {
  const char *text = "";
  size_t n = 0;
  for (; n < f->count && f->numbers[n]; n++)
    text = kd_pool_printf(pool, "%s%s%lld", text, n ? ", " : "", (long long)f->numbers[n]);
  return n == 1 ? text : kd_pool_printf(pool, "(%s)", text);
}

static const char *real_text(kd_pool *pool, double value) {
  char text[32];
  kd_format_float(value, false, text);
  return kd_pool_strdup(pool, text);
}

static const char *field_text(kd_pool *pool, const field *f) {
  switch (f->type) {
  case NUMBER:
    return kd_pool_printf(pool, "%lld", (long long)f->number);
  case NUMBERS:
    return numbers_text(pool, f);
  case REAL:
    return real_text(pool, f->real);
  case WORD:
  case SWITCH:
  case END:
    break;
  }
  return f->word;
}

static kd_out add(kd_out x, const char *class, const field *fields, const char *name, const char *more) {
  kd_pool *pool = kd_pool_create();
  const char *text = "";
  for (const field *f = fields; f->type != END; f++)
    if (f->given)
      text = kd_pool_printf(pool, "%s%s%s=%s", text, *text ? ", " : "", f->key, field_text(pool, f));
  if (name) text = kd_pool_printf(pool, "%s%sname=%s", text, *text ? ", " : "", name);
  if (more) text = kd_pool_printf(pool, "%s%s%s", text, *text ? ", " : "", more);
  kd_out out = kd_net_layer(x, class, text);
  kd_pool_destroy(pool);
  return out;
}

#define NEEDED_INT(f)                                                                                        \
  { .type = NUMBER, .key = #f, .given = true, .number = a.f }
#define INT(f)                                                                                               \
  { .type = NUMBER, .key = #f, .given = a.f != 0, .number = a.f }
#define NEEDED_FLOAT(f)                                                                                      \
  { .type = REAL, .key = #f, .given = true, .real = a.f }
#define FLOAT(f)                                                                                             \
  { .type = REAL, .key = #f, .given = a.f != 0, .real = a.f }
#define TEXT(f)                                                                                              \
  { .type = WORD, .key = #f, .given = a.f != NULL, .word = a.f }
#define ON(f)                                                                                                \
  { .type = SWITCH, .key = #f, .given = a.f, .word = "true" }
#define OFF(f, no)                                                                                           \
  { .type = SWITCH, .key = #f, .given = a.no, .word = "false" }
#define LAST                                                                                                 \
  { .type = END }
#define INTS(f)                                                                                              \
  { .type = NUMBERS, .key = #f, .given = a.f[0] != 0, .numbers = a.f, .count = sizeof a.f / sizeof a.f[0] }
#define LAYER(id, class, ...)                                                                                \
  kd_out kd_##id##_call(kd_##id##_args a) {                                                                  \
    const field fields[] = {__VA_ARGS__};                                                                    \
    return add(a.x, class, fields, a.name, a.more);                                                          \
  }
#include "api/layers.def"
