/* Types that the C API and kdist itself share. */
#ifndef KDIST_TYPES_H
#define KDIST_TYPES_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a function returns, and in brackets the exit code that the command `kdist` makes of it. */
typedef enum kd_status {
  KD_OK = 0,       /* (0) */
  KD_ERR_USAGE,    /* arguments, configuration or data are wrong (2) */
  KD_ERR_RUN,      /* the machine refuses: disk full, lost rank, system call (1) */
  KD_ERR_NOMEM,    /* not enough memory (1) */
  KD_ERR_DIVERGED, /* training gave NaN, and the user asked to stop then (3) */
  KD_ERR_STOPPED,  /* stopped by a signal, with a complete checkpoint: of the command alone (75) */
  KD_ERR_INTERNAL, /* a broken promise inside kdist (1) */
} kd_status;

/* Types of numbers. */
typedef enum kd_dtype {
  KD_F32,
  KD_BF16,
  KD_F16,
  KD_F64,
  KD_I32,
  KD_I64,
  KD_U8,
  KD_U32,
  KD_N_DTYPES /* their number */
} kd_dtype;

enum { KD_MAX_RANK = 6 }; /* axes of a tensor, the batch among them */

#ifdef __cplusplus
}
#endif

#endif
