#include <stdio.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/commands.h"
#include "launch/config_print.h"
#include "launch/session.h"

static void print_table(kd_pool *pool, const kd_kind *kind, const char *only) {
  for (const kd_option *option = kind->options; option && option->name; option++) {
    if (only && strcmp(only, option->name) != 0) continue;
    printf("  %-28s %-34s %-18s %s\n", option->name, kd_option_type_text(pool, option),
           option->initial ? option->initial : "required", option->help);
  }
}

/* `--schema`: the keys of sections, from their option tables; `--schema train` or `--schema train.epochs`.
 * Layers are described by `kdist layers`. */
static kd_status print_schema(kd_cli *cli, const char *name) {
  char section[64];
  snprintf(section, sizeof section, "%.*s", (int)strcspn(name, "."), name);
  const char *key = strchr(name, '.') ? strchr(name, '.') + 1 : NULL;
  bool found = false;
  for (size_t i = 0; i < kd_section_family.count; i++) {
    const kd_kind *kind = kd_section_family.kinds[i];
    if (*name && strcmp(kind->name, section) != 0) continue;
    printf("[%s] %s\n", kind->name, kind->help);
    print_table(cli->pool, kind, key);
    found = true;
  }
  const kd_kind *layer = *name ? kd_family_find(&kd_layer_family, section) : NULL;
  if (layer) {
    printf("%s: %s\n", layer->name, layer->help);
    print_table(cli->pool, layer, key);
    found = true;
  }
  KD_CHECK(found, KD_ERR_USAGE,
           "there is no section or layer '%s'; see 'kdist config --schema' and 'kdist layers'",
           kd_quoted(section));
  return KD_OK;
}

static kd_config_form form_of(const char *name) {
  if (!name || strcmp(name, "long") == 0) return KD_CONFIG_LONG;
  return strcmp(name, "short") == 0 ? KD_CONFIG_SHORT : KD_CONFIG_JSON;
}

static kd_status run_config(kd_cli *cli) {
  const char *schema = kd_cli_flag(cli, "schema");
  if (schema) return print_schema(cli, *schema ? schema : cli->n_files ? cli->files[0] : "");
  KD_CHECK(cli->n_files > 0, KD_ERR_USAGE, "kdist config needs a configuration file: kdist config FILE.ini");
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK)
    fputs(kd_config_text(session.config, form_of(kd_cli_flag(cli, "format")),
                         kd_cli_flag(cli, "origin") != NULL, kd_cli_flag(cli, "defaults") != NULL),
          stdout);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "format",
     .value = "FORM",
     .help = "sections, [layers] lines, or JSON",
     .choices = "long|short|json"},
    {.name = "origin", .help = "file and line of each key"},
    {.name = "defaults", .help = "also what was not written"},
    {.name = "schema", .value = "[NAME]", .help = "the keys of a section or layer, or of all sections"},
    {0},
};

const kd_command kd_command_config = {
    .name = "config",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "the configuration with everything resolved",
    .flags = flags,
    .takes_files = true,
    .files_optional = true,
    .run = run_config,
};
