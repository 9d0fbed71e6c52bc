/* Tensors of the graph as values of ONNX: weights, and the two layouts. */
#include <string.h>

#include "io/onnx/form.h"

kd_onnx_type kd_onnx_type_of(kd_dtype dtype) {
  static const kd_onnx_type types[KD_N_DTYPES] = {
      [KD_F32] = KD_ONNX_FLOAT,  [KD_BF16] = KD_ONNX_FLOAT, [KD_F16] = KD_ONNX_FLOAT,
      [KD_F64] = KD_ONNX_DOUBLE, [KD_I32] = KD_ONNX_INT32,  [KD_I64] = KD_ONNX_INT64,
      [KD_U8] = KD_ONNX_UINT8,   [KD_U32] = KD_ONNX_UINT32};
  return types[dtype];
}

/* --- weights --------------------------------------------------------------------------------------- */

/* A shared layer asks again. */
static kd_onnx_value stored(const kd_onnx *x, const kd_shape *shape, const float *data) {
  for (int i = 0; i < x->n_tensors; i++)
    if (x->tensors[i].data == data && kd_shape_equal(&x->tensors[i].shape, shape)) return x->tensors[i].value;
  return 0;
}

kd_onnx_value kd_onnx_store(kd_onnx *x, const char *path, kd_shape shape, const float *data) {
  kd_onnx_value before = stored(x, &shape, data);
  if (before) return before;
  kd_onnx_tensor tensor = {.value = kd_onnx_new(x, path),
                           .type = KD_ONNX_FLOAT,
                           .shape = shape,
                           .data = data,
                           .bytes = (size_t)kd_shape_count(&shape) * sizeof(float)};
  kd_onnx_add_tensor(x, &tensor);
  return tensor.value;
}

/* The values with their axes permuted, in the pool. */
static const float *permuted(kd_onnx *x, const kd_shape *from, const int *perm, const float *data,
                             kd_shape *to) {
  int64_t stride[KD_MAX_RANK], at[KD_MAX_RANK] = {0}, count = kd_shape_count(from), place = 0;
  *to = *from;
  for (int i = 0; i < from->rank; i++) {
    to->dim[i] = from->dim[perm[i]];
    stride[i] = kd_shape_span(from, perm[i] + 1, from->rank);
  }
  float *copy = kd_pool_alloc(x->pool, (size_t)count, sizeof *copy);
  for (int64_t i = 0; i < count; i++) {
    copy[i] = data[place];
    for (int axis = from->rank - 1; axis >= 0; axis--) {
      place += stride[axis];
      if (++at[axis] < to->dim[axis]) break;
      place -= stride[axis] * to->dim[axis];
      at[axis] = 0;
    }
  }
  return copy;
}

kd_onnx_value kd_onnx_get_permuted(kd_onnx *x, kd_sym sym, const int *perm) {
  kd_onnx_entry *entry = &x->entry[sym];
  const kd_shape *shape = kd_sym_shape(x->graph, sym);
  size_t bytes = (size_t)shape->rank * sizeof *perm;
  if (entry->permuted && !memcmp(entry->perm, perm, bytes)) return entry->permuted;
  memcpy(entry->perm, perm, bytes);
  if (!entry->data) return entry->permuted = kd_onnx_transpose(x, kd_onnx_get(x, sym), shape->rank, perm);
  kd_shape to;
  const float *data = permuted(x, shape, perm, entry->data, &to);
  return entry->permuted = kd_onnx_store(x, entry->path, to, data);
}

/* --- layouts --------------------------------------------------------------------------------------- */

/* Channels last to first, and back. */
static void to_first(int rank, int *perm) {
  for (int i = 0; i < rank; i++) perm[i] = i < 2 ? i * (rank - 1) : i - 1;
}
static void to_last(int rank, int *perm) {
  for (int i = 0; i < rank; i++) perm[i] = i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
}

kd_onnx_value kd_onnx_get(kd_onnx *x, kd_sym sym) {
  kd_onnx_entry *entry = &x->entry[sym];
  const kd_shape *shape = kd_sym_shape(x->graph, sym);
  int perm[KD_MAX_RANK];
  if (entry->plain) return entry->plain;
  if (entry->data) return entry->plain = kd_onnx_store(x, entry->path, *shape, entry->data);
  to_last(shape->rank, perm);
  return entry->plain = kd_onnx_transpose(x, entry->first, shape->rank, perm);
}

