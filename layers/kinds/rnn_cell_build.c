/* One cell over a whole sequence: input projection of all steps at once, then the recurrent primitive. */
#include "layers/kinds/rnn_tables.h"
#include "layers/model.h"

typedef struct weights {
  kd_sym kernel, recurrent, bias, recurrent_bias; /* KD_NO_SYM when there is none */
} weights;

static kd_sym declare(kd_build *build, const kd_cell_call *c, const char *name, kd_shape shape,
                      const kd_object *initializer, const kd_object *regularizer,
                      const kd_object *constraint) {
  kd_sym weight = kd_build_weight(build, kd_pool_printf(build->graph->pool, "%s/%s", c->part, name), shape,
                                  initializer, regularizer, true);
  return kd_build_constrain(build, weight, constraint);
}

/* GRU with the reset after the product has two biases as the rows of one matrix. */
static void declare_bias(kd_build *build, const kd_cell_call *c, kd_cell form, int64_t width, weights *w) {
  const kd_cell_options *o = c->options;
  kd_graph *g = build->graph;
  kd_object start = o->bias_initializer;
  if (form == KD_CELL_LSTM && o->unit_forget_bias)
    start = kd_forget_bias(build->model->pool, &o->bias_initializer, o->units);
  kd_shape shape = form == KD_CELL_GRU ? KD_SHAPE(2, width) : KD_SHAPE(width);
  w->bias = declare(build, c, "bias", shape, &start, &o->bias_regularizer, &o->bias_constraint);
  if (form != KD_CELL_GRU) return;
  w->recurrent_bias = kd_reshape(g, kd_slice_axis(g, w->bias, 0, 1, 1), KD_SHAPE(width));
  w->bias = kd_reshape(g, kd_slice_axis(g, w->bias, 0, 0, 1), KD_SHAPE(width));
}

static weights declare_weights(kd_build *build, const kd_cell_call *c, kd_cell form, int64_t features) {
  const kd_cell_options *o = c->options;
  int64_t width = o->units * kd_cell_gates(form);
  weights w = {.bias = KD_NO_SYM, .recurrent_bias = KD_NO_SYM};
  w.kernel = declare(build, c, "kernel", KD_SHAPE(features, width), &o->kernel_initializer,
                     &o->kernel_regularizer, &o->kernel_constraint);
  w.recurrent = declare(build, c, "recurrent_kernel", KD_SHAPE(o->units, width), &o->recurrent_initializer,
                        &o->recurrent_regularizer, &o->recurrent_constraint);
  if (o->use_bias) declare_bias(build, c, form, width, &w);
  return w;
}

/* Factors 0 and 1 / (1 - rate), one draw for all steps. */
static kd_sym draw_factors(kd_build *build, const kd_cell_options *o, double rate, kd_shape shape) {
  kd_graph *g = build->graph;
  uint32_t before = kd_stream_begin(g, o->seed);
  kd_sym uniform = kd_uniform(g, build->rng, shape);
  kd_stream_end(g, o->seed, before);
  kd_sym kept = kd_binary(g, KD_PW_LE, kd_const(g, rate), uniform);
  return kd_select(g, kept, kd_const(g, 1 / (1 - rate)), kd_const(g, 0));
}

/* x W, with inputs dropped: the same ones for all gates, or (Keras's implementation 1, which recurrent
 * dropout brings about) others for each gate. */
static kd_sym project(kd_build *build, const kd_cell_options *o, kd_cell form, kd_sym x, kd_sym kernel) {
  kd_graph *g = build->graph;
  kd_shape shape = *kd_sym_shape(g, x);
  if (!build->training || o->dropout == 0) return kd_matmul(g, x, kernel, false, false);
  int gates = kd_cell_gates(form);
  if (o->recurrent_dropout == 0 || gates == 1) {
    kd_sym factors = draw_factors(build, o, o->dropout, KD_SHAPE(shape.dim[0], 1, shape.dim[2]));
    return kd_matmul(g, kd_mul(g, x, factors), kernel, false, false);
  }
  kd_sym parts[KD_CELL_MAX_GATES];
  for (int i = 0; i < gates; i++) {
    kd_sym factors = draw_factors(build, o, o->dropout, KD_SHAPE(shape.dim[0], 1, shape.dim[2]));
    kd_sym columns = kd_slice_axis(g, kernel, 1, i * o->units, o->units);
    parts[i] = kd_matmul(g, kd_mul(g, x, factors), columns, false, false);
  }
  return kd_concat(g, gates, parts, 2);
}

kd_sym kd_cell_build(kd_build *build, const kd_cell_call *c, kd_sym *last_state) {
  const kd_cell_options *o = c->options;
  kd_graph *g = build->graph;
  kd_cell form = c->kind->form(o);
  kd_shape shape = *kd_sym_shape(g, c->x);
  weights w = declare_weights(build, c, form, shape.dim[2]);
  kd_sym z = project(build, o, form, c->x, w.kernel), inputs[KD_MAX_INPUTS], outputs[4];
  if (w.bias != KD_NO_SYM) z = kd_add(g, z, w.bias);
  kd_recurrent_attr attr = {.cell = form, .flags = c->flags};
  kd_cell_function(&o->activation, &attr.activation);
  kd_cell_function(&o->recurrent_activation, &attr.recurrent_activation);
  int n = 0;
  inputs[n++] = z;
  inputs[n++] = w.recurrent;
  if (w.recurrent_bias != KD_NO_SYM) attr.flags |= KD_RNN_BIAS, inputs[n++] = w.recurrent_bias;
  if (c->state != KD_NO_SYM) attr.flags |= KD_RNN_STATE, inputs[n++] = c->state;
  if (c->mask != KD_NO_SYM) attr.flags |= KD_RNN_MASK, inputs[n++] = c->mask;
  if (build->fits) attr.flags |= KD_RNN_KEEP;
  if (build->training && o->recurrent_dropout > 0) {
    attr.flags |= KD_RNN_DROP;
    inputs[n++] =
        draw_factors(build, o, o->recurrent_dropout, KD_SHAPE(shape.dim[0], kd_cell_gates(form), o->units));
  }
  kd_append(g, KD_OP_RECURRENT, &attr, n, inputs, outputs);
  *last_state = outputs[1];
  return outputs[0];
}
