/* Kernels compiled at run time by NVRTC, kept by their text: in the process, and on disk (disk_cache.h). */
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

#endif
