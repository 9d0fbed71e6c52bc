#include "device/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/base/text.h"

/* --- the driver ------------------------------------------------------------------------------------ */

/* Of the driver's interface (cuda.h), which the program does not include. */
enum { CUDA_NO_DEVICE = 100, CUDA_STUB_LIBRARY = 34, CUDA_OLDEST_DRIVER = 13000 };

typedef struct driver {
  int (*version)(int *version), (*init)(unsigned flags), (*count)(int *count);
} driver;

static kd_status driver_open(driver *d) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  KD_CHECK(library, KD_ERR_USAGE, "no NVIDIA driver: libcuda.so.1 is not on this machine");
  *(void **)&d->version = dlsym(library, "cuDriverGetVersion");
  *(void **)&d->init = dlsym(library, "cuInit");
  *(void **)&d->count = dlsym(library, "cuDeviceGetCount");
  KD_CHECK(d->version && d->init && d->count, KD_ERR_USAGE,
           "no NVIDIA driver: libcuda.so.1 has none of its functions");
  return KD_OK;
}

static kd_status no_device(int error) {
  KD_CHECK(error != CUDA_STUB_LIBRARY, KD_ERR_USAGE,
           "no NVIDIA driver: libcuda.so.1 is the toolkit's stub; take its folder off LD_LIBRARY_PATH");
  KD_CHECK(error == 0 || error == CUDA_NO_DEVICE, KD_ERR_USAGE,
           "no CUDA device: the NVIDIA driver does not start (CUDA error %d)", error);
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  KD_CHECK(!visible, KD_ERR_USAGE,
           "no CUDA device: the NVIDIA driver shows none (CUDA_VISIBLE_DEVICES is '%s')", kd_quoted(visible));
  return kd_fail(KD_ERR_USAGE, "no CUDA device: the NVIDIA driver is there but shows none");
}

kd_status kd_cuda_count(int *count) {
  driver d = {0};
  int version = 0, error;
  *count = 0;
  KD_TRY(driver_open(&d));
  if ((error = d.version(&version)) != 0) return no_device(error);
  KD_CHECK(version >= CUDA_OLDEST_DRIVER, KD_ERR_USAGE,
           "the NVIDIA driver is too old: it knows CUDA %d.%d, kdist needs %d.%d", version / 1000,
           version % 1000 / 10, CUDA_OLDEST_DRIVER / 1000, CUDA_OLDEST_DRIVER % 1000 / 10);
  if ((error = d.init(0)) != 0 || (error = d.count(count)) != 0 || *count == 0) {
    *count = 0;
    return no_device(error);
  }
  return KD_OK;
}

/* --- the plug-in ----------------------------------------------------------------------------------- */

static const char name[] = "libkdist_cuda.so";

/* In the folder of `file`, or in lib beside that folder. */
static bool is_beside(const char *file, char path[PATH_MAX]) {
  static const char *const folders[] = {"", "../lib/"};
  const char *slash = strrchr(file, '/');
  for (size_t i = 0; slash && i < sizeof folders / sizeof *folders; i++) {
    int used = snprintf(path, PATH_MAX, "%.*s/%s%s", (int)(slash - file), file, folders[i], name);
    if (used < PATH_MAX && access(path, R_OK) == 0) return true;
  }
  return false;
}

/* Beside libkdist.so, when this is in it, or beside the program. */
static bool find(char path[PATH_MAX]) {
  char program[PATH_MAX];
  Dl_info info;
  struct link_map *library = NULL; /* the program itself has no name there */
  if (dladdr1(name, &info, (void **)&library, RTLD_DL_LINKMAP) && library && is_beside(library->l_name, path))
    return true;
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return false;
  program[length] = 0;
  return is_beside(program, path);
}

static kd_status fail(kd_status code, const char *text) {
  return kd_fail(code, "%s", text);
}

static kd_status fail_context(kd_status code, const char *text) {
  return kd_fail_context(code, "%s", text);
}

static kd_status load(const kd_plugin **plugin) {
  static const kd_plugin_host host = {.fail = fail, .fail_context = fail_context};
  char found[PATH_MAX];
  const char *path = getenv("KDIST_CUDA_PLUGIN");
  if (!path) {
    KD_CHECK(find(found), KD_ERR_USAGE,
             "no CUDA plug-in: %s is not beside kdist or libkdist.so; build with KDIST_WITH_CUDA=ON, or name "
             "it in "
             "KDIST_CUDA_PLUGIN",
             name);
    path = found;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  KD_CHECK(library, KD_ERR_USAGE, "a library is missing for CUDA: %s", dlerror());
  kd_plugin_entry entry;
  *(void **)&entry = dlsym(library, KD_PLUGIN_ENTRY);
  KD_CHECK(entry, KD_ERR_USAGE, "'%s' is not a CUDA plug-in of kdist", kd_quoted(path));
  const kd_plugin *opened = entry(&host);
  KD_CHECK(opened->abi == KD_PLUGIN_ABI && kd_streq(opened->version, KDIST_VERSION), KD_ERR_USAGE,
           "'%s' is of kdist %s (interface %d), but this is kdist %s (interface %d); use the plug-in of the "
           "same build",
           kd_quoted(path), opened->version, opened->abi, KDIST_VERSION, KD_PLUGIN_ABI);
  *plugin = opened;
  return KD_OK;
}

kd_status kd_cuda_plugin(const kd_plugin **plugin) {
  static const kd_plugin *opened;
  if (!opened) KD_TRY(load(&opened));
  *plugin = opened;
  return KD_OK;
}
