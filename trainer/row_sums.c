/* Sums over passes and ranks of tables' gradients of which a step uses few rows.
 *
 * Passes: the rows that a pass wrote are added to those of its slot, along the tree. A slot's set says which
 * of its rows count. Ranks: the sets travel as flags in a bucket of their own, behind all others, so every
 * rank learns the rows that some rank used. Each moves these to the front of the table's own range in its
 * partial sums, those that it did not use as zeros; the front is summed as any bucket, and its rows go back
 * to their places. A sum is the same wherever its numbers stand, and x + 0 is x: these are the bits of the
 * whole gradient. No memory beside the table's is needed, and every size is known to all ranks.
 *
 * Where the update reads the whole gradient, the rows of the step before become zero first. */
#include <string.h>

#include "trainer/replica_state.h"

/* Of all rows; more are taken for all of them, of which none moves. */
static const double most_used = 0.75;

enum { ALIGN_FLOATS = KD_ALIGNMENT / sizeof(float) };

void kd_row_sums_place(kd_replica *r) {
  for (int i = 0; r->row_sums && i < r->n_tables; i++) {
    kd_table *table = &r->tables[i];
    int64_t floats = kd_row_flags_floats(table->rows, r->spec.comm->size);
    table->flags_at = r->n_reduce;
    table->flags = (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    r->n_reduce += table->flags;
  }
}

int kd_row_sums_buckets(const kd_replica *r) {
  return r->row_sums && r->spec.comm->size > 1 ? r->n_tables : 0;
}

static kd_row_set make_set(kd_replica *r, int64_t rows) {
  return (kd_row_set){rows, kd_pool_alloc(r->pool, (size_t)kd_row_set_words(rows), sizeof(uint64_t))};
}

void kd_row_sums_create(kd_replica *r) {
  for (int i = 0; r->row_sums && i < r->n_tables; i++) {
    kd_table *table = &r->tables[i];
    table->pass = make_set(r, table->rows);
    table->all = make_set(r, table->rows);
    table->slot = kd_pool_alloc(r->pool, (size_t)r->tree.n_slots + 1, sizeof *table->slot);
    for (int s = 0; s < r->tree.n_slots; s++) table->slot[s] = make_set(r, table->rows);
  }
}

/* The table's range in a slot. */
static float *slot_rows(const kd_replica *r, const kd_table *table, int slot) {
  return kd_replica_gradient(r, r->reduce + slot * r->n_reduce, table->weight);
}

void kd_row_sums_start(kd_replica *r) {
  for (int i = 0; r->row_sums && i < r->n_tables; i++) {
    const kd_table *table = &r->tables[i];
    if (table->rest == KD_REST_ZEROED)
      kd_rows_clear(slot_rows(r, table, 0), &table->all, table->width);
    else if (table->rest == KD_REST_CLEARED)
      memset(slot_rows(r, table, 0), 0, (size_t)(table->rows * table->width) * sizeof(float));
  }
}

/* What kd_tree_accumulate does, with the rows of the pass. */
static void accumulate(kd_replica *r, kd_table *table) {
  const kd_tree_program *tree = &r->tree;
  int index = r->pass - tree->begin;
  const float *leaf = kd_replica_gradient(r, r->leaf, table->weight);
  for (int s = tree->first[index]; s < tree->first[index + 1]; s++) {
    const kd_tree_step *step = &tree->steps[s];
    bool joins = step->kind == KD_TREE_JOIN;
    if (step->kind == KD_TREE_COPY) kd_row_set_clear(&table->slot[step->into]);
    kd_rows_add(slot_rows(r, table, step->into), &table->slot[step->into],
                joins ? slot_rows(r, table, step->from) : leaf,
                joins ? &table->slot[step->from] : &table->pass, table->width);
  }
}

/* The rows of all partial sums of this rank. */
static void write_flags(kd_replica *r, kd_table *table) {
  kd_row_set_clear(&table->all);
  for (int p = 0; p < r->tree.n_partials; p++) kd_row_set_join(&table->all, &table->slot[p]);
  kd_row_flags_write(&table->all, r->spec.comm->size, r->reduce + table->flags_at);
}

void kd_row_sums_pass(kd_replica *r) {
  for (int i = 0; i < r->n_tables; i++) {
    kd_table *table = &r->tables[i];
    kd_row_set_scan(r->own_leaf ? &table->pass : &table->slot[0], table->used);
    if (r->own_leaf) accumulate(r, table);
    if (r->last_pass) write_flags(r, table);
  }
}

static void read_flags(kd_replica *r, kd_table *table) {
  kd_row_flags_read(&table->all, r->spec.comm->size, r->reduce + table->flags_at);
  bool moves = kd_row_sums_buckets(r) > 0;
  if (moves && (double)kd_row_set_count(&table->all) > most_used * (double)table->rows)
    kd_row_set_fill(&table->all);
}

static void post(kd_replica *r, int number) {
  kd_table *table = &r->tables[number];
  int bucket = r->buckets.count + number;
  for (int p = 0; p < r->tree.n_partials; p++)
    kd_rows_pack(slot_rows(r, table, p), &table->all, &table->slot[p], table->width);
  kd_reducer_shorten(r->reducer, bucket, kd_row_set_count(&table->all) * table->width);
  kd_reducer_post(r->reducer, bucket);
}

/* The update goes by the rows of all ranks. `used` names those of the last pass. */
static void mark_used(kd_table *table) {
  for (int64_t row = kd_row_set_next(&table->all, 0); row < table->rows;
       row = kd_row_set_next(&table->all, row + 1))
    table->used[row] = 1;
}

kd_status kd_row_sums_finish(kd_replica *r) {
  if (!r->row_sums) return KD_OK;
  for (int i = 0; i < r->n_tables; i++) read_flags(r, &r->tables[i]);
  for (int i = 0; i < kd_row_sums_buckets(r); i++) post(r, i);
  KD_TRY(kd_reducer_wait(r->reducer));
  for (int i = 0; i < kd_row_sums_buckets(r); i++)
    kd_rows_unpack(slot_rows(r, &r->tables[i], 0), &r->tables[i].all, r->tables[i].width);
  if (r->tree.begin == r->tree.end) KD_TRY(kd_used_rows_none(r)); /* no pass has named any */
  for (int i = 0; i < r->n_tables; i++) mark_used(&r->tables[i]);
  return KD_OK;
}
