#include "launch/plot/text_width.h"

#include <string.h>

/* Advance widths of ' ' to '~' in hundredths of the size, rounded up: normal, then bold. */
static const unsigned char widths[2]['~' - ' ' + 1] = {
    {32, 41, 46, 84, 64, 96, 78, 28, 40,  40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
     64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79,
     61, 79, 70, 64, 62, 74, 69, 99, 69,  62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64,
     64, 28, 28, 58, 28, 98, 64, 62, 64,  64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84},
    {35, 46, 53, 84, 70, 101, 88, 31,  46,  46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70,  70, 70,
     70, 70, 40, 40, 84, 84,  84, 59,  100, 78, 77, 74, 84, 69, 69, 83, 84, 38, 38, 78, 64, 100, 84, 86,
     74, 86, 78, 73, 69, 82,  78, 111, 78,  73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72, 68,  44, 72,
     72, 35, 35, 67, 35, 105, 72, 69,  72,  72, 50, 60, 48, 72, 66, 93, 65, 66, 59, 72, 37, 72,  84}};
enum { WIDE = 105 }; /* any other character */

static double advance(unsigned char c, bool bold) {
  if (c >= ' ' && c <= '~') return widths[bold][c - ' '];
  return (c & 0xC0) == 0x80 ? 0 : WIDE; /* later bytes of UTF-8 have no width */
}

double kd_text_width(const char *text, double size, bool bold) {
  double sum = 0;
  for (; *text; text++) sum += advance((unsigned char)*text, bold);
  return sum * size / 100;
}

const char *kd_text_fit(kd_pool *pool, const char *text, double size, bool bold, double limit) {
  if (kd_text_width(text, size, bold) <= limit) return text;
  double sum = WIDE;
  size_t length = 0;
  for (; text[length]; length++) {
    sum += advance((unsigned char)text[length], bold);
    if (sum * size / 100 > limit) break;
  }
  return kd_pool_printf(pool, "%.*s\xE2\x80\xA6", (int)length, text);
}
