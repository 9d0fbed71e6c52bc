#include "launch/arithmetic.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "device/base/text.h"

enum { DEPTH = 64 };

typedef struct evaluator {
  kd_pool *pool;
  const char *at;
  int depth;
  kd_number_lookup lookup;
  void *user;
  const char *failure; /* the first one */
} evaluator;

static kd_number comparison(evaluator *e);

static kd_number fail(evaluator *e, const char *why) {
  if (!e->failure) e->failure = why;
  return (kd_number){0};
}

static kd_number integer(int64_t value) {
  return (kd_number){KD_NUMBER_INT, value, (double)value};
}

static kd_number real(evaluator *e, double value) {
  if (!isfinite(value)) return fail(e, "the result is not finite");
  return (kd_number){KD_NUMBER_REAL, 0, value};
}

static kd_number boolean(bool value) {
  return (kd_number){KD_NUMBER_BOOL, value, value};
}

bool kd_number_parse(const char *text, kd_number *out) {
  if (!strcmp(text, "true") || !strcmp(text, "false")) {
    *out = boolean(text[0] == 't');
    return true;
  }
  int64_t whole;
  if (kd_parse_int(text, &whole)) {
    *out = integer(whole);
    return true;
  }
  *out = (kd_number){KD_NUMBER_REAL, 0, 0};
  return kd_parse_float(text, &out->real);
}

static char next(evaluator *e) {
  while (isspace((unsigned char)*e->at)) e->at++;
  return *e->at;
}

static bool take(evaluator *e, const char *symbol) {
  next(e);
  size_t length = strlen(symbol);
  if (strncmp(e->at, symbol, length) != 0) return false;
  e->at += length;
  return true;
}

static bool whole(kd_number a, kd_number b) {
  return a.type != KD_NUMBER_REAL && b.type != KD_NUMBER_REAL;
}

/* Division towards minus infinity, and the remainder with the divisor's sign, as in Python. */
static kd_number floor_divide(evaluator *e, kd_number a, kd_number b, bool remainder) {
  if (e->failure) return a;
  if (b.real == 0) return fail(e, "division by zero");
  if (!whole(a, b)) {
    double quotient = floor(a.real / b.real);
    return real(e, remainder ? a.real - quotient * b.real : quotient);
  }
  if (b.integer == -1) {
    if (a.integer == INT64_MIN) return fail(e, "the result is too large");
    return integer(remainder ? 0 : -a.integer);
  }
  int64_t quotient = a.integer / b.integer, rest = a.integer % b.integer;
  if (rest != 0 && (rest < 0) != (b.integer < 0)) {
    quotient--;
    rest += b.integer;
  }
  return integer(remainder ? rest : quotient);
}

static kd_number combine(evaluator *e, char op, kd_number a, kd_number b) {
  if (e->failure) return a;
  int64_t result = 0;
  if (op == '/') return b.real == 0 ? fail(e, "division by zero") : real(e, a.real / b.real);
  if (whole(a, b)) {
    bool overflow = op == '+'   ? __builtin_add_overflow(a.integer, b.integer, &result)
                    : op == '-' ? __builtin_sub_overflow(a.integer, b.integer, &result)
                                : __builtin_mul_overflow(a.integer, b.integer, &result);
    return overflow ? fail(e, "the result is too large") : integer(result);
  }
  return real(e, op == '+' ? a.real + b.real : op == '-' ? a.real - b.real : a.real * b.real);
}

static kd_number call(evaluator *e, const char *name) {
  bool smallest = !strcmp(name, "min"), largest = !strcmp(name, "max"), rounds = !strcmp(name, "round");
  if (!smallest && !largest && !rounds)
    return fail(e, kd_pool_printf(e->pool, "'%s(': only min, max and round can be called", kd_quoted(name)));
  kd_number result = comparison(e);
  while (!e->failure && take(e, ",")) {
    kd_number other = comparison(e);
    if (rounds) return fail(e, "round takes one value");
    if (smallest ? other.real < result.real : other.real > result.real) result = other;
  }
  if (!e->failure && !take(e, ")")) return fail(e, "a ')' is missing");
  if (!rounds || e->failure || result.type == KD_NUMBER_INT) return result;
  double nearest = nearbyint(result.real); /* ties to even */
  if (!(fabs(nearest) < 9.2e18)) return fail(e, "the result is too large");
  return integer((int64_t)nearest);
}

