/* Any bytes as a configuration file: no crash, no hang, no undefined behaviour; what is accepted prints and
 * reads back. Bytes behind a 0x01 are KDIST_SET. */
#include <stdlib.h>
#include <string.h>

#include "launch/config_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL_MODEL = 30 };

/* A record of sources, as rank 0 would send it: one file and one variable. */
static kd_sources *sources_of(kd_pool *pool, const uint8_t *data, size_t size) {
  const uint8_t *mark = memchr(data, 1, size);
  size_t length = mark ? (size_t)(mark - data) : size;
  kd_sources *sources = kd_sources_create(pool);
  sources->frozen = true;
  kd_sources_file(sources, "a.ini");
  kd_sources_env(sources, "KDIST_SET");
  sources->items[0].data = kd_pool_strndup(pool, (const char *)data, length);
  sources->items[0].bytes = length;
  if (mark) {
    sources->items[1].data = kd_pool_strndup(pool, (const char *)mark + 1, size - length - 1);
    sources->items[1].bytes = strlen(sources->items[1].data);
  }
  return sources;
}

static void check_model(kd_config *config) {
  kd_model *model = kd_config_model(config);
  if (!model) return;
  uint64_t hash = kd_model_hash(model);
  kd_model_destroy(model);
  const char *text = kd_config_text(config, KD_CONFIG_SHORT, false, false), *file = "a.ini";
  kd_pool *pool = kd_pool_create();
  kd_ini_request request = {.n_files = 1, .files = &file};
  kd_config *again = kd_config_load(&request, sources_of(pool, (const uint8_t *)text, strlen(text)));
  model = kd_config_model(again);
  if (!model || kd_model_hash(model) != hash) abort();
  kd_model_destroy(model);
  kd_config_destroy(again);
  kd_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *file = "a.ini";
  kd_pool *pool = kd_pool_create();
  kd_ini_request request = {.n_files = 1, .files = &file, .use_environment = true};
  kd_config *config = kd_config_load(&request, sources_of(pool, data, size));
  if (config->spec->n_layers <= SMALL_MODEL && config->diag->count == 0) check_model(config);
  kd_config_destroy(config);
  kd_pool_destroy(pool);
  return 0;
}
