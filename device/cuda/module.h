/* Kernels compiled at run time by NVRTC, kept by their text: in the process, and on disk under
 * ~/.cache/kdist/cuda (XDG_CACHE_HOME). A file that is damaged or of another text is made anew. */
#ifndef KD_CUDA_MODULE_H
#define KD_CUDA_MODULE_H

#include "device/cuda/cuda.h"

/* The kernel `name` (extern "C") of the text; lives as long as the device. The pointer goes to
 * cudaLaunchKernel. */
kd_status kd_module_kernel(kd_cuda *cuda, const char *text, const char *name, const void **kernel);
void kd_modules_close(kd_cuda *cuda);

/* Compiles for a compute capability; *code is released with kd_free. KD_ERR_INTERNAL with the compiler's log.
 */
kd_status kd_module_compile(const char *text, int capability, char **code, size_t *bytes);

/* module_cache.c: code of that text for that capability; false: not there. */
bool kd_module_find(const char *text, int capability, char **code, size_t *bytes);
void kd_module_keep(const char *text, int capability, const char *code, size_t bytes);

#endif
