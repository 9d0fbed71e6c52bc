/* Sizes that depend on what is fed, computed in the ONNX graph. */
#include "io/onnx/form.h"

int kd_onnx_sizes(const kd_onnx *x, kd_sym sym, kd_onnx_size size[KD_MAX_RANK]) {
  const kd_shape *a = kd_sym_shape(x->graph, sym), *b = kd_sym_shape(x->other, sym);
  for (int i = 0; i < a->rank; i++) size[i] = (kd_onnx_size){a->dim[i], b->dim[i]};
  return a->rank;
}

static kd_onnx_value remember(kd_onnx *x, kd_onnx_size size, kd_onnx_value value) {
  x->known = kd_pool_grow(x->pool, x->known, (size_t)x->n_known, &x->known_capacity, sizeof *x->known);
  x->known[x->n_known++] = (struct kd_onnx_known){size, value};
  return value;
}

static kd_onnx_value axis_of(kd_onnx *x, kd_onnx_value v, int axis) {
  kd_onnx_value size = KD_ONNX(x, "Shape", v);
  kd_onnx_set_int(x, "start", axis);
  kd_onnx_set_int(x, "end", axis + 1);
  return size;
}

/* An axis of an input with that size. */
static kd_onnx_value from_input(kd_onnx *x, kd_onnx_size size) {
  for (kd_sym s = 0; s < x->graph->n_syms; s++) {
    const kd_sym_info *info = kd_sym_get(x->graph, s);
    if (info->role != KD_ROLE_INPUT || info->index >= x->model->n_inputs) continue;
    kd_onnx_size sizes[KD_MAX_RANK];
    int rank = kd_onnx_sizes(x, s, sizes);
    for (int axis = 0; axis < rank; axis++)
      if (kd_onnx_same(sizes[axis], size)) return remember(x, size, axis_of(x, kd_onnx_get(x, s), axis));
  }
  return 0;
}

static kd_onnx_value find(kd_onnx *x, kd_onnx_size size) {
  for (int i = 0; i < x->n_known; i++)
    if (kd_onnx_same(x->known[i].size, size)) return x->known[i].value;
  return from_input(x, size);
}

/* A known size times a constant, or times others. */
static kd_onnx_value from_product(kd_onnx *x, kd_onnx_size size) {
  for (int i = 0; i < x->n_known; i++) {
    kd_onnx_size s = x->known[i].size;
    if (size.a % s.a || size.b % s.b) continue;
    kd_onnx_size rest = {size.a / s.a, size.b / s.b};
    kd_onnx_value left = x->known[i].value;
    kd_onnx_value right = kd_onnx_fixed(rest) ? kd_onnx_ints(x, 1, &rest.a) : find(x, rest);
    if (!right) right = from_product(x, rest);
    if (right) return remember(x, size, KD_ONNX(x, "Mul", left, right));
  }
  return 0;
}

/* An axis of a tensor that has been computed. */
static kd_onnx_value from_tensor(kd_onnx *x, kd_onnx_size size) {
  for (int n = 0; n < x->done; n++) {
    const kd_node *node = &x->graph->nodes[n];
    kd_sym sym = node->output[0];
    const kd_onnx_entry *entry = &x->entry[sym];
    kd_onnx_value v = entry->plain ? entry->plain : entry->first;
    kd_onnx_size sizes[KD_MAX_RANK];
    int rank = v ? kd_onnx_sizes_in(x, sym, !entry->plain, sizes) : 0;
    for (int axis = 0; axis < rank; axis++)
      if (kd_onnx_same(sizes[axis], size)) return remember(x, size, axis_of(x, v, axis));
  }
  return 0;
}

/* The axes of inputs come first, so that products of them are found. */
static void know_inputs(kd_onnx *x) {
  for (kd_sym s = 0; s < x->graph->n_syms; s++) {
    const kd_sym_info *info = kd_sym_get(x->graph, s);
    if (info->role != KD_ROLE_INPUT || info->index >= x->model->n_inputs) continue;
    kd_onnx_size sizes[KD_MAX_RANK];
    int rank = kd_onnx_sizes(x, s, sizes);
    for (int axis = 0; axis < rank; axis++)
      if (!kd_onnx_fixed(sizes[axis])) (void)find(x, sizes[axis]);
  }
}

