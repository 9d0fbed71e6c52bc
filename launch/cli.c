#include "launch/cli.h"

#include <stdio.h>
#include <string.h>

#include "device/base/text.h"

static bool same_name(const char *flag, const char *given, size_t length) {
  if (strlen(flag) != length) return false;
  for (size_t i = 0; i < length; i++)
    if (flag[i] != given[i] && !(flag[i] == '-' && given[i] == '_')) return false;
  return true;
}

static const kd_flag *find_long(const kd_command *command, const char *name, size_t length) {
  for (const kd_flag *flag = command->flags; flag && flag->name; flag++)
    if (same_name(flag->name, name, length)) return flag;
  return NULL;
}

static const kd_flag *find_short(const kd_command *command, char letter) {
  for (const kd_flag *flag = command->flags; flag && flag->name; flag++)
    if (flag->letter == letter) return flag;
  return NULL;
}

static kd_status unknown_flag(const kd_command *command, const char *text) {
  size_t count = 0;
  while (command->flags && command->flags[count].name) count++;
  char name[64];
  const char *start = text + strspn(text, "-");
  size_t length = strcspn(start, "=");
  if (length >= sizeof name) length = sizeof name - 1;
  memcpy(name, start, length);
  name[length] = '\0';
  const char *near = count ? kd_nearest(name, &command->flags[0].name, count, sizeof(kd_flag)) : NULL;
  return kd_fail(KD_ERR_USAGE, "kdist %s has no option '%s'%s%s%s; see 'kdist help %s'", command->name,
                 kd_quoted(text), near ? "; did you mean '--" : "", near ? near : "", near ? "'" : "",
                 command->name);
}

static bool among(const char *choices, const char *value) {
  size_t length = strlen(value);
  for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
    if (strcspn(c, "|") == length && strncmp(c, value, length) == 0) return true;
  return false;
}

static kd_status add_flag(kd_cli *cli, const kd_flag *flag, const char *value) {
  if (flag->choices && *value)
    KD_CHECK(among(flag->choices, value), KD_ERR_USAGE, "--%s is one of %s, but is '%s'", flag->name,
             flag->choices, kd_quoted(value));
  cli->flags[cli->n_flags] = flag;
  cli->flag_values[cli->n_flags++] = value;
  return KD_OK;
}

/* --name, --name=value, --name value, -x, -x value, -xvalue; *i moves over a value that stands apart. */
static kd_status parse_flag(kd_cli *cli, int argc, char **argv, int *i) {
  const char *text = argv[*i], *value = NULL;
  const kd_flag *flag;
  if (text[1] == '-') {
    size_t length = strcspn(text + 2, "=");
    flag = find_long(cli->command, text + 2, length);
    if (text[2 + length] == '=') value = text + 3 + length;
  } else {
    flag = find_short(cli->command, text[1]);
    if (flag && text[2]) value = text + 2;
  }
  if (!flag) return unknown_flag(cli->command, text);
  if (!flag->value) {
    KD_CHECK(!value, KD_ERR_USAGE, "--%s takes no value", flag->name);
    return add_flag(cli, flag, "");
  }
  if (!value && flag->value[0] != '[') {
    KD_CHECK(*i + 1 < argc, KD_ERR_USAGE, "--%s needs a value: --%s %s", flag->name, flag->name, flag->value);
    value = argv[++*i];
  }
  return add_flag(cli, flag, value ? value : "");
}

/* An override has an '=' behind "section.key" or "key"; anything else is a file. */
static bool is_override(const char *text) {
  size_t name = strcspn(text, "=");
  return text[name] == '=' && name > 0 && strcspn(text, "/") > name && strchr(text, '.') &&
         strchr(text, '.') < text + name;
}