void kd_onnx_put(kd_onnx *x, kd_sym sym, kd_onnx_value value) {
  x->entry[sym].plain = value;
}

kd_onnx_value kd_onnx_get_first(kd_onnx *x, kd_sym sym) {
  kd_onnx_entry *entry = &x->entry[sym];
  int rank = kd_sym_shape(x->graph, sym)->rank, perm[KD_MAX_RANK];
  if (x->target->channels_last) return kd_onnx_get(x, sym);
  if (entry->first) return entry->first;
  to_first(rank, perm);
  return entry->first = kd_onnx_transpose(x, kd_onnx_get(x, sym), rank, perm);
}

void kd_onnx_put_first(kd_onnx *x, kd_sym sym, kd_onnx_value value) {
  if (x->target->channels_last)
    kd_onnx_put(x, sym, value);
  else
    x->entry[sym].first = value;
}

bool kd_onnx_is_first(const kd_onnx *x, kd_sym sym) {
  return x->entry[sym].first && !x->entry[sym].plain;
}

kd_onnx_value kd_onnx_get_in(kd_onnx *x, kd_sym sym, bool first) {
  return first ? kd_onnx_get_first(x, sym) : kd_onnx_get(x, sym);
}

void kd_onnx_put_in(kd_onnx *x, kd_sym sym, bool first, kd_onnx_value value) {
  if (first)
    kd_onnx_put_first(x, sym, value);
  else
    kd_onnx_put(x, sym, value);
}

int kd_onnx_axis_in(bool first, int rank, int axis) {
  return !first || axis == 0 ? axis : axis == rank - 1 ? 1 : axis + 1;
}

int kd_onnx_sizes_in(const kd_onnx *x, kd_sym sym, bool first, kd_onnx_size size[KD_MAX_RANK]) {
  kd_onnx_size plain[KD_MAX_RANK];
  int rank = kd_onnx_sizes(x, sym, plain);
  for (int i = 0; i < rank; i++) size[kd_onnx_axis_in(first, rank, i)] = plain[i];
  return rank;
}

/* --- operands of programs -------------------------------------------------------------------------- */

/* One number for each channel, as (channels, 1, ..): the axes of the image follow. */
static kd_onnx_value by_channel(kd_onnx *x, kd_sym sym, int rank) {
  kd_shape shape = *kd_sym_shape(x->graph, sym);
  const kd_onnx_entry *entry = &x->entry[sym];
  int64_t axes[KD_MAX_RANK];
  if (shape.dim[0] == 1) return kd_onnx_get(x, sym);
  for (int i = 0; i < rank - 2; i++) axes[i] = i + 1;
  if (!entry->data) return kd_onnx_unsqueeze(x, kd_onnx_get(x, sym), rank - 2, axes);
  while (shape.rank < rank - 1) shape.dim[shape.rank++] = 1;
  return kd_onnx_store(x, entry->path, shape, entry->data);
}

/* A tensor of fewer axes than the program: along its last ones, which in the other layout stand elsewhere. */
static kd_onnx_value raised(kd_onnx *x, kd_sym sym, int rank) {
  int missing = rank - kd_sym_shape(x->graph, sym)->rank, perm[KD_MAX_RANK];
  int64_t axes[KD_MAX_RANK];
  for (int i = 0; i < missing; i++) axes[i] = i;
  to_first(rank, perm);
  return kd_onnx_transpose(x, kd_onnx_unsqueeze(x, kd_onnx_get(x, sym), missing, axes), rank, perm);
}

kd_onnx_value kd_onnx_get_operand(kd_onnx *x, kd_sym sym, bool first, int rank) {
  const kd_sym_info *info = kd_sym_get(x->graph, sym);
  kd_onnx_value v;
  if (!first || info->shape.rank == 0)
    v = kd_onnx_get(x, sym);
  else if (info->shape.rank == rank)
    v = kd_onnx_get_first(x, sym);
  else
    v = info->shape.rank == 1 ? by_channel(x, sym, rank) : raised(x, sym, rank);
  return kd_onnx_type_of(info->dtype) == KD_ONNX_FLOAT ? v : kd_onnx_cast(x, v, KD_ONNX_FLOAT);
}
