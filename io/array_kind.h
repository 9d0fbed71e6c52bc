/* The writers behind array_file.h. */
#ifndef KD_IO_ARRAY_KIND_H
#define KD_IO_ARRAY_KIND_H

#include "io/array_file.h"
#include "io/element.h"

typedef struct kd_array_kind {
  const char *suffix;
  kd_status (*create)(kd_array_file *file);
  kd_status (*append)(kd_array_file *file, int64_t rows, const void *const *blocks);
  kd_status (*finish)(kd_array_file *file); /* the complete file stands under file->temporary */
  void (*discard)(kd_array_file *file); /* releases everything; temporary files may be left to the caller */
} kd_array_kind;

struct kd_array_file {
  const kd_array_kind *kind;
  kd_pool *pool;
  const char *path, *temporary;
  int n_outputs;
  kd_array_output *outputs;
  int64_t rows, written;
  bool finished;
  void *state; /* of the kind */
};

/* NumPy's element of a dtype; false for 16-bit floats. */
bool kd_array_element(kd_dtype dtype, kd_element *element);

extern const kd_array_kind kd_array_npy, kd_array_npz, kd_array_h5, kd_array_hdf5, kd_array_csv;

#endif
