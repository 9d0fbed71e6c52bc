#include "io/csv_table.h"

#include "device/base/text.h"

#include <string.h>

static int find_name(const kd_csv_table *table, const char *name) {
  for (int i = 0; i < table->n_names; i++)
    if (strcmp(table->names[i], name) == 0) return i;
  return -1;
}

static kd_element element_for(const kd_data_source *source, int field) {
  switch (source->wanted_dtype ? source->wanted_dtype[field] : KD_F32) {
  case KD_I32:
  case KD_U8:
    return (kd_element){'i', 4, false};
  case KD_I64:
  case KD_U32:
    return (kd_element){'i', 8, false};
  default:
    return (kd_element){'f', 4, false};
  }
}

/* "a, b" of map.NAME to column numbers. */
static bool select_mapped(const kd_data_source *source, int field, const kd_csv_table *table, kd_pool *pool,
                          kd_diag *diag, kd_csv_columns *part) {
  size_t capacity = 0, count = 0;
  char *rest = kd_pool_strdup(pool, source->mapped[field]), *name;
  while ((name = strsep(&rest, ","))) {
    name += strspn(name, " \t");
    for (size_t n = strlen(name); n > 0 && (name[n - 1] == ' ' || name[n - 1] == '\t'); n--)
      name[n - 1] = '\0';
    int column = find_name(table, name);
    if (column < 0) {
      const char *near = kd_nearest(name, table->names, (size_t)table->n_names, sizeof *table->names);
      bool weights = field >= source->n_fields - source->n_weights;
      kd_diag_error(diag, source->origin, "%s: there is no column '%s' (%s%s)%s%s%s",
                    kd_quoted(table->reader.path), kd_quoted(name), weights ? "" : "map.",
                    source->field_names[field], near ? "; did you mean " : "", near ? kd_quoted(near) : "",
                    near ? "?" : "");
      return false;
    }
    part->column = kd_pool_grow(pool, part->column, count, &capacity, sizeof *part->column);
    part->column[count++] = column;
  }
  part->count = (int)count;
  return true;
}

/* All columns that no other field has. */
static void select_rest(const kd_csv_table *table, kd_pool *pool, const bool *taken, kd_csv_columns *part) {
  part->column = kd_pool_alloc(pool, (size_t)table->n_names, sizeof *part->column);
  part->count = 0;
  for (int i = 0; i < table->n_names; i++)
    if (!taken[i]) part->column[part->count++] = i;
}

/* Without an output to fill (predict) a last column that is one too many is the target. */
static bool has_unused_target(const kd_data_source *source, const kd_csv_table *table) {
  if (source->n_fields != 1 || !source->wanted_shape || source->wanted_shape[0].rank < 0) return false;
  return kd_shape_count(&source->wanted_shape[0]) == table->n_names - 1;
}

bool kd_csv_select(const kd_data_source *source, const kd_csv_table *table, kd_pool *pool, kd_diag *diag,
                   kd_csv_columns *parts) {
  size_t errors = diag->count;
  bool *taken = kd_pool_alloc(pool, (size_t)table->n_names, sizeof *taken);
  int n_outputs = source->n_fields - source->n_inputs - source->n_weights, input = -1;
  for (int f = 0; f < source->n_fields; f++) {
    parts[f] = (kd_csv_columns){.element = element_for(source, f)};
    if (source->mapped && source->mapped[f]) {
      if (!select_mapped(source, f, table, pool, diag, &parts[f])) continue;
      for (int i = 0; i < parts[f].count; i++) taken[parts[f].column[i]] = true;
    } else if (f < source->n_inputs && source->n_inputs == 1) {
      input = f;
    } else if (f >= source->n_inputs && n_outputs == 1) {
      parts[f].column = kd_pool_alloc(pool, 1, sizeof(int));
      parts[f].column[0] = table->n_names - 1;
      parts[f].count = 1;
      taken[table->n_names - 1] = true;
    } else {
      kd_diag_error(diag, source->origin, "%s: say which columns are %s: map.%s = COLUMN, ...",
                    kd_quoted(table->reader.path), source->field_names[f], source->field_names[f]);
    }
  }
  if (input >= 0) {
    if (has_unused_target(source, table)) taken[table->n_names - 1] = true;
    select_rest(table, pool, taken, &parts[input]);
    if (parts[input].count == 0)
      kd_diag_error(diag, source->origin, "%s: no column is left for the input %s",
                    kd_quoted(table->reader.path), source->field_names[input]);
  }
  return diag->count == errors;
}
