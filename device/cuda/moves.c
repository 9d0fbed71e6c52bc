/* RESHAPE, TRANSPOSE, BROADCAST, SLICE, PAD, CONCAT, IOTA: strided copies and fills of any element type. */
#include <math.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

/* One copy for each input; from and to: where it starts, in bytes. */
typedef struct piece {
  kd_job_copy copy;
  int64_t from, to;
} piece;

static void dense_strides(const kd_shape *shape, int64_t stride[KD_MAX_RANK]) {
  int64_t next = 1;
  for (int d = shape->rank - 1; d >= 0; d--) {
    stride[d] = next;
    next *= shape->dim[d];
  }
}

/* Adds an axis inside those that are there; merges it with the last one where both sides allow. */
static void add_axis(kd_job_copy *c, int64_t size, int64_t from, int64_t to) {
  if (size == 1) return;
  int last = c->rank - 1;
  if (last >= 0 && c->from[last] == from * size && c->to[last] == to * size) {
    c->size[last] *= size;
    c->from[last] = from;
    c->to[last] = to;
    return;
  }
  c->size[c->rank] = size;
  c->from[c->rank] = from;
  c->to[c->rank++] = to;
}

static void plan_copy(piece *p, const kd_shape *sizes, const int64_t *from, const int64_t *to,
                      size_t element) {
  p->copy = (kd_job_copy){.element = (int)element, .count = kd_shape_count(sizes)};
  for (int d = 0; d < sizes->rank; d++) add_axis(&p->copy, sizes->dim[d], from[d], to[d]);
}

static piece *make_pieces(kd_launch *launch) {
  launch->handle = kd_calloc((size_t)launch->n_inputs, sizeof(piece));
  launch->note = "strided copy";
  return launch->handle;
}

static kd_status transpose_prepare(kd_launch *launch) {
  const kd_axes_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  int64_t natural[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK];
  dense_strides(&x->shape, natural);
  dense_strides(&y->shape, to);
  for (int d = 0; d < y->shape.rank; d++) from[d] = natural[attr->axes[d]];
  plan_copy(make_pieces(launch), &y->shape, from, to, kd_dtype_size(x->dtype));
  return KD_OK;
}

static kd_status broadcast_prepare(kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  int64_t natural[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK];
  dense_strides(&x->shape, natural);
  dense_strides(&y->shape, to);
  for (int d = 0; d < y->shape.rank; d++) {
    int own = d - (y->shape.rank - x->shape.rank);
    from[d] = own >= 0 && x->shape.dim[own] > 1 ? natural[own] : 0;
  }
  plan_copy(make_pieces(launch), &y->shape, from, to, kd_dtype_size(x->dtype));
  return KD_OK;
}

static kd_status slice_prepare(kd_launch *launch) {
  const kd_slice_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  int64_t from[KD_MAX_RANK] = {0}, to[KD_MAX_RANK] = {0}, size = (int64_t)kd_dtype_size(x->dtype);
  piece *p = make_pieces(launch);
  dense_strides(&x->shape, from);
  dense_strides(&y->shape, to);
  for (int d = 0; d < x->shape.rank; d++) {
    p->from += attr->start[d] * from[d] * size;
    from[d] *= attr->step[d];
  }
  plan_copy(p, &y->shape, from, to, (size_t)size);
  return KD_OK;
}

static kd_status concat_prepare(kd_launch *launch) {
  int axis = ((const kd_axis_attr *)launch->attr)->axis;
  int64_t from[KD_MAX_RANK], to[KD_MAX_RANK], offset = 0;
  size_t size = kd_dtype_size(launch->output[0].dtype);
  piece *pieces = make_pieces(launch);
  dense_strides(&launch->output[0].shape, to);
  for (int i = 0; i < launch->n_inputs; i++) {
    const kd_shape *x = &launch->input[i].shape;
    dense_strides(x, from);
    pieces[i].to = offset * (int64_t)size;
    plan_copy(&pieces[i], x, from, to, size);
    offset += x->dim[axis] * to[axis];
  }
  return KD_OK;
}

