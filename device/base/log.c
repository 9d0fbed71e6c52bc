#include "device/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "device/base/status.h"

static struct {
  int rank, size;
  char host[64];
  kd_log_level level;
} identity = {.size = 1, .level = KD_LOG_WARNING};

static void write_line(void *context, int level, const char *text) {
  (void)context;
  (void)level;
  char line[KD_STATUS_TEXT + 256];
  /* One write per message, so that lines of several ranks do not mix. */
  int used = snprintf(line, sizeof line, "%s\n", text);
  if (used > 0) fwrite(line, 1, strlen(line), stderr);
}

static struct {
  void (*write)(void *context, int level, const char *text);
  void *context;
} sink = {write_line, NULL};

void kd_log_set_sink(void (*write)(void *context, int level, const char *text), void *context) {
  sink.write = write;
  sink.context = context;
}

void kd_log_identity(int rank, int size, const char *host) {
  identity.rank = rank;
  identity.size = size;
  snprintf(identity.host, sizeof identity.host, "%s", host);
}

void kd_log_set_level(kd_log_level level) {
  identity.level = level;
}

void kd_log(kd_log_level level, const char *format, ...) {
  if (!sink.write || level > identity.level || (identity.rank != 0 && level != KD_LOG_ERROR)) return;
  char body[KD_STATUS_TEXT], text[sizeof body + 128], prefix[112] = "";
  va_list args;
  va_start(args, format);
  if (vsnprintf(body, sizeof body, format, args) < 0) body[0] = '\0';
  va_end(args);
  /* An error that ranks have shared names the rank it comes from. */
  bool named = strncmp(body, "[rank ", 6) == 0;
  if (identity.size > 1 && level == KD_LOG_ERROR && !named)
    snprintf(prefix, sizeof prefix, "[rank %d @ %s] ", identity.rank, identity.host);
  if (level == KD_LOG_WARNING) snprintf(prefix, sizeof prefix, "warning: ");
  snprintf(text, sizeof text, "%s%s", prefix, body);
  sink.write(sink.context, level, text);
}