kd_status kd_onnx_size_value(kd_onnx *x, kd_onnx_size size, kd_onnx_value *value) {
  *value = kd_onnx_fixed(size) ? kd_onnx_ints(x, 1, &size.a) : find(x, size);
  if (*value) return KD_OK;
  know_inputs(x);
  *value = from_product(x, size);
  if (!*value) *value = from_tensor(x, size);
  if (*value) return KD_OK;
  return kd_onnx_refuse(x,
                        "a size (%lld where the inputs have the sizes of one trial, %lld in another) is no "
                        "product of the inputs' sizes; give the inputs fixed sizes",
                        (long long)size.a, (long long)size.b);
}

kd_status kd_onnx_shape_value(kd_onnx *x, int rank, const kd_onnx_size *size, kd_onnx_value *value) {
  int64_t fixed[KD_MAX_RANK];
  kd_onnx_value parts[KD_MAX_RANK];
  int n_parts = 0, n_fixed = 0;
  for (int i = 0; i < rank; i++) {
    if (kd_onnx_fixed(size[i])) fixed[n_fixed++] = size[i].a;
    if (n_fixed && (i + 1 == rank || !kd_onnx_fixed(size[i + 1]))) {
      parts[n_parts++] = kd_onnx_ints(x, n_fixed, fixed);
      n_fixed = 0;
    }
    if (!kd_onnx_fixed(size[i])) KD_TRY(kd_onnx_size_value(x, size[i], &parts[n_parts++]));
  }
  if (n_parts == 0) parts[n_parts++] = kd_onnx_ints(x, 0, fixed);
  *value = n_parts == 1 ? parts[0] : kd_onnx_call(x, "Concat", n_parts, parts);
  if (n_parts > 1) kd_onnx_set_int(x, "axis", 0);
  return KD_OK;
}

/* Sizes as Reshape can be told them without computing: 0 keeps that of the same axis, -1 is what remains. */
static bool plain_target(int from_rank, const kd_onnx_size *from, int to_rank, const kd_onnx_size *to,
                         int64_t *target) {
  int open = 0;
  for (int i = 0; i < to_rank; i++) {
    bool kept = i < from_rank && kd_onnx_same(from[i], to[i]);
    target[i] = kd_onnx_fixed(to[i]) ? to[i].a : kept ? 0 : -1;
    open += target[i] == -1;
  }
  return open <= 1;
}

kd_status kd_onnx_reshape(kd_onnx *x, kd_onnx_value *v, int from_rank, const kd_onnx_size *from, int to_rank,
                          const kd_onnx_size *to) {
  int64_t target[KD_MAX_RANK];
  kd_onnx_value shape;
  if (plain_target(from_rank, from, to_rank, to, target))
    shape = kd_onnx_ints(x, to_rank, target);
  else
    KD_TRY(kd_onnx_shape_value(x, to_rank, to, &shape));
  *v = KD_ONNX(x, "Reshape", *v, shape);
  return KD_OK;
}

kd_status kd_onnx_range(kd_onnx *x, kd_onnx_size size, int rank, int axis, kd_onnx_value *value) {
  int64_t target[KD_MAX_RANK];
  kd_onnx_value end = 0;
  if (kd_onnx_fixed(size)) {
    end = kd_onnx_int(x, size.a);
  } else {
    KD_TRY(kd_onnx_size_value(x, size, &end));
    end = KD_ONNX(x, "Squeeze", end);
  }
  kd_onnx_value range = KD_ONNX(x, "Range", kd_onnx_int(x, 0), end, kd_onnx_int(x, 1));
  for (int i = 0; i < rank; i++) target[i] = i == axis ? -1 : 1;
  *value = KD_ONNX(x, "Reshape", kd_onnx_cast(x, range, KD_ONNX_FLOAT), kd_onnx_ints(x, rank, target));
  return KD_OK;
}
