/* Small graph helpers of the layer kinds. */
#include "device/base/rng.h"
#include "layers/kinds/kinds.h"
#include "layers/model.h"

kd_sym kd_as_float(kd_graph *graph, kd_sym x) {
  if (x == KD_NO_SYM || kd_dtype_is_float(kd_sym_get(graph, x)->dtype)) return x;
  return kd_cast(graph, x, KD_F32);
}

kd_sym kd_add_bias(kd_graph *graph, kd_sym y, kd_sym bias) {
  return kd_cast(graph, kd_add(graph, y, bias), kd_sym_get(graph, y)->dtype);
}

kd_sym kd_dropped(kd_build *build, double rate, kd_sym x) {
  kd_graph *g = build->graph;
  if (!build->training || rate == 0 || x == KD_NO_SYM) return x;
  kd_sym kept = kd_binary(g, KD_PW_LE, kd_const(g, rate), kd_uniform(g, build->rng, *kd_sym_shape(g, x)));
  return kd_select(g, kept, kd_scale(g, x, 1 / (1 - rate)), kd_const(g, 0));
}

const char *kd_layer_shape(const kd_graph *graph, kd_sym x, char buffer[KD_SHAPE_TEXT]) {
  kd_shape shape = *kd_sym_shape(graph, x);
  if (shape.rank > 0) shape.dim[0] = -1;
  return kd_shape_text(&shape, buffer);
}

void kd_build_activity(kd_build *build, const kd_object *regularizer, kd_sym output) {
  const kd_regularizer_kind *kind = (const kd_regularizer_kind *)regularizer->kind;
  if (!kind) return;
  if (kind->whole)
    kd_graph_fail(build->graph, "activity_regularizer: %s relates all rows of a batch; it is for weights",
                  kind->base.name);
  else
    kd_build_add_loss(build, kd_penalty(build->graph, regularizer, output));
}

kd_status kd_layer_axis(const kd_graph *graph, kd_sym x, int64_t axis, int *result) {
  char text[KD_SHAPE_TEXT];
  int rank = kd_sym_shape(graph, x)->rank;
  int64_t positive = axis < 0 ? axis + rank : axis;
  KD_CHECK(positive != 0, KD_ERR_USAGE,
           "axis %lld is the batch axis of the input of shape %s; samples are not mixed", (long long)axis,
           kd_layer_shape(graph, x, text));
  KD_CHECK(positive > 0 && positive < rank, KD_ERR_USAGE, "axis %lld is outside the input's shape %s",
           (long long)axis, kd_layer_shape(graph, x, text));
  *result = (int)positive;
  return KD_OK;
}

static kd_status mark_axes(const kd_graph *graph, kd_sym x, int n_axes, const int64_t *axes, bool *moved) {
  for (int i = 0; i < n_axes; i++) {
    int axis;
    KD_TRY(kd_layer_axis(graph, x, axes[i], &axis));
    KD_CHECK(!moved[axis], KD_ERR_USAGE, "axis %lld is given twice", (long long)axes[i]);
    moved[axis] = true;
  }
  return KD_OK;
}

kd_sym kd_axes_to_last(kd_graph *graph, kd_sym x, int n_axes, const int64_t *axes, kd_axes_move *move) {
  *move = (kd_axes_move){0};
  if (x == KD_NO_SYM) return x;
  bool moved[KD_MAX_RANK] = {false};
  if (mark_axes(graph, x, n_axes, axes, moved) != KD_OK) return kd_graph_fail(graph, "%s", kd_status_text());
  const kd_shape shape = *kd_sym_shape(graph, x);
  int next = 0;
  for (int last = 0; last < 2; last++)
    for (int i = 0; i < shape.rank; i++)
      if (moved[i] == (last == 1)) move->perm[next++] = i;
  move->moved.rank = shape.rank;
  for (int i = 0; i < shape.rank; i++) move->moved.dim[i] = shape.dim[move->perm[i]];
  kd_shape merged = {.rank = shape.rank - n_axes + 1};
  for (int i = 0; i < merged.rank - 1; i++) merged.dim[i] = move->moved.dim[i];
  merged.dim[merged.rank - 1] = kd_shape_span(&move->moved, shape.rank - n_axes, shape.rank);
  return kd_reshape(graph, kd_transpose(graph, x, move->perm), merged);
}

kd_sym kd_axes_restore(kd_graph *graph, kd_sym y, const kd_axes_move *move) {
  int inverse[KD_MAX_RANK] = {0};
  for (int i = 0; i < move->moved.rank; i++) inverse[move->perm[i]] = i;
  if (y == KD_NO_SYM) return y;
  return kd_transpose(graph, kd_reshape(graph, y, move->moved), inverse);
}

kd_sym kd_mask_any(kd_graph *g, int count, const kd_sym *masks) {
  kd_sym any = masks[0];
  for (int i = 1; i < count; i++)
    any = any == KD_NO_SYM || masks[i] == KD_NO_SYM ? KD_NO_SYM : kd_max(g, any, masks[i]);
  return any;
}

kd_sym kd_mask_factor(kd_graph *g, kd_sym mask, kd_sym x) {
  if (mask == KD_NO_SYM || x == KD_NO_SYM) return KD_NO_SYM;
  kd_shape shape = *kd_sym_shape(g, mask);
  int rank = kd_sym_shape(g, x)->rank;
  while (shape.rank < rank) shape.dim[shape.rank++] = 1;
  return kd_reshape(g, mask, shape);
}

uint32_t kd_stream_begin(kd_graph *g, int64_t seed) {
  uint32_t before = g->next_random;
  if (seed != KD_UNSET_INT) g->next_random = (uint32_t)(kd_mix64((uint64_t)seed, before) | 0x80000000u);
  return before;
}

void kd_stream_end(kd_graph *g, int64_t seed, uint32_t before) {
  if (seed != KD_UNSET_INT) g->next_random = before + 1;
}

kd_object kd_fixed_initializer(kd_build *build, const char *text) {
  kd_pool *pool = build->model->pool;
  kd_diag *diag = kd_diag_create();
  kd_object object = {0};
  kd_object_make(pool, diag, &kd_initializer_family, kd_value_parse(pool, diag, (kd_origin){0}, text, false),
                 &object);
  kd_diag_destroy(diag);
  return object;
}

kd_sym kd_l2_normalize(kd_graph *g, kd_sym x, int n_axes, const int *axes, double epsilon) {
  kd_sym inverse = kd_unary(g, KD_PW_RSQRT, kd_reduce(g, KD_REDUCE_SUMSQ, x, n_axes, axes, true));
  return kd_mul(g, x, kd_min(g, inverse, kd_const(g, 1 / epsilon)));
}
