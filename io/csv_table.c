#include "io/csv_table.h"

#include "device/base/text.h"
#include "io/file_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static kd_status read_text(kd_csv_table *table, const kd_data_file *file) {
  table->bytes = (size_t)file->size;
  int fd = open(file->path, O_RDONLY | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(file->path), strerror(errno));
  void *block;
  kd_status status = kd_large_alloc(table->bytes + 1, &block);
  table->text = block;
  if (status == KD_OK) status = kd_read_at(fd, file->path, 0, table->bytes, block);
  close(fd);
  return status;
}

static const char *trimmed_copy(kd_pool *pool, const char *name) {
  while (*name == ' ') name++;
  size_t length = strlen(name);
  while (length > 0 && name[length - 1] == ' ') length--;
  return kd_pool_strndup(pool, name, length);
}

kd_status kd_csv_open(kd_csv_table *table, const kd_data_file *file, kd_pool *pool) {
  bool more;
  *table = (kd_csv_table){0};
  KD_TRY(read_text(table, file));
  kd_csv_start(&table->reader, file->path, table->text, table->bytes);
  KD_TRY(kd_csv_next(&table->reader, &more));
  KD_CHECK(more, KD_ERR_USAGE, "%s: there is no header line", kd_quoted(file->path));
  table->n_names = (int)table->reader.n_cells;
  table->names = kd_pool_alloc(pool, table->reader.n_cells, sizeof *table->names);
  for (int i = 0; i < table->n_names; i++) table->names[i] = trimmed_copy(pool, table->reader.cell[i]);
  return KD_OK;
}

void kd_csv_close(kd_csv_table *table) {
  kd_csv_end(&table->reader);
  kd_large_free(table->text, table->bytes + 1);
  table->text = NULL;
}

/* A bound for the number of records that are still to come. */
static int64_t count_lines(const char *at, const char *end) {
  int64_t lines = 1;
  for (; at < end; at++) lines += *at == '\n' || *at == '\r';
  return lines;
}

static bool parse_cell(const char *cell, kd_element element, void *row, int item) {
  if (element.kind == 'f') return kd_csv_float(cell, (float *)row + item);
  int64_t value;
  if (!kd_csv_int(cell, &value)) return false;
  if (element.size == 8)
    ((int64_t *)row)[item] = value;
  else if (value != (int32_t)value)
    return false;
  else
    ((int32_t *)row)[item] = (int32_t)value;
  return true;
}

static kd_status bad_cell(const kd_csv_table *table, int column, kd_element element) {
  const char *cell = table->reader.cell[column], *path = kd_quoted(table->reader.path);
  const char *wanted = element.kind == 'f' ? "a number" : "an integer";
  long long line = (long long)table->reader.line;
  if (!*cell)
    return kd_fail(KD_ERR_USAGE, "%s:%lld: column %d (%s) is empty; %s is wanted", path, line, column + 1,
                   kd_quoted(table->names[column]), wanted);
  return kd_fail(KD_ERR_USAGE, "%s:%lld: '%s' in column %d (%s) is not %s", path, line, kd_quoted(cell),
                 column + 1, kd_quoted(table->names[column]), wanted);
}

static kd_status parse_record(const kd_csv_table *table, int n_parts, const kd_csv_columns *parts,
                              const kd_csv_block *blocks, int64_t row) {
  KD_CHECK(table->reader.n_cells == (size_t)table->n_names, KD_ERR_USAGE,
           "%s:%lld: %zu cells in this line, but %d in the header", kd_quoted(table->reader.path),
           (long long)table->reader.line, table->reader.n_cells, table->n_names);
  for (int p = 0; p < n_parts; p++) {
    size_t bytes = (size_t)parts[p].count * (size_t)parts[p].element.size;
    void *to = (char *)blocks[p].memory + (size_t)row * bytes;
    for (int i = 0; i < parts[p].count; i++)
      if (!parse_cell(table->reader.cell[parts[p].column[i]], parts[p].element, to, i))
        return bad_cell(table, parts[p].column[i], parts[p].element);
  }
  return KD_OK;
}

kd_status kd_csv_parse(kd_csv_table *table, int n_parts, const kd_csv_columns *parts, kd_csv_block *blocks,
                       int64_t *rows) {
  int64_t limit = count_lines(table->reader.at, table->reader.end);
  for (int p = 0; p < n_parts; p++) {
    int64_t bytes, dims[2] = {limit, parts[p].count};
    KD_TRY(kd_array_bytes(parts[p].element.size, 2, dims, &bytes));
    blocks[p].bytes = (size_t)bytes;
    KD_TRY(kd_large_alloc(blocks[p].bytes, &blocks[p].memory));
  }
  for (*rows = 0;; (*rows)++) {
    bool more;
    KD_TRY(kd_csv_next(&table->reader, &more));
    if (!more) return KD_OK;
    KD_TRY(parse_record(table, n_parts, parts, blocks, *rows));
  }
}
