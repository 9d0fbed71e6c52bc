#include <math.h>

#include "support/check.h"
#include "support/interpret.h"
#include "support/op_case.h"

enum { GUARD = 64, GUARD_BYTE = 0x5a };

static kd_sym add_input(op_run *run, int which) {
  const op_input *input = &run->what->input[which];
  kd_sym sym;
  if (input->data == DATA_FORWARD)
    sym = kd_append(run->graph, run->what->op - 1, run->what->attr, 1, (kd_sym[]){0}, NULL);
  else if (input->data == DATA_RANDOM)
    sym = kd_value_sym(run->graph, input->dtype, input->shape, which, "rng");
  else
    sym = kd_input(run->graph, input->dtype, input->shape, which, "x");
  return sym;
}

void op_run_open(op_run *run, const op_case *what, bool expected) {
  *run = (op_run){.what = what, .graph = kd_graph_create()};
  kd_sym inputs[KD_MAX_INPUTS];
  for (int i = 0; i < what->n_inputs; i++) inputs[i] = add_input(run, i);
  kd_append(run->graph, what->op, what->attr, what->n_inputs, inputs, NULL);
  if (kd_graph_status(run->graph) != KD_OK) fail_msg("%s: %s", what->name, kd_status_text());
  run->values = kd_calloc((size_t)run->graph->n_syms, sizeof *run->values);
  for (int i = 0; i < what->n_inputs; i++) {
    if (what->input[i].data == DATA_FORWARD) continue;
    run->values[inputs[i]] = kd_calloc((size_t)kd_shape_count(&what->input[i].shape), sizeof(double));
    op_data_fill(&what->input[i], i, run->values[inputs[i]]);
    for (int64_t e = 0; e < kd_shape_count(&what->input[i].shape); e++)
      run->values[inputs[i]][e] = round_to(what->input[i].dtype, run->values[inputs[i]][e]);
  }
  run->node = &run->graph->nodes[run->graph->n_nodes - 1];
  int wanted = expected ? run->graph->n_nodes : run->graph->n_nodes - 1;
  for (int i = 0; i < wanted; i++) assert_ok(interpret_node(run->graph, &run->graph->nodes[i], run->values));
}

void op_run_close(op_run *run) {
  for (int i = 0; i < run->graph->n_syms; i++) kd_free(run->values[i]);
  kd_free(run->values);
  kd_graph_destroy(run->graph);
}

/* --- memory between guards ------------------------------------------------------------------------- */

/* The block's start is kept in front of the guard. */
static void *guarded(size_t bytes, int offset) {
  char *block = aligned_alloc(64, (bytes + (size_t)offset + 4 * GUARD) / 64 * 64);
  assert_non_null(block);
  char *data = block + 2 * GUARD + offset;
  memcpy(block, &block, sizeof block);
  memset(data - GUARD, GUARD_BYTE, GUARD);
  memset(data + bytes, GUARD_BYTE, GUARD - 63);
  return data;
}

static void check_guard(const op_run *run, const void *data, size_t bytes, const char *what) {
  const unsigned char *at = data;
  for (int i = 1; i <= GUARD; i++)
    if (at[-i] != GUARD_BYTE) fail_msg("%s: wrote %d bytes before its %s", run->what->name, i, what);
  if (at[bytes] != GUARD_BYTE) fail_msg("%s: wrote behind its %s", run->what->name, what);
}

static void release(void *data, int offset) {
  if (data) free((char *)data - offset - 2 * GUARD);
}

static int offset_of(const void *data) {
  return (int)((uintptr_t)data % 64);
}

/* Addresses are multiples of the element's size. */
static int offset_for(kd_dtype dtype, int offset) {
  int size = (int)kd_dtype_size(dtype);
  return (offset + size - 1) / size * size;
}

/* --- launch ---------------------------------------------------------------------------------------- */

