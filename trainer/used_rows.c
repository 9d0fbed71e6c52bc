/* Gradients of tables of which a step uses few rows (Embedding). Where the update alone reads such a
 * gradient, only the used rows are written and read: the others keep what they held and count as zero, so
 * that the bits are those of the whole gradient. A third of the update's memory traffic is saved. With
 * several ranks or passes gradients are added up, and some rules of clipping read them all: then they are
 * whole. */
#include "trainer/replica_state.h"

static bool update_alone_reads(const kd_replica *r, const kd_weight *weight) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  const kd_optimizer_common *common = optimizer->common;
  return r->spec.comm->size == 1 && !r->own_leaf && !r->scaled && optimizer->accumulation == 1 &&
         !optimizer->kind->per_weight && common->clipnorm == KD_UNSET_FLOAT &&
         common->clipvalue == KD_UNSET_FLOAT && common->global_clipnorm == KD_UNSET_FLOAT &&
         !weight->regularizer.kind;
}

/* The node that sums rows into the whole gradient; NULL: it is made in another way. */
static const kd_node *row_sum(const kd_graph *g, kd_sym gradient) {
  const kd_node *node = gradient == KD_NO_SYM ? NULL : kd_producer(g, gradient, false);
  return node && node->op == KD_OP_SCATTER_ADD ? node : NULL;
}

void kd_used_rows_find(kd_replica *r, const kd_graph *g, const kd_sym *gradient, int n_order,
                       const int *order) {
  r->tables = kd_pool_alloc(r->pool, (size_t)n_order + 1, sizeof *r->tables);
  for (int i = 0; i < n_order; i++)
    if (row_sum(g, gradient[order[i]]) && update_alone_reads(r, &r->spec.model->weights[order[i]]))
      r->tables[r->n_tables++] = (kd_table){.weight = order[i]};
}

static size_t used_bytes(const kd_replica *r, const kd_table *table) {
  return (size_t)r->spec.model->weights[table->weight].shape.dim[0] * sizeof(float);
}

size_t kd_used_rows_bytes(const kd_replica *r) {
  size_t bytes = 0;
  for (int i = 0; i < r->n_tables; i++) bytes += used_bytes(r, &r->tables[i]);
  return bytes;
}

kd_status kd_used_rows_alloc(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_tables; i++)
    KD_TRY(device->backend->alloc(device, used_bytes(r, &r->tables[i]), (void **)&r->tables[i].used));
  return KD_OK;
}

void kd_used_rows_free(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_tables; i++)
    if (r->tables[i].used) device->backend->free(device, r->tables[i].used, used_bytes(r, &r->tables[i]));
}

kd_status kd_used_rows_emit(const kd_replica *r, kd_graph *g, kd_sym *gradient, kd_sym *old, kd_sym *used) {
  for (int i = 0; i < r->n_tables; i++) {
    int w = r->tables[i].weight;
    const kd_node *node = row_sum(g, gradient[w]);
    KD_CHECK(node, KD_ERR_INTERNAL, "%s: the gradient is no sum of rows", r->spec.model->weights[w].path);
    kd_sym ids = node->input[0], rows = node->input[1];
    kd_shape table = *kd_sym_shape(g, gradient[w]), one = *kd_sym_shape(g, ids);
    one.dim[one.rank++] = 1;
    kd_graph_scope(g, node->scope);
    old[i] = kd_value_sym(g, KD_F32, table, KD_VALUE_OLD_ROWS - i, "old gradient");
    kd_shape_attr whole = {table}, counts = {KD_SHAPE(table.dim[0], 1)};
    gradient[w] = kd_append(g, KD_OP_SCATTER_ADD, &whole, 3, (kd_sym[]){ids, rows, old[i]}, NULL);
    used[i] = kd_append(g, KD_OP_SCATTER_ADD, &counts, 2, (kd_sym[]){ids, kd_full(g, one, 1)}, NULL);
  }
  return kd_graph_status(g);
}