kd_status kd_cli_parse(kd_pool *pool, const kd_command *command, int argc, char **argv, kd_cli *cli) {
  size_t room = (size_t)argc + 1;
  *cli = (kd_cli){.pool = pool,
                  .command = command,
                  .files = kd_pool_alloc(pool, room, sizeof(char *)),
                  .overrides = kd_pool_alloc(pool, room, sizeof(char *)),
                  .flags = kd_pool_alloc(pool, room, sizeof(kd_flag *)),
                  .flag_values = kd_pool_alloc(pool, room, sizeof(char *)),
                  .argc = argc,
                  .argv = argv};
  bool only_words = false;
  for (int i = 0; i < argc; i++) {
    if (!only_words && strcmp(argv[i], "--") == 0)
      only_words = true;
    else if (!only_words && strcmp(argv[i], "--set") == 0 && command->takes_files) {
      KD_CHECK(i + 1 < argc, KD_ERR_USAGE, "--set needs a value: --set section.key=value");
      cli->overrides[cli->n_overrides++] = argv[++i];
    } else if (!only_words && argv[i][0] == '-' && argv[i][1])
      KD_TRY(parse_flag(cli, argc, argv, &i));
    else if (command->takes_files && is_override(argv[i]))
      cli->overrides[cli->n_overrides++] = argv[i];
    else
      cli->files[cli->n_files++] = argv[i];
  }
  KD_CHECK(!command->takes_files || command->files_optional || cli->n_files > 0, KD_ERR_USAGE,
           "kdist %s needs a configuration file: kdist %s FILE.ini; see 'kdist help %s'", command->name,
           command->name, command->name);
  return KD_OK;
}

const char *kd_cli_flag(const kd_cli *cli, const char *name) {
  for (int i = cli->n_flags - 1; i >= 0; i--)
    if (strcmp(cli->flags[i]->name, name) == 0) return cli->flag_values[i];
  return NULL;
}

kd_status kd_cli_int(const kd_cli *cli, const char *name, long long least, long long initial,
                     long long *value) {
  const char *text = kd_cli_flag(cli, name);
  *value = initial;
  if (!text) return KD_OK;
  int64_t number;
  KD_CHECK(kd_parse_int(text, &number) && number >= least, KD_ERR_USAGE,
           "--%s is an integer of at least %lld, but is '%s'", name, least, kd_quoted(text));
  *value = number;
  return KD_OK;
}

/* Messages about files begin with FILE:LINE, so nothing is put before them. */
void kd_cli_report(kd_cli *cli, kd_status status) {
  if (!cli->silent) {
    fprintf(stderr, "%s%s\n", status == KD_ERR_USAGE ? "" : "kdist: ", kd_status_text());
    fflush(stderr);
  }
  cli->silent = true;
}

static const char *flag_usage(kd_pool *pool, const kd_flag *flag) {
  const char *value = flag->choices && flag->value ? flag->choices : flag->value ? flag->value : "";
  const char *join = !flag->value ? "" : flag->value[0] == '[' ? "[=" : "=";
  const char *end = flag->value && flag->value[0] == '[' ? "]" : "";
  const char *left = flag->letter
                         ? kd_pool_printf(pool, "-%c, --%s%s%s%s", flag->letter, flag->name, join, value, end)
                         : kd_pool_printf(pool, "    --%s%s%s%s", flag->name, join, value, end);
  return kd_pool_printf(pool, "  %-34s %s\n", left, flag->help);
}

static const char *command_usage(kd_pool *pool, const kd_command *command) {
  const char *text =
      kd_pool_printf(pool, "usage: kdist %s %s\n\n%s\n", command->name, command->arguments, command->help);
  if (command->details) text = kd_pool_printf(pool, "%s\n%s\n", text, command->details);
  if (command->flags && command->flags->name) text = kd_pool_printf(pool, "%s\noptions:\n", text);
  for (const kd_flag *flag = command->flags; flag && flag->name; flag++)
    text = kd_pool_printf(pool, "%s%s", text, flag_usage(pool, flag));
  return text;
}

const char *kd_cli_usage(kd_pool *pool, const kd_command *command) {
  if (command) return command_usage(pool, command);
  const char *text = "usage: kdist COMMAND FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]\n\n"
                     "Trains Keras models, written in an INI file, on one machine or a cluster:\n"
                     "  kdist fit model.ini                  one process\n"
                     "  mpirun -np 8 kdist fit model.ini     eight ranks\n\ncommands:\n";
  for (const kd_command *const *c = kd_commands; *c; c++)
    text = kd_pool_printf(pool, "%s  %-10s %s\n", text, (*c)->name, (*c)->help);
  return kd_pool_printf(pool, "%s\n'kdist help COMMAND' tells more.\n", text);
}

const kd_command *kd_command_find(const char *name) {
  for (const kd_command *const *c = kd_commands; *c; c++)
    if (strcmp((*c)->name, name) == 0) return *c;
  return NULL;
}
