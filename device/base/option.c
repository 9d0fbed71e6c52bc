/* Filling an options struct from positional and keyed values by the table of its kind. */
#include "device/base/option.h"

#include <string.h>

#include "device/base/option_read.h"
#include "device/base/text.h"

enum { LISTED_KEYS = 32, MAX_OPTIONS = 128 };

bool kd_option_error(const kd_option_reader *reader, const kd_value *value, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = kd_pool_vprintf(reader->diag->pool, format, args);
  va_end(args);
  kd_origin origin = value && value->origin.file ? value->origin : reader->origin;
  bool named = reader->subject && *reader->subject;
  kd_diag_error(reader->diag, origin, "%s%s%s", named ? reader->subject : "", named ? ": " : "", text);
  return false;
}

static int table_size(const kd_option *table) {
  int count = 0;
  while (table && table[count].name) count++;
  return count;
}

int kd_option_row(const kd_option *table, const char *key) {
  for (int i = 0; table && table[i].name; i++)
    if (kd_streq(table[i].name, key) || kd_streq(table[i].alias, key)) return i;
  return -1;
}

/* "a, b, c" of the table's keys. */
static const char *key_list(kd_pool *pool, const kd_option *table, int count) {
  const char *list = "";
  for (int i = 0; i < count; i++) list = kd_pool_printf(pool, "%s%s%s", list, i ? ", " : "", table[i].name);
  return list;
}

/* What has been said about a row. A misspelt key means its row, so that this is not reported missing too. */
typedef enum row_state { ROW_OPEN, ROW_MEANT, ROW_GIVEN } row_state;

static bool unknown_key(const kd_option_reader *reader, const kd_kind *kind, const char *key,
                        const kd_value *value, row_state *rows) {
  int count = table_size(kind->options);
  const char *near =
      count ? kd_nearest(key, &kind->options[0].name, (size_t)count, sizeof *kind->options) : NULL;
  if (near) {
    int row = kd_option_row(kind->options, near);
    if (rows[row] == ROW_OPEN) rows[row] = ROW_MEANT;
    return kd_option_error(reader, value, "unknown key '%s'; did you mean '%s'?", kd_quoted(key), near);
  }
  if (count == 0) return kd_option_error(reader, value, "unknown key '%s'; it takes no keys", kd_quoted(key));
  if (count > LISTED_KEYS) return kd_option_error(reader, value, "unknown key '%s'", kd_quoted(key));
  return kd_option_error(reader, value, "unknown key '%s'; known are: %s", kd_quoted(key),
                         key_list(reader->diag->pool, kind->options, count));
}

int kd_option_position(const kd_option *table, int position) {
  for (int i = 0; table && table[i].name; i++)
    if (!(table[i].flags & KD_OPT_KEY_ONLY) && position-- == 0) return i;
  return -1;
}

static bool fill_defaults(const kd_option_reader *reader, const kd_kind *kind, const row_state *rows,
                          void *options) {
  bool good = true;
  for (int i = 0; kind->options && kind->options[i].name; i++) {
    const kd_option *option = &kind->options[i];
    if (rows[i] == ROW_GIVEN) continue;
    if (!option->initial || (option->flags & KD_OPT_REQUIRED)) {
      if (rows[i] == ROW_MEANT) continue;
      good = kd_option_error(reader, NULL, "'%s' is missing (%s)", option->name,
                             kd_option_type_text(reader->diag->pool, option));
      continue;
    }
    kd_value *value = kd_value_parse(reader->pool, reader->diag, reader->origin, option->initial, true);
    good &= value && kd_option_read(reader, option, value, options);
  }
  return good;
}

static bool fill_values(const kd_option_reader *reader, const kd_kind *kind, int count,
                        const char *const *keys, const kd_value *const *values, row_state *rows,
                        void *options) {
  bool good = true;
  int position = 0;
  for (int i = 0; i < count; i++) {
    const char *key = keys ? keys[i] : NULL;
    if (key && !strncmp(key, "x-", 2)) continue; /* notes of the user */
    int row = key ? kd_option_row(kind->options, key) : kd_option_position(kind->options, position++);
    if (row < 0 && key) {
      good = unknown_key(reader, kind, key, values[i], rows);
    } else if (row < 0) {
      good = kd_option_error(reader, values[i], "%d values are given by position, at most %d are taken",
                             position, position - 1);
      break;
    } else if (rows[row] == ROW_GIVEN) {
      good = kd_option_error(reader, values[i], "'%s' is given twice", kind->options[row].name);
    } else {
      rows[row] = ROW_GIVEN;
      good &= kd_option_read(reader, &kind->options[row], values[i], options);
    }
  }
  return good;
}

/* The kind's own check does not know the subject: its messages get it here. */
static bool run_check(const kd_option_reader *reader, const kd_kind *kind, const void *options) {
  kd_diag *found = kd_diag_create();
  kind->check(options, found, (kd_origin){NULL, 0});
  for (size_t i = 0; i < found->count; i++) kd_option_error(reader, NULL, "%s", found->messages[i]);
  bool good = found->count == 0;
  kd_diag_destroy(found);
  return good;
}

bool kd_options_fill(kd_pool *pool, kd_diag *diag, const char *subject, kd_origin origin, const kd_kind *kind,
                     int count, const char *const *keys, const kd_value *const *values, void *options) {
  kd_option_reader reader = {pool, diag, subject, origin};
  row_state rows[MAX_OPTIONS] = {ROW_OPEN};
  if (table_size(kind->options) > MAX_OPTIONS)
    return kd_option_error(&reader, NULL, "the option table of %s is too long", kind->name);
  bool good = fill_values(&reader, kind, count, keys, values, rows, options);
  good &= fill_defaults(&reader, kind, rows, options);
  if (good && kind->check) good = run_check(&reader, kind, options);
  return good;
}
