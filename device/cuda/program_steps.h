/* The steps of pointwise programs as expressions. */
#ifndef KD_CUDA_PROGRAM_STEPS_H
#define KD_CUDA_PROGRAM_STEPS_H

#include <stdio.h>

#include "device/pointwise.h"

/* Functions that the text of a program may call. */
extern const char kd_program_prelude[];

/* Writes the expression of a step over the values v0, v1 .. and element i of rows of `row` elements. */
void kd_program_step(FILE *out, const kd_pw_step *step, int64_t row);

#endif
