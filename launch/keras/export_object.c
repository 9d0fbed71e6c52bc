/* Objects of families by their option tables. */
#include <math.h>
#include <string.h>

#include "device/base/option_read.h"
#include "launch/keras/export.h"
#include "launch/keras/import.h"
#include "layers/loss.h"
#include "trainer/optimizer.h"

static const char *module_of(const kd_family *family) {
  if (family == &kd_layer_family || family == &kd_cell_family) return "keras.layers";
  if (family == &kd_initializer_family) return "keras.initializers";
  if (family == &kd_regularizer_family) return "keras.regularizers";
  if (family == &kd_constraint_family) return "keras.constraints";
  if (family == &kd_loss_family) return "keras.losses";
  if (family == &kd_metric_family) return "keras.metrics";
  return family == &kd_schedule_family ? "keras.optimizers.schedules" : "keras.optimizers";
}

const kd_value *kd_export_class(kd_exporter *e, const char *module, const char *class_name,
                                const char *registered_name, const kd_value *config) {
  kd_json object = kd_json_object(e->pool);
  kd_json_put_text(&object, "module", module);
  kd_json_put_text(&object, "class_name", class_name);
  kd_json_put(&object, "config", config);
  kd_json_put_text(&object, "registered_name", registered_name);
  return object.value;
}

const kd_value *kd_export_layer(kd_exporter *e, const kd_layer_kind *kind, const kd_value *config) {
  const char *name = kind->base.name;
  if (kind->module) return kd_export_class(e, kind->module, name, name, config);
  if (!kind->of_hub) return kd_export_class(e, "keras.layers", name, NULL, config);
  e->hub = true;
  return kd_export_class(e, "keras_hub.layers", name, kd_pool_printf(e->pool, "keras_hub>%s", name), config);
}

/* --- activations --------------------------------------------------------------------------------------- */

/* All options are written: the defaults of the class are not always the function's. */
static const kd_value *export_activation(kd_exporter *e, const kd_object *object) {
  const kd_keras_callable *callable = kd_keras_callable_of(object->kind->name);
  kd_json given = kd_json_object(e->pool), config = kd_json_object(e->pool);
  kd_export_settings(e, object->kind, object->options, false, &given);
  if (given.value->count == 0 || !callable) return kd_value_text(e->pool, object->kind->name);
  if (callable->layer) kd_json_put_text(&config, "dtype", e->policy);
  kd_export_settings(e, object->kind, object->options, true, &config);
  return kd_export_class(e, callable->layer ? "keras.layers" : "keras.src.ops.nn", callable->class_name,
                         callable->layer ? NULL : callable->class_name, config.value);
}

/* --- objects ------------------------------------------------------------------------------------------- */

/* Layers inside others have the policy of the layer around them. */
static const kd_value *export_config(kd_exporter *e, const kd_family *family, const kd_object *object) {
  kd_json config = kd_json_object(e->pool);
  if (family == &kd_layer_family || family == &kd_cell_family) {
    if (e->frozen) kd_json_put(&config, "trainable", kd_value_bool(e->pool, false));
    kd_json_put_text(&config, "dtype", e->policy);
  }
  kd_export_settings(e, object->kind, object->options, false, &config);
  return config.value;
}

const kd_value *kd_export_object(kd_exporter *e, const kd_family *family, const kd_object *object) {
  if (!object->kind) return kd_json_null();
  if (family == &kd_activation_family) return export_activation(e, object);
  const kd_value *config = export_config(e, family, object);
  if (family == &kd_layer_family) return kd_export_layer(e, (const kd_layer_kind *)object->kind, config);
  return kd_export_class(e, module_of(family), object->kind->name, NULL, config);
}

/* Several cells of an RNN are one cell that stacks them. */
static const kd_value *export_objects(kd_exporter *e, const kd_option *option, const kd_objects *objects) {
  kd_json list = kd_json_list(e->pool);
  for (int i = 0; i < objects->count; i++)
    kd_json_add(&list, kd_export_object(e, option->family, &objects->v[i]));
  if (option->flags & KD_OPT_LIST) return list.value;
  if (objects->count == 1) return &list.value->items[0];
  kd_json config = kd_json_object(e->pool);
  kd_json_put_text(&config, "dtype", e->policy);
  kd_json_put(&config, "cells", list.value);
  return kd_export_class(e, "keras.layers", "StackedRNNCells", NULL, config.value);
}

static const kd_value *export_call(kd_exporter *e, const kd_family *family, const kd_value *value) {
  kd_diag *diag = kd_diag_create();
  kd_object object = {0};
  bool made = kd_object_make(e->pool, diag, family, value, &object);
  kd_diag_destroy(diag);
  return made ? kd_export_object(e, family, &object) : kd_json_null();
}

