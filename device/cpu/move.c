/* RESHAPE, TRANSPOSE, BROADCAST, SLICE and CONCAT: strided copies of any element type. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/kernels.h"
#include "device/cpu/strided.h"

/* One copy for each input: where it starts in the input and in the output, in bytes. */
typedef struct piece {
  kd_strided copy;
  int64_t from, to;
} piece;

static piece *make_pieces(kd_launch *launch) {
  piece *pieces = kd_calloc((size_t)launch->n_inputs, sizeof *pieces);
  launch->handle = pieces;
  launch->note = "strided copy";
  return pieces;
}

static kd_status transpose_prepare(kd_launch *launch) {
  const kd_axes_attr *attr = launch->attr;
  const kd_shape *x = &launch->input[0].shape, *y = &launch->output[0].shape;
  size_t size = kd_dtype_size(launch->input[0].dtype);
  int64_t natural[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK];
  kd_dense_strides(x, size, natural);
  kd_dense_strides(y, size, to);
  for (int d = 0; d < y->rank; d++) from[d] = natural[attr->axes[d]];
  kd_strided_plan(&make_pieces(launch)->copy, y->rank, y->dim, from, to, size);
  return KD_OK;
}

static kd_status broadcast_prepare(kd_launch *launch) {
  const kd_shape *x = &launch->input[0].shape, *y = &launch->output[0].shape;
  size_t size = kd_dtype_size(launch->input[0].dtype);
  int64_t natural[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK];
  kd_dense_strides(x, size, natural);
  kd_dense_strides(y, size, to);
  for (int d = 0; d < y->rank; d++) {
    int own = d - (y->rank - x->rank);
    from[d] = own >= 0 && x->dim[own] > 1 ? natural[own] : 0;
  }
  kd_strided_plan(&make_pieces(launch)->copy, y->rank, y->dim, from, to, size);
  return KD_OK;
}

static kd_status slice_prepare(kd_launch *launch) {
  const kd_slice_attr *attr = launch->attr;
  const kd_shape *x = &launch->input[0].shape, *y = &launch->output[0].shape;
  size_t size = kd_dtype_size(launch->input[0].dtype);
  int64_t from[KD_MAX_RANK], to[KD_MAX_RANK];
  kd_dense_strides(x, size, from);
  kd_dense_strides(y, size, to);
  piece *p = make_pieces(launch);
  for (int d = 0; d < x->rank; d++) {
    p->from += attr->start[d] * from[d];
    from[d] *= attr->step[d];
  }
  kd_strided_plan(&p->copy, y->rank, y->dim, from, to, size);
  return KD_OK;
}

static kd_status concat_prepare(kd_launch *launch) {
  const kd_axis_attr *attr = launch->attr;
  size_t size = kd_dtype_size(launch->output[0].dtype);
  piece *pieces = make_pieces(launch);
  int64_t to[KD_MAX_RANK], offset = 0;
  kd_dense_strides(&launch->output[0].shape, size, to);
  for (int i = 0; i < launch->n_inputs; i++) {
    const kd_shape *x = &launch->input[i].shape;
    int64_t from[KD_MAX_RANK];
    kd_dense_strides(x, size, from);
    pieces[i].to = offset;
    kd_strided_plan(&pieces[i].copy, x->rank, x->dim, from, to, size);
    offset += x->dim[attr->axis] * to[attr->axis];
  }
  return KD_OK;
}

static kd_status pieces_run(const kd_launch *launch) {
  const piece *pieces = launch->handle;
  for (int i = 0; i < launch->n_inputs; i++)
    kd_strided_run(&pieces[i].copy, launch->device, (const char *)launch->input[i].data + pieces[i].from,
                   (char *)launch->output[0].data + pieces[i].to);
  return KD_OK;
}

static void pieces_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

/* A view: there is work only when the plan gave the result a place of its own. */
static kd_status reshape_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  if (y->data != x->data && kd_tensor_bytes(y)) memcpy(y->data, x->data, kd_tensor_bytes(y));
  return KD_OK;
}

const kd_kernel kd_cpu_reshape = {.run = reshape_run};
const kd_kernel kd_cpu_transpose = {
    .prepare = transpose_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cpu_broadcast = {
    .prepare = broadcast_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cpu_slice = {.prepare = slice_prepare, .run = pieces_run, .release = pieces_release};
const kd_kernel kd_cpu_concat = {.prepare = concat_prepare, .run = pieces_run, .release = pieces_release};
