#include "io/file_set.h"

#include "device/base/hash.h"
#include "device/base/text.h"
#include "io/fingerprint.h"

#include <string.h>

enum { KEPT_ROW = 256, KEPT_LEAST = 4096, KEPT_BUDGET = 64 << 20 };

const char *kd_piece_path(const kd_file_set *set, const kd_piece *piece) {
  return piece->file >= 0 ? set->base.files[piece->file].path : set->format->name;
}

int64_t kd_piece_stride(const kd_piece *piece) {
  return kd_shape_count(&piece->sample) * piece->element.size;
}

kd_status kd_piece_allocate(const kd_file_set *set, int field, kd_piece *piece) {
  if (piece->memory) return KD_OK;
  piece->memory_bytes = (size_t)piece->rows * set->base.fields[field].bytes;
  kd_status status = kd_large_alloc(piece->memory_bytes, &piece->memory);
  if (status == KD_OK) return KD_OK;
  return kd_fail(status, "%s: not enough memory for its %lld decoded samples (%zu bytes)",
                 kd_quoted(kd_piece_path(set, piece)), (long long)piece->rows, piece->memory_bytes);
}

kd_status kd_piece_fill(const kd_file_set *set, int field, kd_piece *piece, const void *raw) {
  KD_TRY(kd_piece_allocate(set, field, piece));
  kd_status status =
      kd_element_convert(piece->element, raw, piece->memory, piece->rows * kd_shape_count(&piece->sample));
  if (status == KD_OK) return KD_OK;
  return kd_fail_context(status, "%s", kd_quoted(kd_piece_path(set, piece)));
}

static void release_memory(kd_piece *piece) {
  kd_large_free(piece->memory, piece->memory_bytes);
  piece->memory = NULL;
}

static kd_status load_piece(kd_file_set *set, int field, kd_piece *piece) {
  kd_status status = set->format->load(set, field, piece);
  if (status == KD_OK) return KD_OK;
  release_memory(piece);
  return status;
}

/* The piece that holds a row: pieces are sorted by their first row. */
static kd_piece *find_piece(kd_column *column, int64_t row) {
  kd_piece *last = &column->piece[column->last];
  if (row >= last->first && row - last->first < last->rows) return last;
  size_t low = 0, high = column->count - 1;
  while (low < high) {
    size_t middle = (low + high + 1) / 2;
    if (column->piece[middle].first <= row)
      low = middle;
    else
      high = middle - 1;
  }
  column->last = low;
  return &column->piece[low];
}

static kd_status read_stored_rows(kd_file_set *set, const kd_piece *piece, int64_t row, int64_t rows,
                                  void *out) {
  int64_t stride = kd_piece_stride(piece);
  size_t bytes = (size_t)(stride * rows);
  int64_t offset = piece->offset + row * stride;
  if (kd_element_plain(piece->element))
    return kd_file_table_read(set->table, piece->file, offset, bytes, out);
  if (set->scratch_bytes < bytes) {
    set->scratch = kd_realloc(set->scratch, bytes, 1);
    set->scratch_bytes = bytes;
  }
  KD_TRY(kd_file_table_read(set->table, piece->file, offset, bytes, set->scratch));
  return kd_element_convert(piece->element, set->scratch, out, rows * kd_shape_count(&piece->sample));
}

/* Labels and rows of tables are so small that a system call for each costs far more than copying it: such
 * pieces are kept in memory, within a budget. */
static bool is_worth_keeping(const kd_file_set *set, int field, const kd_piece *piece) {
  size_t row = set->base.fields[field].bytes;
  return row <= KEPT_ROW && (size_t)piece->rows * row >= KEPT_LEAST &&
         (size_t)piece->rows * row <= KEPT_BUDGET - set->kept_bytes;
}

static kd_status keep_piece(kd_file_set *set, int field, kd_piece *piece) {
  size_t bytes = (size_t)(piece->rows * kd_piece_stride(piece));
  void *raw;
  KD_TRY(kd_large_alloc(bytes, &raw));
  kd_status status = kd_file_table_read(set->table, piece->file, piece->offset, bytes, raw);
  if (status == KD_OK) status = kd_piece_fill(set, field, piece, raw);
  kd_large_free(raw, bytes);
  if (status == KD_OK)
    set->kept_bytes += piece->memory_bytes;
  else
    release_memory(piece);
  return status;
}

static kd_status read_piece(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows,
                            void *out) {
  size_t bytes = set->base.fields[field].bytes;
  if (piece->storage == KD_STORED_OWN) return set->format->read(set, field, piece, row, rows, out);
  if (!piece->memory) {
    if (piece->storage == KD_STORED_WHOLE)
      KD_TRY(load_piece(set, field, piece));
    else if (is_worth_keeping(set, field, piece))
      KD_TRY(keep_piece(set, field, piece));
    else
      return read_stored_rows(set, piece, row, rows, out);
  }
  memcpy(out, (char *)piece->memory + (size_t)row * bytes, (size_t)rows * bytes);
  return KD_OK;
}

