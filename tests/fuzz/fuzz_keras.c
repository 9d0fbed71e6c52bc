/* Any bytes as the config.json of a model that Keras saved: no crash, no hang, no undefined behaviour; what
 * is accepted becomes a model, and its printed configuration gives the same one again. */
#include <stdlib.h>
#include <string.h>

#include "launch/config_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL_MODEL = 30 };

static kd_config *load(kd_pool *pool, const char *file, const char *text, const uint8_t *data, size_t size) {
  kd_sources *sources = kd_sources_create(pool);
  kd_sources_add_text(sources, "m.keras", "");
  if (text) kd_sources_add_text(sources, file, text);
  sources->items[0].data = kd_pool_strndup(pool, (const char *)data, size);
  sources->items[0].bytes = size;
  kd_ini_request request = {.n_files = 1, .files = &file};
  return kd_config_load(&request, sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kd_pool *pool = kd_pool_create();
  kd_config *config = load(pool, "m.keras", NULL, data, size), *again = NULL;
  kd_model *model = NULL;
  if (config->spec->n_layers <= SMALL_MODEL && config->diag->count == 0) model = kd_config_model(config);
  if (model) {
    uint64_t hash = kd_model_hash(model);
    again = load(pool, "a.ini", kd_config_text(config, KD_CONFIG_LONG, false, false), data, size);
    kd_model *same = kd_config_model(again);
    if (!same || kd_model_hash(same) != hash) abort();
    kd_model_destroy(same);
  }
  kd_model_destroy(model);
  kd_config_destroy(again);
  kd_config_destroy(config);
  kd_pool_destroy(pool);
  return 0;
}
