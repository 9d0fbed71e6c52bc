#include <dlfcn.h>
#include <stdio.h>

#include "comm/nccl_hidden.h"

static const char name[] = "libnccl.so.2";

static kd_status load(kd_nccl_library *l) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  KD_CHECK(library, KD_ERR_USAGE, "no NCCL: %s", dlerror());
#define LOAD(function)                                                                                       \
  *(void **)&l->function = dlsym(library, "nccl" #function);                                                 \
  KD_CHECK(l->function, KD_ERR_USAGE, "%s has no nccl%s: it is too old or something else", name, #function);
  KD_NCCL_FUNCTIONS(LOAD)
#undef LOAD
  return KD_OK;
}

/* A library takes what older programs give it, so it must be as new as the header. */
static kd_status check_version(kd_nccl_library *l) {
  int version = 0;
  KD_CHECK(l->GetVersion(&version) == ncclSuccess, KD_ERR_USAGE, "%s does not tell its version", name);
  int major = version / 10000, minor = version / 100 % 100, patch = version % 100;
  snprintf(l->text, sizeof l->text, "NCCL %d.%d.%d", major, minor, patch);
  KD_CHECK(major == NCCL_MAJOR && minor >= NCCL_MINOR, KD_ERR_USAGE,
           "%s is %s, but this build needs %d.%d or a later one of %d", name, l->text, NCCL_MAJOR, NCCL_MINOR,
           NCCL_MAJOR);
  return KD_OK;
}

kd_status kd_nccl_open(const kd_nccl_library **library) {
  static kd_nccl_library opened;
  static bool open;
  if (!open) {
    KD_TRY(load(&opened));
    KD_TRY(check_version(&opened));
    open = true;
  }
  *library = &opened;
  return KD_OK;
}
