#include "device/cpu/strided.h"

#include <string.h>

#include "device/cpu/parallel.h"

enum { STRIP = 16 }; /* rows of a transposed strip: 64 bytes of 4-byte elements, a cache line */

void kd_dense_strides(const kd_shape *shape, size_t size, int64_t *stride) {
  int64_t step = (int64_t)size;
  for (int d = shape->rank - 1; d >= 0; d--) {
    stride[d] = step;
    step *= shape->dim[d];
  }
}

/* --- plan ------------------------------------------------------------------------------------------ */

static void merge_axes(kd_strided *c, int rank, const int64_t *dim, const int64_t *from, const int64_t *to) {
  c->rank = 0;
  for (int d = 0; d < rank; d++) {
    if (dim[d] == 1) continue;
    int last = c->rank - 1;
    bool merge = last >= 0 && c->from[last] == from[d] * dim[d] && c->to[last] == to[d] * dim[d];
    int at = merge ? last : c->rank++;
    c->dim[at] = merge ? c->dim[at] * dim[d] : dim[d];
    c->from[at] = from[d];
    c->to[at] = to[d];
  }
  if (c->rank == 0) {
    c->dim[0] = 1;
    c->from[0] = c->to[0] = (int64_t)c->size;
    c->rank = 1;
  }
}

static void choose_way(kd_strided *c) {
  int last = c->rank - 1;
  int64_t size = (int64_t)c->size;
  c->way = KD_STRIDED_SINGLE;
  if (c->to[last] != size) return;
  if (c->from[last] == size) c->way = KD_STRIDED_RUNS;
  if (c->from[last] == 0) c->way = KD_STRIDED_REPEAT;
  for (int d = 0; d < last && c->way == KD_STRIDED_SINGLE; d++) {
    if (c->from[d] != size) continue;
    c->way = KD_STRIDED_SQUARE;
    c->across = d;
  }
}

void kd_strided_plan(kd_strided *copy, int rank, const int64_t *dim, const int64_t *from, const int64_t *to,
                     size_t size) {
  *copy = (kd_strided){.size = size};
  merge_axes(copy, rank, dim, from, to);
  choose_way(copy);
  copy->strips = 1;
  if (copy->way == KD_STRIDED_SQUARE) {
    copy->strips = (copy->dim[copy->across] + STRIP - 1) / STRIP;
    copy->items = copy->strips;
    for (int d = 0; d < copy->rank - 1; d++) copy->items *= d == copy->across ? 1 : copy->dim[d];
  } else {
    copy->items = 1;
    for (int d = 0; d < copy->rank - 1; d++) copy->items *= copy->dim[d];
  }
  if (copy->dim[copy->rank - 1] == 0) copy->items = 0;
}

/* --- run ------------------------------------------------------------------------------------------- */

typedef struct copy_range {
  const kd_strided *copy;
  const kd_vector_table *vector;
  const char *from;
  char *to;
} copy_range;

/* Where an item lies: an odometer over the axes but the last. */
typedef struct cursor {
  int64_t index[KD_MAX_RANK], from, to;
} cursor;

static cursor cursor_at(const kd_strided *c, int64_t item) {
  cursor at = {0};
  for (int d = c->rank - 2; d >= 0; d--) {
    at.index[d] = item % c->dim[d];
    item /= c->dim[d];
    at.from += at.index[d] * c->from[d];
    at.to += at.index[d] * c->to[d];
  }
  return at;
}

static void cursor_next(const kd_strided *c, cursor *at) {
  for (int d = c->rank - 2; d >= 0; d--) {
    at->from += c->from[d];
    at->to += c->to[d];
    if (++at->index[d] < c->dim[d]) return;
    at->from -= c->dim[d] * c->from[d];
    at->to -= c->dim[d] * c->to[d];
    at->index[d] = 0;
  }
}

