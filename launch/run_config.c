#include "launch/run_config.h"

#include <string.h>

#include "device/base/file.h"
#include "device/base/text.h"
#include "io/dataset.h"
#include "launch/build_model.h"
#include "launch/run_outputs.h"
#include "trainer/callback.h"

/* A list of texts from one word or a list; none gives an empty list. */
static kd_texts read_texts(kd_interpolation *context, const char *subject, const kd_value *value,
                           const char *folder) {
  if (!value || value->type == KD_V_NONE) return (kd_texts){0};
  int count = value->type == KD_V_LIST ? value->count : 1;
  const char **texts = kd_pool_alloc(context->pool, (size_t)count, sizeof *texts);
  for (int i = 0; i < count; i++) {
    const kd_value *item = value->type == KD_V_LIST ? &value->items[i] : value;
    bool good =
        (item->type == KD_V_TEXT || item->type == KD_V_INT || item->type == KD_V_FLOAT) && item->text[0];
    if (!good)
      kd_diag_error(context->diag, value->origin, "%s = %s: expected a path or a list of paths", subject,
                    kd_quoted(kd_value_print(context->pool, value)));
    texts[i] = good ? kd_path_join(context->pool, folder, item->text) : "";
  }
  return (kd_texts){count, texts};
}

static kd_ini_section *find(kd_interpolation *context, const char *kind) {
  return kd_ini_section_find(context->ini, kind, NULL);
}

static void fill(kd_interpolation *context, const kd_kind *kind, const char *skip, void *options) {
  const char *subject = kd_pool_printf(context->diag->pool, "[%s]", kind->name);
  kd_section_fill(context, find(context, kind->name), subject, kind, skip, options);
}

static void make_run(kd_interpolation *context, kd_run_options *run) {
  fill(context, &kd_run_section_kind, NULL, run);
  if (!run->name) run->name = "run";
  if (!run->dir) run->dir = kd_pool_printf(context->pool, "runs/%s", run->name);
}

static bool is_field(const kd_model_spec *spec, const char *name) {
  for (int i = 0; i < spec->n_inputs; i++)
    if (!strcmp(spec->inputs[i].name, name)) return true;
  for (int i = 0; i < spec->n_outputs; i++)
    if (!strcmp(spec->outputs[i].name, name)) return true;
  return false;
}

/* map.NAME = dataset, or the columns of a CSV file joined by commas. */
static void read_map(kd_interpolation *context, const kd_model_spec *spec, kd_ini_section *section,
                     kd_ini_key *key, kd_data_options *data) {
  const char *name = key->name + 4, *text = kd_ini_resolve(context, section, key), *items = "";
  const kd_value *value = text ? kd_value_parse(context->pool, context->diag, key->origin, text, true) : NULL;
  if (!value) return;
  if (!is_field(spec, name)) {
    kd_diag_error(context->diag, key->origin, "[data]: %s: the model has no input or output '%s'",
                  kd_quoted(key->name), kd_quoted(name));
    return;
  }
  int count = value->type == KD_V_LIST ? value->count : 1;
  for (int i = 0; i < count; i++) {
    const kd_value *item = value->type == KD_V_LIST ? &value->items[i] : value;
    if (item->type != KD_V_TEXT && item->type != KD_V_INT) {
      kd_diag_error(context->diag, key->origin, "[data]: %s: expected the name of a dataset, or of columns",
                    key->name);
      return;
    }
    items = kd_pool_printf(context->pool, "%s%s%s", items, i ? "," : "", item->text);
  }
  data->map_names[data->n_maps] = name;
  data->map_items[data->n_maps++] = items;
}

static void make_data(kd_interpolation *context, const kd_model_spec *spec, kd_data_options *data) {
  kd_ini_section *section = find(context, "data");
  fill(context, &kd_data_section_kind, "map.", data);
  if (section) data->origin = section->origin;
  data->train = read_texts(context, "[data]: train", data->train_value, data->dir);
  data->validation = read_texts(context, "[data]: validation", data->validation_value, data->dir);
  data->test = read_texts(context, "[data]: test", data->test_value, data->dir);
  if (section && !data->format) kd_diag_error(context->diag, section->origin, "[data]: 'format' is missing");
  kd_ini_key *format = section ? kd_ini_key_find(section, "format") : NULL;
  if (format && data->format) kd_dataset_check_format(data->format, format->origin, context->diag);
  int n_keys = section ? section->n_keys : 0;
  data->map_names = kd_pool_alloc(context->pool, (size_t)n_keys, sizeof *data->map_names);
  data->map_items = kd_pool_alloc(context->pool, (size_t)n_keys, sizeof *data->map_items);
  for (int i = 0; i < n_keys; i++)
    if (!strncmp(section->keys[i].name, "map.", 4)) read_map(context, spec, section, &section->keys[i], data);
}