const kd_value *kd_export_value(kd_exporter *e, const kd_family *family, const kd_value *value) {
  if (!value) return kd_json_null();
  if (value->type == KD_V_CALL) return export_call(e, family, value);
  if (value->type != KD_V_LIST) return value;
  kd_json list = kd_json_list(e->pool);
  for (int i = 0; i < value->count; i++) kd_json_add(&list, kd_export_value(e, family, &value->items[i]));
  return list.value;
}

/* --- options ------------------------------------------------------------------------------------------- */

static const kd_value *number(kd_exporter *e, const kd_option *option, double value) {
  if (value == KD_UNSET_FLOAT) return kd_json_null();
  return option->flags & KD_OPT_WHOLE ? kd_value_int(e->pool, (int64_t)value)
                                      : kd_value_float(e->pool, value);
}

static const kd_value *integer(kd_exporter *e, int64_t value) {
  return value == KD_UNSET_INT ? kd_json_null() : kd_value_int(e->pool, value);
}

/* Words that are values in Python. */
static const kd_value *choice(kd_exporter *e, const kd_option *option, int index) {
  char word[64];
  if (index < 0 || !kd_choice_text(option->choices, index, word) || strcmp(word, "none") == 0)
    return kd_json_null();
  if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
    return kd_value_bool(e->pool, strcmp(word, "true") == 0);
  return kd_value_text(e->pool, word);
}

/* One item stands alone where Keras takes both. */
static const kd_value *list_or_item(const kd_option *option, const kd_value *list) {
  if (list->count == 0) return kd_json_null();
  return list->count == 1 && !(option->flags & KD_OPT_LIST) ? &list->items[0] : list;
}

static const kd_value *as_list(kd_exporter *e, const kd_value *value) {
  if (!value || value->type == KD_V_NONE || value->type == KD_V_LIST) return value;
  kd_json list = kd_json_list(e->pool);
  kd_json_add(&list, value);
  return list.value;
}

static const kd_value *export_option(kd_exporter *e, const kd_option *option, const void *options) {
  const void *at = (const char *)options + option->offset;
  kd_json list = kd_json_list(e->pool);
  switch (option->type) {
  case KD_OPT_BOOL:
    return kd_value_bool(e->pool, *(const bool *)at);
  case KD_OPT_INT:
    return integer(e, *(const int64_t *)at);
  case KD_OPT_FLOAT:
    return number(e, option, *(const double *)at);
  case KD_OPT_TEXT:
    return *(const char *const *)at ? kd_value_text(e->pool, *(const char *const *)at) : kd_json_null();
  case KD_OPT_CHOICE:
    return choice(e, option, *(const int *)at);
  case KD_OPT_INTS:
    for (int i = 0; i < ((const kd_ints *)at)->count; i++)
      kd_json_add(&list, integer(e, ((const kd_ints *)at)->v[i]));
    return list_or_item(option, list.value);
  case KD_OPT_FLOATS:
    for (int i = 0; i < ((const kd_floats *)at)->count; i++)
      kd_json_add(&list, number(e, option, ((const kd_floats *)at)->v[i]));
    return list_or_item(option, list.value);
  case KD_OPT_OBJECT:
    return kd_export_object(e, option->family, at);
  case KD_OPT_OBJECTS:
    return export_objects(e, option, at);
  default:
    break;
  }
  const kd_value *value = *(const kd_value *const *)at;
  return kd_export_value(e, option->family, option->flags & KD_OPT_LIST ? as_list(e, value) : value);
}

/* The options of a kind that nobody set; those that must be given stay zero. */
static const void *defaults_of(kd_exporter *e, const kd_kind *kind) {
  kd_diag *diag = kd_diag_create();
  void *options = kd_pool_alloc(e->pool, 1, kind->options_size);
  kd_options_fill(e->pool, diag, NULL, (kd_origin){NULL, 0}, kind, 0, NULL, NULL, options);
  kd_diag_destroy(diag);
  return options;
}

static bool holds_default(kd_exporter *e, const kd_option *option, const void *options,
                          const void *defaults) {
  if (!option->initial || (option->flags & (KD_OPT_REQUIRED | KD_OPT_SPELT_OUT))) return false;
  return strcmp(kd_option_print(e->pool, option, options), kd_option_print(e->pool, option, defaults)) == 0;
}

void kd_export_settings(kd_exporter *e, const kd_kind *kind, const void *options, bool all, kd_json *config) {
  const void *defaults = all ? NULL : defaults_of(e, kind);
  for (const kd_option *option = kind->options; option && option->name; option++)
    if (all || !holds_default(e, option, options, defaults))
      kd_json_put(config, option->name, export_option(e, option, options));
}
