#include "device/base/diag.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { REPEAT_WINDOW = 64 }; /* messages that a new one is compared with */

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

kd_status kd_diag_status(const kd_diag *diag) {
  if (diag->count == 0) return KD_OK;
  char text[4000];
  size_t used = 0, shown = diag->count < KD_DIAG_LIMIT ? diag->count : KD_DIAG_LIMIT;
  for (size_t i = 0; i < shown && used < sizeof text - 1; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "\n" : "", diag->messages[i]);
  if (shown < diag->count && used < sizeof text - 1)
    snprintf(text + used, sizeof text - used, "\n... and %zu more errors", diag->count - shown);
  return kd_fail(KD_ERR_USAGE, "%s", text);
}
