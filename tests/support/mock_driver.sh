# A driver for tests on machines without one; sourced behind program.sh.
command -v cc >/dev/null || { echo "skipped: no C compiler"; exit 77; }

# mock_driver FOLDER VERSION DEVICES ERROR: $work/FOLDER/libcuda.so.1, whose cuInit gives the error.
mock_driver() {
  mkdir -p "$work/$1"
  cat >"$work/$1/driver.c" <<C
int cuDriverGetVersion(int *version) { *version = $2; return 0; }
int cuInit(unsigned flags) { return flags ? 1 : $4; }
int cuDeviceGetCount(int *count) { *count = $3; return 0; }
C
  cc -shared -fPIC "$work/$1/driver.c" -o "$work/$1/libcuda.so.1"
}

# whole_mock_driver FOLDER: one that has every function of the toolkit's stub and no device, for libraries that look functions up. Each
# does nothing and says that all is well; false where there is no stub.
whole_mock_driver() {
  local stub=$(dirname "$(readlink -f "$(command -v nvcc)")")/../lib64/stubs/libcuda.so own
  [ -r "$stub" ] || return 1
  own='cuDriverGetVersion|cuDeviceGetCount|cuGetErrorString|cuGetErrorName|cuGetExportTable|cuGetProcAddress(_v2)?'
  mkdir -p "$work/$1"
  {
    cat <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
static void *find(const char *name) {
  static const char *const ends[] = {"_v4", "_v3", "_v2", ""};
  void *self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY), *found = 0;
  char text[256];
  for (int i = 0; i < 4 && !found; i++) {
    snprintf(text, sizeof text, "%s%s", name, ends[i]);
    found = dlsym(self, text);
  }
  return found;
}
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 0; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "mock"; return 0; }
int cuGetErrorName(int error, const char **text) { *text = "mock"; return 0; }
int cuGetExportTable(const void **table, const void *id) { *table = 0; return 500; }
int cuGetProcAddress(const char *name, void **found, int version, unsigned long long flags) {
  return (*found = find(name)) ? 0 : 500;
}
int cuGetProcAddress_v2(const char *name, void **found, int version, unsigned long long flags, int *status) {
  *found = find(name);
  if (status) *status = !*found;
  return *found ? 0 : 500;
}
C
    nm -D --defined-only "$stub" | awk '$2 == "T" && $3 ~ /^cu/ { print $3 }' | grep -vxE "$own" | sed 's/.*/int &(void) { return 0; }/'
  } >"$work/$1/driver.c"
  cc -w -shared -fPIC "$work/$1/driver.c" -o "$work/$1/libcuda.so.1" -ldl
}
