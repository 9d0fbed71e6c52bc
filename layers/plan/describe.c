/* What a plan says about itself: listing, numbers, slow layers. */
#include <string.h>

#include "layers/plan/internal.h"

const char *kd_plan_scope(const kd_plan *plan, int launch) {
  const kd_step *step = &plan->layout.steps[launch];
  return step->node < 0 ? "copy" : plan->graph->nodes[step->node].scope;
}

kd_plan_stats kd_plan_get_stats(const kd_plan *plan) {
  kd_plan_stats stats = {
      .arena_bytes = plan->layout.arena_bytes,
      .workspace_bytes = plan->workspace_bytes,
      .state_bytes = plan->state_bytes,
      .n_launches = plan->n_launches,
  };
  for (int t = 0; t < plan->n_launches; t++) {
    stats.n_slow += plan->launches[t].slow;
    int node = plan->layout.steps[t].node;
    if (node >= 0) stats.flops += kd_node_flops(plan->graph, &plan->graph->nodes[node]);
  }
  return stats;
}

/* A growing text in the pool. */
typedef struct listing {
  kd_pool *pool;
  char *text;
  size_t used, capacity;
} listing;

static void add(listing *list, const char *part) {
  size_t length = strlen(part);
  if (list->used + length + 1 > list->capacity) {
    list->capacity = 2 * (list->used + length + 1);
    char *bigger = kd_pool_alloc(list->pool, list->capacity, 1);
    if (list->used) memcpy(bigger, list->text, list->used);
    list->text = bigger;
  }
  memcpy(list->text + list->used, part, length + 1);
  list->used += length;
}

/* "conv1 float32 (8, 28, 28, 32) @4096": where the tensor starts in the arena, "bound" outside of it. */
static void add_tensor(listing *list, const kd_plan *plan, kd_sym sym, bool bound) {
  const kd_layout *layout = &plan->layout;
  const kd_sym_info *info = &plan->graph->syms[sym];
  kd_sym root = layout->root[sym];
  char shape[KD_SHAPE_TEXT];
  const char *name = info->role == KD_ROLE_NODE ? "" : info->name;
  add(list, kd_pool_printf(list->pool, " %s%s%s%s", name, *name ? " " : "", kd_dtype_name(info->dtype),
                           kd_shape_text(&info->shape, shape)));
  if (bound || layout->bound[root])
    add(list, "@bound");
  else
    add(list, kd_pool_printf(list->pool, "@%zu", layout->block_offset[layout->block[root]]));
}

static void add_steps(listing *list, const kd_pointwise_attr *attr) {
  add(list, " [");
  for (int s = 0; s < attr->n_steps; s++) {
    if (s) add(list, " ");
    add(list, kd_pw_name(attr->step[s].op));
  }
  add(list, "]");
}

static void add_launch(listing *list, const kd_plan *plan, int number) {
  const kd_launch *launch = &plan->launches[number];
  const kd_step *step = &plan->layout.steps[number];
  add(list, kd_pool_printf(list->pool, "%4d %-16s %-20s", number, kd_op_get(launch->op)->name,
                           kd_plan_scope(plan, number)));
  if (step->node < 0) {
    add_tensor(list, plan, step->from, false);
    add(list, " ->");
    add_tensor(list, plan, step->from, true);
  } else {
    const kd_node *node = &plan->graph->nodes[step->node];
    for (int i = 0; i < node->n_inputs; i++) add_tensor(list, plan, node->input[i], false);
    add(list, " ->");
    for (int o = 0; o < node->n_outputs; o++) add_tensor(list, plan, node->output[o], false);
    if (node->op == KD_OP_POINTWISE) add_steps(list, node->attr);
  }
  if (launch->note) add(list, kd_pool_printf(list->pool, " {%s}", launch->note));
  if (launch->slow) add(list, " SLOW");
  if (launch->workspace_bytes)
    add(list, kd_pool_printf(list->pool, " workspace %zu", launch->workspace_bytes));
  if (launch->state_bytes) add(list, kd_pool_printf(list->pool, " state %zu", launch->state_bytes));
  add(list, "\n");
}

const char *kd_plan_text(const kd_plan *plan, kd_pool *pool) {
  kd_plan_stats stats = kd_plan_get_stats(plan);
  listing list = {.pool = pool};
  add(&list,
      kd_pool_printf(pool, "%d launches, arena %zu bytes, workspace %zu bytes, state %zu bytes, %.3f Gflop\n",
                     stats.n_launches, stats.arena_bytes, stats.workspace_bytes, stats.state_bytes,
                     stats.flops * 1e-9));
  int next = 0;
  for (int t = 0; t <= plan->n_launches; t++) {
    if (t < plan->n_launches) add_launch(&list, plan, t);
    for (; next < plan->n_fires && plan->fires[next].after == t; next++)
      add(&list, kd_pool_printf(pool, "     mark %d\n", plan->fires[next].mark));
  }
  return list.text;
}

/* Whether an earlier slow launch has the same scope. */
static bool named_before(const kd_plan *plan, int launch) {
  for (int t = 0; t < launch; t++)
    if (plan->launches[t].slow && strcmp(kd_plan_scope(plan, t), kd_plan_scope(plan, launch)) == 0)
      return true;
  return false;
}

const char *kd_plan_slow_scopes(const kd_plan *plan, kd_pool *pool) {
  listing list = {.pool = pool};
  for (int t = 0; t < plan->n_launches; t++) {
    if (!plan->launches[t].slow || named_before(plan, t)) continue;
    if (list.used) add(&list, ", ");
    add(&list, kd_plan_scope(plan, t));
  }
  return list.text;
}

int kd_plan_op_sizes(const kd_plan *plan, kd_op op, int room, int64_t *sizes) {
  int n = 0;
  for (int i = 0; i < plan->n_launches; i++) {
    if (plan->launches[i].op != op) continue;
    if (n < room) sizes[n] = kd_shape_count(&plan->launches[i].output[0].shape);
    n++;
  }
  return n;
}