/* validation_freq: a number of epochs, or a list of epochs. */
static void read_validation_freq(kd_interpolation *context, kd_train_options *train) {
  const kd_value *value = train->validation_freq_value;
  if (!value) return;
  bool list = value->type == KD_V_LIST;
  int count = list ? value->count : 1;
  int64_t *epochs = kd_pool_alloc(context->pool, (size_t)count, sizeof *epochs);
  for (int i = 0; i < count; i++) {
    const kd_value *item = list ? &value->items[i] : value;
    if (item->type != KD_V_INT || item->integer < 1) {
      kd_diag_error(context->diag, value->origin,
                    "[train]: validation_freq = %s: expected int >= 1 or a list of them",
                    kd_quoted(kd_value_print(context->pool, value)));
      return;
    }
    epochs[i] = item->integer;
  }
  train->validation_freq = list ? 0 : epochs[0];
  train->n_validation_epochs = list ? count : 0;
  train->validation_epochs = list ? epochs : NULL;
}

/* Counts that are not given are 0 in the structs. */
static void unset_to_zero(int64_t *number) {
  if (*number == KD_UNSET_INT) *number = 0;
}

static void make_train(kd_interpolation *context, kd_train_options *train) {
  fill(context, &kd_train_section_kind, NULL, train);
  unset_to_zero(&train->micro_batch);
  unset_to_zero(&train->steps_per_epoch);
  unset_to_zero(&train->validation_steps);
  if (train->validation_batch_size == KD_UNSET_INT) train->validation_batch_size = train->batch_size;
  read_validation_freq(context, train);
  train->save = read_texts(context, "[train]: save", train->save_value, NULL);
  const kd_ini_section *section = find(context, "train");
  if (section && train->epochs > 0 && train->initial_epoch >= train->epochs)
    kd_diag_error(context->diag, section->origin,
                  "[train]: initial_epoch = %lld leaves nothing of epochs = %lld",
                  (long long)train->initial_epoch, (long long)train->epochs);
}

static void make_distributed(kd_interpolation *context, kd_distributed_options *distributed) {
  fill(context, &kd_distributed_section_kind, NULL, distributed);
  unset_to_zero(&distributed->threads);
  if (distributed->bucket_mb == KD_UNSET_FLOAT) distributed->bucket_mb = 0;
}

static void make_export(kd_interpolation *context, kd_export_options *exports) {
  fill(context, &kd_export_section_kind, NULL, exports);
  const kd_ini_section *section = find(context, "export");
  if (section && exports->keras && !kd_ends_with(exports->keras, ".keras"))
    kd_diag_error(context->diag, section->origin, "[export]: keras = %s: the name must end in .keras",
                  kd_quoted(exports->keras));
  if (section && exports->onnx && !kd_ends_with(exports->onnx, ".onnx"))
    kd_diag_error(context->diag, section->origin, "[export]: onnx = %s: the name must end in .onnx",
                  kd_quoted(exports->onnx));
  if (exports->savedmodel && !kd_ends_with(exports->savedmodel, "/"))
    exports->savedmodel = kd_pool_printf(context->pool, "%s/", exports->savedmodel);
}

/* `name = Object(...)`; none takes a callback of an earlier file away. */
static void make_callbacks(kd_interpolation *context, kd_run_config *config) {
  kd_ini_section *section = find(context, "callbacks");
  int n_keys = section ? section->n_keys : 0;
  config->callbacks = kd_pool_alloc(context->pool, (size_t)n_keys, sizeof *config->callbacks);
  for (int i = 0; i < n_keys; i++) {
    kd_ini_key *key = &section->keys[i];
    if (!strncmp(key->name, "x-", 2)) continue;
    const char *text = kd_ini_resolve(context, section, key);
    const kd_value *value =
        text ? kd_value_parse(context->pool, context->diag, key->origin, text, false) : NULL;
    kd_callback_config callback = {.name = key->name, .origin = key->origin};
    if (!value || !kd_object_make(context->pool, context->diag, &kd_callback_family, value, &callback.object))
      continue;
    if (callback.object.kind) config->callbacks[config->n_callbacks++] = callback;
  }
}

/* Sections that this version reads over. */
static void warn_without_effect(kd_interpolation *context) {
  static const char *const kinds[] = {"serve", "slurm"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const kd_ini_section *section = find(context, kinds[i]);
    if (section) kd_diag_warn(context->diag, section->origin, "[%s] has no effect in this version", kinds[i]);
  }
}

void kd_run_config_make(kd_interpolation *context, const kd_model_spec *spec, kd_run_config *config) {
  *config = (kd_run_config){0};
  make_run(context, &config->run);
  make_data(context, spec, &config->data);
  make_train(context, &config->train);
  make_distributed(context, &config->distributed);
  fill(context, &kd_log_section_kind, NULL, &config->log);
  if (config->run.log_level >= 0) config->log.level = config->run.log_level;
  fill(context, &kd_model_section_kind, NULL, &config->model);
  make_export(context, &config->exports);
  make_callbacks(context, config);
  kd_run_outputs_make(context, spec, config);
  warn_without_effect(context);
}
