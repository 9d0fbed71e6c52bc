#include <math.h>

#include "support/check.h"
#include "support/interpret.h"
#include "support/op_case.h"

enum { GUARD = 64, GUARD_BYTE = 0x5a };

static kd_sym add_input(op_run *run, int which) {
  const op_input *input = &run->what->input[which];
  if (input->data == DATA_RANDOM) return kd_value_sym(run->graph, input->dtype, input->shape, which, "rng");
  return kd_input(run->graph, input->dtype, input->shape, which, "x");
}

/* The logarithms of attention come from q, k, v and what stands behind dy. */
static kd_sym add_forward(op_run *run, const kd_sym *inputs) {
  kd_sym from[KD_MAX_INPUTS], result[KD_MAX_OUTPUTS];
  bool attention = run->what->op == KD_OP_ATTENTION_GRAD;
  int n = 0;
  for (int i = 0; i < run->what->n_inputs; i++)
    if (attention ? i < KD_ATTENTION_FIXED || i >= KD_ATTENTION_GRAD_FIXED : i == 0) from[n++] = inputs[i];
  kd_append(run->graph, run->what->op - 1, run->what->attr, n, from, result);
  return result[attention];
}

void op_run_open(op_run *run, const op_case *what, bool expected) {
  *run = (op_run){.what = what, .graph = kd_graph_create()};
  kd_sym inputs[KD_MAX_INPUTS];
  for (int i = 0; i < what->n_inputs; i++)
    if (what->input[i].data != DATA_FORWARD) inputs[i] = add_input(run, i);
  for (int i = 0; i < what->n_inputs; i++)
    if (what->input[i].data == DATA_FORWARD) inputs[i] = add_forward(run, inputs);
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

/* An image in memory of the host: guard, data, guard. Where the device has memory of its own, a block there
 * holds the same. */
static void block_open(op_block *b, kd_device *device, size_t bytes, int offset) {
  *b = (op_block){.bytes = bytes, .total = (bytes + (size_t)offset + 4 * GUARD) / 64 * 64};
  b->image = aligned_alloc(64, b->total);
  assert_non_null(b->image);
  memset(b->image, GUARD_BYTE, b->total);
  b->place = (size_t)(2 * GUARD + offset);
  b->block = b->image;
  if (!device->backend->host_memory) assert_ok(device->backend->alloc(device, b->total, &b->block));
}

static void *block_data(const op_block *b) {
  return (char *)b->block + b->place;
}

static void block_close(op_block *b, kd_device *device) {
  if (b->block != b->image) device->backend->free(device, b->block, b->total);
  free(b->image);
}

static void block_send(const op_block *b, kd_device *device) {
  if (b->block != b->image) assert_ok(device->backend->upload(device, b->block, b->image, b->total));
}

static void block_fetch(const op_block *b, kd_device *device) {
  if (b->block != b->image) assert_ok(device->backend->download(device, b->image, b->block, b->total));
}

static void check_guard(const op_run *run, const op_block *b, const char *what) {
  const unsigned char *image = (const unsigned char *)b->image;
  for (size_t i = 0; i < b->place; i++)
    if (image[i] != GUARD_BYTE)
      fail_msg("%s: wrote %zu bytes before its %s", run->what->name, b->place - i, what);
  for (size_t i = b->place + b->bytes; i < b->total; i++)
    if (image[i] != GUARD_BYTE) fail_msg("%s: wrote behind its %s", run->what->name, what);
}

/* Addresses are multiples of the element's size. */
static int offset_for(kd_dtype dtype, int offset) {
  int size = (int)kd_dtype_size(dtype);
  return (offset + size - 1) / size * size;
}

/* --- launch ---------------------------------------------------------------------------------------- */

static void open_inputs(op_run *run, int offset) {
  for (int i = 0; i < run->node->n_inputs; i++) {
    const kd_sym_info *info = kd_sym_get(run->graph, run->node->input[i]);
    op_block *b = &run->in_block[i];
    run->input[i] = (kd_tensor){info->dtype, info->shape, NULL};
    block_open(b, run->device, kd_tensor_bytes(&run->input[i]), offset_for(info->dtype, offset));
    op_data_encode(run->values[run->node->input[i]], kd_shape_count(&info->shape), info->dtype,
                   b->image + b->place);
    block_send(b, run->device);
    run->input[i].data = block_data(b);
  }
}

static void open_outputs(op_run *run, int offset) {
  for (int i = 0; i < run->node->n_outputs; i++) {
    const kd_sym_info *info = kd_sym_get(run->graph, run->node->output[i]);
    op_block *b = &run->out_block[i];
    run->output[i] = (kd_tensor){info->dtype, info->shape, NULL};
    if (run->in_place)
      *b = run->in_block[i];
    else
      block_open(b, run->device, kd_tensor_bytes(&run->output[i]), offset_for(info->dtype, offset));
    run->output[i].data = block_data(b);
    run->result[i] = run->output[i];
    run->result[i].data = b->image + b->place;
  }
}

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
  open_inputs(run, offset);
  open_outputs(run, offset);
  if (kernel->prepare && kernel->prepare(&run->launch) != KD_OK)
    fail_msg("%s: %s", run->what->name, kd_status_text());
  block_open(&run->workspace, device, run->launch.workspace_bytes, 0);
  block_open(&run->state, device, run->launch.state_bytes, 0);
  memset(run->state.image + run->state.place, 0, run->launch.state_bytes);
  block_send(&run->state, device);
  run->launch.workspace = block_data(&run->workspace);
  run->launch.state = block_data(&run->state);
  if (kernel->bind && kernel->bind(&run->launch) != KD_OK)
    fail_msg("%s: %s", run->what->name, kd_status_text());
  if (kernel->refresh) assert_ok(kernel->refresh(&run->launch));
}

