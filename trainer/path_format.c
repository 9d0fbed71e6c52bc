#include "trainer/path_format.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"

/* A float64 has at most 309 digits before the point. */
enum { FIELD_LIMIT = 128, WIDTH_LIMIT = 64, DIGITS_LIMIT = 30, SIZE_LIMIT = 384 };

static kd_status field_value(const char *format, const char *name, int64_t epoch, int64_t batch,
                             const kd_logs *logs, double *value, bool *whole) {
  *whole = strcmp(name, "epoch") == 0 || strcmp(name, "batch") == 0;
  if (*whole) {
    *value = (double)(name[0] == 'e' ? epoch : batch);
    return KD_OK;
  }
  if (kd_logs_get(logs, name, value)) return KD_OK;
  char known[512];
  int used = snprintf(known, sizeof known, "epoch, batch");
  for (int i = 0; i < logs->count && used < (int)sizeof known - 1; i++)
    used += snprintf(known + used, sizeof known - (size_t)used, ", %s", logs->entries[i].name);
  return kd_fail(KD_ERR_USAGE, "filepath '%s' names {%s}, which is not among the logs: %s", kd_quoted(format),
                 kd_quoted(name), known);
}

/* Python's format specification, without what file names have no use for (grouping, other bases). */
typedef struct field_format {
  char fill, align, sign, type; /* align: < > ^ or =, which fills behind the sign; type '\0': none */
  int width, digits;            /* digits -1: none */
} field_format;

static bool is_align(char c) {
  return c && strchr("<>^=", c);
}

static bool read_number(const char **at, int limit, int *number) {
  char *end;
  if (!isdigit((unsigned char)**at)) return false;
  long value = strtol(*at, &end, 10);
  *at = end;
  *number = (int)value;
  return value <= limit;
}

static bool read_format(const char *spec, bool whole, field_format *f) {
  *f = (field_format){.fill = ' ', .align = '>', .sign = '-', .digits = -1};
  bool filled = spec[0] && is_align(spec[1]), aligned = filled || is_align(spec[0]);
  if (filled) f->fill = *spec++;
  if (aligned) f->align = *spec++;
  if (*spec && strchr("+- ", *spec)) f->sign = *spec++;
  if (*spec == '0') {
    spec++;
    if (!filled) f->fill = '0';
    if (!aligned) f->align = '=';
  }
  if (isdigit((unsigned char)*spec) && !read_number(&spec, WIDTH_LIMIT, &f->width)) return false;
  if (*spec == '.' && (spec++, !read_number(&spec, DIGITS_LIMIT, &f->digits))) return false;
  if (*spec) f->type = *spec++;
  if (whole && (!f->type || f->type == 'd')) return !*spec && f->digits < 0;
  return !*spec && (!f->type || strchr("efgEFG%", f->type));
}

/* A float with digits but without a type: like g, but with a point or an exponent in any case, and the
 * exponent one digit earlier. */
static void print_general(double value, int digits, char *out, size_t room) {
  int precision = digits > 0 ? digits : 1;
  snprintf(out, room, "%.*e", precision - 1, value);
  char *exponent = strchr(out, 'e');
  if (!exponent) return; /* inf, nan */
  int power = atoi(exponent + 1);
  if (power >= -4 && power < precision - 1) {
    snprintf(out, room, "%.*g", precision, value);
    size_t used = strlen(out);
    if (!strchr(out, '.')) snprintf(out + used, room - used, ".0");
    return;
  }
  char *end = exponent;
  if (memchr(out, '.', (size_t)(exponent - out))) {
    while (end[-1] == '0') end--;
    if (end[-1] == '.') end--;
  }
  memmove(end, exponent, strlen(exponent) + 1);
}

/* The number without its sign. */
static void print_size(const field_format *f, double size, bool whole, char *out, size_t room) {
  int digits = f->digits < 0 ? 6 : f->digits;
  switch (f->type) {
  case '\0':
    if (!whole && f->digits >= 0) return print_general(size, f->digits, out, room);
    if (!whole) return kd_format_float(size, false, out);
    snprintf(out, room, "%.0f", size);
    return;
  case 'd':
    snprintf(out, room, "%.0f", size);
    return;
  case '%':
    snprintf(out, room, "%.*f%%", digits, 100 * size);
    return;
  default:
    snprintf(out, room, (char[]){'%', '.', '*', f->type, '\0'}, digits, size);
  }
}

/* Sign, fill and number by the alignment. */
static const char *padded(kd_pool *pool, const field_format *f, const char *sign, const char *size) {
  int missing = f->width - (int)(strlen(sign) + strlen(size));
  int pad = missing > 0 ? missing : 0;
  int before = f->align == '>' ? pad : f->align == '^' ? pad / 2 : 0, inside = f->align == '=' ? pad : 0;
  char fill[WIDTH_LIMIT + 1];
  memset(fill, f->fill, sizeof fill);
  return kd_pool_printf(pool, "%.*s%s%.*s%s%.*s", before, fill, sign, inside, fill, size,
                        pad - before - inside, fill);
}

static kd_status print_field(kd_pool *pool, const char *format, const char *spec, double value, bool whole,
                             const char **text) {
  field_format f;
  char size[SIZE_LIMIT];
  KD_CHECK(read_format(spec, whole, &f), KD_ERR_USAGE,
           "filepath '%s' has the format '%s', which is not one of [[fill]align][sign][0][width][.digits]%s",
           kd_quoted(format), kd_quoted(spec), whole ? "[d|e|f|g|%]" : "[e|f|g|%]");
  const char *sign = signbit(value) && !isnan(value) ? "-" : f.sign == '-' ? "" : f.sign == '+' ? "+" : " ";
  print_size(&f, fabs(value), whole, size, sizeof size);
  *text = padded(pool, &f, sign, size);
  return KD_OK;
}

kd_status kd_path_format(kd_pool *pool, const char *format, int64_t epoch, int64_t batch, const kd_logs *logs,
                         const char **path) {
  const char *text = "";
  for (const char *c = format; *c;) {
    if ((c[0] == '{' || c[0] == '}') && c[1] == c[0]) {
      text = kd_pool_printf(pool, "%s%c", text, c[0]);
      c += 2;
    } else if (c[0] != '{') {
      size_t length = strcspn(c, "{}");
      KD_CHECK(length > 0, KD_ERR_USAGE, "filepath '%s' has a '}' without '{'", kd_quoted(format));
      text = kd_pool_printf(pool, "%s%.*s", text, (int)length, c);
      c += length;
    } else {
      size_t length = strcspn(c, "}");
      char field[FIELD_LIMIT];
      KD_CHECK(c[length] && length < FIELD_LIMIT, KD_ERR_USAGE, "filepath '%s' has a '{' without '}'",
               kd_quoted(format));
      snprintf(field, sizeof field, "%.*s", (int)length - 1, c + 1);
      char *spec = strchr(field, ':');
      if (spec) *spec++ = '\0';
      double value;
      bool whole;
      const char *out = "";
      KD_TRY(field_value(format, field, epoch, batch, logs, &value, &whole));
      KD_TRY(print_field(pool, format, spec ? spec : "", value, whole, &out));
      text = kd_pool_printf(pool, "%s%s", text, out);
      c += length + 1;
    }
  }
  *path = text;
  return KD_OK;
}
