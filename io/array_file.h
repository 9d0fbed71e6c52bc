/* Arrays written row block by row block, for `kdist predict -o`: .npy (one output), .npz, .h5 (a data set per
 * output), .csv (a column per number). Written under temporary names, then synced and renamed. */
#ifndef KD_ARRAY_FILE_H
#define KD_ARRAY_FILE_H

#include "device/base/memory.h"
#include "device/base/tensor.h"

/* One output. dtype: float32, float64, int32, int64, uint8 or uint32. */
typedef struct kd_array_output {
  const char *name;
  kd_dtype dtype;
  kd_shape sample; /* shape of one row, without the batch */
} kd_array_output;

typedef struct kd_array_file kd_array_file;

/* KD_ERR_USAGE when the suffix of the path is none of these, or .npy is asked for several outputs: call it
 * before the work starts with file = NULL, nothing is created then. */
kd_status kd_array_file_create(const char *path, int n_outputs, const kd_array_output *outputs, int64_t rows,
                               kd_array_file **file);
/* The next rows of every output. KD_ERR_RUN on a full disk. */
kd_status kd_array_file_append(kd_array_file *file, int64_t rows, const void *const *blocks);
/* Completes the file and gives it its name; all rows must be there. */
kd_status kd_array_file_finish(kd_array_file *file);
/* Also removes what is not finished. NULL is allowed. */
void kd_array_file_destroy(kd_array_file *file);

#endif
