/* From a model's object to its entries: what each is, and where weights files keep it. */
#include <string.h>

#include "device/base/text.h"
#include "io/json.h"
#include "io/weights_layout.h"
#include "launch/keras/import.h"

bool kd_keras_is(const kd_value *value, const char *name) {
  const char *type = kd_keras_text(value, "class_name");
  return type && (!name || strcmp(type, name) == 0);
}

const char *kd_keras_text(const kd_value *object, const char *key) {
  const kd_value *value = kd_json_is_object(object) ? kd_value_key(object, key) : NULL;
  return value && value->type == KD_V_TEXT ? value->text : NULL;
}

/* Keras 2 called a Functional "Model". */
static const char *model_type(const kd_value *object) {
  if (kd_keras_is(object, "Sequential")) return "Sequential";
  return kd_keras_is(object, "Functional") || kd_keras_is(object, "Model") ? "Functional" : NULL;
}

/* Functions of keras.ops have the module of their file. In HDF5 files nothing has one: there they are what no
 * layer is, and the configs of layers hold more.
 */
static bool is_op(const kd_keras_import *in, const kd_value *object) {
  const char *module = kd_keras_text(object, "module");
  const kd_value *config = kd_value_key(object, "config");
  if (!in->old || module) return module && (strstr(module, ".ops.") || strcmp(module, "keras.ops") == 0);
  bool class = kd_family_find(&kd_layer_family, kd_keras_text(object, "class_name"));
  return !kd_value_key(config, "trainable") && !(class && kd_value_key(config, "dtype"));
}

bool kd_keras_is_hub(const kd_value *object) {
  const char *registered = kd_keras_text(object, "registered_name");
  const kd_kind *kind = kd_family_find(&kd_layer_family, kd_keras_text(object, "class_name"));
  return registered && strncmp(registered, "keras_hub>", 10) == 0 && kind &&
         ((const kd_layer_kind *)kind)->of_hub;
}

/* Custom classes are "package>Name"; a module of the user's is one too. */
static bool is_foreign(const kd_value *object) {
  const char *registered = kd_keras_text(object, "registered_name"),
             *module = kd_keras_text(object, "module");
  if (registered && strchr(registered, '>')) return !kd_keras_is_hub(object);
  return module && strncmp(module, "keras", 5) != 0 && strncmp(module, "tf_keras", 8) != 0;
}

static bool check_class(kd_keras_import *in, const kd_keras_entry *entry) {
  kd_origin origin = entry->object->origin;
  if (entry->role == KD_KERAS_OP) return true;
  if (strcmp(entry->type, "Lambda") == 0) {
    kd_diag_error(
        in->diag, origin,
        "layer %s (Lambda): Python code cannot be read; write it with layers of Keras, as Rescaling, "
        "Activation, Reshape, Add",
        kd_quoted(entry->name));
    return false;
  }
  if (!is_foreign(entry->object)) return true;
  const char *registered = kd_keras_text(entry->object, "registered_name");
  kd_diag_error(in->diag, origin,
                "layer %s: %s is a class of your own; only Keras's can be read ('kdist layers' lists them)",
                kd_quoted(entry->name), kd_quoted(registered ? registered : entry->type));
  return false;
}

/* Counts classes as Keras names them in files. */
typedef struct counter {
  kd_name_index slots;
  int *count;
} counter;

/* "layers/dense_1": the entry's class and how many of it came before in this model. */
static const char *stored_group(kd_keras_import *in, counter *classes, const kd_keras_entry *entry,
                                const char *stored) {
  const char *type = strcmp(entry->type, "GroupQueryAttention") == 0 ? "GroupedQueryAttention" : entry->type;
  const char *stem =
      kd_snake_case(in->pool, entry->role == KD_KERAS_MODEL ? model_type(entry->object) : type);
  int slot = kd_name_find(&classes->slots, stem);
  if (slot < 0) {
    slot = (int)classes->slots.count;
    kd_name_add(&classes->slots, in->pool, stem, slot);
  }
  int before = classes->count[slot]++;
  if (before == 0) return kd_pool_printf(in->pool, "%slayers/%s", stored, stem);
  return kd_pool_printf(in->pool, "%slayers/%s_%d", stored, stem, before);
}

static kd_keras_role role_of(const kd_keras_import *in, const kd_keras_entry *entry) {
  if (model_type(entry->object)) return KD_KERAS_MODEL;
  if (strcmp(entry->type, "InputLayer") == 0) return KD_KERAS_INPUT;
  return is_op(in, entry->object) ? KD_KERAS_OP : KD_KERAS_LAYER;
}

