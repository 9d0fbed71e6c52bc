#include "launch/layer_args.h"

#include <string.h>

#include "device/base/text.h"

enum { MAX_ROWS = 128, NESTING = 16 };

static const kd_defaults_spec *defaults_of(const kd_model_spec *spec, const char *type) {
  for (int i = 0; i < spec->n_defaults; i++)
    if (!strcmp(spec->defaults[i].type, type)) return &spec->defaults[i];
  return NULL;
}

static int row_count(const kd_kind *kind) {
  int count = 0;
  while (kind->options && kind->options[count].name) count++;
  return count;
}

void kd_defaults_check(kd_diag *diag, const kd_model_spec *spec) {
  for (int i = 0; i < spec->n_defaults; i++) {
    const kd_defaults_spec *defaults = &spec->defaults[i];
    bool block = false;
    for (int k = 0; k < spec->n_blocks; k++) block = block || !strcmp(spec->block_names[k], defaults->type);
    const kd_kind *kind = kd_family_find(&kd_layer_family, defaults->type);
    if (!kind && !block)
      kd_diag_error(diag, defaults->origin, "[defaults %s]: unknown layer type '%s'%s",
                    kd_quoted(defaults->type), kd_quoted(defaults->type),
                    kd_family_hint(diag->pool, &kd_layer_family, defaults->type));
    for (int k = 0; kind && k < defaults->args.count; k++) {
      const kd_spec_arg *arg = &defaults->args.v[k];
      if (kd_option_row(kind->options, arg->key) >= 0) continue;
      const char *near =
          kd_nearest(arg->key, &kind->options[0].name, (size_t)row_count(kind), sizeof *kind->options);
      kd_diag_error(diag, arg->value->origin, "[defaults %s]: unknown key '%s'%s%s%s", defaults->type,
                    kd_quoted(arg->key), near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
  }
}

/* Marks the rows that arguments give, by position or key. */
static void mark_given(const kd_kind *kind, int count, const char *const *keys, bool *given) {
  int position = 0;
  for (int i = 0; i < count; i++) {
    int row = keys && keys[i] ? kd_option_row(kind->options, keys[i])
                              : kd_option_position(kind->options, position++);
    if (row >= 0) given[row] = true;
  }
}

/* A copy of the value in which every layer call has the defaults of its type. */
static const kd_value *with_defaults(kd_pool *pool, const kd_model_spec *spec, const kd_value *value,
                                     int depth) {
  if ((value->type != KD_V_CALL && value->type != KD_V_LIST) || spec->n_defaults == 0 || depth == NESTING)
    return value;
  const kd_defaults_spec *defaults = value->type == KD_V_CALL ? defaults_of(spec, value->text) : NULL;
  const kd_kind *kind = defaults ? kd_family_find(&kd_layer_family, value->text) : NULL;
  int extra = kind ? defaults->args.count : 0;
  kd_value *copy = kd_pool_alloc(pool, 1, sizeof *copy);
  *copy = *value;
  copy->items = kd_pool_alloc(pool, (size_t)(value->count + extra), sizeof *copy->items);
  copy->keys = kd_pool_alloc(pool, (size_t)(value->count + extra), sizeof *copy->keys);
  for (int i = 0; i < value->count; i++) {
    copy->items[i] = *with_defaults(pool, spec, &value->items[i], depth + 1);
    copy->keys[i] = value->keys ? value->keys[i] : NULL;
  }
  bool given[MAX_ROWS] = {false};
  if (kind) mark_given(kind, value->count, copy->keys, given);
  for (int i = 0; i < extra; i++) {
    int row = kd_option_row(kind->options, defaults->args.v[i].key);
    if (row < 0 || given[row]) continue;
    copy->items[copy->count] = *defaults->args.v[i].value;
    copy->keys[copy->count++] = defaults->args.v[i].key;
  }
  return copy;
}

bool kd_layer_args_fill(kd_pool *pool, kd_diag *diag, const kd_model_spec *spec, const kd_layer_spec *layer,
                        const kd_kind *kind, void *options) {
  const char *subject = kd_pool_printf(diag->pool, "layer %s (%s)", layer->name, layer->type);
  const kd_value *by_row[MAX_ROWS] = {NULL};
  int rows = row_count(kind), position = 0, count = 0;
  int most = layer->args.count + rows;
  const char **keys = kd_pool_alloc(pool, (size_t)most, sizeof *keys);
  const kd_value **values = kd_pool_alloc(pool, (size_t)most, sizeof *values);
  bool good = true;
  for (int i = 0; i < layer->args.count; i++) {
    const kd_spec_arg *arg = &layer->args.v[i];
    int row =
        arg->key ? kd_option_row(kind->options, arg->key) : kd_option_position(kind->options, position++);
    if (row < 0 && !arg->key) {
      kd_diag_error(diag, arg->value->origin, "%s: %d values are given by position, at most %d are taken",
                    subject, position, position - 1);
      good = false;
    } else if (row < 0 || (by_row[row] && !arg->override)) {
      keys[count] = arg->key; /* unknown or given twice: the filling below says so */
      values[count++] = arg->value;
    } else {
      by_row[row] = with_defaults(pool, spec, arg->value, 0);
    }
  }
  for (int i = 0; layer->defaults && i < layer->defaults->count; i++) {
    int row = kd_option_row(kind->options, layer->defaults->v[i].key);
    if (row >= 0 && !by_row[row]) by_row[row] = layer->defaults->v[i].value;
  }
  int extra = count;
  for (int i = 0; i < rows; i++)
    if (by_row[i]) count++;
  /* Known rows first, so that a second value of one is the second. */
  memmove(keys + (count - extra), keys, (size_t)extra * sizeof *keys);
  memmove(values + (count - extra), values, (size_t)extra * sizeof *values);
  for (int i = 0, at = 0; i < rows; i++) {
    if (!by_row[i]) continue;
    keys[at] = kind->options[i].name;
    values[at++] = by_row[i];
  }
  return kd_options_fill(pool, diag, subject, layer->origin, kind, count, keys, values, options) && good;
}
