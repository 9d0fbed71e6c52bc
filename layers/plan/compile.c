#include "layers/plan/internal.h"

#include <stdlib.h>
#include <string.h>

#include "layers/plan/rewrite.h"

static size_t aligned(size_t bytes) {
  return (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
}

static kd_status check_spec(const kd_plan_spec *spec) {
  KD_TRY(kd_graph_status(spec->graph));
  int n_syms = spec->graph->n_syms;
  for (int b = 0; b < spec->n_bindings; b++) {
    kd_sym sym = spec->bindings[b].sym;
    KD_CHECK(sym >= 0 && sym < n_syms, KD_ERR_INTERNAL, "plan: binding %d names no tensor of the graph", b);
    KD_CHECK(spec->dry || spec->bindings[b].address, KD_ERR_INTERNAL, "plan: '%s' is bound to no address",
             spec->graph->syms[sym].name);
  }
  for (int m = 0; m < spec->n_marks; m++) {
    KD_CHECK(spec->mark_sym[m] >= 0 && spec->mark_sym[m] < n_syms, KD_ERR_INTERNAL,
             "plan: mark %d names no tensor of the graph", spec->mark_id[m]);
    KD_CHECK(spec->mark_id[m] >= 0 && spec->mark_id[m] < spec->n_mark_ids, KD_ERR_INTERNAL,
             "plan: mark %d is not in 0 .. %d", spec->mark_id[m], spec->n_mark_ids - 1);
  }
  KD_CHECK(spec->n_mark_ids == 0 || spec->on_mark, KD_ERR_INTERNAL, "plan: marks without a function to call");
  return KD_OK;
}

/* Bound results and marked tensors stay; what they do not need is dropped. */
static bool *find_kept(const kd_plan_spec *spec) {
  bool *keep = kd_calloc((size_t)spec->graph->n_syms, sizeof *keep);
  for (int b = 0; b < spec->n_bindings; b++) {
    kd_sym sym = spec->bindings[b].sym;
    keep[sym] = spec->graph->syms[sym].role == KD_ROLE_NODE;
  }
  for (int m = 0; m < spec->n_marks; m++) keep[spec->mark_sym[m]] = true;
  return keep;
}

/* The bindings in the names of the new graph. Fed tensors that nothing uses have no name there. */
static int map_bindings(const kd_plan_spec *spec, const kd_sym *map, kd_binding *bindings) {
  int n = 0;
  for (int b = 0; b < spec->n_bindings; b++) {
    kd_sym sym = map[spec->bindings[b].sym];
    if (sym != KD_NO_SYM) bindings[n++] = (kd_binding){.sym = sym, .address = spec->bindings[b].address};
  }
  return n;
}

static kd_status make_layout(kd_plan *plan, const kd_plan_spec *spec, const kd_sym *map) {
  kd_binding *bindings = kd_pool_alloc(plan->pool, (size_t)spec->n_bindings, sizeof *bindings);
  int n = map_bindings(spec, map, bindings);
  /* A marked result without an address must last until its mark has fired: it keeps its memory to the end. */
  bool *lasting = kd_pool_alloc(plan->pool, (size_t)plan->graph->n_syms, sizeof *lasting);
  for (int m = 0; m < spec->n_marks; m++) lasting[map[spec->mark_sym[m]]] = true;
  plan->layout.pool = plan->pool;
  return kd_layout_make(&plan->layout, plan->graph, n, bindings, lasting);
}

static int by_time(const void *a, const void *b) {
  const kd_fire *x = a, *y = b;
  if (x->after != y->after) return x->after < y->after ? -1 : 1;
  return x->mark < y->mark ? -1 : 1;
}

/* A mark without computed tensors fires at the end. */
static void place_marks(kd_plan *plan, const kd_plan_spec *spec, const kd_sym *map) {
  plan->n_fires = spec->n_mark_ids;
  plan->fires = kd_pool_alloc(plan->pool, (size_t)spec->n_mark_ids, sizeof *plan->fires);
  for (int i = 0; i < spec->n_mark_ids; i++) plan->fires[i] = (kd_fire){.after = -1, .mark = i};
  for (int m = 0; m < spec->n_marks; m++) {
    kd_fire *fire = &plan->fires[spec->mark_id[m]];
    int ready = plan->layout.ready[map[spec->mark_sym[m]]];
    if (ready > fire->after) fire->after = ready;
  }
  for (int i = 0; i < spec->n_mark_ids; i++)
    if (plan->fires[i].after < 0) plan->fires[i].after = plan->n_launches;
  if (plan->n_fires) qsort(plan->fires, (size_t)plan->n_fires, sizeof *plan->fires, by_time);
  plan->on_mark = spec->on_mark;
  plan->mark_context = spec->mark_context;
}

static kd_tensor describe(const kd_graph *graph, kd_sym sym) {
  return (kd_tensor){.dtype = graph->syms[sym].dtype, .shape = graph->syms[sym].shape};
}

static void fill_node_launch(kd_plan *plan, kd_launch *launch, const kd_node *node) {
  const kd_graph *graph = plan->graph;
  launch->op = node->op;
  launch->attr = node->attr;
  launch->n_inputs = node->n_inputs;
  launch->n_outputs = node->n_outputs;
  launch->input = kd_pool_alloc(plan->pool, (size_t)node->n_inputs, sizeof *launch->input);
  launch->output = kd_pool_alloc(plan->pool, (size_t)node->n_outputs, sizeof *launch->output);
  launch->weight_input = kd_pool_alloc(plan->pool, (size_t)node->n_inputs, sizeof *launch->weight_input);
  for (int i = 0; i < node->n_inputs; i++) {
    launch->input[i] = describe(graph, node->input[i]);
    launch->weight_input[i] = graph->syms[plan->layout.root[node->input[i]]].role == KD_ROLE_WEIGHT;
  }
  for (int o = 0; o < node->n_outputs; o++) launch->output[o] = describe(graph, node->output[o]);
}

/* A broadcast to the same shape moves the bytes as they are; a pointwise copy would pass them through
 * float32. */
static void fill_copy_launch(kd_plan *plan, kd_launch *launch, kd_sym from) {
  kd_shape_attr *attr = kd_pool_alloc(plan->pool, 1, sizeof *attr);
  attr->shape = plan->graph->syms[from].shape;
  launch->op = KD_OP_BROADCAST;
  launch->attr = attr;
  launch->n_inputs = launch->n_outputs = 1;
  launch->input = kd_pool_alloc(plan->pool, 1, sizeof *launch->input);
  launch->output = kd_pool_alloc(plan->pool, 1, sizeof *launch->output);
  launch->weight_input = kd_pool_alloc(plan->pool, 1, sizeof *launch->weight_input);
  launch->input[0] = launch->output[0] = describe(plan->graph, from);
}

static kd_status prepare(kd_plan *plan, int number) {
  kd_launch *launch = &plan->launches[number];
  const kd_step *step = &plan->layout.steps[number];
  launch->device = plan->device;
  if (step->node >= 0)
    fill_node_launch(plan, launch, &plan->graph->nodes[step->node]);
  else
    fill_copy_launch(plan, launch, step->from);
  const kd_kernel *kernel = plan->device->backend->kernel(launch->op);
  plan->kernels[number] = kernel;
  launch->run = kernel->run;
  plan->n_prepared = number + 1;
  if (kernel->prepare) {
    kd_status status = kernel->prepare(launch);
    if (status != KD_OK)
      return kd_fail_context(status, "layer %s, operation %s", kd_plan_scope(plan, number),
                             kd_op_get(launch->op)->name);
  }
  size_t work = aligned(launch->workspace_bytes);
  if (work > plan->workspace_bytes) plan->workspace_bytes = work;
  plan->state_bytes += aligned(launch->state_bytes);
  return KD_OK;
}

static kd_status prepare_all(kd_plan *plan) {
  plan->n_launches = plan->layout.n_steps;
  plan->launches = kd_pool_alloc(plan->pool, (size_t)plan->n_launches, sizeof *plan->launches);
  plan->kernels = kd_pool_alloc(plan->pool, (size_t)plan->n_launches, sizeof *plan->kernels);
  for (int t = 0; t < plan->n_launches; t++) KD_TRY(prepare(plan, t));
  return KD_OK;
}

static kd_status allocate(kd_plan *plan, size_t bytes, void **block, const char *what) {
  if (!bytes) return KD_OK;
  kd_status status = plan->device->backend->alloc(plan->device, bytes, block);
  if (status != KD_OK)
    return kd_fail_context(status, "the plan's %s of %.1f MiB", what, (double)bytes / (1 << 20));
  return KD_OK;
}

static void *find_address(const kd_plan *plan, kd_sym sym) {
  const kd_layout *layout = &plan->layout;
  kd_sym root = layout->root[sym];
  if (layout->bound[root]) return layout->address[root];
  return (char *)plan->arena + layout->block_offset[layout->block[root]];
}

static void set_addresses(kd_plan *plan, int number, size_t *state_used) {
  kd_launch *launch = &plan->launches[number];
  const kd_step *step = &plan->layout.steps[number];
  launch->workspace = plan->workspace;
  if (launch->state_bytes) launch->state = (char *)plan->state + *state_used;
  *state_used += aligned(launch->state_bytes);
  if (step->node < 0) {
    launch->input[0].data = find_address(plan, step->from);
    launch->output[0].data = step->to;
    return;
  }
  const kd_node *node = &plan->graph->nodes[step->node];
  for (int i = 0; i < launch->n_inputs; i++) launch->input[i].data = find_address(plan, node->input[i]);
  for (int o = 0; o < launch->n_outputs; o++) launch->output[o].data = find_address(plan, node->output[o]);
}

static kd_status allocate_and_bind(kd_plan *plan) {
  KD_TRY(allocate(plan, plan->layout.arena_bytes, &plan->arena, "memory"));
  KD_TRY(allocate(plan, plan->workspace_bytes, &plan->workspace, "scratch memory"));
  KD_TRY(allocate(plan, plan->state_bytes, &plan->state, "kernel memory"));
  size_t state_used = 0;
  for (int t = 0; t < plan->n_launches; t++) {
    set_addresses(plan, t, &state_used);
    if (!plan->kernels[t]->bind) continue;
    kd_status status = plan->kernels[t]->bind(&plan->launches[t]);
    if (status != KD_OK)
      return kd_fail_context(status, "layer %s, operation %s", kd_plan_scope(plan, t),
                             kd_op_get(plan->launches[t].op)->name);
  }
  return plan->poison ? kd_plan_poison_start(plan) : KD_OK;
}

static kd_status build(kd_plan *plan, const kd_plan_spec *spec) {
  bool *keep = find_kept(spec);
  kd_sym *map = kd_pool_alloc(plan->pool, (size_t)spec->graph->n_syms, sizeof *map);
  plan->graph =
      spec->no_fusion ? kd_prune(spec->graph, keep, map) : kd_fuse(spec->graph, keep, spec->recompute, map);
  kd_free(keep);
  KD_TRY(kd_graph_status(plan->graph));
  KD_TRY(make_layout(plan, spec, map));
  KD_TRY(prepare_all(plan));
  place_marks(plan, spec, map);
  return plan->dry ? KD_OK : allocate_and_bind(plan);
}

kd_status kd_plan_compile(const kd_plan_spec *spec, kd_plan **made) {
  *made = NULL;
  KD_TRY(check_spec(spec));
  kd_plan *plan = kd_calloc(1, sizeof *plan);
  plan->pool = kd_pool_create();
  plan->device = spec->device;
  plan->dry = spec->dry;
  plan->poison = spec->poison;
  plan->repeats = spec->repeats && !spec->poison && spec->device->backend->record_start;
  kd_status status = build(plan, spec);
  if (status != KD_OK) {
    kd_plan_destroy(plan);
    return status;
  }
  *made = plan;
  return KD_OK;
}

void kd_plan_destroy(kd_plan *plan) {
  if (!plan) return;
  kd_device *device = plan->device;
  if (plan->recorded) device->backend->forget(device, plan->recorded);
  for (int t = 0; t < plan->n_prepared; t++)
    if (plan->kernels[t]->release) plan->kernels[t]->release(&plan->launches[t]);
  if (plan->arena) device->backend->free(device, plan->arena, plan->layout.arena_bytes);
  if (plan->workspace) device->backend->free(device, plan->workspace, plan->workspace_bytes);
  if (plan->state) device->backend->free(device, plan->state, plan->state_bytes);
  kd_graph_destroy(plan->graph);
  kd_pool_destroy(plan->pool);
  kd_free(plan);
}
