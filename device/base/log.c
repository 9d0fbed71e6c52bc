#include "device/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
  int rank, size;
  char host[64];
  kd_log_level level;
} identity = {.size = 1, .level = KD_LOG_WARNING};

void kd_log_identity(int rank, int size, const char *host) {
  identity.rank = rank;
  identity.size = size;
  snprintf(identity.host, sizeof identity.host, "%s", host);
}

void kd_log_set_level(kd_log_level level) {
  identity.level = level;
}

void kd_log(kd_log_level level, const char *format, ...) {
  if (level > identity.level || (identity.rank != 0 && level != KD_LOG_ERROR)) return;
  /* One write per message, so that lines of several ranks do not mix. */
  char text[8192];
  int used = 0;
  if (identity.size > 1 && level == KD_LOG_ERROR)
    used = snprintf(text, sizeof text, "[rank %d @ %s] ", identity.rank, identity.host);
  if (level == KD_LOG_WARNING) used += snprintf(text + used, sizeof text - (size_t)used, "warning: ");
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text + used, sizeof text - (size_t)used - 1, format, args);
  va_end(args);
  used += length < 0 ? 0 : length;
  if (used > (int)sizeof text - 2) used = (int)sizeof text - 2;
  text[used++] = '\n';
  fwrite(text, 1, (size_t)used, stderr);
}
