/* The typed layers: their fields become the text of Keras arguments, as kd_net_layer takes it. */
#include <stdarg.h>
#include <stdio.h>

#include "api/net.h"
#include "device/base/text.h"

typedef enum field_type { END, NUMBER, NUMBERS, REAL, WORD, QUOTE, SWITCH, LINKS } field_type;

/* One field of an argument struct, as it was given. */
typedef struct field {
  field_type type;
  const char *key;
  bool given;             /* false: Keras's default */
  bool call;              /* an argument of the call: behind the inputs */
  int64_t number;         /* NUMBER */
  double real;            /* REAL */
  const char *word;       /* WORD, QUOTE, SWITCH */
  const kd_out *links;    /* LINKS: at most count of them */
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

/* A field that nobody has filled has no net; a failed call has no layer. */
static bool is_given(kd_out tensor) {
  return tensor.net || tensor.layer < 0;
}

static int count_given(const kd_out *tensors, size_t most) {
  int n = 0;
  while ((size_t)n < most && is_given(tensors[n])) n++;
  return n;
}

/* NULL after an error of the net. */
static const char *links_text(kd_pool *pool, kd_net *net, const field *f) {
  int n = count_given(f->links, f->count);
  const char *list = kd_net_tensors(net, n, f->links);
  return n == 1 || !list ? list : kd_pool_printf(pool, "(%s)", list);
}

static const char *field_text(kd_pool *pool, kd_net *net, const field *f) {
  switch (f->type) {
  case NUMBER:
    return kd_pool_printf(pool, "%lld", (long long)f->number);
  case NUMBERS:
    return numbers_text(pool, f);
  case REAL:
    return real_text(pool, f->real);
  case QUOTE:
    return kd_pool_printf(pool, "\"%s\"", f->word);
  case LINKS:
    return links_text(pool, net, f);
  case WORD:
  case SWITCH:
  case END:
    break;
  }
  return f->word;
}

/* Adds "key=text" of a field to the options or to the arguments of the call; false after an error of the net.
 */
static bool add_field(kd_pool *pool, kd_net *net, const field *f, const char **options, const char **call) {
  const char *text = field_text(pool, net, f);
  if (!text) return false;
  if (f->call)
    *call = kd_pool_printf(pool, "%s, %s=%s", *call, f->key, text);
  else
    *options = kd_pool_printf(pool, "%s%s%s=%s", *options, **options ? ", " : "", f->key, text);
  return true;
}

static kd_out add(int n_inputs, const kd_out *inputs, const char *class, const field *fields,
                  const char *name, const char *more) {
  int n = count_given(inputs, (size_t)n_inputs);
  kd_net *net = inputs[0].net;
  if (!net) return (kd_out){NULL, -1, 0};
  kd_pool *pool = kd_pool_create();
  const char *text = "", *call = "";
  bool good = true;
  for (const field *f = fields; good && f->type != END; f++)
    if (f->given) good = add_field(pool, net, f, &text, &call);
  if (name) text = kd_pool_printf(pool, "%s%sname=%s", text, *text ? ", " : "", name);
  if (more) text = kd_pool_printf(pool, "%s%s%s", text, *text ? ", " : "", more);
  kd_out out = good ? kd_net_add(net, class, text, n, inputs, call) : (kd_out){net, -1, 0};
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
#define QUOTED(f)                                                                                            \
  { .type = QUOTE, .key = #f, .given = a.f != NULL, .word = a.f }
#define CALL_ON(f)                                                                                           \
  { .type = SWITCH, .key = #f, .given = a.f, .call = true, .word = "true" }
#define CALL_TEXT(f)                                                                                         \
  { .type = WORD, .key = #f, .given = a.f != NULL, .call = true, .word = a.f }
#define CALL_INT(f)                                                                                          \
  { .type = NUMBER, .key = #f, .given = a.f != 0, .call = true, .number = a.f }
#define TENSOR(f)                                                                                            \
  { .type = LINKS, .key = #f, .given = is_given(a.f), .call = true, .links = &a.f, .count = 1 }
#define TENSORS(f)                                                                                           \
  {                                                                                                          \
    .type = LINKS, .key = #f, .given = is_given(a.f[0]), .call = true, .links = a.f,                         \
    .count = sizeof a.f / sizeof a.f[0]                                                                      \
  }
#define INPUTS(...)                                                                                          \
  { __VA_ARGS__ }
#define ON(f)                                                                                                \
  { .type = SWITCH, .key = #f, .given = a.f, .word = "true" }
#define OFF(f, no)                                                                                           \
  { .type = SWITCH, .key = #f, .given = a.no, .word = "false" }
#define LAST                                                                                                 \
  { .type = END }
#define INTS(f)                                                                                              \
  { .type = NUMBERS, .key = #f, .given = a.f[0] != 0, .numbers = a.f, .count = sizeof a.f / sizeof a.f[0] }
#define LAYER(id, class, tensors, ...)                                                                       \
  kd_out kd_##id##_call(kd_##id##_args a) {                                                                  \
    const field fields[] = {__VA_ARGS__};                                                                    \
    const kd_out inputs[] = tensors;                                                                         \
    return add((int)(sizeof inputs / sizeof inputs[0]), inputs, class, fields, a.name, a.more);              \
  }
#include "api/layers.def"
