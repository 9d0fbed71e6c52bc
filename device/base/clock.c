#include "device/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double read_clock(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double kd_now(void) {
  return read_clock(CLOCK_MONOTONIC);
}

/* Field 22 of /proc/self/stat is the start in clock ticks since boot (proc(5)). */
double kd_since_process_start(void) {
  FILE *file = fopen("/proc/self/stat", "r");
  if (!file) return 0.0;
  char text[1024];
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  const char *after_name = strrchr(text, ')');
  unsigned long long start = 0;
  if (!after_name ||
      sscanf(after_name + 1,
             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
             &start) != 1)
    return 0.0;
  return read_clock(CLOCK_BOOTTIME) - (double)start / (double)sysconf(_SC_CLK_TCK);
}
