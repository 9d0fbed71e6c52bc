/* Types that the C API and kdist itself share. */
#ifndef KDIST_TYPES_H
#define KDIST_TYPES_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kd_status {
  KD_OK = 0,
  KD_ERR_USAGE,    /* command line, configuration or data are wrong: exit code 2 */
  KD_ERR_RUN,      /* the machine refuses (disk full, lost rank, system call): exit code 1 */
  KD_ERR_NOMEM,    /* not enough memory: exit code 1 */
  KD_ERR_DIVERGED, /* training produced NaN and the user asked to stop: exit code 3 */
  KD_ERR_STOPPED,  /* stopped by a signal with a complete checkpoint: exit code 75 */
  KD_ERR_INTERNAL, /* a broken promise inside kdist: exit code 1 */
} kd_status;

typedef enum kd_dtype {
  KD_F32,
  KD_BF16,
  KD_F16,
  KD_F64,
  KD_I32,
  KD_I64,
  KD_U8,
  KD_U32,
  KD_N_DTYPES
} kd_dtype;

enum { KD_MAX_RANK = 6 }; /* axes of a tensor */

#ifdef __cplusplus
}
#endif

#endif
