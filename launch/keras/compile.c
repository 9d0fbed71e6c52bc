/* What Keras's compile said, as keys of [train]. */
#include <string.h>

#include "io/json.h"
#include "launch/keras/import.h"
#include "layers/loss.h"
#include "trainer/optimizer.h"

typedef struct compiler {
  kd_keras_import *in;
  const kd_keras_model *model;
  const kd_value *compile;
} compiler;

/* References must not be seen in a text that has none. */
static const char *escaped(kd_pool *pool, const char *text) {
  if (!strchr(text, '$')) return text;
  char *out = kd_pool_alloc(pool, 2 * strlen(text) + 1, 1), *end = out;
  for (; *text; text++) {
    if (*text == '$') *end++ = '$';
    *end++ = *text;
  }
  return out;
}

/* A key that the configuration leaves out. */
static void set_key(kd_keras_import *in, const char *key, const kd_value *value) {
  kd_ini_section *train = kd_ini_section_find(in->ini, "train", NULL);
  if (!train) train = kd_ini_section_add(in->ini, "train", NULL, value->origin, 0);
  if (kd_ini_key_find(train, key)) return;
  kd_ini_key_set(in->ini, train, key, escaped(in->pool, kd_value_print(in->pool, value)), value->origin, 0);
}

/* The item of a list for each output, as dict(OUTPUT=item, ...). */
static const kd_value *by_output(const compiler *c, const kd_value *list) {
  kd_value *dict = kd_pool_alloc(c->in->pool, 1, sizeof *dict);
  *dict = (kd_value){.type = KD_V_CALL, .text = "dict", .origin = list->origin};
  dict->items = kd_pool_alloc(c->in->pool, (size_t)list->count, sizeof *dict->items);
  dict->keys = kd_pool_alloc(c->in->pool, (size_t)list->count, sizeof *dict->keys);
  for (int i = 0; i < list->count && i < c->model->n_outputs; i++) {
    if (list->items[i].type == KD_V_NONE) continue;
    dict->keys[dict->count] = c->model->output_names[i];
    dict->items[dict->count++] = list->items[i];
  }
  return dict;
}

/* Metrics of one output: a list; of several: a list of lists, in the order of outputs. */
static const kd_value *metrics_of(const compiler *c, const kd_value *value) {
  bool nested = value->type == KD_V_LIST && value->count > 0;
  for (int i = 0; nested && i < value->count; i++)
    nested = value->items[i].type == KD_V_LIST || value->items[i].type == KD_V_NONE;
  if (c->model->n_outputs > 1 && value->type == KD_V_LIST && value->count == c->model->n_outputs)
    return by_output(c, value);
  return nested && value->count == 1 ? &value->items[0] : value;
}

/* Whether the key is the file's now. */
static bool take(const compiler *c, const char *key, const kd_family *family, bool metrics) {
  const kd_value *value = kd_value_key(c->compile, key);
  if (!value && strcmp(key, "optimizer") == 0) value = kd_value_key(c->compile, "optimizer_config");
  const kd_ini_section *train = kd_ini_section_find(c->in->ini, "train", NULL);
  if (!value || value->type == KD_V_NONE || (train && kd_ini_key_find(train, key))) return false;
  value = kd_keras_value(c->in, key, family, value);
  if (metrics) value = metrics_of(c, value);
  if (value->type == KD_V_LIST && value->count == 0) return false;
  set_key(c->in, key, value);
  return true;
}

void kd_keras_compile(kd_keras_import *in, const kd_keras_model *model, const kd_value *compile) {
  if (!compile || !kd_json_is_object(compile)) return;
  compiler c = {in, model, compile};
  bool taken = take(&c, "optimizer", &kd_optimizer_family, false);
  in->spec->saved_optimizer = taken && !in->old; /* variables in HDF5 files are not read */
  take(&c, "loss", &kd_loss_family, false);
  take(&c, "loss_weights", NULL, false);
  take(&c, "metrics", &kd_metric_family, true);
  take(&c, "weighted_metrics", &kd_metric_family, true);
}
