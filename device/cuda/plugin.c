/* The one symbol of libkdist_cuda.so. */
#include "device/plugin.h"

#include "device/cuda/cuda.h"
#include "device/cuda/plugin_host.h"

static const kd_plugin plugin = {
    .abi = KD_PLUGIN_ABI,
    .version = KDIST_VERSION,
    .backend = &kd_cuda_backend,
    .describe = kd_cuda_describe,
    .libraries = kd_cuda_libraries,
};

__attribute__((visibility("default"))) const kd_plugin *kd_cuda_entry(const kd_plugin_host *host);

const kd_plugin *kd_cuda_entry(const kd_plugin_host *host) {
  kd_cuda_host = host;
  return &plugin;
}
