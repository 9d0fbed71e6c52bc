#include "device/cuda/module.h"

#include <nvrtc.h>
#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/base/text.h"
#include "device/cuda/disk_cache.h"

enum { LARGEST = 64 << 20 }; /* bytes of code */

typedef struct kd_cuda_module {
  struct kd_cuda_module *next;
  char *text;
  cudaLibrary_t library;
} module;

static kd_status nvrtc_error(nvrtcProgram program, int error) {
  size_t size = 0;
  char *log = NULL;
  if (program && nvrtcGetProgramLogSize(program, &size) == NVRTC_SUCCESS && size > 1) {
    log = kd_calloc(size + 1, 1);
    (void)nvrtcGetProgramLog(program, log);
  }
  kd_status status = kd_fail(KD_ERR_INTERNAL, "NVRTC: %s: %s", nvrtcGetErrorString((nvrtcResult)error),
                             log ? log : "no log");
  kd_free(log);
  return status;
}

static kd_status compile(nvrtcProgram program, int capability, char **code, size_t *bytes) {
  char architecture[32];
  snprintf(architecture, sizeof architecture, "--gpu-architecture=sm_%d", capability);
  /* Steps of a program are not contracted: bits do not depend on how they were grouped. */
  const char *options[] = {architecture, "--fmad=false", "--std=c++17"};
  int error = (int)nvrtcCompileProgram(program, sizeof options / sizeof *options, options);
  if (!error) error = (int)nvrtcGetCUBINSize(program, bytes);
  if (error) return nvrtc_error(program, error);
  *code = kd_calloc(*bytes + 1, 1);
  error = (int)nvrtcGetCUBIN(program, *code);
  return error ? nvrtc_error(program, error) : KD_OK;
}

kd_status kd_module_compile(const char *text, int capability, char **code, size_t *bytes) {
  nvrtcProgram program = NULL;
  *code = NULL;
  int error = (int)nvrtcCreateProgram(&program, text, "program.cu", 0, NULL, NULL);
  if (error) return nvrtc_error(NULL, error);
  kd_status status = compile(program, capability, code, bytes);
  (void)nvrtcDestroyProgram(&program);
  if (status == KD_OK) return KD_OK;
  kd_free(*code);
  *code = NULL;
  return status;
}

static kd_status load(kd_cuda *cuda, const char *text, const char *code, module **made) {
  cudaLibrary_t library;
  KD_CUDA(cudaLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0), "loading a generated kernel");
  module *m = kd_calloc(1, sizeof *m);
  m->text = kd_strdup(text);
  m->library = library;
  m->next = cuda->modules;
  cuda->modules = m;
  *made = m;
  return KD_OK;
}

/* From the disk, or compiled and kept there: by compiler, device and text. */
static kd_status find_code(const char *text, int capability, char **code, size_t *bytes) {
  int major = 0, minor = 0;
  (void)nvrtcVersion(&major, &minor);
  kd_pool *pool = kd_pool_create();
  const char *key = kd_pool_printf(pool, "NVRTC %d.%d sm_%d\n%s", major, minor, capability, text);
  kd_status status = KD_OK;
  if (!kd_disk_cache_find("cubin", key, LARGEST, code, bytes)) {
    status = kd_module_compile(text, capability, code, bytes);
    if (status == KD_OK) kd_disk_cache_keep("cubin", key, *code, *bytes);
  }
  kd_pool_destroy(pool);
  return status;
}

static kd_status find_or_make(kd_cuda *cuda, const char *text, module **found) {
  char *code;
  size_t bytes;
  for (module *m = cuda->modules; m; m = m->next)
    if (kd_streq(m->text, text)) {
      *found = m;
      return KD_OK;
    }
  KD_TRY(find_code(text, cuda->capability, &code, &bytes));
  if (cuda->described > 0) {
    kd_free(code);
    return KD_OK;
  }
  kd_status status = load(cuda, text, code, found);
  kd_free(code);
  return status;
}

kd_status kd_module_kernel(kd_cuda *cuda, const char *text, const char *name, const void **kernel) {
  module *m = NULL;
  cudaKernel_t found;
  *kernel = NULL;
  KD_TRY(find_or_make(cuda, text, &m));
  if (!m) return KD_OK; /* compiled for a device that is not here */
  KD_CUDA(cudaLibraryGetKernel(&found, m->library, name), "a generated kernel");
  *kernel = found;
  return KD_OK;
}

void kd_modules_close(kd_cuda *cuda) {
  for (module *m = cuda->modules, *next; m; m = next) {
    next = m->next;
    (void)cudaLibraryUnload(m->library);
    kd_free(m->text);
    kd_free(m);
  }
  cuda->modules = NULL;
}
