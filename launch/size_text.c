#include "launch/size_text.h"

#include <stdio.h>

const char *kd_bytes_text(double bytes, char buffer[32]) {
  static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 5; unit++) bytes /= 1024;
  snprintf(buffer, 32, "%.2f %s", bytes, units[unit]);
  return buffer;
}

const char *kd_commas_text(int64_t value, char buffer[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)value), used = 0;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') buffer[used++] = ',';
    buffer[used++] = digits[i];
  }
  buffer[used] = '\0';
  return buffer;
}

const char *kd_count_text(double count, char buffer[32]) {
  static const char *const units[] = {"", " K", " M", " G", " T", " P"};
  int unit = 0;
  for (; count >= 999.5 && unit < 5; unit++) count /= 1000;
  int decimals = count >= 99.95 || unit == 0 ? 0 : count >= 9.995 ? 1 : 2;
  snprintf(buffer, 32, "%.*f%s", decimals, count, units[unit]);
  return buffer;
}
