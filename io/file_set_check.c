#include "io/file_set.h"

#include "device/base/hash.h"
#include "device/base/text.h"

#include <string.h>

/* "FILE" or "FILE, data set x". */
static const char *piece_text(const kd_file_set *set, kd_pool *pool, const kd_piece *piece) {
  const char *path = kd_quoted(kd_piece_path(set, piece));
  if (!piece->item || set->format == &kd_csv_format) return kd_pool_strdup(pool, path);
  return kd_pool_printf(pool, "%s (%s)", path, kd_quoted(piece->item));
}

/* All pieces of a field must have the type and shape of the first. */
static bool pieces_agree(kd_file_set *set, int field, kd_diag *diag, kd_origin origin) {
  const kd_column *column = &set->column[field];
  const kd_piece *first = &column->piece[0];
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], x[16], y[16];
  for (size_t i = 1; i < column->count; i++) {
    const kd_piece *piece = &column->piece[i];
    const char *field_name = set->base.fields[field].name;
    if (!kd_shape_equal(&first->sample, &piece->sample)) {
      kd_diag_error(diag, origin, "%s: samples of %s have shape %s, but %s in %s",
                    piece_text(set, diag->pool, piece), field_name, kd_shape_text(&piece->sample, a),
                    kd_shape_text(&first->sample, b), piece_text(set, diag->pool, first));
      return false;
    }
    if (first->element.kind != piece->element.kind || first->element.size != piece->element.size) {
      kd_diag_error(diag, origin, "%s: %s has type %s, but %s in %s", piece_text(set, diag->pool, piece),
                    field_name, kd_element_name(piece->element, x), kd_element_name(first->element, y),
                    piece_text(set, diag->pool, first));
      return false;
    }
  }
  return true;
}

static bool fits(const kd_shape *have, const kd_shape *want) {
  if (have->rank != want->rank) return false;
  for (int i = 0; i < have->rank; i++)
    if (want->dim[i] >= 0 && have->dim[i] != want->dim[i]) return false;
  return true;
}

/* A trailing axis of 1 is added or taken away where that gives the wanted shape. */
static bool adapt_shape(kd_shape *sample, const kd_shape *want) {
  if (want->rank < 0 || fits(sample, want)) return true;
  kd_shape longer = *sample, shorter = *sample;
  if (sample->rank < KD_MAX_RANK) {
    longer.dim[longer.rank++] = 1;
    if (fits(&longer, want)) {
      *sample = longer;
      return true;
    }
  }
  if (sample->rank > 0 && sample->dim[sample->rank - 1] == 1) {
    shorter.dim[--shorter.rank] = 0;
    if (fits(&shorter, want)) {
      *sample = shorter;
      return true;
    }
  }
  return false;
}

/* The piece with the longest row. */
static const kd_piece *longest_piece(const kd_column *column) {
  const kd_piece *longest = &column->piece[0];
  for (size_t i = 1; i < column->count; i++)
    if (column->piece[i].sample.dim[0] > longest->sample.dim[0]) longest = &column->piece[i];
  return longest;
}

/* Rows with lengths of their own get one shape: what is wanted, with the longest row's steps where any number
 * is. False when they do not fit into it. */
static bool settle_ragged(const kd_column *column, int64_t longest, const kd_shape *want) {
  kd_shape shape = kd_shape_make(1, (int64_t[]){-1});
  if (want && want->rank >= 1) shape = *want;
  int64_t step = 1, bytes;
  for (int i = 1; i < shape.rank; i++) {
    if (shape.dim[i] < 1) return false; /* only the first axis may be of any length */
    step *= shape.dim[i];
  }
  if (shape.dim[0] < 1) shape.dim[0] = longest / step;
  if (kd_shape_count(&shape) < longest) return false;
  for (size_t i = 0; i < column->count; i++) {
    kd_piece *piece = &column->piece[i];
    int64_t sizes[2] = {piece->rows, kd_shape_count(&shape)};
    if (!piece->ragged || piece->offset % step != 0) return false;
    if (kd_array_bytes(sizeof(double), 2, sizes, &bytes) != KD_OK) return false;
    piece->sample = shape;
  }
  return true;
}

