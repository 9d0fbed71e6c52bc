#include "device/base/diag.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
  REPEAT_WINDOW = 64, /* messages that a new one is compared with */
  SORTED = 200,       /* messages that are put in order */
};

kd_diag *kd_diag_create(void) {
  kd_diag *diag = kd_calloc(1, sizeof *diag);
  diag->pool = kd_pool_create();
  return diag;
}

void kd_diag_destroy(kd_diag *diag) {
  if (!diag) return;
  kd_pool_destroy(diag->pool);
  kd_free(diag);
}

static char *message(kd_diag *diag, kd_origin origin, const char *format, va_list args) {
  char *text = kd_pool_vprintf(diag->pool, format, args);
  if (!origin.file) return text;
  if (origin.line <= 0) return kd_pool_printf(diag->pool, "%s: %s", origin.file, text);
  return kd_pool_printf(diag->pool, "%s:%d: %s", origin.file, origin.line, text);
}

/* Blocks and shared texts would repeat one mistake for each copy. */
static bool said_already(char *const *messages, size_t count, const char *text) {
  size_t first = count > REPEAT_WINDOW ? count - REPEAT_WINDOW : 0;
  for (size_t i = first; i < count; i++)
    if (!strcmp(messages[i], text)) return true;
  return false;
}

void kd_diag_error(kd_diag *diag, kd_origin origin, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = message(diag, origin, format, args);
  va_end(args);
  if (said_already(diag->messages, diag->count, text)) return;
  diag->messages = kd_pool_grow(diag->pool, diag->messages, diag->count, &diag->capacity, sizeof(char *));
  diag->origins =
      kd_pool_grow(diag->pool, diag->origins, diag->count, &diag->origin_capacity, sizeof(kd_origin));
  diag->origins[diag->count] = origin;
  diag->messages[diag->count++] = text;
}

void kd_diag_warn(kd_diag *diag, kd_origin origin, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = message(diag, origin, format, args);
  va_end(args);
  if (said_already(diag->warnings, diag->n_warnings, text)) return;
  diag->warnings =
      kd_pool_grow(diag->pool, diag->warnings, diag->n_warnings, &diag->warning_capacity, sizeof(char *));
  diag->warnings[diag->n_warnings++] = text;
}

/* The place of a message's file: where the first message about that file stands. */
static size_t file_place(const kd_diag *diag, size_t message) {
  const char *file = diag->origins[message].file;
  for (size_t i = 0; i < message; i++)
    if (file && diag->origins[i].file && !strcmp(diag->origins[i].file, file)) return i;
  return message;
}

/* Sorts message numbers by file and line; equal ones keep their order. Few messages: insertion. */
static void sort_messages(const kd_diag *diag, size_t count, size_t *order) {
  for (size_t i = 0; i < count; i++) {
    size_t at = i, place = file_place(diag, i);
    for (; at > 0; at--) {
      size_t before = file_place(diag, order[at - 1]);
      if (before < place || (before == place && diag->origins[order[at - 1]].line <= diag->origins[i].line))
        break;
      order[at] = order[at - 1];
    }
    order[at] = i;
  }
}

kd_status kd_diag_status(const kd_diag *diag) {
  if (diag->count == 0) return KD_OK;
  enum { TAIL = 64 }; /* room for the last line */
  char text[KD_STATUS_TEXT] = "", tail[TAIL] = "";
  size_t order[SORTED], sorted = diag->count < SORTED ? diag->count : SORTED, used = 0, shown = 0;
  sort_messages(diag, sorted, order);
  for (; shown < sorted && shown < KD_DIAG_LIMIT; shown++) {
    const char *message = diag->messages[order[shown]];
    if (used + strlen(message) + 2 > sizeof text - TAIL) break;
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", shown ? "\n" : "", message);
  }
  if (shown < diag->count) snprintf(tail, sizeof tail, "\n... and %zu more errors", diag->count - shown);
  return kd_fail(KD_ERR_USAGE, "%s%s", text, tail);
}
