/* Descriptions of GPUs as text: JSON as cuDNN writes it. A file reaches no parser but this one: what it says
 * is checked member by member and written anew. */
#ifndef KD_CUDA_DEVICE_TEXT_H
#define KD_CUDA_DEVICE_TEXT_H

#include "device/base/memory.h"
#include "device/base/status.h"

typedef struct kd_device_text {
  const char *name, *json; /* json: for cuDNN */
  int capability;          /* 90: compute capability 9.0 */
  double bytes;            /* memory of the device */
} kd_device_text;

/* What stands in the text, a JSON object; members that are not known are left out. In the pool. KD_ERR_USAGE
 * names what is missing or out of range. */
kd_status kd_device_text_read(kd_pool *pool, const char *text, kd_device_text *device);

#endif
