/* From a saved file to a spec. */
#include <string.h>

#include "device/base/text.h"
#include "io/json.h"
#include "launch/expand.h"
#include "launch/keras/import.h"

const char *kd_keras_file(kd_interpolation *context) {
  kd_ini_section *section = kd_ini_section_find(context->ini, "model", NULL);
  kd_ini_key *key = section ? kd_ini_key_find(section, "file") : NULL;
  const char *text = key ? kd_ini_resolve(context, section, key) : NULL;
  const kd_value *value =
      text ? kd_value_parse(context->pool, context->diag, key->origin, text, false) : NULL;
  return value && value->type == KD_V_TEXT ? value->text : NULL;
}

/* Types of inputs alone; they say nothing about what layers compute in. */
static bool is_input_type(const char *policy) {
  static const char *const types[] = {"int", "uint", "bool", "string"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strncmp(policy, types[i], strlen(types[i])) == 0) return true;
  return false;
}

/* Any layer with another policy than float32. */
static bool has_policies(const kd_value *value) {
  for (int i = 0; i < value->count; i++) {
    const kd_value *item = &value->items[i];
    bool dtype = value->keys && kd_streq(value->keys[i], "dtype");
    const char *policy = dtype ? kd_keras_policy(item) : NULL;
    if (policy && strcmp(policy, "float32") != 0 && !is_input_type(policy)) return true;
    if (has_policies(item)) return true;
  }
  return false;
}

static kd_ini_section *find_section(kd_keras_import *in, const char *kind, const char *name) {
  return kd_ini_section_find(in->ini, kind, name);
}

static void set_key(kd_keras_import *in, kd_ini_section *section, const char *key, const kd_value *value) {
  if (!kd_ini_key_find(section, key))
    kd_ini_key_set(in->ini, section, key, kd_value_print(in->pool, value), value->origin, 0);
}

/* The sizes behind the batch; () for one number per sample. */
static const kd_value *without_batch(kd_keras_import *in, const kd_value *shape) {
  kd_value *rest = kd_pool_alloc(in->pool, 1, sizeof *rest);
  *rest = *shape;
  rest->items = shape->items + 1;
  rest->count = shape->count - 1;
  return rest;
}

/* [input NAME] with what the configuration leaves out. */
static void add_input(kd_keras_import *in, const kd_keras_entry *entry, const char *name) {
  const kd_value *shape = kd_value_key(entry->config, "batch_shape");
  const kd_value *dtype = kd_value_key(entry->config, "dtype"),
                 *sparse = kd_value_key(entry->config, "sparse");
  if (!shape) shape = kd_value_key(entry->config, "batch_input_shape");
  kd_ini_section *section = find_section(in, "input", name);
  if (!section) section = kd_ini_section_add(in->ini, "input", name, entry->object->origin, 0);
  kd_input_spec *input = &in->spec->inputs[in->spec->n_inputs++];
  *input = (kd_input_spec){.name = name,
                           .section = section,
                           .origin = section->origin,
                           .used = true,
                           .stored = entry->stored,
                           .rank = entry->rank};
  if (!shape || shape->type != KD_V_LIST || shape->count < 1) {
    kd_diag_error(in->diag, entry->object->origin, "input %s: its batch_shape is no list of sizes",
                  kd_quoted(name));
    return;
  }
  set_key(in, section, "shape", without_batch(in, shape));
  if (shape->items[0].type != KD_V_NONE) set_key(in, section, "batch_size", &shape->items[0]);
  if (dtype && kd_keras_policy(dtype)) {
    kd_value *text = kd_value_text(in->pool, kd_keras_policy(dtype));
    text->origin = dtype->origin;
    set_key(in, section, "dtype", text);
  }
  if (sparse) set_key(in, section, "sparse", sparse);
}

static const char *list(kd_keras_import *in, int count, const char *const *names) {
  const char *text = "";
  for (int i = 0; i < count && i < 20; i++)
    text = kd_pool_printf(in->pool, "%s%s%s", text, i ? ", " : "", names[i]);
  return text;
}

static bool among(const char *name, int count, const char *const *names) {
  for (int i = 0; i < count; i++)
    if (kd_streq(name, names[i])) return true;
  return false;
}

/* Sections that describe a model: those of inputs, outputs and layers may only say more of what the file has.
 */
static void check_sections(kd_keras_import *in, const kd_keras_model *model) {
  for (int i = 0; i < in->ini->n_sections; i++) {
    const kd_ini_section *section = in->ini->sections[i];
    bool input = strcmp(section->kind, "input") == 0, output = strcmp(section->kind, "output") == 0;
    if (!strcmp(section->kind, "layers") || !strcmp(section->kind, "block") ||
        !strcmp(section->kind, "defaults"))
      kd_diag_error(in->diag, section->origin,
                    "[%s]: the model comes from a file ([model] file); [layer NAME] may "
                    "change its layers",
                    kd_quoted(section->title));
    if (input && !among(section->name, model->n_inputs, model->input_names))
      kd_diag_error(in->diag, section->origin,
                    "[%s]: the model of the file has no such input; its inputs are: %s",
                    kd_quoted(section->title), list(in, model->n_inputs, model->input_names));
    if (output && !among(section->name, model->n_outputs, model->output_names))
      kd_diag_error(in->diag, section->origin,
                    "[%s]: the model of the file has no such output; its outputs are: %s",
                    kd_quoted(section->title), list(in, model->n_outputs, model->output_names));
    const kd_ini_key *from = output ? kd_ini_key_find(section, "from") : NULL;
    if (from)
      kd_diag_error(in->diag, from->origin, "[%s]: from: the outputs are those of the file",
                    kd_quoted(section->title));
  }
}