static kd_status pieces_run(const kd_launch *launch) {
  const piece *pieces = launch->handle;
  for (int i = 0; i < launch->n_inputs; i++)
    KD_CUDA(kd_cuda_copy_start(&pieces[i].copy, (const char *)launch->input[i].data + pieces[i].from,
                               (char *)launch->output[0].data + pieces[i].to, kd_cuda_stream(launch)),
            "a copy");
  return KD_OK;
}

static void pieces_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

/* --- pad ------------------------------------------------------------------------------------------- */

static kd_status pad_prepare(kd_launch *launch) {
  const kd_pad_attr *attr = launch->attr;
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  int64_t from[KD_MAX_RANK] = {0}, to[KD_MAX_RANK] = {0}, size = (int64_t)kd_dtype_size(x->dtype);
  piece *p = make_pieces(launch);
  dense_strides(&x->shape, from);
  dense_strides(&y->shape, to);
  for (int d = 0; d < x->shape.rank; d++) p->to += attr->before[d] * to[d] * size;
  plan_copy(p, &x->shape, from, to, (size_t)size);
  return KD_OK;
}

static uint64_t bits_of(const void *value, size_t size) {
  uint64_t bits = 0;
  memcpy(&bits, value, size); /* little-endian: low bytes first */
  return bits;
}

static uint64_t bf16_bits(float value) {
  uint32_t b = (uint32_t)bits_of(&value, sizeof value);
  return isnan(value) ? 0x7FC0u : (b + 0x7FFFu + (b >> 16 & 1)) >> 16;
}

/* The bits of a value as an element. */
static uint64_t pattern_of(kd_dtype dtype, float value) {
  int64_t whole = (int64_t)value;
  double wide = (double)value;
  _Float16 half = (_Float16)value;
  switch (dtype) {
  case KD_F32:
    return bits_of(&value, sizeof value);
  case KD_F64:
    return bits_of(&wide, sizeof wide);
  case KD_F16:
    return bits_of(&half, sizeof half);
  case KD_BF16:
    return bf16_bits(value);
  default:
    return bits_of(&whole, kd_dtype_size(dtype));
  }
}

static kd_status pad_run(const kd_launch *launch) {
  const kd_pad_attr *attr = launch->attr;
  const kd_tensor *y = &launch->output[0];
  KD_CUDA(kd_cuda_fill_start((int)kd_dtype_size(y->dtype), pattern_of(y->dtype, attr->value),
                             kd_shape_count(&y->shape), y->data, kd_cuda_stream(launch)),
          "a fill");
  return pieces_run(launch);
}

/* --- iota, reshape --------------------------------------------------------------------------------- */

static kd_status iota_run(const kd_launch *launch) {
  const kd_iota_attr *attr = launch->attr;
  const kd_shape *shape = &attr->shape;
  KD_CUDA(kd_cuda_iota_start(kd_shape_count(shape), shape->dim[attr->axis],
                             kd_shape_span(shape, attr->axis + 1, shape->rank), launch->output[0].data,
                             kd_cuda_stream(launch)),
          "numbers of an axis");
  return KD_OK;
}

/* A view: there is work only when the plan gave the result a place of its own. */
static kd_status reshape_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  if (y->data == x->data || !kd_tensor_bytes(y)) return KD_OK;
  KD_CUDA(
      cudaMemcpyAsync(y->data, x->data, kd_tensor_bytes(y), cudaMemcpyDeviceToDevice, kd_cuda_stream(launch)),
      "a copy");
  return KD_OK;
}

const kd_kernel kd_cuda_reshape = {.run = reshape_run};
const kd_kernel kd_cuda_transpose = {
    .prepare = transpose_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cuda_broadcast = {
    .prepare = broadcast_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cuda_slice = {.prepare = slice_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cuda_pad = {.prepare = pad_prepare, .run = pad_run, .release = pieces_release};
const kd_kernel kd_cuda_concat = {.prepare = concat_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cuda_iota = {.run = iota_run};
