/* Gradients of tables of which a step uses few rows (Embedding): passes write the used rows alone, passes and
 * ranks add up these alone (row_sums.c), and where nothing else reads the gradient, so does the update: rows
 * that no rank used count as zero. The bits are those of the whole gradient.
 *
 * A table is whole, as other weights are, where its gradient is no sum of rows (the table is used otherwise
 * too), where a step names each row several times, and where memory is a device's, since the host packs rows:
 * there only a rank alone with one pass and an update that ignores other rows save anything. */
#include "trainer/replica_state.h"

/* How the update finds zeros in the rows that were not used. */
static kd_table_rest rest_of(const kd_replica *r, const kd_weight *weight) {
  const kd_optimizer_common *common = r->spec.optimizer->common;
  if (weight->regularizer.kind || common->clipnorm != KD_UNSET_FLOAT || r->spec.optimizer->accumulation > 1)
    return KD_REST_CLEARED; /* the update writes into the gradient */
  bool whole = r->scaled || r->spec.optimizer->kind->per_weight || common->clipvalue != KD_UNSET_FLOAT ||
               common->global_clipnorm != KD_UNSET_FLOAT;
  return whole ? KD_REST_ZEROED : KD_REST_IGNORED;
}

/* The node that sums rows into the whole gradient; NULL: it is made in another way. */
static const kd_node *row_sum(const kd_graph *g, kd_sym gradient) {
  const kd_node *node = gradient == KD_NO_SYM ? NULL : kd_producer(g, gradient, false);
  return node && node->op == KD_OP_SCATTER_ADD ? node : NULL;
}

/* More names than that for each row: most rows are used, and sums are better made beside the backward pass.
 * Fewer may still name few rows: words of a text are not equally frequent. */
static const double most_names = 4;

/* Whether a step of all ranks names few enough rows, as far as the graph of the largest pass tells. */
static bool names_few(const kd_replica *r, const kd_graph *g, const kd_node *node) {
  double batches = (double)r->spec.batch_size / (double)kd_passes_nominal_rows(r);
  double named = batches * (double)kd_shape_count(kd_sym_shape(g, node->input[0]));
  return named < most_names * (double)((const kd_shape_attr *)node->attr)->shape.dim[0];
}

static bool is_alone(const kd_replica *r) {
  return r->spec.comm->size == 1 && !r->own_leaf;
}

/* All ranks decide alike. */
static bool is_table(const kd_replica *r, const kd_graph *g, kd_sym gradient, kd_table_rest rest) {
  const kd_node *node = row_sum(g, gradient);
  if (!node || r->spec.whole_tables) return false;
  if (is_alone(r)) return rest == KD_REST_IGNORED; /* else nothing was gained */
  return !r->apart && names_few(r, g, node);
}

void kd_used_rows_find(kd_replica *r, const kd_graph *g, const kd_sym *gradient, int n_order, int *order) {
  r->tables = kd_pool_alloc(r->pool, (size_t)n_order + 1, sizeof *r->tables);
  int n = 0;
  for (int i = 0; i < n_order; i++) {
    const kd_weight *weight = &r->spec.model->weights[order[i]];
    kd_table_rest rest = rest_of(r, weight);
    if (is_table(r, g, gradient[order[i]], rest))
      r->tables[r->n_tables++] = (kd_table){.weight = order[i],
                                            .rest = rest,
                                            .rows = weight->shape.dim[0],
                                            .width = weight->count / weight->shape.dim[0]};
    else
      order[n++] = order[i];
  }
  for (int i = 0; i < r->n_tables; i++) order[n++] = r->tables[i].weight;
  r->row_sums = r->n_tables > 0 && !is_alone(r);
}

static size_t used_bytes(const kd_table *table) {
  return (size_t)table->rows * sizeof(float);
}

size_t kd_used_rows_bytes(const kd_replica *r) {
  size_t bytes = 0;
  for (int i = 0; i < r->n_tables; i++) bytes += used_bytes(&r->tables[i]);
  return bytes;
}

kd_status kd_used_rows_alloc(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_tables; i++)
    KD_TRY(device->backend->alloc(device, used_bytes(&r->tables[i]), (void **)&r->tables[i].used));
  return KD_OK;
}

void kd_used_rows_free(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_tables; i++)
    if (r->tables[i].used) device->backend->free(device, r->tables[i].used, used_bytes(&r->tables[i]));
}

kd_status kd_used_rows_none(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int i = 0; i < r->n_tables; i++)
    KD_TRY(device->backend->clear(device, r->tables[i].used, used_bytes(&r->tables[i])));
  return KD_OK;
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