static void add_outputs(kd_keras_import *in, const kd_keras_model *model, const kd_spec_tap *taps) {
  kd_model_spec *spec = in->spec;
  spec->outputs = kd_pool_alloc(in->pool, (size_t)model->n_outputs, sizeof *spec->outputs);
  spec->n_outputs = model->n_outputs;
  for (int i = 0; i < model->n_outputs; i++) {
    kd_ini_section *section = find_section(in, "output", model->output_names[i]);
    spec->outputs[i] = (kd_output_spec){.name = model->output_names[i],
                                        .section = section,
                                        .tap = taps[i],
                                        .origin = section ? section->origin : taps[i].origin};
  }
}

/* [layer NAME] sections: options, trainable, dtype, init_from over those of the file. */
static void change_layers(kd_keras_import *in) {
  kd_expander e = {
      .pool = in->pool, .diag = in->diag, .context = in->context, .ini = in->ini, .spec = in->spec};
  for (int i = 0; i < in->ini->n_sections; i++) {
    kd_ini_section *section = in->ini->sections[i];
    if (strcmp(section->kind, "layer") != 0 || !section->name) continue;
    int number = kd_name_find(&in->names, section->name);
    if (number >= 0)
      kd_expand_change(&e, section, &in->spec->layers[number], "a layer of the file");
    else
      kd_diag_error(in->diag, section->origin,
                    "the model of the file has no layer '%s' that could be changed",
                    kd_quoted(section->name));
  }
}

/* Layers stand in an order in which every one comes behind those it takes its inputs from. */
static void set_order(kd_keras_import *in) {
  kd_model_spec *spec = in->spec;
  spec->order = kd_pool_alloc(in->pool, (size_t)spec->n_layers, sizeof *spec->order);
  for (int i = 0; i < spec->n_layers; i++) spec->order[i] = i;
}

static void import(kd_keras_import *in, const kd_value *root) {
  const kd_value *file = root, *old = kd_json_is_object(root) ? kd_value_key(root, "model_config") : NULL;
  in->old = old != NULL;
  if (old) root = old;
  if (!kd_keras_is(root, "Sequential") && !kd_keras_is(root, "Functional") && !kd_keras_is(root, "Model")) {
    const char *type = kd_keras_text(root, "registered_name");
    if (!type) type = kd_keras_text(root, "class_name");
    kd_diag_error(
        in->diag, root->origin,
        "%s is no Sequential and no Functional model: a model of a class of your own is Python code; save "
        "keras.Model(inputs, outputs) instead",
        type ? kd_quoted(type) : "the file's object");
    return;
  }
  in->plain = !has_policies(root);
  kd_keras_model *model = kd_keras_parse(in, root, "", false);
  if (!model) return;
  check_sections(in, model);
  size_t inputs = (size_t)model->n_inputs;
  in->spec->inputs = kd_pool_alloc(in->pool, inputs, sizeof *in->spec->inputs);
  kd_spec_tap *taps = kd_pool_alloc(in->pool, inputs, sizeof *taps);
  for (int i = 0; i < model->n_inputs; i++) {
    const kd_keras_entry *entry = &model->entries[model->inputs[i]];
    add_input(in, entry, model->input_names[i]);
    taps[i] = (kd_spec_tap){i, -1, 0, entry->object->origin};
  }
  kd_keras_frame top = {.prefix = "", .inputs = taps, .n_inputs = model->n_inputs};
  kd_spec_tap *outputs = kd_pool_alloc(in->pool, (size_t)model->n_outputs, sizeof *outputs);
  kd_keras_expand(in, model, &top, outputs);
  add_outputs(in, model, outputs);
  change_layers(in);
  kd_keras_compile(in, model, kd_value_key(file, old ? "training_config" : "compile_config"));
}

kd_model_spec *kd_keras_spec_make(kd_interpolation *context, kd_ini *ini, const char *path) {
  kd_keras_import in = {.pool = context->pool, .diag = context->diag, .context = context, .ini = ini};
  in.spec = kd_pool_alloc(in.pool, 1, sizeof *in.spec);
  const kd_source *source = kd_sources_file(context->sources, path);
  const kd_value *root = NULL;
  if (!source->data)
    kd_diag_error(in.diag, (kd_origin){NULL, 0}, "%s", source->failure);
  else if (kd_json_read(in.pool, path, source->data, source->bytes, &root) != KD_OK)
    kd_diag_error(in.diag, (kd_origin){NULL, 0}, "%s", kd_status_text());
  else
    import(&in, root);
  set_order(&in);
  return in.spec;
}
