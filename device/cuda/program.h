/* Pointwise programs (device/pointwise.h) as the text of one kernel. */
#ifndef KD_CUDA_PROGRAM_H
#define KD_CUDA_PROGRAM_H

#include "device/op.h"

#define KD_PROGRAM_NAME "kd_program"
enum { KD_PROGRAM_THREADS = 256, KD_PROGRAM_ELEMENTS = 4 }; /* of a block, of a thread */

/* The text: extern "C" kd_program(inputs.., outputs..) with all sizes written out. Inputs are device pointers
 * in order, also those that the program does not read. Released with kd_free. */
char *kd_cuda_program_text(const kd_launch *launch);

#endif
