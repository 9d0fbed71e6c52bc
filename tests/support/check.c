#include "support/check.h"

#include <ftw.h>
#include <math.h>
#include <unistd.h>

void assert_close(const float *a, const float *b, size_t count, double rel, double abs, const char *what) {
  for (size_t i = 0; i < count; i++) {
    if (isnan(a[i]) && isnan(b[i])) continue;
    double difference = fabs((double)a[i] - (double)b[i]);
    if (!(difference <= abs + rel * fabs((double)b[i])) && a[i] != b[i])
      fail_msg("%s: element %zu of %zu is %.9g, expected %.9g", what, i, count, (double)a[i], (double)b[i]);
  }
}

static char folder[64];
static pid_t owner;

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

static void remove_folder(void) {
  if (getpid() == owner) nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void) {
  if (!folder[0]) {
    strcpy(folder, "/tmp/kdist-test-XXXXXX");
    if (!mkdtemp(folder)) fail_msg("cannot create a temporary folder");
    owner = getpid();
    atexit(remove_folder);
  }
  return folder;
}