static void copy_single(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                        size_t size) {
#define COPY_ELEMENTS(type)                                                                                  \
  for (int64_t i = 0; i < n; i++) *(type *)(to + i * to_stride) = *(const type *)(from + i * from_stride)
  typedef uint16_t half __attribute__((may_alias));
  typedef uint32_t word __attribute__((may_alias));
  typedef uint64_t wide __attribute__((may_alias, aligned(4)));
  if (size == 1) {
    COPY_ELEMENTS(char);
  } else if (size == 2) {
    COPY_ELEMENTS(half);
  } else if (size == 4) {
    COPY_ELEMENTS(word);
  } else {
    COPY_ELEMENTS(wide);
  }
#undef COPY_ELEMENTS
}

static void repeat_element(const kd_vector_table *vector, char *to, const char *from, int64_t n,
                           size_t size) {
  float value;
  if (size == 1) {
    memset(to, *(const unsigned char *)from, (size_t)n);
  } else if (size == sizeof value) {
    memcpy(&value, from, sizeof value);
    vector->fill((float *)(void *)to, value, n);
  } else {
    copy_single(to, (int64_t)size, from, 0, n, size);
  }
}

static void copy_items(void *context, int64_t begin, int64_t end) {
  const copy_range *range = context;
  const kd_strided *c = range->copy;
  int64_t n = c->dim[c->rank - 1], from_stride = c->from[c->rank - 1], to_stride = c->to[c->rank - 1];
  cursor at = cursor_at(c, begin);
  for (int64_t item = begin; item < end; item++, cursor_next(c, &at)) {
    const char *from = range->from + at.from;
    char *to = range->to + at.to;
    if (c->way == KD_STRIDED_RUNS)
      memcpy(to, from, (size_t)n * c->size);
    else if (c->way == KD_STRIDED_REPEAT)
      repeat_element(range->vector, to, from, n, c->size);
    else
      copy_single(to, to_stride, from, from_stride, n, c->size);
  }
}

/* One contiguous range is cut anywhere. */
static void copy_bytes(void *context, int64_t begin, int64_t end) {
  const copy_range *range = context;
  memcpy(range->to + begin, range->from + begin, (size_t)(end - begin));
}

static void transpose_any(char *to, const char *from, const kd_strided *c, int64_t rows) {
  int last = c->rank - 1;
  for (int64_t r = 0; r < rows; r++)
    copy_single(to + r * c->to[c->across], c->to[last], from + r * (int64_t)c->size, c->from[last],
                c->dim[last], c->size);
}

static void transpose_strips(void *context, int64_t begin, int64_t end) {
  const copy_range *range = context;
  const kd_strided *c = range->copy;
  int last = c->rank - 1;
  int64_t word = (int64_t)sizeof(float);
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item % c->strips * STRIP, rest = item / c->strips;
    int64_t from = row * c->from[c->across], to = row * c->to[c->across];
    for (int d = last - 1; d >= 0; d--) {
      if (d == c->across) continue;
      from += rest % c->dim[d] * c->from[d];
      to += rest % c->dim[d] * c->to[d];
      rest /= c->dim[d];
    }
    int64_t rows = c->dim[c->across] - row < STRIP ? c->dim[c->across] - row : STRIP;
    if (c->size == sizeof(float))
      range->vector->transpose4(range->to + to, c->to[c->across] / word, range->from + from,
                                c->from[last] / word, rows, c->dim[last]);
    else
      transpose_any(range->to + to, range->from + from, c, rows);
  }
}

void kd_strided_run(const kd_strided *copy, const kd_device *device, const void *from, void *to) {
  copy_range range = {copy, kd_cpu_vector(device), from, to};
  int64_t bytes = copy->dim[copy->rank - 1] * (int64_t)copy->size;
  if (copy->way == KD_STRIDED_SQUARE)
    kd_cpu_parallel(device, copy->items, kd_cpu_grain(bytes * STRIP), transpose_strips, &range);
  else if (copy->way == KD_STRIDED_RUNS && copy->rank == 1)
    kd_cpu_parallel(device, bytes, kd_cpu_grain(1), copy_bytes, &range);
  else
    kd_cpu_parallel(device, copy->items, kd_cpu_grain(bytes), copy_items, &range);
}