static void poison(const op_block *b, kd_device *device) {
  memset(b->image + b->place, 0xff, b->bytes);
  block_send(b, device);
}

void op_run_once(op_run *run) {
  kd_launch *launch = &run->launch;
  poison(&run->workspace, run->device);
  for (int i = 0; i < launch->n_outputs && !run->in_place; i++) poison(&run->out_block[i], run->device);
  if (launch->run(launch) != KD_OK) fail_msg("%s: %s", run->what->name, kd_status_text());
  const struct {
    const op_block *block;
    int count;
    const char *what;
  } all[] = {{&run->workspace, 1, "workspace"},
             {&run->state, 1, "state"},
             {run->out_block, launch->n_outputs, "output"},
             {run->in_block, launch->n_inputs, "input"}};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    for (int i = 0; i < all[k].count; i++) {
      block_fetch(&all[k].block[i], run->device);
      check_guard(run, &all[k].block[i], all[k].what);
    }
}

void op_run_finish(op_run *run) {
  const kd_kernel *kernel = run->device->backend->kernel(run->what->op);
  if (kernel->release) kernel->release(&run->launch);
  block_close(&run->workspace, run->device);
  block_close(&run->state, run->device);
  for (int i = 0; i < run->launch.n_inputs; i++) block_close(&run->in_block[i], run->device);
  for (int i = 0; i < run->launch.n_outputs && !run->in_place; i++)
    block_close(&run->out_block[i], run->device);
}

static bool close_enough(double value, double expected, double tolerance) {
  if (isnan(expected)) return isnan(value);
  if (value == expected) return true;
  return fabs(value - expected) <= tolerance * (1 + fabs(expected));
}

void op_run_compare(const op_run *run, const char *where) {
  for (int o = 0; o < run->node->n_outputs; o++) {
    const double *expected = run->values[run->node->output[o]];
    for (int64_t i = 0; i < kd_shape_count(&run->result[o].shape); i++) {
      double value = op_data_decode(&run->result[o], i);
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
