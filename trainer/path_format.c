#include "trainer/path_format.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"

enum { FIELD_LIMIT = 128 };

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

/* Python's "[0][width][.digits][type]" is printf's with the type turned. */
static kd_status print_field(const char *format, const char *spec, double value, bool whole, char *out,
                             size_t room) {
  char *end;
  bool zero = spec[0] == '0';
  long width = strtol(spec, &end, 10);
  long digits = -1;
  if (*end == '.') digits = strtol(end + 1, &end, 10);
  char type = *end ? *end : '\0';
  bool good = width >= 0 && width <= 32 && digits <= 17 && (type == '\0' || end[1] == '\0') &&
              (type == '\0' || strchr(whole ? "dfeg" : "feg%", type)) && !isspace((unsigned char)spec[0]);
  KD_CHECK(good, KD_ERR_USAGE,
           "filepath '%s' has the format '%s', which is not one of [0][width][.digits]d|f|e|g",
           kd_quoted(format), kd_quoted(spec));
  int w = (int)width, d = digits < 0 ? 6 : (int)digits;
  if (type == 'd' || (whole && type == '\0')) {
    snprintf(out, room, zero ? "%0*lld" : "%*lld", w, (long long)value);
  } else if (type == '\0' && digits < 0) {
    kd_format_float(value, false, out);
  } else if (type == 'e') {
    snprintf(out, room, zero ? "%0*.*e" : "%*.*e", w, d, value);
  } else if (type == 'g' || type == '\0') {
    snprintf(out, room, zero ? "%0*.*g" : "%*.*g", w, d, value);
  } else {
    snprintf(out, room, zero ? "%0*.*f" : "%*.*f", w, d, type == '%' ? 100 * value : value);
    if (type == '%') strncat(out, "%", room - strlen(out) - 1);
  }
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
      char field[FIELD_LIMIT], out[FIELD_LIMIT];
      KD_CHECK(c[length] && length < FIELD_LIMIT, KD_ERR_USAGE, "filepath '%s' has a '{' without '}'",
               kd_quoted(format));
      snprintf(field, sizeof field, "%.*s", (int)length - 1, c + 1);
      char *spec = strchr(field, ':');
      if (spec) *spec++ = '\0';
      double value;
      bool whole;
      KD_TRY(field_value(format, field, epoch, batch, logs, &value, &whole));
      KD_TRY(print_field(format, spec ? spec : "", value, whole, out, sizeof out));
      text = kd_pool_printf(pool, "%s%s", text, out);
      c += length + 1;
    }
  }
  *path = text;
  return KD_OK;
}
