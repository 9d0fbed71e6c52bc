/* Bidirectional: a recurrent layer forwards and one backwards (keras/src/layers/rnn/bidirectional.py). */
#include "layers/kinds/rnn.h"

typedef struct bidirectional_options {
  kd_object layer;
  int merge_mode;
  kd_object backward_layer; /* kind NULL: a copy of layer that goes backwards */
} bidirectional_options;

enum { MERGE_CONCAT, MERGE_SUM, MERGE_MUL, MERGE_AVE, MERGE_NONE };

typedef struct directions {
  kd_rnn forward, backward;
  kd_walk_options backward_walk; /* of the copy */
} directions;

/* The walks must outlive *d. Masked steps give zeros in sequences, whatever the layers say. */
static bool read_directions(const bidirectional_options *o, directions *d) {
  const kd_object *back = o->backward_layer.kind ? &o->backward_layer : &o->layer;
  if (!kd_rnn_read((const kd_layer_kind *)o->layer.kind, o->layer.options, &d->forward)) return false;
  if (!kd_rnn_read((const kd_layer_kind *)back->kind, back->options, &d->backward)) return false;
  d->backward_walk = *d->backward.walk;
  if (!o->backward_layer.kind) {
    d->backward_walk.go_backwards = true;
    d->backward.walk = &d->backward_walk;
  }
  d->forward.zero_masked = d->forward.walk->return_sequences;
  d->backward.zero_masked = d->backward.walk->return_sequences;
  d->backward.in_time_order = true;
  return true;
}

static void check(const void *options, kd_diag *diag, kd_origin origin) {
  const bidirectional_options *o = options;
  directions d;
  if (!read_directions(o, &d)) {
    kd_diag_error(diag, origin,
                  "layer and backward_layer must be recurrent layers: LSTM, GRU, SimpleRNN or RNN");
    return;
  }
  const kd_walk_options *a = d.forward.walk, *b = d.backward.walk;
  if (a->go_backwards || !b->go_backwards)
    kd_diag_error(diag, origin,
                  "layer must go forwards and backward_layer backwards: go_backwards = %s and %s",
                  a->go_backwards ? "true" : "false", b->go_backwards ? "true" : "false");
  if (a->return_sequences != b->return_sequences || a->return_state != b->return_state ||
      a->stateful != b->stateful)
    kd_diag_error(diag, origin,
                  "layer and backward_layer must agree in return_sequences, return_state and stateful");
}

static kd_sym merge(kd_graph *g, int mode, kd_sym forward, kd_sym backward) {
  switch (mode) {
  case MERGE_SUM:
    return kd_add(g, forward, backward);
  case MERGE_MUL:
    return kd_mul(g, forward, backward);
  case MERGE_AVE:
    return kd_scale(g, kd_add(g, forward, backward), 0.5);
  default:
    return kd_concat(g, 2, (kd_sym[]){forward, backward}, kd_sym_shape(g, forward)->rank - 1);
  }
}

/* Both walks; outputs: y or both y, then the states of both. */
static kd_status build_both(kd_build *build, const bidirectional_options *o, const directions *d,
                            const kd_sym *inputs, int n_inputs, kd_sym *outputs) {
  kd_graph *g = build->graph;
  int n_forward = kd_rnn_states(&d->forward), n_backward = kd_rnn_states(&d->backward);
  const kd_sym *states = n_inputs > 1 ? inputs + 1 : NULL;
  kd_sym *y = kd_pool_alloc(g->pool, (size_t)(2 + n_forward + n_backward), sizeof *y);
  kd_sym *y_back = y + 1 + n_forward;
  KD_TRY(kd_rnn_build(build, &d->forward, "forward_layer", inputs[0], states, y));
  KD_TRY(kd_rnn_build(build, &d->backward, "backward_layer", inputs[0], states ? states + n_forward : NULL,
                      y_back));
  int next = 0;
  if (o->merge_mode == MERGE_NONE) {
    outputs[next++] = y[0];
    outputs[next++] = y_back[0];
  } else {
    const kd_shape *a = kd_sym_shape(g, y[0]), *b = kd_sym_shape(g, y_back[0]);
    KD_CHECK(o->merge_mode == MERGE_CONCAT || kd_shape_equal(a, b), KD_ERR_USAGE,
             "%lld units forwards and %lld backwards can be concatenated only",
             (long long)a->dim[a->rank - 1], (long long)b->dim[b->rank - 1]);
    outputs[next++] = merge(g, o->merge_mode, y[0], y_back[0]);
  }
  if (!d->forward.walk->return_state) return KD_OK;
  for (int i = 1; i <= n_forward; i++) outputs[next++] = y[i];
  for (int i = 1; i <= n_backward; i++) outputs[next++] = y_back[i];
  return KD_OK;
}

static kd_status bidirectional_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  const bidirectional_options *o = layer->options;
  directions d;
  KD_CHECK(read_directions(o, &d), KD_ERR_INTERNAL, "not recurrent layers");
  int states = kd_rnn_states(&d.forward) + kd_rnn_states(&d.backward);
  KD_CHECK(n_inputs == 1 || n_inputs == 1 + states, KD_ERR_USAGE,
           "initial_state has %d tensor%s, but both directions together have %d", n_inputs - 1,
           n_inputs == 2 ? "" : "s", states);
  if (d.forward.walk->return_sequences)
    for (int i = 0; i <= (o->merge_mode == MERGE_NONE); i++) build->output_mask[i] = build->input_mask[0];
  return build_both(build, o, &d, inputs, n_inputs, outputs);
}

static int count_of(const kd_layer_kind *kind, const void *options) {
  const bidirectional_options *o = options;
  directions d;
  (void)kind;
  int outputs = o->merge_mode == MERGE_NONE ? 2 : 1;
  if (!read_directions(o, &d) || !d.forward.walk->return_state) return outputs;
  return outputs + kd_rnn_states(&d.forward) + kd_rnn_states(&d.backward);
}

/* The cells of both stacks. */
static int state_group(const kd_layer_kind *kind, const void *options, int number) {
  directions d;
  (void)kind;
  if (!read_directions(options, &d)) return 0;
  int forward = d.forward.stack ? d.forward.stack->count : 0;
  return number < forward ? kd_rnn_cell_states(&d.forward, number)
                          : kd_rnn_cell_states(&d.backward, number - forward);
}

static const kd_option options[] = {
    {.name = "layer",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(bidirectional_options, layer),
     .help = "recurrent layer that goes forwards, as LSTM(8)",
     .family = &kd_layer_family},
    KD_ROW_CHOICE(bidirectional_options, merge_mode, "concat", "concat|sum|mul|ave|none",
                  "how both outputs become one; none: two outputs"),
    {.name = "backward_layer",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(bidirectional_options, backward_layer),
     .initial = "none",
     .help = "recurrent layer that goes backwards; none: a copy of layer",
     .flags = KD_OPT_NONE_OK,
     .family = &kd_layer_family},
    KD_ROW_END,
};

static const kd_call_arg call_args[] = {
    {"initial_state", KD_CALL_TENSORS, "the states before the first steps: forward's parts, then backward's"},
    KD_CALL_ROW_MASK,
    KD_CALL_ROW_END,
};

const kd_layer_kind kd_layer_bidirectional = {
    .base = {.name = "Bidirectional",
             .help = "a recurrent layer in both directions",
             .options = options,
             .options_size = sizeof(bidirectional_options),
             .check = check},
    .min_inputs = 1,
    .count_outputs = count_of,
    .build = bidirectional_build,
    .mask = KD_MASK_OWN,
    .call_args = call_args,
    .state_group = state_group,
    .takes_training = true,
};
