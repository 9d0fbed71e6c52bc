#include "launch/free_memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 512 };

/* The number behind `name` in a file of "name number" lines, or the file's first number without a name;
 * INFINITY when there is none ("max"). */
static double read_number(const char *path, const char *name) {
  FILE *file = fopen(path, "re");
  if (!file) return INFINITY;
  char line[LINE_BYTES];
  double value = INFINITY;
  size_t skip = name ? strlen(name) : 0;
  while (value == INFINITY && fgets(line, sizeof line, file))
    if (!name || strncmp(line, name, skip) == 0)
      if (sscanf(line + skip, "%lf", &value) != 1) value = INFINITY;
  fclose(file);
  return value;
}

static double available(void) {
  return 1024 * read_number("/proc/meminfo", "MemAvailable:");
}

static double room_of_address_space(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return INFINITY;
  double used = read_number("/proc/self/statm", NULL) * (double)sysconf(_SC_PAGESIZE);
  return used < (double)limit.rlim_cur ? (double)limit.rlim_cur - used : 0;
}

typedef struct group_files {
  const char *root, *limit, *usage, *reclaimable; /* of memory.stat: cached files that give way */
} group_files;

static const group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                      "memory.usage_in_bytes", "total_inactive_file "};
static const group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};

static double read_file(const char *folder, const char *file, const char *name) {
  char path[PATH_BYTES + 64];
  if (snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path) return INFINITY;
  return read_number(path, name);
}

static double room_of_group(const group_files *files, const char *folder) {
  double limit = read_file(folder, files->limit, NULL), used = read_file(folder, files->usage, NULL);
  if (limit == INFINITY || used == INFINITY) return INFINITY;
  double reclaimable = read_file(folder, "memory.stat", files->reclaimable);
  if (reclaimable != INFINITY) used -= reclaimable;
  return used < limit ? limit - used : 0;
}

/* The least room of the group and all groups around it. */
static double room_of_groups(const group_files *files, const char *group) {
  char folder[PATH_BYTES];
  if (snprintf(folder, sizeof folder, "%s%s", files->root, group) >= (int)sizeof folder) return INFINITY;
  double least = INFINITY;
  for (size_t root = strlen(files->root); strlen(folder) >= root;) {
    least = fmin(least, room_of_group(files, folder));
    char *slash = strrchr(folder, '/');
    if (!slash) break;
    *slash = '\0';
  }
  return least;
}

/* Lines of /proc/self/cgroup: "0::/path" (version 2) and "4:memory:/path" (version 1). */
static double room_of_control_groups(void) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return INFINITY;
  char line[PATH_BYTES];
  double least = INFINITY;
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = '\0';
    const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    if (path == controllers + 1) least = fmin(least, room_of_groups(&version_2, path + 1));
    if (strncmp(controllers, ":memory:", 8) == 0) least = fmin(least, room_of_groups(&version_1, path + 1));
  }
  fclose(file);
  return least;
}

double kd_free_memory(int sharers) {
  double shared = fmin(available(), room_of_control_groups()) / sharers;
  double least = fmin(shared, room_of_address_space());
  return least == INFINITY ? 0 : least;
}
