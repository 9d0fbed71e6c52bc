/* PAD: constant cells before and after each axis. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

typedef struct pad {
  const kd_pad_attr *attr;
  kd_shape in;
  int last;                   /* the last axis that is padded: what is below is copied whole */
  int64_t span[KD_MAX_RANK];  /* output bytes of one index of an axis */
  int64_t block[KD_MAX_RANK]; /* input bytes of one index of an axis */
  size_t size;
  unsigned char value[8]; /* the constant in the tensor's type */
  const char *from;       /* run */
  char *to;
} pad;

static kd_status pad_prepare(kd_launch *launch) {
  pad *p = kd_calloc(1, sizeof *p);
  launch->handle = p;
  launch->note = "pad";
  p->attr = launch->attr;
  p->in = launch->input[0].shape;
  p->size = kd_dtype_size(launch->input[0].dtype);
  int64_t span = (int64_t)p->size, block = span;
  for (int d = p->in.rank - 1; d >= 0; d--) {
    p->span[d] = span;
    p->block[d] = block;
    span *= launch->output[0].shape.dim[d];
    block *= p->in.dim[d];
    if (!p->last && (p->attr->before[d] || p->attr->after[d])) p->last = d;
  }
  kd_cpu_vector(launch->device)->store_fn(launch->input[0].dtype)(p->value, &p->attr->value, 1);
  return KD_OK;
}

static void put_value(const pad *p, char *to, int64_t bytes) {
  bool uniform = true;
  for (size_t i = 1; i < p->size; i++) uniform = uniform && p->value[i] == p->value[0];
  if (uniform) {
    memset(to, p->value[0], (size_t)bytes);
    return;
  }
  for (int64_t i = 0; i < bytes; i += (int64_t)p->size) memcpy(to + i, p->value, p->size);
}

/* The whole output below one index of axis `d` - 1, from the input at `from`. */
static void pad_axis(const pad *p, int d, char *to, const char *from) {
  int64_t before = p->attr->before[d] * p->span[d], after = p->attr->after[d] * p->span[d];
  put_value(p, to, before);
  to += before;
  if (d == p->last || d + 1 == KD_MAX_RANK) {
    memcpy(to, from, (size_t)(p->in.dim[d] * p->block[d]));
    to += p->in.dim[d] * p->span[d];
  } else {
    for (int64_t i = 0; i < p->in.dim[d]; i++, to += p->span[d], from += p->block[d])
      pad_axis(p, d + 1, to, from);
  }
  put_value(p, to, after);
}

/* Items are the indices of the output's first axis. */
static void pad_rows(void *context, int64_t begin, int64_t end) {
  const pad *p = context;
  for (int64_t i = begin; i < end; i++) {
    int64_t row = i - p->attr->before[0];
    char *to = p->to + i * p->span[0];
    if (row < 0 || row >= p->in.dim[0])
      put_value(p, to, p->span[0]);
    else if (p->last == 0)
      memcpy(to, p->from + row * p->block[0], (size_t)p->span[0]);
    else
      pad_axis(p, 1, to, p->from + row * p->block[0]);
  }
}

static kd_status pad_run(const kd_launch *launch) {
  pad *p = launch->handle;
  const kd_shape *out = &launch->output[0].shape;
  p->from = launch->input[0].data;
  p->to = launch->output[0].data;
  if (out->rank == 0) {
    memcpy(p->to, p->from, p->size);
    return KD_OK;
  }
  kd_cpu_parallel(launch->device, out->dim[0], kd_cpu_grain(p->span[0]), pad_rows, p);
  return KD_OK;
}

static void pad_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_pad = {.prepare = pad_prepare, .run = pad_run, .release = pad_release};
