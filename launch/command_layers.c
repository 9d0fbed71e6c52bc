#include <stdio.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/commands.h"
#include "layers/layer.h"
#include "layers/loss.h"
#include "trainer/callback.h"
#include "trainer/optimizer.h"

/* What exists, from the option tables: nothing here is written twice. */
static const kd_family *const families[] = {
    &kd_layer_family,       &kd_cell_family,       &kd_activation_family, &kd_initializer_family,
    &kd_regularizer_family, &kd_constraint_family, &kd_loss_family,       &kd_metric_family,
    &kd_optimizer_family,   &kd_schedule_family,   &kd_callback_family,
};
enum { N_FAMILIES = sizeof families / sizeof *families };

static const char *call_type_text(kd_call_type type) {
  switch (type) {
  case KD_CALL_MASK:
    return "tensor (batch, steps)";
  case KD_CALL_TENSOR:
    return "tensor";
  case KD_CALL_TENSORS:
    return "list of tensors";
  case KD_CALL_FLAG:
  case KD_CALL_RESULT:
    return "true or false";
  case KD_CALL_CHOICE:
    return "true, false or none";
  case KD_CALL_INT:
    break;
  }
  return "int";
}

static void print_call_args(const kd_layer_kind *kind) {
  const kd_call_arg *arg;
  for (int i = 0; (arg = kd_layer_call_arg(kind, i)); i++)
    printf("  call: %-22s %-34s %-18s %s\n", arg->name, call_type_text(arg->type),
           arg->type == KD_CALL_FLAG || arg->type == KD_CALL_RESULT ? "false" : "none", arg->help);
}

static void print_kind(kd_pool *pool, const kd_family *family, const kd_kind *kind) {
  printf("%s (%s): %s\n", kind->name, family->noun, kind->help);
  if (kind->aliases) printf("  also: %s\n", kind->aliases);
  bool any = false;
  for (const kd_option *option = kind->options; option && option->name; option++, any = true) {
    const char *initial = option->initial ? option->initial : "required";
    printf("  %-28s %-34s %-18s %s\n", option->name, kd_option_type_text(pool, option), initial,
           option->help);
  }
  if (!any) printf("  no options\n");
  if (family == &kd_layer_family) print_call_args((const kd_layer_kind *)kind);
}

static void print_all(void) {
  for (int f = 0; f < N_FAMILIES; f++) {
    const char *noun = families[f]->noun;
    printf("%s%s%s:\n", f ? "\n" : "", noun, noun[strlen(noun) - 1] == 's' ? "es" : "s");
    for (size_t i = 0; i < families[f]->count; i++)
      printf("  %-30s %s\n", families[f]->kinds[i]->name, families[f]->kinds[i]->help);
  }
  printf("\n'kdist layers NAME' lists the options of one of them.\n");
}

static kd_status unknown(const char *name) {
  const char *near = NULL;
  int best = (int)strlen(name) / 3 < 1 ? 1 : (int)strlen(name) / 3;
  for (int f = 0; f < N_FAMILIES; f++) {
    for (size_t i = 0; i < families[f]->count; i++) {
      int distance = kd_edit_distance(name, families[f]->kinds[i]->name);
      if (distance > best) continue;
      best = distance - 1;
      near = families[f]->kinds[i]->name;
    }
  }
  return kd_fail(KD_ERR_USAGE, "there is nothing named '%s'%s%s%s; see 'kdist layers'", kd_quoted(name),
                 near ? "; did you mean '" : "", near ? near : "", near ? "'" : "");
}

static kd_status run_layers(kd_cli *cli) {
  if (cli->n_files == 0) print_all();
  for (int n = 0; n < cli->n_files; n++) {
    int found = 0;
    for (int f = 0; f < N_FAMILIES; f++) {
      const kd_kind *kind = kd_family_find(families[f], cli->files[n]);
      if (!kind) continue;
      if (found++ || n) printf("\n");
      print_kind(cli->pool, families[f], kind);
    }
    if (!found) return unknown(cli->files[n]);
  }
  return KD_OK;
}

const kd_command kd_command_layers = {
    .name = "layers",
    .arguments = "[NAME ...]",
    .help = "what exists, and the options of one thing",
    .details =
        "Without a name: all layers, cells, activations, initializers, regularizers, constraints, losses, "
        "metrics,\n"
        "optimizers, schedules and callbacks. With a name: every option with type, default and meaning;\n"
        "call: marks arguments of a layer's calls, which stand behind the inputs.",
    .run = run_layers,
};
