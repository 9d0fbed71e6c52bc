/* The resolved configuration as text: for `kdist config` and the run folder's config.ini. */
#ifndef KD_CONFIG_PRINT_H
#define KD_CONFIG_PRINT_H

#include "launch/config.h"

typedef enum kd_config_form {
  KD_CONFIG_LONG,  /* a section per layer */
  KD_CONFIG_SHORT, /* all layers as lines of [layers] */
  KD_CONFIG_JSON,  /* for programs; kdist reads .ini only */
} kd_config_form;

/* Overrides applied, references replaced; steps_per_epoch as set by kd_config_set_steps. with_origin adds
 * "# FILE:LINE" to each line ("origin" in JSON); with_defaults adds options that were not written. The long
 * and short forms read back to the same configuration. For configurations without errors; in config->pool. */
const char *kd_config_text(kd_config *config, kd_config_form form, bool with_origin, bool with_defaults);

#endif
