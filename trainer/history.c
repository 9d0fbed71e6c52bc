#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"
#include "trainer/trainer.h"

bool kd_logs_get(const kd_logs *logs, const char *name, double *value) {
  for (int i = 0; i < logs->count; i++) {
    if (strcmp(logs->entries[i].name, name) != 0) continue;
    *value = logs->entries[i].value;
    return true;
  }
  return false;
}

void kd_logs_set(kd_logs *logs, const char *name, double value) {
  int at = 0;
  while (at < logs->count && strcmp(logs->entries[at].name, name) < 0) at++;
  if (at < logs->count && strcmp(logs->entries[at].name, name) == 0) {
    logs->entries[at].value = value;
    return;
  }
  if (logs->count == logs->capacity) return;
  memmove(&logs->entries[at + 1], &logs->entries[at], (size_t)(logs->count - at) * sizeof *logs->entries);
  logs->entries[at] = (kd_log_entry){name, value};
  logs->count++;
}

static int find_name(const kd_history *history, const char *name) {
  for (int i = 0; i < history->n_names; i++)
    if (strcmp(history->names[i], name) == 0) return i;
  return -1;
}

/* Adds a column of absent values for the epochs so far. */
static void add_name(kd_pool *pool, kd_history *h, const char *name) {
  int n = h->n_names;
  const char **names = kd_pool_alloc(pool, (size_t)n + 1, sizeof *names);
  double *values = kd_pool_alloc(pool, (size_t)(h->n_epochs + 1) * (size_t)(n + 1), sizeof *values);
  for (int i = 0; i < n; i++) names[i] = h->names[i];
  names[n] = kd_pool_strdup(pool, name);
  for (int64_t e = 0; e < h->n_epochs; e++) {
    for (int i = 0; i < n; i++) values[e * (n + 1) + i] = h->values[e * n + i];
    values[e * (n + 1) + n] = (double)NAN;
  }
  h->names = names;
  h->values = values;
  h->n_names = n + 1;
}

void kd_history_add(kd_pool *pool, kd_history *h, const kd_logs *logs) {
  for (int i = 0; i < logs->count; i++)
    if (find_name(h, logs->entries[i].name) < 0) add_name(pool, h, logs->entries[i].name);
  double *values = kd_pool_alloc(pool, (size_t)(h->n_epochs + 1) * (size_t)h->n_names, sizeof *values);
  if (h->n_epochs > 0) memcpy(values, h->values, (size_t)h->n_epochs * (size_t)h->n_names * sizeof *values);
  for (int i = 0; i < h->n_names; i++) {
    double value = (double)NAN;
    kd_logs_get(logs, h->names[i], &value);
    values[h->n_epochs * h->n_names + i] = value;
  }
  h->values = values;
  h->n_epochs++;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Only a value that was never logged is absent: a logged NaN prints as nan, but history keeps both as NaN, so
 * a column that starts later is told apart by its first value. */
static bool absent(const kd_history *h, int64_t epoch, int column) {
  return isnan(h->values[epoch * h->n_names + column]) && strncmp(h->names[column], "val_", 4) == 0;
}

const char *kd_history_csv(kd_pool *pool, const kd_history *h, char separator) {
  const char **sorted = kd_pool_alloc(pool, (size_t)h->n_names + 1, sizeof *sorted);
  for (int i = 0; i < h->n_names; i++) sorted[i] = h->names[i];
  qsort(sorted, (size_t)h->n_names, sizeof *sorted, by_text);
  size_t room = 64;
  for (int i = 0; i < h->n_names; i++) room += strlen(sorted[i]) + 2;
  room += (size_t)h->n_epochs * (24 + (size_t)h->n_names * 33);
  char *text = kd_pool_alloc(pool, room, 1);
  size_t used = (size_t)sprintf(text, "epoch");
  for (int i = 0; i < h->n_names; i++) used += (size_t)sprintf(text + used, "%c%s", separator, sorted[i]);
  used += (size_t)sprintf(text + used, "\r\n");
  for (int64_t e = 0; e < h->n_epochs; e++) {
    used += (size_t)sprintf(text + used, "%lld", (long long)e);
    for (int i = 0; i < h->n_names; i++) {
      char number[32];
      int column = find_name(h, sorted[i]);
      kd_format_float(h->values[e * h->n_names + column], false, number);
      used += (size_t)sprintf(text + used, "%c%s", separator, absent(h, e, column) ? "NA" : number);
    }
    used += (size_t)sprintf(text + used, "\r\n");
  }
  return text;
}
