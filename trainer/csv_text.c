#include "trainer/csv_text.h"

#include <string.h>

#include "device/base/text.h"

kd_csv_columns kd_csv_columns_make(kd_pool *pool, const kd_logs *first) {
  kd_csv_columns columns = {.names = kd_pool_alloc(pool, 2 * (size_t)first->count + 1, sizeof(char *))};
  bool validated = false;
  for (int i = 0; i < first->count; i++) {
    columns.names[columns.count++] = kd_pool_strdup(pool, first->entries[i].name);
    validated |= strncmp(first->entries[i].name, "val_", 4) == 0;
  }
  for (int i = 0; !validated && i < first->count; i++)
    columns.names[columns.count++] = kd_pool_printf(pool, "val_%s", first->entries[i].name);
  return columns;
}

/* In quotes, with quotes doubled, when it holds what would end it. */
static const char *quoted(kd_pool *pool, const char *text, char separator) {
  const char special[] = {separator, '"', '\r', '\n', '\0'};
  if (!strpbrk(text, special)) return text;
  char *out = kd_pool_alloc(pool, 2 * strlen(text) + 3, 1), *at = out;
  *at++ = '"';
  for (; *text; text++) {
    if (*text == '"') *at++ = '"';
    *at++ = *text;
  }
  *at++ = '"';
  return out;
}

static const char *joined(kd_pool *pool, int count, const char **fields, char separator) {
  size_t room = 3;
  for (int i = 0; i < count; i++) {
    fields[i] = quoted(pool, fields[i], separator);
    room += strlen(fields[i]) + 1;
  }
  char *text = kd_pool_alloc(pool, room, 1), *at = text;
  for (int i = 0; i < count; i++) {
    if (i) *at++ = separator;
    at = stpcpy(at, fields[i]);
  }
  strcpy(at, "\r\n");
  return text;
}

const char *kd_csv_header(kd_pool *pool, const kd_csv_columns *columns, char separator) {
  const char **fields = kd_pool_alloc(pool, (size_t)columns->count + 1, sizeof *fields);
  fields[0] = "epoch";
  for (int i = 0; i < columns->count; i++) fields[i + 1] = columns->names[i];
  return joined(pool, columns->count + 1, fields, separator);
}

const char *kd_csv_row(kd_pool *pool, const kd_csv_columns *columns, int64_t epoch, const kd_logs *logs,
                       char separator) {
  const char **fields = kd_pool_alloc(pool, (size_t)columns->count + 1, sizeof *fields);
  fields[0] = kd_pool_printf(pool, "%lld", (long long)epoch);
  for (int i = 0; i < columns->count; i++) {
    double value;
    char number[32];
    bool found = kd_logs_get(logs, columns->names[i], &value);
    if (found) kd_format_float(value, false, number);
    fields[i + 1] = found ? kd_pool_strdup(pool, number) : "NA";
  }
  return joined(pool, columns->count + 1, fields, separator);
}
