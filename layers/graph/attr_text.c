#include "layers/graph/attr_text.h"

#include <stdio.h>

#include "device/base/text.h"

static const char *list_text(kd_pool *pool, int count, const int64_t *values) {
  kd_shape list = kd_shape_make(count, values);
  char text[KD_SHAPE_TEXT];
  return kd_pool_strdup(pool, kd_shape_text(&list, text));
}

static const char *shape_text(kd_pool *pool, const kd_shape *shape) {
  return list_text(pool, shape->rank, shape->dim);
}

static const char *float_text(kd_pool *pool, float value) {
  char text[32];
  kd_format_float((double)value, true, text);
  return kd_pool_strdup(pool, text);
}

static const char *text_kd_pointwise_attr(kd_pool *pool, const void *attr, int rank) {
  (void)pool, (void)attr, (void)rank;
  return "";
}

static const char *text_kd_none_attr(kd_pool *pool, const void *attr, int rank) {
  (void)pool, (void)attr, (void)rank;
  return "";
}

static const char *text_kd_shape_attr(kd_pool *pool, const void *attr, int rank) {
  (void)rank;
  return kd_pool_printf(pool, " to=%s", shape_text(pool, &((const kd_shape_attr *)attr)->shape));
}

static const char *text_kd_axes_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_axes_attr *attr = attr_;
  int64_t axes[KD_MAX_RANK];
  for (int i = 0; i < rank; i++) axes[i] = attr->axes[i];
  return kd_pool_printf(pool, " axes=%s", list_text(pool, rank, axes));
}

static const char *text_kd_axis_attr(kd_pool *pool, const void *attr, int rank) {
  (void)rank;
  return kd_pool_printf(pool, " axis=%d", ((const kd_axis_attr *)attr)->axis);
}

static const char *text_kd_slice_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_slice_attr *attr = attr_;
  return kd_pool_printf(pool, " start=%s size=%s step=%s", list_text(pool, rank, attr->start),
                        list_text(pool, rank, attr->size), list_text(pool, rank, attr->step));
}

static const char *text_kd_pad_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_pad_attr *attr = attr_;
  return kd_pool_printf(pool, " before=%s after=%s value=%s", list_text(pool, rank, attr->before),
                        list_text(pool, rank, attr->after), float_text(pool, attr->value));
}

static const char *text_kd_reduce_attr(kd_pool *pool, const void *attr_, int rank) {
  static const char *const kinds[] = {"sum", "mean", "max", "min", "prod", "sumsq"};
  const kd_reduce_attr *attr = attr_;
  int64_t axes[KD_MAX_RANK];
  int n_axes = 0;
  for (int i = 0; i < rank; i++)
    if (attr->axis[i]) axes[n_axes++] = i;
  return kd_pool_printf(pool, " %s axes=%s%s", kinds[attr->kind], list_text(pool, n_axes, axes),
                        attr->keep ? " keep" : "");
}

static const char *epilogue_text(kd_epilogue epilogue) {
  static const char *const names[] = {"", " then=relu", " then=tanh", " then=sigmoid"};
  return names[epilogue];
}

static const char *factors_text(kd_pool *pool, const kd_product_types *types) {
  return types->factors == KD_F32 ? "" : kd_pool_printf(pool, " in=%s", kd_dtype_name(types->factors));
}

static const char *text_kd_matmul_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_matmul_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, "%s%s%s%s", attr->transpose_a ? " transpose_a" : "",
                        attr->transpose_b ? " transpose_b" : "", factors_text(pool, &attr->types),
                        epilogue_text(attr->epilogue));
}

static const char *text_kd_conv_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_conv_attr *attr = attr_;
  int n = attr->spatial;
  (void)rank;
  return kd_pool_printf(pool, " stride=%s dilation=%s before=%s after=%s groups=%lld%s%s%s%s",
                        list_text(pool, n, attr->stride), list_text(pool, n, attr->dilation),
                        list_text(pool, n, attr->pad_before), list_text(pool, n, attr->pad_after),
                        (long long)attr->groups, factors_text(pool, &attr->types),
                        epilogue_text(attr->epilogue), attr->shape.rank ? " to=" : "",
                        attr->shape.rank ? shape_text(pool, &attr->shape) : "");
}

static const char *text_kd_pool_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_pool_attr *attr = attr_;
  int n = attr->spatial;
  (void)rank;
  return kd_pool_printf(pool, " %s window=%s stride=%s before=%s after=%s", attr->average ? "average" : "max",
                        list_text(pool, n, attr->window), list_text(pool, n, attr->stride),
                        list_text(pool, n, attr->pad_before), list_text(pool, n, attr->pad_after));
}

static const char *text_kd_norm_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_norm_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, " epsilon=%s%s", float_text(pool, attr->epsilon),
                        attr->relu ? " then=relu" : "");
}

static const char *text_kd_norm_pool_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_norm_pool_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, " epsilon=%s window=(%d, %d)", float_text(pool, attr->epsilon), attr->window[0],
                        attr->window[1]);
}

static const char *text_kd_softmax_attr(kd_pool *pool, const void *attr, int rank) {
  (void)pool, (void)rank;
  return ((const kd_softmax_attr *)attr)->log ? " log" : "";
}

static const char *text_kd_xent_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_xent_attr *attr = attr_;
  (void)rank;
  return attr->ignore == INT32_MIN ? "" : kd_pool_printf(pool, " ignore=%d", attr->ignore);
}

static const char *text_kd_iota_attr(kd_pool *pool, const void *attr_, int rank) {
  const kd_iota_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, " axis=%d of %s", attr->axis, shape_text(pool, &attr->shape));
}

static const char *text_kd_attention_attr(kd_pool *pool, const void *attr_, int rank) {
  static const char *const unseen[] = {"mean", "zero", "shift"};
  const kd_attention_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, " scale=%s%s window=%d masks=%d unseen=%s dropout=%s",
                        float_text(pool, attr->scale), attr->causal ? " causal" : "", attr->window,
                        attr->n_masks, unseen[attr->unseen], float_text(pool, attr->dropout));
}

static const char *text_kd_recurrent_attr(kd_pool *pool, const void *attr_, int rank) {
  static const char *const cells[] = {"lstm", "gru", "gru_before", "simple"};
  static const char *const functions[] = {
#define KD_CELL_FN(ID, name) #name,
      KD_CELL_FN_LIST
#undef KD_CELL_FN
  };
  const kd_recurrent_attr *attr = attr_;
  (void)rank;
  return kd_pool_printf(pool, " %s %s %s flags=%d", cells[attr->cell], functions[attr->activation],
                        functions[attr->recurrent_activation], attr->flags);
}

typedef const char *(*text_fn)(kd_pool *pool, const void *attr, int rank);

static const text_fn texts[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = text_##attr,
#include "device/ops.def"
#undef KD_OP
};

const char *kd_attr_text(kd_pool *pool, kd_op op, const void *attr, int rank) {
  return texts[op](pool, attr, rank);
}
