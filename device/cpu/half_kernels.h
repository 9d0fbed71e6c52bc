/* Kernels that read and write bfloat16 and float16 themselves (vector_element.h). */
#ifndef KD_CPU_HALF_KERNELS_H
#define KD_CPU_HALF_KERNELS_H

#include "device/op.h"

/* The inputs (bits) that the kernel takes in the half type that they have in this launch, together with its
 * first result. 0: none; then converted.c stands before it. Inputs per channel or row are float32 always. */
unsigned kd_cpu_half_inputs(const kd_launch *launch);

/* Fails with KD_ERR_INTERNAL unless the kernel knows the types of all float inputs. */
kd_status kd_cpu_check_types(const kd_launch *launch);

#endif
