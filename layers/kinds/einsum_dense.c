/* EinsumDense: a dense layer by an equation (keras/src/layers/core/einsum_dense.py). */
#include <string.h>

#include "device/base/text.h"
#include "layers/kinds/einsum.h"

typedef struct einsum_options {
  const char *equation, *bias_axes;
  const kd_value *output_shape;
  kd_object activation, kernel_initializer, bias_initializer;
  kd_object kernel_regularizer, bias_regularizer, activity_regularizer;
  kd_object kernel_constraint, bias_constraint;
} einsum_options;

static bool is_size(const kd_value *value) {
  return value->type == KD_V_NONE ||
         (value->type == KD_V_INT && value->integer > 0 && value->integer < 1LL << 31);
}

/* The size that output_shape gives an axis of the result; 0: none, or an axis that is not in it. */
static int64_t given_size(const einsum_options *o, const kd_einsum *e, int axis) {
  const kd_value *sizes = o->output_shape;
  int at = axis - (e->elided_left && e->elided > 0 ? e->elided : 1);
  bool list = sizes->type == KD_V_LIST;
  if (at < 0 || at >= (list ? sizes->count : 1)) return 0;
  const kd_value *item = list ? &sizes->items[at] : sizes;
  return item->type == KD_V_INT ? item->integer : 0;
}

/* Sizes of the result: the input's where the axis is shared, else those of output_shape. */
static kd_status result_shape(const einsum_options *o, const kd_einsum *e, const kd_shape *x, kd_shape *y) {
  const kd_value *sizes = o->output_shape;
  *y = (kd_shape){.rank = (int)strlen(e->y)};
  int wanted = y->rank - (e->elided_left && e->elided > 0 ? e->elided : e->elided + 1);
  int count = sizes->type == KD_V_LIST ? sizes->count : 1;
  KD_CHECK(count == wanted, KD_ERR_USAGE,
           "output_shape has %d size%s, but the result of '%s' has %d axes beside the batch and '...'", count,
           count == 1 ? "" : "s", kd_quoted(o->equation), wanted);
  for (int i = 0; i < y->rank; i++) {
    int axis = kd_einsum_axis(e->x, e->y[i]);
    int64_t given = given_size(o, e, i);
    y->dim[i] = axis >= 0 ? x->dim[axis] : given;
    KD_CHECK(y->dim[i] > 0, KD_ERR_USAGE, "output_shape leaves the size of axis %c of '%s' open", e->y[i],
             kd_quoted(o->equation));
    KD_CHECK(given == 0 || given == y->dim[i], KD_ERR_USAGE,
             "output_shape gives axis %c of '%s' the size %lld, but the input has %lld", e->y[i],
             kd_quoted(o->equation), (long long)given, (long long)y->dim[i]);
  }
  return KD_OK;
}

static kd_sym make_kernel(kd_build *build, const einsum_options *o, const kd_einsum *e, const kd_shape *x,
                          const kd_shape *y) {
  kd_shape shape = {.rank = (int)strlen(e->w)};
  int64_t fan_in = 1, fan_out = 1;
  for (int i = 0; i < shape.rank; i++) {
    int out = kd_einsum_axis(e->y, e->w[i]);
    shape.dim[i] = out >= 0 ? y->dim[out] : x->dim[kd_einsum_axis(e->x, e->w[i])];
    *(out >= 0 ? &fan_out : &fan_in) *= shape.dim[i];
  }
  kd_sym kernel = kd_build_kernel(build, "kernel", shape, fan_in, fan_out, &o->kernel_initializer,
                                  &o->kernel_regularizer);
  return kd_build_constrain(build, kernel, &o->kernel_constraint);
}

