#include "launch/json_text.h"

#include <math.h>
#include <string.h>

#include "device/base/text.h"

void kd_json_text(FILE *out, const char *text) {
  putc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      putc(*c, out);
  }
  putc('"', out);
}

void kd_json_number(double value, char buffer[32]) {
  if (isfinite(value))
    kd_format_float(value, false, buffer);
  else
    strcpy(buffer, "null");
}