void op_run_prepare(op_run *run, kd_device *device, int offset, bool in_place) {
  run->in_place = in_place;
  run->device = device;
  const kd_kernel *kernel = device->backend->kernel(run->what->op);
  run->launch = (kd_launch){.op = run->what->op,
                            .attr = run->node->attr,
                            .n_inputs = run->node->n_inputs,
                            .n_outputs = run->node->n_outputs,
                            .input = run->input,
                            .output = run->output,
                            .weight_input = run->weight_input,
                            .device = device,
                            .run = kernel->run};
  for (int i = 0; i < run->node->n_inputs; i++) {
    const kd_sym_info *info = kd_sym_get(run->graph, run->node->input[i]);
    run->input[i] = (kd_tensor){info->dtype, info->shape, NULL};
    run->input[i].data = guarded(kd_tensor_bytes(&run->input[i]), offset_for(info->dtype, offset));
    op_data_encode(run->values[run->node->input[i]], kd_shape_count(&info->shape), info->dtype,
                   run->input[i].data);
  }
  for (int i = 0; i < run->node->n_outputs; i++) {
    const kd_sym_info *info = kd_sym_get(run->graph, run->node->output[i]);
    run->output[i] = (kd_tensor){info->dtype, info->shape, NULL};
    run->output[i].data = in_place
                              ? run->input[i].data
                              : guarded(kd_tensor_bytes(&run->output[i]), offset_for(info->dtype, offset));
  }
  if (kernel->prepare && kernel->prepare(&run->launch) != KD_OK)
    fail_msg("%s: %s", run->what->name, kd_status_text());
  run->launch.workspace = guarded(run->launch.workspace_bytes, 0);
  run->launch.state = guarded(run->launch.state_bytes, 0);
  memset(run->launch.state, 0, run->launch.state_bytes);
  if (kernel->bind && kernel->bind(&run->launch) != KD_OK)
    fail_msg("%s: %s", run->what->name, kd_status_text());
  if (kernel->refresh) assert_ok(kernel->refresh(&run->launch));
}

void op_run_once(op_run *run) {
  kd_launch *launch = &run->launch;
  memset(launch->workspace, 0xff, launch->workspace_bytes);
  for (int i = 0; i < launch->n_outputs && !run->in_place; i++)
    memset(run->output[i].data, 0xff, kd_tensor_bytes(&run->output[i]));
  if (launch->run(launch) != KD_OK) fail_msg("%s: %s", run->what->name, kd_status_text());
  check_guard(run, launch->workspace, launch->workspace_bytes, "workspace");
  check_guard(run, launch->state, launch->state_bytes, "state");
  for (int i = 0; i < launch->n_outputs; i++)
    check_guard(run, run->output[i].data, kd_tensor_bytes(&run->output[i]), "output");
  for (int i = 0; i < launch->n_inputs; i++)
    check_guard(run, run->input[i].data, kd_tensor_bytes(&run->input[i]), "input");
}

void op_run_finish(op_run *run) {
  const kd_kernel *kernel = run->device->backend->kernel(run->what->op);
  if (kernel->release) kernel->release(&run->launch);
  release(run->launch.workspace, 0);
  release(run->launch.state, 0);
  for (int i = 0; i < run->launch.n_inputs; i++) release(run->input[i].data, offset_of(run->input[i].data));
  for (int i = 0; i < run->launch.n_outputs && !run->in_place; i++)
    release(run->output[i].data, offset_of(run->output[i].data));
}

static bool close_enough(double value, double expected, double tolerance) {
  if (isnan(expected)) return isnan(value);
  if (value == expected) return true;
  return fabs(value - expected) <= tolerance * (1 + fabs(expected));
}

void op_run_compare(const op_run *run, const char *where) {
  for (int o = 0; o < run->node->n_outputs; o++) {
    const double *expected = run->values[run->node->output[o]];
    for (int64_t i = 0; i < kd_shape_count(&run->output[o].shape); i++) {
      double value = op_data_decode(&run->output[o], i);
      if (close_enough(value, expected[i], run->what->tolerance)) continue;
      char shape[KD_SHAPE_TEXT];
      fail_msg("%s (%s, %s): output %d %s, element %lld is %.9g, expected %.9g",
               kd_op_get(run->what->op)->name, run->what->name, where, o,
               kd_shape_text(&run->output[o].shape, shape), (long long)i, value, expected[i]);
    }
  }
}

size_t op_run_bytes(const op_run *run) {
  if (run->what->op == KD_OP_GATHER) return 2 * kd_tensor_bytes(&run->output[0]);
  size_t bytes = 0;
  for (int i = 0; i < run->launch.n_inputs; i++) bytes += kd_tensor_bytes(&run->input[i]);
  for (int i = 0; i < run->launch.n_outputs; i++) bytes += kd_tensor_bytes(&run->output[i]);
  return bytes;
}
