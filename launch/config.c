#include "launch/config.h"

#include <string.h>

#include "device/base/hash.h"
#include "device/base/text.h"
#include "launch/keras/keras.h"
#include "layers/loss.h"

/* Names whose class depends on the shapes of labels and predictions (keras.md 4.3): checked with the model.
 */
static bool depends_on_shapes(const kd_value *value) {
  static const char *const names[] = {"accuracy", "acc", "crossentropy", "ce"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (value->type == KD_V_TEXT && !strcmp(value->text, names[i])) return true;
  return false;
}

static void check_object(kd_config *config, const kd_family *family, const kd_value *value) {
  kd_object object;
  if (!depends_on_shapes(value)) kd_object_make(config->pool, config->diag, family, value, &object);
}

static void check_metrics(kd_config *config, const kd_value *metrics) {
  bool list = metrics && metrics->type == KD_V_LIST;
  int count = !metrics ? 0 : list ? metrics->count : 1;
  for (int m = 0; m < count; m++)
    check_object(config, &kd_metric_family, list ? &metrics->items[m] : metrics);
}

/* Losses and metrics belong to the model's outputs, but their spelling can be wrong before there is a model.
 */
static void check_objective(kd_config *config) {
  for (int i = 0; i < config->run.n_outputs; i++) {
    const kd_output_config *output = &config->run.outputs[i];
    if (output->loss) check_object(config, &kd_loss_family, output->loss);
    check_metrics(config, output->metrics);
    check_metrics(config, output->weighted_metrics);
  }
}

/* Keras wraps the optimizer under mixed_float16 alone: with variables in float16 it leaves it to the user. */
static void make_optimizer(kd_config *config) {
  const kd_train_options *train = &config->run.train;
  if (!train->optimizer ||
      !kd_optimizer_make(config->pool, config->diag, train->optimizer, &config->optimizer))
    return;
  kd_policy policy = kd_policy_get(train->dtype_policy);
  if (policy.compute == KD_F16 && policy.variable == KD_F32 && train->auto_scale_loss)
    kd_optimizer_scale_loss(&config->optimizer);
}

static void read_run(kd_config *config, const char *steps) {
  kd_fact *fact = kd_pool_alloc(config->pool, 1, sizeof *fact);
  *fact = (kd_fact){.name = "steps_per_epoch", .text = steps};
  config->context.facts = fact;
  config->context.n_facts = 1;
  kd_run_config_make(&config->context, config->spec, &config->run);
  make_optimizer(config);
  config->needs_steps = config->context.facts_used;
}

/* The name of a run that has none: its file's, without folder and ending. */
static const char *stem(kd_pool *pool, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
  return kd_pool_strndup(pool, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

kd_config *kd_config_load(const kd_ini_request *request, kd_sources *sources) {
  kd_config *config = kd_calloc(1, sizeof *config);
  config->pool = kd_pool_create();
  config->diag = kd_diag_create();
  config->sources = sources ? sources : kd_sources_create(config->pool);
  config->ini = kd_ini_load(config->pool, config->diag, config->sources, request);
  config->file = request->n_files > 0 ? request->files[0] : "the configuration";
  if (request->n_files > 0) {
    kd_ini_section *run = kd_ini_section_find(config->ini, "run", NULL);
    kd_origin origin = {request->files[0], 0};
    if (!run) run = kd_ini_section_add(config->ini, "run", NULL, origin, 0);
    const char *name =
        kd_value_print(config->pool, kd_value_text(config->pool, stem(config->pool, request->files[0])));
    if (!kd_ini_key_find(run, "name")) kd_ini_key_set(config->ini, run, "name", name, origin, 0);
  }
  config->context = (kd_interpolation){
      .pool = config->pool, .diag = config->diag, .sources = config->sources, .ini = config->ini};
  const char *model = kd_keras_file(&config->context);
  config->spec =
      model ? kd_keras_spec_make(&config->context, config->ini, model) : kd_model_spec_make(&config->context);
  read_run(config, "1");
  check_objective(config);
  return config;
}

void kd_config_destroy(kd_config *config) {
  if (!config) return;
  kd_diag_destroy(config->diag);
  kd_pool_destroy(config->pool);
  kd_free(config);
}

static bool has_layers(const kd_ini *ini) {
  for (int i = 0; i < ini->n_sections; i++)
    if (!strcmp(ini->sections[i]->kind, "layer") || !strcmp(ini->sections[i]->kind, "layers")) return true;
  return false;
}

kd_model *kd_config_model(kd_config *config) {
  if (config->run.model.file && config->diag->count > 0) return NULL; /* the file's model is not complete */
  if (!config->run.model.file && !has_layers(config->ini)) {
    if (config->diag->count > 0) return NULL; /* files that could not be read hold the layers, perhaps */
    const kd_ini_section *run = kd_ini_section_find(config->ini, "run", NULL);
    kd_diag_error(config->diag, (kd_origin){run ? run->origin.file : NULL, 0},
                  "the configuration has no model: no [layer], no [layers] and no [model] file");
    return NULL;
  }
  return kd_model_from_spec(&config->context, config->run.run.name, config->spec,
                            kd_policy_get(config->run.train.dtype_policy));
}

void kd_config_set_steps(kd_config *config, int64_t steps_per_epoch) {
  kd_ini_unresolve(config->ini);
  read_run(config, kd_pool_printf(config->pool, "%lld", (long long)steps_per_epoch));
}

uint64_t kd_config_hash(const kd_config *config, const kd_ini_request *request) {
  uint64_t hash = kd_sources_hash(config->sources);
  for (int i = 0; i < request->n_files; i++) hash = kd_hash_text(request->files[i], hash);
  for (int i = 0; i < request->n_overrides; i++) hash = kd_hash_text(request->overrides[i], hash);
  return hash;
}