static kd_number look_up(evaluator *e, const char *name) {
  kd_number value = {0};
  const char *failure = e->lookup(e->user, name, &value);
  return failure ? fail(e, failure) : value;
}

static kd_number reference(evaluator *e) {
  const char *start = e->at + 2;
  int depth = 0;
  for (e->at = start; *e->at && (*e->at != '}' || depth > 0); e->at++)
    depth += (*e->at == '{') - (*e->at == '}');
  if (*e->at != '}') return fail(e, "a '}' is missing");
  const char *name = kd_pool_strndup(e->pool, start, (size_t)(e->at++ - start));
  return look_up(e, name);
}

static kd_number name_or_number(evaluator *e) {
  const char *start = e->at;
  bool number = isdigit((unsigned char)*start) || *start == '.';
  for (; isalnum((unsigned char)*e->at) || *e->at == '_' || *e->at == '.'; e->at++)
    if (number && (*e->at == 'e' || *e->at == 'E') && (e->at[1] == '-' || e->at[1] == '+')) e->at++;
  if (e->at == start) {
    if (*start == '\0') return fail(e, "a value is missing at the end");
    return fail(e, kd_pool_printf(e->pool, "'%s' is no number or name", kd_quoted(start)));
  }
  const char *word = kd_pool_strndup(e->pool, start, (size_t)(e->at - start));
  kd_number value;
  if (kd_number_parse(word, &value)) return value;
  if (number) return fail(e, kd_pool_printf(e->pool, "'%s' is no number", kd_quoted(word)));
  return take(e, "(") ? call(e, word) : look_up(e, word);
}

static kd_number primary(evaluator *e) {
  if (e->failure) return (kd_number){0};
  if (next(e) == '$' && e->at[1] == '{') return reference(e);
  if (!take(e, "(")) return name_or_number(e);
  kd_number value = comparison(e);
  return e->failure || take(e, ")") ? value : fail(e, "a ')' is missing");
}

static kd_number signed_value(evaluator *e) {
  bool negative = false;
  while (next(e) == '-' || *e->at == '+') negative ^= *e->at++ == '-';
  kd_number value = primary(e);
  return negative ? combine(e, '-', integer(0), value) : value;
}

static kd_number product(evaluator *e) {
  kd_number value = signed_value(e);
  while (!e->failure) {
    const char *symbols[] = {"//", "%", "*", "/"};
    int op = 0;
    while (op < 4 && !take(e, symbols[op])) op++;
    if (op == 4) break;
    kd_number other = signed_value(e);
    value = op < 2 ? floor_divide(e, value, other, op == 1) : combine(e, *symbols[op], value, other);
  }
  return value;
}

static kd_number sum(evaluator *e) {
  kd_number value = product(e);
  while (!e->failure && (next(e) == '+' || *e->at == '-')) {
    char op = *e->at++;
    value = combine(e, op, value, product(e));
  }
  return value;
}

static kd_number comparison(evaluator *e) {
  if (++e->depth > DEPTH) return fail(e, "brackets are nested more than 64 deep");
  kd_number a = sum(e);
  static const char *const symbols[] = {"==", "!=", "<=", ">=", "<", ">"};
  for (int i = 0; i < 6 && !e->failure; i++) {
    if (!take(e, symbols[i])) continue;
    double x = a.real, y = sum(e).real;
    const bool results[] = {x == y, x != y, x <= y, x >= y, x<y, x> y};
    a = boolean(results[i]);
    break;
  }
  e->depth--;
  return a;
}

const char *kd_arithmetic(kd_pool *pool, const char *expression, kd_number_lookup lookup, void *user,
                          const char **failure) {
  evaluator e = {pool, expression, 0, lookup, user, NULL};
  kd_number result = comparison(&e);
  if (!e.failure && next(&e) != '\0') fail(&e, kd_pool_printf(pool, "'%s' is left over", kd_quoted(e.at)));
  *failure = e.failure;
  if (e.failure) return NULL;
  if (result.type == KD_NUMBER_INT) return kd_pool_printf(pool, "%lld", (long long)result.integer);
  if (result.type == KD_NUMBER_BOOL) return result.integer ? "true" : "false";
  char text[32];
  kd_format_float(result.real, false, text);
  return kd_pool_strdup(pool, text);
}
