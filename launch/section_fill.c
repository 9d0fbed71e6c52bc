/* Options from the keys of a section. */
#include <string.h>

#include "device/base/option.h"
#include "launch/build_model.h"

bool kd_section_fill(kd_interpolation *context, kd_ini_section *section, const char *subject,
                     const kd_kind *kind, const char *skip, void *options) {
  int n_keys = section ? section->n_keys : 0, count = 0;
  const char **keys = kd_pool_alloc(context->pool, (size_t)n_keys, sizeof *keys);
  const kd_value **values = kd_pool_alloc(context->pool, (size_t)n_keys, sizeof *values);
  bool good = true;
  for (int i = 0; i < n_keys; i++) {
    kd_ini_key *key = &section->keys[i];
    if (!strncmp(key->name, "x-", 2) || (skip && !strncmp(key->name, skip, strlen(skip)))) continue;
    const char *text = kd_ini_resolve(context, section, key);
    const kd_value *value =
        text ? kd_value_parse(context->pool, context->diag, key->origin, text, true) : NULL;
    good &= value != NULL;
    if (!value) continue;
    keys[count] = key->name;
    values[count++] = value;
  }
  kd_origin origin = section ? section->origin : (kd_origin){NULL, 0};
  return kd_options_fill(context->pool, context->diag, subject, origin, kind, count, keys, values, options) &&
         good;
}