static kd_status read_rows(kd_file_set *set, int field, int64_t count, const int64_t *index, char *out) {
  size_t bytes = set->base.fields[field].bytes;
  for (int64_t i = 0; i < count;) {
    KD_CHECK(index[i] >= 0 && index[i] < set->base.count, KD_ERR_INTERNAL, "sample %lld of %lld",
             (long long)index[i], (long long)set->base.count);
    kd_piece *piece = find_piece(&set->column[field], index[i]);
    int64_t row = index[i] - piece->first, run = 1;
    while (i + run < count && row + run < piece->rows && index[i + run] == index[i] + run) run++;
    KD_TRY(read_piece(set, field, piece, row, run, out));
    out += (size_t)run * bytes;
    i += run;
  }
  return KD_OK;
}

static kd_status file_set_read(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out) {
  kd_file_set *set = (kd_file_set *)data;
  pthread_mutex_lock(&set->lock);
  kd_status status = read_rows(set, field, count, index, out);
  pthread_mutex_unlock(&set->lock);
  return status;
}

static const char *file_set_file_of(const kd_dataset *data, int field, int64_t sample, int64_t *row) {
  const kd_file_set *set = (const kd_file_set *)data;
  for (size_t i = 0; i < set->column[field].count; i++) {
    const kd_piece *piece = &set->column[field].piece[i];
    if (sample < piece->first || sample - piece->first >= piece->rows) continue;
    *row = sample - piece->first + piece->file_row;
    return kd_piece_path(set, piece);
  }
  *row = sample;
  return set->format->name;
}

static void file_set_close(kd_dataset *data) {
  kd_file_set_close((kd_file_set *)data);
}

static const kd_dataset_ops file_set_ops = {file_set_read, file_set_close, file_set_file_of};

kd_file_set *kd_file_set_create(const kd_format *format, int n_fields, const char *const *names) {
  kd_file_set *set = kd_calloc(1, sizeof *set);
  set->format = format;
  set->base.ops = &file_set_ops;
  set->base.pool = kd_pool_create();
  set->base.n_fields = n_fields;
  set->base.fields = kd_pool_alloc(set->base.pool, (size_t)n_fields, sizeof *set->base.fields);
  set->column = kd_pool_alloc(set->base.pool, (size_t)n_fields, sizeof *set->column);
  for (int i = 0; i < n_fields; i++) set->base.fields[i].name = kd_pool_strdup(set->base.pool, names[i]);
  pthread_mutex_init(&set->lock, NULL);
  return set;
}

int kd_file_set_add_file(kd_file_set *set, const char *path, kd_diag *diag, kd_origin origin) {
  kd_dataset *base = &set->base;
  kd_data_file file = {.path = kd_pool_strdup(base->pool, path)};
  if (kd_file_fingerprint(path, &file.size, &file.checksum) != KD_OK) {
    kd_diag_error(diag, origin, "%s", kd_status_text());
    return -1;
  }
  base->files =
      kd_pool_grow(base->pool, base->files, (size_t)base->n_files, &set->file_capacity, sizeof *base->files);
  base->files[base->n_files] = file;
  return base->n_files++;
}

kd_piece *kd_file_set_add_piece(kd_file_set *set, int field, const kd_piece *piece) {
  kd_column *column = &set->column[field];
  column->piece =
      kd_pool_grow(set->base.pool, column->piece, column->count, &column->capacity, sizeof *column->piece);
  column->piece[column->count] = *piece;
  return &column->piece[column->count++];
}

void kd_file_set_prepare(kd_file_set *set) {
  for (int f = 0; f < set->base.n_fields; f++) {
    int64_t next = 0;
    for (size_t i = 0; i < set->column[f].count; i++) {
      set->column[f].piece[i].first = next;
      next += set->column[f].piece[i].rows;
    }
  }
  set->table = kd_file_table_create(set->base.n_files, set->base.files);
}

void kd_file_set_close(kd_file_set *set) {
  if (!set) return;
  if (set->format->close) set->format->close(set);
  for (int f = 0; f < set->base.n_fields; f++)
    for (size_t i = 0; i < set->column[f].count; i++)
      kd_large_free(set->column[f].piece[i].memory, set->column[f].piece[i].memory_bytes);
  kd_file_table_destroy(set->table);
  kd_free(set->scratch);
  pthread_mutex_destroy(&set->lock);
  kd_pool_destroy(set->base.pool);
  kd_free(set);
}
