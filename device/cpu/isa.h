/* Instruction sets: which one the vector kernels use, and what oneDNN may use. */
#ifndef KD_CPU_ISA_H
#define KD_CPU_ISA_H

#include "device/cpu/vector.h"

/* The levels of the x86-64 ABI: base is SSE2, v3 is AVX2 + FMA + F16C, v4 is AVX-512 F/BW/CD/DQ/VL. */
typedef enum kd_isa { KD_ISA_BASE, KD_ISA_V3, KD_ISA_V4, KD_N_ISAS } kd_isa;

/* The best level that the processor announces, the system saves, and that runs when it is tried. Found once
 * per process. */
kd_isa kd_isa_available(void);

/* kd_isa_available, lowered by the environment variable KDIST_ISA=base|v3|v4. KD_ERR_USAGE for another word
 * or a level that the processor does not have. */
kd_status kd_isa_choose(kd_isa *isa);

const char *kd_isa_name(kd_isa isa); /* "base", "v3", "v4" */
const kd_vector_table *kd_isa_table(kd_isa isa);

/* Keeps oneDNN to the chosen level, and from AMX where the processor announces it but traps on its use. To be
 * called before the first oneDNN primitive of the process; only the first call has an effect. */
void kd_isa_limit_onednn(kd_isa isa);

#endif
