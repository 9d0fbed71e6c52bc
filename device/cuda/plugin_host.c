/* What must be one in the program and its plug-in, however the program is linked: error texts. The rest of
 * device/base is linked into the plug-in as a copy of its own. */
#include <stdarg.h>
#include <stdio.h>

#include "device/cuda/plugin_host.h"

const kd_plugin_host *kd_cuda_host;

kd_status kd_fail(kd_status code, const char *format, ...) {
  char text[KD_STATUS_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return kd_cuda_host->fail(code, text);
}

kd_status kd_fail_context(kd_status code, const char *format, ...) {
  char text[KD_STATUS_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return kd_cuda_host->fail_context(code, text);
}
