/* Objects of Keras's JSON as calls of the configuration language. */
#include <string.h>

#include "device/base/text.h"
#include "io/json.h"
#include "launch/expand.h"
#include "launch/keras/import.h"

const char *kd_keras_policy(const kd_value *json) {
  if (json && json->type == KD_V_TEXT) return json->text;
  const kd_value *config = kd_keras_is(json, NULL) ? kd_value_key(json, "config") : NULL;
  return config && kd_json_is_object(config) ? kd_keras_text(config, "name") : NULL;
}

/* Keys of every layer that its place in the model has taken care of, or that only told a first layer's shape.
 */
static bool is_base_key(const char *key) {
  static const char *const keys[] = {"name",        "trainable",   "dtype",   "batch_input_shape",
                                     "input_shape", "input_dtype", "autocast"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  return false;
}

static bool is_layer(const kd_kind *kind) {
  return kd_family_find(&kd_layer_family, kind->name) == kind ||
         kd_family_find(&kd_cell_family, kind->name) == kind;
}

/* The keys of a config that the kind has options for. */
typedef struct options {
  int count;
  const char **keys;
  const kd_value **values;
} options;

/* Keras 2 meant the mean over the batch, which is the default. */
static bool is_automatic(const char *key, const kd_value *value) {
  return strcmp(key, "reduction") == 0 && value->type == KD_V_TEXT && strcmp(value->text, "auto") == 0;
}

/* Keras 2 wrote an axis as a list of one; Normalization writes no axes as a list of none. */
static const kd_value *one_of(const kd_option *option, const kd_value *value) {
  bool none = option->type == KD_OPT_INTS && value->type == KD_V_LIST && value->count == 0;
  if (none && (option->flags & KD_OPT_NONE_OK)) return kd_json_null();
  bool single = option->type == KD_OPT_INT && value->type == KD_V_LIST && value->count == 1;
  return single ? &value->items[0] : value;
}

static options find_options(kd_keras_import *in, const char *subject, const kd_kind *kind, bool layer,
                            const kd_value *config) {
  options found = {.keys = kd_pool_alloc(in->pool, (size_t)config->count, sizeof *found.keys),
                   .values = kd_pool_alloc(in->pool, (size_t)config->count, sizeof *found.values)};
  for (int i = 0; i < config->count; i++) {
    const char *key = kd_keras_key_now(kind->name, config->keys[i]);
    const kd_value *value = &config->items[i];
    if (is_automatic(key, value)) continue;
    int row = kd_option_row(kind->options, key);
    if (row >= 0) {
      const kd_option *option = &kind->options[row];
      found.keys[found.count] = key;
      found.values[found.count++] = kd_keras_value(in, subject, option->family, one_of(option, value));
    } else if (!(layer && is_base_key(key)) && !kd_keras_key_harmless(in->pool, kind->name, key, value)) {
      kd_diag_error(in->diag, value->origin, "%s: %s = %s is not available here", subject, kd_quoted(key),
                    kd_quoted(kd_value_print(in->pool, value)));
    }
  }
  return found;
}

void kd_keras_args(kd_keras_import *in, const char *subject, const kd_kind *kind, const kd_value *config,
                   kd_spec_args *args) {
  if (!kind) return;
  options found = find_options(in, subject, kind, is_layer(kind), config);
  for (int i = 0; i < found.count; i++) kd_args_set(in->pool, args, found.keys[i], found.values[i], false);
}

/* Class(key=value, ...), of a callable in place of an activation function(key=value, ...). An unknown class
 * is left to who reads the call: it names the known ones. */
static const kd_value *make_call(kd_keras_import *in, const char *subject, const kd_family *family,
                                 const kd_value *json) {
  const char *type = kd_keras_text(json, "class_name"), *registered = kd_keras_text(json, "registered_name");
  const kd_value *config = kd_value_key(json, "config");
  const char *function = family == &kd_activation_family ? kd_keras_function_of(type) : NULL;
  const kd_kind *kind = family ? kd_family_find(family, function ? function : type) : NULL;
  kd_value *call = kd_pool_alloc(in->pool, 1, sizeof *call);
  *call = (kd_value){.type = KD_V_CALL, .text = function ? function : type, .origin = json->origin};
  if (registered && strchr(registered, '>') && !kd_keras_is_hub(json))
    kd_diag_error(in->diag, json->origin, "%s: %s is a class of your own; only Keras's can be read", subject,
                  kd_quoted(registered));
  if (!kind || !kd_json_is_object(config)) return call;
  options found = find_options(in, kd_pool_printf(in->pool, "%s: %s", subject, type), kind,
                               function || is_layer(kind), config);
  call->count = found.count;
  call->keys = found.keys;
  call->items = kd_pool_alloc(in->pool, (size_t)found.count, sizeof *call->items);
  for (int i = 0; i < found.count; i++) call->items[i] = *found.values[i];
  return call;
}

/* A list, or an object without a class, with all that stands in it. */
static const kd_value *make_all(kd_keras_import *in, const char *subject, const kd_family *family,
                                const kd_value *json) {
  kd_value *copy = kd_pool_alloc(in->pool, 1, sizeof *copy);
  *copy = *json;
  copy->items = kd_pool_alloc(in->pool, (size_t)json->count, sizeof *copy->items);
  for (int i = 0; i < json->count; i++)
    copy->items[i] = *kd_keras_value(in, subject, family, &json->items[i]);
  return copy;
}

/* The function behind a metric of Keras 2; "accuracy" is chosen anew, by the shapes of labels and
 * predictions.
 */
static const kd_value *wrapped_metric(const kd_value *config) {
  const kd_value *function = kd_value_key(config, "fn");
  const char *name = kd_keras_text(config, "name");
  bool chosen = name && (strcmp(name, "accuracy") == 0 || strcmp(name, "acc") == 0);
  for (int i = 0; i < config->count; i++)
    if (strcmp(config->keys[i], "name") && strcmp(config->keys[i], "dtype") && strcmp(config->keys[i], "fn"))
      return NULL;
  return chosen ? kd_value_key(config, "name") : function;
}

const kd_value *kd_keras_value(kd_keras_import *in, const char *subject, const kd_family *family,
                               const kd_value *json) {
  if (json->type != KD_V_LIST && json->type != KD_V_CALL) return json;
  const char *type = kd_keras_text(json, "class_name");
  if (kd_keras_is_tensor(json)) return json;
  if (!type) return make_all(in, subject, family, json);
  const kd_value *config = kd_value_key(json, "config"), *items = kd_value_key(json, "items");
  if (strcmp(type, "function") == 0 && config && config->type == KD_V_TEXT) return config;
  const kd_value *metric = strcmp(type, "MeanMetricWrapper") == 0 && config && kd_json_is_object(config)
                               ? wrapped_metric(config)
                               : NULL;
  if (metric) return metric;
  if (strstr(type, "Policy") && kd_keras_policy(json)) {
    kd_value *text = kd_value_text(in->pool, kd_keras_policy(json));
    text->origin = json->origin;
    return text;
  }
  const kd_value *data = config && kd_json_is_object(config) ? kd_value_key(config, "value") : NULL;
  if ((strcmp(type, "__tensor__") == 0 || strcmp(type, "__numpy__") == 0) && data) return data;
  if ((strcmp(type, "TensorShape") == 0 || strcmp(type, "__tuple__") == 0) && items) return items;
  return make_call(in, subject, family, json);
}
