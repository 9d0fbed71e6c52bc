/* CSV files as a data set: rank 0 parses them when it opens them, other ranks on first use. */
#include "io/file_set.h"

#include "device/base/text.h"
#include "io/bytes.h"
#include "io/csv_table.h"

#include <stdio.h>
#include <string.h>

/* The piece's item is its list of column numbers: "0,1,2". */
static const char *print_columns(kd_pool *pool, const kd_csv_columns *part) {
  enum { DIGITS = 12 };
  char *text = kd_pool_alloc(pool, (size_t)part->count + 1, DIGITS);
  size_t used = 0;
  for (int i = 0; i < part->count; i++)
    used += (size_t)snprintf(text + used, DIGITS, "%s%d", i ? "," : "", part->column[i]);
  return text;
}

static kd_status parse_columns(const char *item, int limit, kd_pool *pool, kd_csv_columns *part) {
  size_t capacity = 0, count = 0;
  char *rest = kd_pool_strdup(pool, item ? item : ""), *text;
  while ((text = strsep(&rest, ","))) {
    int64_t column;
    KD_CHECK(kd_parse_int(text, &column) && column >= 0 && column < limit, KD_ERR_USAGE,
             "it has %d columns, column %s is wanted: the file has changed", limit, kd_quoted(text));
    part->column = kd_pool_grow(pool, part->column, count, &capacity, sizeof *part->column);
    part->column[count++] = (int)column;
  }
  part->count = (int)count;
  return KD_OK;
}

/* The wanted shape when the columns fill it exactly, else one axis. */
static kd_shape shape_of(const kd_data_source *source, int field, int columns) {
  if (source->wanted_shape && source->wanted_shape[field].rank >= 0) {
    const kd_shape *want = &source->wanted_shape[field];
    bool known = true;
    for (int i = 0; i < want->rank; i++) known = known && want->dim[i] > 0;
    if (known && kd_shape_count(want) == columns) return *want;
  }
  return columns == 1 ? KD_SCALAR : KD_SHAPE(columns);
}

static void add_pieces(kd_file_set *set, int file, const kd_data_source *source, const kd_csv_columns *parts,
                       const kd_csv_block *blocks, int64_t rows) {
  for (int f = 0; f < source->n_fields; f++) {
    kd_piece piece = {.file = file,
                      .storage = KD_STORED_WHOLE,
                      .element = parts[f].element,
                      .sample = shape_of(source, f, parts[f].count),
                      .rows = rows,
                      .item = print_columns(set->base.pool, &parts[f]),
                      .memory = blocks[f].memory,
                      .memory_bytes = blocks[f].bytes};
    kd_file_set_add_piece(set, f, &piece);
  }
}

static void free_blocks(int count, kd_csv_block *blocks) {
  for (int i = 0; i < count; i++) kd_large_free(blocks[i].memory, blocks[i].bytes);
}

static void open_file(kd_file_set *set, const char *path, const kd_data_source *source, kd_diag *diag) {
  int file = kd_file_set_add_file(set, path, diag, source->origin);
  if (file < 0) return;
  kd_csv_table table;
  kd_csv_columns *parts = kd_pool_alloc(set->base.pool, (size_t)source->n_fields, sizeof *parts);
  kd_csv_block *blocks = kd_pool_alloc(set->base.pool, (size_t)source->n_fields, sizeof *blocks);
  int64_t rows;
  kd_status status = kd_csv_open(&table, &set->base.files[file], set->base.pool);
  if (status == KD_OK && kd_csv_select(source, &table, set->base.pool, diag, parts)) {
    status = kd_csv_parse(&table, source->n_fields, parts, blocks, &rows);
    if (status == KD_OK)
      add_pieces(set, file, source, parts, blocks, rows);
    else
      free_blocks(source->n_fields, blocks);
  }
  if (status != KD_OK) kd_diag_error(diag, source->origin, "%s", kd_status_text());
  kd_csv_close(&table);
}

static void csv_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  kd_open_shards(set, source, diag, open_file);
}

/* Every field has exactly one piece in each file. */
static kd_piece *piece_in_file(kd_file_set *set, int field, int file) {
  for (size_t i = 0; i < set->column[field].count; i++)
    if (set->column[field].piece[i].file == file) return &set->column[field].piece[i];
  return NULL;
}

static kd_status parse_again(kd_file_set *set, int file, int64_t rows, kd_csv_table *table, kd_pool *pool,
                             kd_csv_block *blocks) {
  kd_csv_columns *parts = kd_pool_alloc(pool, (size_t)set->base.n_fields, sizeof *parts);
  const char *path = kd_quote(pool, set->base.files[file].path);
  for (int f = 0; f < set->base.n_fields; f++) {
    const kd_piece *piece = piece_in_file(set, f, file);
    KD_CHECK(piece && piece->rows == rows, KD_ERR_USAGE, "%s: the manifest is broken", path);
    parts[f].element = piece->element;
    if (parse_columns(piece->item, table->n_names, pool, &parts[f]) != KD_OK)
      return kd_fail_context(KD_ERR_USAGE, "%s", path);
    KD_CHECK(parts[f].count == kd_shape_count(&piece->sample), KD_ERR_USAGE, "%s: the manifest is broken",
             path);
  }
  int64_t found;
  KD_TRY(kd_csv_parse(table, set->base.n_fields, parts, blocks, &found));
  KD_CHECK(found == rows, KD_ERR_USAGE, "%s: it has %lld records, %lld are wanted: the file has changed",
           path, (long long)found, (long long)rows);
  return KD_OK;
}

static kd_status csv_load(kd_file_set *set, int field, kd_piece *piece) {
  (void)field;
  int file = piece->file, n_fields = set->base.n_fields;
  kd_pool *pool = kd_pool_create();
  kd_csv_block *blocks = kd_pool_alloc(pool, (size_t)n_fields, sizeof *blocks);
  kd_csv_table table;
  kd_status status = kd_csv_open(&table, &set->base.files[file], pool);
  if (status == KD_OK) status = parse_again(set, file, piece->rows, &table, pool, blocks);
  for (int f = 0; f < n_fields && status == KD_OK; f++) {
    kd_piece *filled = piece_in_file(set, f, file);
    if (filled->memory) continue;
    filled->memory = blocks[f].memory;
    filled->memory_bytes = blocks[f].bytes;
    blocks[f].memory = NULL;
  }
  free_blocks(n_fields, blocks);
  kd_csv_close(&table);
  kd_pool_destroy(pool);
  return status;
}

const kd_format kd_csv_format = {"csv", true, csv_open, csv_load, NULL, NULL};
