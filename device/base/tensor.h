/* Element types, shapes and tensor views. A view owns nothing; rows are contiguous, channels last. */
#ifndef KD_BASE_TENSOR_H
#define KD_BASE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/status.h"

size_t kd_dtype_size(kd_dtype dtype);
const char *kd_dtype_name(kd_dtype dtype); /* Keras's names: "float32", "bfloat16", "int32", "uint8" ... */
bool kd_dtype_parse(const char *name, kd_dtype *dtype);
bool kd_dtype_is_float(kd_dtype dtype);
bool kd_dtype_is_half(kd_dtype dtype); /* bfloat16 or float16 */
/* KD_ERR_INTERNAL when kernels read no row or class numbers of that type: 64-bit and half floats. */
kd_status kd_dtype_check_index(kd_dtype dtype);

/* dim[0] is the batch in layer outputs. Sizes are in elements. Rank 0 is a scalar. */
typedef struct kd_shape {
  int rank;
  int64_t dim[KD_MAX_RANK];
} kd_shape;

#define KD_SHAPE(...)                                                                                        \
  kd_shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define KD_SCALAR ((kd_shape){0})

kd_shape kd_shape_make(int rank, const int64_t *dims);
int64_t kd_shape_count(const kd_shape *shape); /* number of elements; 1 for a scalar */
bool kd_shape_equal(const kd_shape *a, const kd_shape *b);
/* NumPy's broadcast of two shapes; false when they do not fit. */
bool kd_shape_broadcast(const kd_shape *a, const kd_shape *b, kd_shape *out);
/* Product of dim[from .. to-1]. */
int64_t kd_shape_span(const kd_shape *shape, int from, int to);

enum { KD_SHAPE_TEXT = 128 };
/* "(32, 28, 28, 1)"; a dimension of -1 prints as None. Returns buffer. */
const char *kd_shape_text(const kd_shape *shape, char buffer[KD_SHAPE_TEXT]);

typedef struct kd_tensor {
  kd_dtype dtype;
  kd_shape shape;
  void *data;
} kd_tensor;

size_t kd_tensor_bytes(const kd_tensor *tensor);

#endif
