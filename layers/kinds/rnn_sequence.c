/* Walking a sequence with one cell or a stack of them (keras/src/layers/rnn/rnn.py). A stack is one walk per
 * cell, each over the outputs of the one before: states do not know how far the other cells are. Where
 * Keras's backends differ (the output of masked steps before the first valid one), this is TensorFlow's:
 * zeros. */
#include <string.h>

#include "layers/kinds/rnn.h"

static int cell_count(const kd_rnn *rnn) {
  return rnn->stack ? rnn->stack->count : 1;
}

static kd_cell_call cell_at(const kd_rnn *rnn, int i) {
  if (!rnn->stack) return (kd_cell_call){.kind = rnn->cell, .options = rnn->cell_options};
  return (kd_cell_call){.kind = (const kd_cell_kind *)rnn->stack->v[i].kind,
                        .options = rnn->stack->v[i].options};
}

static int states_of(const kd_cell_call *call) {
  return kd_cell_states(call->kind->form(call->options));
}

int kd_rnn_states(const kd_rnn *rnn) {
  int count = 0;
  for (int i = 0; i < cell_count(rnn); i++) {
    kd_cell_call call = cell_at(rnn, i);
    count += states_of(&call);
  }
  return count;
}

int kd_rnn_cell_states(const kd_rnn *rnn, int number) {
  if (!rnn->stack || number >= cell_count(rnn)) return 0;
  kd_cell_call call = cell_at(rnn, number);
  return states_of(&call);
}

/* "forward_layer/cell", or in a stack "cell/cells/lstm_cell_1": numbers count the same class. */
static const char *part_name(kd_build *build, const kd_rnn *rnn, const char *part, int i) {
  const char *group = cell_at(rnn, i).kind->group, *slash = *part ? "/" : "";
  if (!rnn->stack) return kd_pool_printf(build->graph->pool, "%s%scell", part, slash);
  int before = 0;
  for (int k = 0; k < i; k++) before += !strcmp(cell_at(rnn, k).kind->group, group);
  const char *name = kd_pool_printf(build->graph->pool, "%s%scell/cells/%s", part, slash, group);
  return before ? kd_pool_printf(build->graph->pool, "%s_%d", name, before) : name;
}

/* The given states of one cell, checked and side by side; KD_NO_SYM without any. */
static kd_status join_states(kd_build *build, const kd_cell_call *call, int64_t rows, const kd_sym *states,
                             kd_sym *joined) {
  kd_graph *g = build->graph;
  *joined = KD_NO_SYM;
  if (!states) return KD_OK;
  int count = states_of(call);
  for (int i = 0; i < count; i++) {
    char text[KD_SHAPE_TEXT];
    const kd_shape *shape = kd_sym_shape(g, states[i]);
    KD_CHECK(shape->rank == 2 && shape->dim[0] == rows && shape->dim[1] == call->options->units, KD_ERR_USAGE,
             "initial_state has the shape %s, but a cell of %lld units needs (None, %lld)",
             kd_layer_shape(g, states[i], text), (long long)call->options->units,
             (long long)call->options->units);
  }
  *joined = count == 1 ? kd_as_float(g, states[0])
                       : kd_concat(g, 2, (kd_sym[]){kd_as_float(g, states[0]), kd_as_float(g, states[1])}, 1);
  return KD_OK;
}

/* Where a stateful cell starts: at the given state, else at the one of the batch before. */
static kd_sym keep_state(kd_build *build, const kd_cell_call *call, kd_sym x, int *kept) {
  const char *name = kd_pool_printf(build->graph->pool, "%s/state", call->part);
  kd_sym before = kd_build_kept(build, name, x, states_of(call) * call->options->units, kept);
  return call->state == KD_NO_SYM ? before : call->state;
}

/* The output of the step walked last. Without a mask it is h; with one h may have a value that no step of
 * this sequence gave, or the output may be zeros. */
static kd_sym last_output(kd_build *build, const kd_rnn *rnn, const kd_cell_call *call, kd_sym y,
                          kd_sym state) {
  kd_graph *g = build->graph;
  int64_t units = call->options->units;
  if (call->mask == KD_NO_SYM || (!rnn->zero_masked && call->state == KD_NO_SYM))
    return kd_slice_axis(g, state, 1, 0, units);
  kd_shape shape = *kd_sym_shape(g, y);
  int64_t last = rnn->walk->go_backwards ? 0 : shape.dim[1] - 1;
  return kd_reshape(g, kd_slice_axis(g, y, 1, last, 1), KD_SHAPE(shape.dim[0], units));
}

static int walk_flags(const kd_rnn *rnn, bool top) {
  int flags = rnn->walk->go_backwards ? KD_RNN_BACKWARDS : 0;
  if (top && rnn->zero_masked) flags |= KD_RNN_ZERO_MASKED;
  if (top && rnn->walk->go_backwards && rnn->walk->return_sequences && !rnn->in_time_order)
    flags |= KD_RNN_REVERSED;
  return flags;
}

static void give_states(kd_build *build, const kd_cell_call *call, kd_sym state, kd_sym *outputs) {
  for (int i = 0; i < states_of(call); i++)
    outputs[i] = kd_slice_axis(build->graph, state, 1, i * call->options->units, call->options->units);
}

kd_status kd_rnn_build(kd_build *build, const kd_rnn *rnn, const char *part, kd_sym x, const kd_sym *states,
                       kd_sym *outputs) {
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  x = kd_as_float(g, x);
  KD_TRY(kd_graph_status(g));
  KD_CHECK(kd_sym_shape(g, x)->rank == 3, KD_ERR_USAGE,
           "needs an input (batch, steps, features), but its shape is %s", kd_layer_shape(g, x, text));
  int n_outputs = 1, n_cells = cell_count(rnn);
  for (int i = 0; i < n_cells; i++) {
    kd_cell_call call = cell_at(rnn, i);
    kd_sym state;
    call.part = part_name(build, rnn, part, i);
    call.x = x;
    call.mask = build->input_mask[0];
    call.flags = walk_flags(rnn, i == n_cells - 1);
    KD_TRY(join_states(build, &call, kd_sym_shape(g, x)->dim[0], states, &call.state));
    int kept = -1;
    if (rnn->walk->stateful) call.state = keep_state(build, &call, x, &kept);
    x = kd_cell_build(build, &call, &state);
    if (rnn->walk->stateful) kd_build_keep(build, kept, state);
    KD_TRY(kd_graph_status(g));
    if (states) states += states_of(&call);
    if (rnn->walk->return_state) give_states(build, &call, state, outputs + n_outputs);
    n_outputs += states_of(&call);
    if (i == n_cells - 1)
      outputs[0] = rnn->walk->return_sequences ? x : last_output(build, rnn, &call, x, state);
  }
  if (!rnn->walk->return_state) n_outputs = 1;
  for (int i = 0; rnn->activity && i < n_outputs; i++) kd_build_activity(build, rnn->activity, outputs[i]);
  return kd_graph_status(g);
}