/* All rows of a field as one shape. */
static bool finish_ragged(kd_file_set *set, int f, const kd_data_source *source, kd_diag *diag) {
  const kd_shape *want = source->wanted_shape ? &source->wanted_shape[f] : NULL;
  const kd_piece *piece = longest_piece(&set->column[f]);
  int64_t longest = piece->sample.dim[0];
  char text[KD_SHAPE_TEXT];
  if (settle_ragged(&set->column[f], longest, want)) return true;
  kd_diag_error(diag, source->origin, "%s: rows of %s have up to %lld numbers, which do not fit into %s",
                piece_text(set, diag->pool, piece), set->base.fields[f].name, (long long)longest,
                want ? kd_shape_text(want, text) : "one shape");
  return false;
}

static bool finish_field(kd_file_set *set, int f, const kd_data_source *source, kd_diag *diag) {
  kd_field *field = &set->base.fields[f];
  const kd_piece *first = &set->column[f].piece[0];
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], name[16];
  if (!kd_element_dtype(first->element, &field->dtype)) {
    kd_diag_error(diag, source->origin, "%s: %s has elements of type %s with %d bytes, which cannot be used",
                  piece_text(set, diag->pool, first), field->name, kd_element_name(first->element, name),
                  first->element.size);
    return false;
  }
  if (first->ragged && !finish_ragged(set, f, source, diag)) return false;
  if (!pieces_agree(set, f, diag, source->origin)) return false;
  field->sample = first->sample;
  if (kd_shape_count(&first->sample) == 0) {
    kd_diag_error(diag, source->origin, "%s: samples of %s have shape %s, which holds nothing",
                  piece_text(set, diag->pool, first), field->name, kd_shape_text(&first->sample, a));
    return false;
  }
  if (source->wanted_shape && !adapt_shape(&field->sample, &source->wanted_shape[f])) {
    kd_diag_error(diag, source->origin, "%s: samples of %s have shape %s, but the model wants %s",
                  piece_text(set, diag->pool, first), field->name, kd_shape_text(&first->sample, a),
                  kd_shape_text(&source->wanted_shape[f], b));
    return false;
  }
  field->bytes = (size_t)kd_shape_count(&field->sample) * kd_dtype_size(field->dtype);
  return true;
}

static int64_t field_rows(const kd_file_set *set, int field) {
  int64_t rows = 0;
  for (size_t i = 0; i < set->column[field].count; i++) rows += set->column[field].piece[i].rows;
  return rows;
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Folders are left out: data that were moved are still the same data. */
static uint64_t fingerprint(const kd_file_set *set) {
  uint64_t hash = kd_hash_text(set->format->name, 0);
  for (int i = 0; i < set->base.n_files; i++) {
    const kd_data_file *file = &set->base.files[i];
    uint64_t words[2] = {(uint64_t)file->size, file->checksum};
    hash = kd_hash(words, sizeof words, kd_hash_text(last_part(file->path), hash));
  }
  for (int f = 0; f < set->base.n_fields; f++) {
    const kd_column *column = &set->column[f];
    hash = kd_hash_text(set->base.fields[f].name, hash);
    for (size_t i = 0; i < column->count; i++) {
      int64_t words[2] = {column->piece[i].rows, column->piece[i].offset};
      hash = kd_hash(words, sizeof words,
                     kd_hash_text(column->piece[i].item ? column->piece[i].item : "", hash));
    }
  }
  return hash;
}

bool kd_file_set_finish(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  size_t errors = diag->count;
  for (int f = 0; f < set->base.n_fields; f++)
    if (set->column[f].count == 0) {
      kd_diag_error(diag, source->origin, "no data for %s", set->base.fields[f].name);
    } else {
      finish_field(set, f, source, diag);
    }
  if (diag->count > errors) return false;
  set->base.count = field_rows(set, 0);
  for (int f = 1; f < set->base.n_fields; f++)
    if (field_rows(set, f) != set->base.count)
      kd_diag_error(diag, source->origin, "%s holds %lld samples of %s, but %s holds %lld of %s",
                    piece_text(set, diag->pool, &set->column[0].piece[0]), (long long)set->base.count,
                    set->base.fields[0].name, piece_text(set, diag->pool, &set->column[f].piece[0]),
                    (long long)field_rows(set, f), set->base.fields[f].name);
  if (set->base.count == 0)
    kd_diag_error(diag, source->origin, "%s: there are no samples in it",
                  piece_text(set, diag->pool, &set->column[0].piece[0]));
  if (diag->count > errors) return false;
  set->base.fingerprint = fingerprint(set);
  kd_file_set_prepare(set);
  return true;
}
