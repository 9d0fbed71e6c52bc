/* The whole configuration of a command: files read, blocks expanded, sections checked. */
#ifndef KD_CONFIG_H
#define KD_CONFIG_H

#include "launch/build_model.h"
#include "launch/run_config.h"
#include "trainer/optimizer.h"

typedef struct kd_config {
  kd_pool *pool;
  kd_diag *diag;    /* errors and warnings of everything below */
  const char *file; /* the first one, for messages */
  kd_sources *sources;
  kd_ini *ini;
  kd_interpolation context;
  kd_model_spec *spec;
  kd_run_config run;
  kd_optimizer optimizer; /* kind NULL after errors */
  bool needs_steps;       /* a value depends on steps_per_epoch: see kd_config_set_steps */
} kd_config;

/* Reads and checks everything but the model. sources: what other ranks were given (kd_sources_unpack), or
 * NULL to read files and environment. Never NULL: errors stand in config->diag (kd_diag_status). */
kd_config *kd_config_load(const kd_ini_request *request, kd_sources *sources);
void kd_config_destroy(kd_config *config); /* after the model; NULL is allowed */

/* Adds the model's errors to config->diag; NULL when diag has any error. The caller destroys the model before
 * the configuration. */
kd_model *kd_config_model(kd_config *config);

/* Until the data are opened, steps_per_epoch counts as 1 in `$( )`. When needs_steps is set, call this with
 * the true number: optimizer and callbacks are read again. */
void kd_config_set_steps(kd_config *config, int64_t steps_per_epoch);

/* A hash of all that ranks must agree on: contents of files, variables, overrides. */
uint64_t kd_config_hash(const kd_config *config, const kd_ini_request *request);

#endif
