#include <string.h>

#include "trainer/csv_text.h"
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

/* The same text of the epoch before, or a copy: names are kept once while they stay. */
static const char *kept_name(kd_pool *pool, const kd_history *h, const char *name) {
  const kd_logs *last = h->n_epochs > 0 ? &h->epochs[h->n_epochs - 1] : NULL;
  for (int i = 0; last && i < last->count; i++)
    if (strcmp(last->entries[i].name, name) == 0) return last->entries[i].name;
  return kd_pool_strdup(pool, name);
}

void kd_history_add(kd_pool *pool, kd_history *h, const kd_logs *logs) {
  kd_logs copy = {.count = logs->count, .capacity = logs->count};
  copy.entries = kd_pool_alloc(pool, (size_t)logs->count + 1, sizeof *copy.entries);
  for (int i = 0; i < logs->count; i++)
    copy.entries[i] = (kd_log_entry){kept_name(pool, h, logs->entries[i].name), logs->entries[i].value};
  h->epochs = kd_pool_grow(pool, h->epochs, (size_t)h->n_epochs, &h->capacity, sizeof *h->epochs);
  h->epochs[h->n_epochs++] = copy;
}

const char *kd_history_csv(kd_pool *pool, const kd_history *h, char separator) {
  if (h->n_epochs == 0) return "";
  kd_csv_columns columns = kd_csv_columns_make(pool, &h->epochs[0]);
  const char **lines = kd_pool_alloc(pool, (size_t)h->n_epochs + 1, sizeof *lines);
  lines[0] = kd_csv_header(pool, &columns, separator);
  size_t room = strlen(lines[0]) + 1;
  for (int64_t e = 0; e < h->n_epochs; e++) {
    lines[e + 1] = kd_csv_row(pool, &columns, h->first_epoch + e, &h->epochs[e], separator);
    room += strlen(lines[e + 1]);
  }
  char *text = kd_pool_alloc(pool, room, 1), *at = text;
  for (int64_t i = 0; i <= h->n_epochs; i++) at = stpcpy(at, lines[i]);
  return text;
}

/* --- in checkpoints --- */

/* One array per name: pairs of the epoch's number in the history and the value. */
static void save_column(const kd_history *h, kd_snapshot *s, const char *name) {
  double *pairs = kd_pool_alloc(s->pool, 2 * (size_t)h->n_epochs, sizeof *pairs);
  int64_t n = 0;
  for (int64_t e = 0; e < h->n_epochs; e++) {
    if (!kd_logs_get(&h->epochs[e], name, &pairs[2 * n + 1])) continue;
    pairs[2 * n++] = (double)e;
  }
  kd_snapshot_array(s, "history", name, (kd_tensor){KD_F64, KD_SHAPE(n, 2), pairs});
}

static bool logged_before(const kd_history *h, int64_t epoch, const char *name) {
  double ignored;
  for (int64_t e = 0; e < epoch; e++)
    if (kd_logs_get(&h->epochs[e], name, &ignored)) return true;
  return false;
}

void kd_history_save(const kd_history *h, kd_snapshot *s) {
  for (int64_t e = 0; e < h->n_epochs; e++)
    for (int i = 0; i < h->epochs[e].count; i++)
      if (!logged_before(h, e, h->epochs[e].entries[i].name)) save_column(h, s, h->epochs[e].entries[i].name);
}

static kd_status load_column(const kd_record *record, const char *name, int64_t epochs, kd_logs *logs) {
  const kd_tensor *tensor = &record->tensor;
  KD_CHECK(tensor->dtype == KD_F64 && tensor->shape.rank == 2 && tensor->shape.dim[1] == 2, KD_ERR_USAGE,
           "the checkpoint's %s is not a list of epochs and values", record->name);
  const double *pairs = tensor->data;
  for (int64_t i = 0; i < tensor->shape.dim[0]; i++) {
    KD_CHECK(pairs[2 * i] >= 0 && pairs[2 * i] < (double)epochs, KD_ERR_USAGE,
             "the checkpoint's %s has a value of epoch %g, but there are %lld", record->name, pairs[2 * i],
             (long long)epochs);
    kd_logs_set(&logs[(int64_t)pairs[2 * i]], name, pairs[2 * i + 1]);
  }
  return KD_OK;
}

kd_status kd_history_load(kd_pool *pool, kd_history *h, const kd_snapshot *s, double epochs) {
  const char *prefix = "history/";
  KD_CHECK(epochs >= 0 && epochs < 1e9, KD_ERR_USAGE, "the checkpoint holds a history of %g epochs", epochs);
  int64_t n = (int64_t)epochs;
  int columns = 0;
  for (int i = 0; i < s->checkpoint.n_records; i++)
    columns += strncmp(s->checkpoint.records[i].name, prefix, strlen(prefix)) == 0;
  kd_logs *logs = kd_pool_alloc(s->pool, (size_t)n + 1, sizeof *logs);
  for (int64_t e = 0; e < n; e++)
    logs[e] = (kd_logs){.capacity = columns,
                        .entries = kd_pool_alloc(s->pool, (size_t)columns + 1, sizeof(kd_log_entry))};
  for (int i = 0; i < s->checkpoint.n_records; i++) {
    const kd_record *record = &s->checkpoint.records[i];
    if (strncmp(record->name, prefix, strlen(prefix)) == 0)
      KD_TRY(load_column(record, record->name + strlen(prefix), n, logs));
  }
  for (int64_t e = 0; e < n; e++) kd_history_add(pool, h, &logs[e]);
  return KD_OK;
}
