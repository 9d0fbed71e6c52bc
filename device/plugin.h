/* The CUDA plug-in: what libkdist_cuda.so exports, and how it is found and opened.
 *
 * One kdist serves machines with and without NVIDIA's libraries: it links none of them. The driver is asked
 * first (libcuda.so.1, opened at run time), so a machine without one never loads the plug-in. */
#ifndef KD_DEVICE_PLUGIN_H
#define KD_DEVICE_PLUGIN_H

#include "device/backend.h"

/* Raised by one when kd_backend, kd_device, kd_launch, kd_kernel, an attribute or ops.def changes. */
enum { KD_PLUGIN_ABI = 4 };

/* The only symbol of the plug-in. */
#define KD_PLUGIN_ENTRY "kd_cuda_entry"

/* What the program gives the plug-in. */
typedef struct kd_plugin_host {
  kd_status (*fail)(kd_status code, const char *text); /* kd_fail and kd_fail_context of the program */
  kd_status (*fail_context)(kd_status code, const char *text);
} kd_plugin_host;

typedef struct kd_plugin {
  int abi;
  const char *version;       /* KDIST_VERSION of its build */
  const kd_backend *backend; /* "cuda" */
  /* A device that is not here, to prepare launches for: of that name, or by the text of a file (NULL: none).
   */
  kd_status (*describe)(kd_device *device, const char *name, const char *json);
  void (*libraries)(char *text, size_t size); /* versions of the libraries in use, for `kdist info` */
} kd_plugin;
typedef const kd_plugin *(*kd_plugin_entry)(const kd_plugin_host *host); /* the host stays */

/* The devices that the NVIDIA driver offers, at least 1. KD_ERR_USAGE says which it is: no driver, a driver
 * that is too old, no device. */
kd_status kd_cuda_count(int *count);
/* Opens the plug-in, once per process; it stays. KDIST_CUDA_PLUGIN names it, else it stands beside
 * libkdist.so or the program, or in ../lib of there. KD_ERR_USAGE: it or a library that it needs is missing,
 * or it is of another build. */
kd_status kd_cuda_plugin(const kd_plugin **plugin);

#endif
