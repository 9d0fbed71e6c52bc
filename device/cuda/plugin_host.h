/* The program that has opened the plug-in. */
#ifndef KD_CUDA_PLUGIN_HOST_H
#define KD_CUDA_PLUGIN_HOST_H

#include "device/plugin.h"

extern const kd_plugin_host *kd_cuda_host; /* set by the entry */

#endif
