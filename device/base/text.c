#include "device/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTE_LIMIT = 200, NAME_LIMIT = 64, NUMBER_LIMIT = 64 };

/* Length of the UTF-8 sequence at text, or 0 when it is invalid. Rejects overlong forms and surrogates. */
static size_t utf8_length(const unsigned char *text, size_t left) {
  unsigned char lead = text[0];
  size_t need = lead < 0x80                   ? 1
                : lead >= 0xC2 && lead < 0xE0 ? 2
                : lead >= 0xE0 && lead < 0xF0 ? 3
                : lead >= 0xF0 && lead < 0xF5 ? 4
                                              : 0;
  if (need == 0 || need > left) return 0;
  for (size_t i = 1; i < need; i++)
    if ((text[i] & 0xC0) != 0x80) return 0;
  if (lead == 0xE0 && text[1] < 0xA0) return 0;
  if (lead == 0xED && text[1] > 0x9F) return 0;
  if (lead == 0xF0 && text[1] < 0x90) return 0;
  if (lead == 0xF4 && text[1] > 0x8F) return 0;
  return need;
}

bool kd_valid_utf8(const char *text, size_t length) {
  for (size_t i = 0; i < length;) {
    size_t step = utf8_length((const unsigned char *)text + i, length - i);
    if (step == 0) return false;
    i += step;
  }
  return true;
}

static void quote_into(char *out, const char *text) {
  size_t length = strlen(text), used = 0;
  for (size_t i = 0; i < length;) {
    size_t step = utf8_length((const unsigned char *)text + i, length - i);
    if (used + (step ? step : 1) > QUOTE_LIMIT) {
      memcpy(out + used, "...", 3);
      used += 3;
      break;
    }
    if (step == 0 || (step == 1 && iscntrl((unsigned char)text[i]))) {
      out[used++] = '?';
      i++;
    } else {
      memcpy(out + used, text + i, step);
      used += step;
      i += step;
    }
  }
  out[used] = '\0';
}

const char *kd_quote(kd_pool *pool, const char *text) {
  char buffer[QUOTE_LIMIT + 4];
  quote_into(buffer, text);
  return kd_pool_strdup(pool, buffer);
}

const char *kd_quoted(const char *text) {
  static _Thread_local char buffers[4][QUOTE_LIMIT + 4];
  static _Thread_local unsigned next;
  char *buffer = buffers[next++ % 4];
  quote_into(buffer, text ? text : "(none)");
  return buffer;
}

static int min3(int a, int b, int c) {
  int m = a < b ? a : b;
  return m < c ? m : c;
}

int kd_edit_distance(const char *a, const char *b) {
  int n = (int)strnlen(a, NAME_LIMIT), m = (int)strnlen(b, NAME_LIMIT);
  int rows[3][NAME_LIMIT + 1];
  int *before = rows[0], *above = rows[1], *row = rows[2];
  for (int j = 0; j <= m; j++) above[j] = before[j] = j;
  for (int i = 1; i <= n; i++) {
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      int cost = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
      row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
      bool swapped = i > 1 && j > 1 && tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 2]) &&
                     tolower((unsigned char)a[i - 2]) == tolower((unsigned char)b[j - 1]);
      if (swapped && before[j - 2] + 1 < row[j]) row[j] = before[j - 2] + 1;
    }
    int *oldest = before;
    before = above;
    above = row;
    row = oldest;
  }
  return above[m];
}

const char *kd_nearest(const char *name, const void *names, size_t count, size_t stride) {
  int limit = (int)(strlen(name) / 3);
  if (limit < 1) limit = 1;
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    const char *candidate = *(const char *const *)((const char *)names + i * stride);
    int distance = candidate ? kd_edit_distance(name, candidate) : limit + 1;
    if (distance <= limit) {
      limit = distance - 1;
      best = candidate;
    }
  }
  return best;
}

/* Copies text without underscores that stand between digits; false for anything a number cannot hold. */
static bool strip_number(const char *text, char out[NUMBER_LIMIT]) {
  size_t used = 0;
  for (size_t i = 0; text[i]; i++) {
    if (text[i] == '_') {
      if (i == 0 || !isdigit((unsigned char)text[i - 1]) || !isdigit((unsigned char)text[i + 1]))
        return false;
      continue;
    }
    if (!isalnum((unsigned char)text[i]) && !strchr("+-.", text[i])) return false;
    if (used + 1 >= NUMBER_LIMIT) return false;
    out[used++] = text[i];
  }
  out[used] = '\0';
  return used > 0;
}

bool kd_parse_float(const char *text, double *value) {
  char number[NUMBER_LIMIT];
  if (!strip_number(text, number)) return false;
  const char *digits = number + (number[0] == '-' || number[0] == '+');
  if (!strcmp(digits, "inf") || !strcmp(digits, "nan")) {
    *value = digits[0] == 'n' ? (double)NAN : number[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    return true;
  }
  /* strtod also takes hexadecimal and words; only decimal forms pass. The C locale is never changed. */
  for (const char *c = digits; *c; c++)
    if (!isdigit((unsigned char)*c) && !strchr("+-.eE", *c)) return false;
  char *end;
  errno = 0;
  *value = strtod(number, &end);
  return end != number && *end == '\0' && !(errno == ERANGE && isinf(*value));
}

bool kd_parse_int(const char *text, int64_t *value) {
  char number[NUMBER_LIMIT];
  if (!strip_number(text, number)) return false;
  char *end;
  errno = 0;
  long long whole = strtoll(number, &end, 10);
  if (end != number && *end == '\0') {
    *value = whole;
    return errno == 0;
  }
  /* 1e3 is an integer when its value is exact. */
  double real;
  if (!strpbrk(number, "eE") || !kd_parse_float(text, &real)) return false;
  if (!(fabs(real) <= 9007199254740992.0) || real != floor(real)) return false;
  *value = (int64_t)real;
  return true;
}

void kd_format_float(double value, bool single, char buffer[32]) {
  if (isnan(value)) {
    strcpy(buffer, "nan");
    return;
  }
  if (isinf(value)) {
    snprintf(buffer, 32, "%s", value > 0 ? "inf" : "-inf");
    return;
  }
  int digits = 1;
  for (; digits < 17; digits++) {
    snprintf(buffer, 32, "%.*e", digits - 1, value);
    double back = strtod(buffer, NULL);
    if (single ? (float)back == (float)value : back == value) break;
  }
  /* Python's rule: plain notation for exponents from -4 to 15. */
  snprintf(buffer, 32, "%.*e", digits - 1, value);
  int exponent = atoi(strchr(buffer, 'e') + 1);
  if (exponent >= -4 && exponent < 16) {
    int decimals = digits - 1 - exponent;
    snprintf(buffer, 32, "%.*f", decimals > 0 ? decimals : 1, value);
  }
}

bool kd_ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

bool kd_streq(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}