/* The name stands in the config, in a Functional also beside it. */
static bool read_entry(kd_keras_import *in, const kd_value *object, kd_keras_entry *entry) {
  const kd_value *config = kd_json_is_object(object) ? kd_value_key(object, "config") : NULL;
  const char *name = kd_keras_text(object, "name");
  if (!name && config) name = kd_keras_text(config, "name");
  if (!kd_keras_is(object, NULL) || !kd_json_is_object(config) || !name || !*name || strchr(name, '/')) {
    kd_diag_error(in->diag, object->origin,
                  "no layer of Keras: expected an object with class_name, config and "
                  "a name without '/'");
    return false;
  }
  *entry = (kd_keras_entry){.name = name,
                            .type = kd_keras_text(object, "class_name"),
                            .object = object,
                            .config = config,
                            .layer = -1};
  entry->role = role_of(in, entry);
  return check_class(in, entry);
}

static bool is_false(const kd_value *object, const char *key) {
  const kd_value *value = kd_value_key(object, key);
  return value && value->type == KD_V_BOOL && !value->boolean;
}

/* A chain's `layers` attribute in Keras has no InputLayer; classes are counted one by one, so it does not
 * matter.
 */
static bool add_entry(kd_keras_import *in, kd_keras_model *model, const kd_value *object, counter *classes,
                      const char *stored, bool frozen) {
  kd_keras_entry *entry = &model->entries[model->n_entries];
  if (!read_entry(in, object, entry)) return false;
  if (kd_name_find(&model->names, entry->name) >= 0) {
    kd_diag_error(in->diag, object->origin, "two layers are named %s", kd_quoted(entry->name));
    return false;
  }
  kd_name_add(&model->names, in->pool, entry->name, model->n_entries++);
  entry->trainable = !frozen && !is_false(entry->config, "trainable");
  entry->stored = entry->role == KD_KERAS_OP ? "" : stored_group(in, classes, entry, stored);
  if (entry->role != KD_KERAS_MODEL) {
    entry->rank = ++in->rank;
    return true;
  }
  entry->model =
      kd_keras_parse(in, object, kd_pool_printf(in->pool, "%s/", entry->stored), !entry->trainable);
  return entry->model != NULL;
}

/* Chains of Keras 2 may begin with a layer that tells the shape of its input: the InputLayer that Keras puts
 * in front. NULL: none is to be made.
 */
static const kd_value *front_input(kd_keras_import *in, const kd_value *first) {
  const kd_value *config = kd_json_is_object(first) ? kd_value_key(first, "config") : NULL;
  const kd_value *shape =
      config && kd_json_is_object(config) ? kd_value_key(config, "batch_input_shape") : NULL;
  if (!shape || kd_keras_is(first, "InputLayer")) return NULL;
  const char *name = kd_keras_text(config, "name");
  kd_json inner = kd_json_object(in->pool), object = kd_json_object(in->pool);
  kd_json_put(&inner, "batch_input_shape", shape);
  kd_json_put_text(&inner, "dtype", kd_keras_is(first, "Embedding") ? "int32" : "float32");
  kd_json_put_text(&inner, "name", kd_pool_printf(in->pool, "%s_input", name ? name : ""));
  kd_json_put_text(&object, "class_name", "InputLayer");
  kd_json_put(&object, "config", inner.value);
  object.value->origin = first->origin;
  return object.value;
}

kd_keras_model *kd_keras_parse(kd_keras_import *in, const kd_value *object, const char *stored, bool frozen) {
  const kd_value *config = kd_value_key(object, "config");
  const kd_value *layers = kd_json_is_object(config) ? kd_value_key(config, "layers") : NULL;
  if (!layers || layers->type != KD_V_LIST || layers->count == 0) {
    kd_diag_error(in->diag, object->origin, "the model has no list of layers in its config");
    return NULL;
  }
  kd_keras_model *model = kd_pool_alloc(in->pool, 1, sizeof *model);
  model->type = model_type(object);
  model->entries = kd_pool_alloc(in->pool, (size_t)layers->count + 1, sizeof *model->entries);
  counter classes = {.count = kd_pool_alloc(in->pool, (size_t)layers->count + 1, sizeof(int))};
  bool chain = strcmp(model->type, "Sequential") == 0;
  const kd_value *front = chain ? front_input(in, &layers->items[0]) : NULL;
  frozen = frozen || is_false(config, "trainable");
  bool good = !front || add_entry(in, model, front, &classes, stored, frozen);
  for (int i = 0; i < layers->count; i++)
    good = add_entry(in, model, &layers->items[i], &classes, stored, frozen) && good;
  if (!good) return NULL;
  return (chain ? kd_keras_chain : kd_keras_nodes)(in, model, config) ? model : NULL;
}
