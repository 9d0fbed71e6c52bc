#include "device/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char record[KD_STATUS_TEXT];

int kd_status_exit_code(kd_status status) {
  switch (status) {
  case KD_OK:
    return 0;
  case KD_ERR_USAGE:
    return 2;
  case KD_ERR_DIVERGED:
    return 3;
  case KD_ERR_STOPPED:
    return 75;
  case KD_ERR_RUN:
  case KD_ERR_NOMEM:
  case KD_ERR_INTERNAL:
    break;
  }
  return 1;
}

kd_status kd_fail(kd_status code, const char *format, ...) {
  /* Formatted aside first: an argument may be the present record itself. */
  char text[KD_STATUS_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(record, text, strlen(text) + 1);
  return code;
}

kd_status kd_fail_context(kd_status code, const char *format, ...) {
  char text[KD_STATUS_TEXT];
  va_list args;
  va_start(args, format);
  int used = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (used < 0) used = 0;
  if (used > KD_STATUS_TEXT - 1) used = KD_STATUS_TEXT - 1;
  snprintf(text + used, sizeof text - (size_t)used, ": %s", record);
  memcpy(record, text, strlen(text) + 1);
  return code;
}

const char *kd_status_text(void) {
  return record;
}

void kd_status_clear(void) {
  record[0] = '\0';
}