/* The bias begins at the first of its axes; those it does not name have size 1. */
static kd_status add_bias(kd_build *build, const einsum_options *o, const kd_einsum *e, const kd_shape *shape,
                          kd_sym *y) {
  kd_shape bias = {.rank = 0};
  if (!o->bias_axes) return KD_OK;
  for (const char *c = o->bias_axes; *c; c++)
    KD_CHECK(kd_einsum_axis(e->y, *c) >= 0 && *c > '9', KD_ERR_USAGE,
             "bias_axes = '%s': the result of '%s' has no axis %c", kd_quoted(o->bias_axes),
             kd_quoted(o->equation), *c);
  for (int i = 0; i < shape->rank; i++) {
    bool named = kd_einsum_axis(o->bias_axes, e->y[i]) >= 0;
    if (named || bias.rank) bias.dim[bias.rank++] = named ? shape->dim[i] : 1;
  }
  *y = kd_add_bias(build->graph, *y,
                   kd_build_constrain(
                       build,
                       kd_build_weight(build, "bias", bias, &o->bias_initializer, &o->bias_regularizer, true),
                       &o->bias_constraint));
  return KD_OK;
}

static kd_status einsum_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                              kd_sym *outputs) {
  (void)n_inputs;
  const einsum_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  KD_TRY(kd_graph_status(g));
  kd_einsum e;
  kd_shape shape = *kd_sym_shape(g, x), result;
  KD_TRY(kd_einsum_read(o->equation, shape.rank, &e));
  KD_CHECK(e.x[0] == e.y[0] && kd_einsum_axis(e.w, e.x[0]) < 0, KD_ERR_USAGE,
           "equation '%s': the first axis of input and result must be the batch, which the kernel has not",
           kd_quoted(o->equation));
  KD_TRY(result_shape(o, &e, &shape, &result));
  kd_sym y = kd_einsum_apply(g, &e, x, make_kernel(build, o, &e, &shape, &result));
  KD_TRY(add_bias(build, o, &e, &result, &y));
  outputs[0] = kd_activate(g, &o->activation, y);
  kd_build_activity(build, &o->activity_regularizer, outputs[0]);
  return KD_OK;
}

static void einsum_check(const void *options, kd_diag *diag, kd_origin origin) {
  const einsum_options *o = options;
  const kd_value *sizes = o->output_shape;
  bool right = is_size(sizes) || (sizes->type == KD_V_LIST && sizes->count > 0);
  for (int i = 0; right && sizes->type == KD_V_LIST && i < sizes->count; i++)
    right = is_size(&sizes->items[i]);
  if (!right) kd_diag_error(diag, origin, "output_shape must be a size or a list of sizes, as (none, 64)");
  if (o->bias_axes && !*o->bias_axes) kd_diag_error(diag, origin, "bias_axes names no axis; use none");
}

static const kd_option options[] = {
    {.name = "equation",
     .type = KD_OPT_TEXT,
     .offset = offsetof(einsum_options, equation),
     .help = "Einstein sum of input and kernel, as \"abc,cd->abd\" or \"...x,xy->...y\""},
    KD_ROW_VALUE(einsum_options, output_shape, NULL,
                 "sizes of the result without the batch and '...', as (none, 64)"),
    KD_ROW_ACTIVATION(einsum_options),
    {.name = "bias_axes",
     .type = KD_OPT_TEXT,
     .offset = offsetof(einsum_options, bias_axes),
     .initial = "none",
     .help = "axes of the result that have a bias of their own; none: no bias",
     .flags = KD_OPT_NONE_OK},
    KD_ROW_INITIALIZER(einsum_options, kernel_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(einsum_options, bias_initializer, "zeros"),
    KD_ROW_REGULARIZER(einsum_options, kernel_regularizer),
    KD_ROW_REGULARIZER(einsum_options, bias_regularizer),
    KD_ROW_REGULARIZER(einsum_options, activity_regularizer),
    KD_ROW_CONSTRAINT(einsum_options, kernel_constraint),
    KD_ROW_CONSTRAINT(einsum_options, bias_constraint),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_einsum_dense = {
    .base = {.name = "EinsumDense",
             .help = "dense layer by an Einstein sum",
             .options = options,
             .options_size = sizeof(einsum_options),
             .check = einsum_check},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = einsum_build,
    .takes_training = true,
};
