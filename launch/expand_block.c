/* Blocks: their parameters, and the texts these have in one copy. */
#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

static const char *const reserved[] = {"params", "repeat", "first",     "last",      "input", "type",
                                       "share",  "when",   "trainable", "init_from", "dtype"};

static bool is_reserved(const char *name) {
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(name, reserved[i])) return true;
  return false;
}

static bool read_param(kd_expander *e, kd_block *block, kd_origin origin, const char *key,
                       const kd_value *value) {
  const char *name = key ? key : value->text;
  if (!name || (!key && value->type != KD_V_TEXT) || !kd_valid_name(name) || is_reserved(name)) {
    kd_diag_error(e->diag, origin, "block %s: '%s' cannot be the name of a parameter", block->name,
                  kd_quoted(key ? key : kd_value_print(e->pool, value)));
    return false;
  }
  for (int i = 0; i < block->n_params; i++) {
    if (strcmp(block->params[i], name) != 0) continue;
    kd_diag_error(e->diag, origin, "block %s: parameter '%s' stands twice", block->name, name);
    return false;
  }
  block->params[block->n_params] = name;
  block->defaults[block->n_params++] = key ? value : NULL;
  return true;
}

/* `params = a, b = default` has the form of the arguments of a call. */
static void read_params(kd_expander *e, kd_block *block, kd_ini_key *key) {
  const char *text = kd_ini_resolve(e->context, block->section, key);
  if (!text) return;
  const kd_value *call =
      kd_value_parse(e->pool, e->diag, key->origin, kd_pool_printf(e->pool, "params(%s)", text), false);
  if (!call) return;
  block->params = kd_pool_alloc(e->pool, (size_t)call->count, sizeof *block->params);
  block->defaults = kd_pool_alloc(e->pool, (size_t)call->count, sizeof *block->defaults);
  for (int i = 0; i < call->count; i++) read_param(e, block, key->origin, call->keys[i], &call->items[i]);
}

static bool has_lines(const kd_ini_section *section) {
  for (int i = 0; i < section->n_keys; i++)
    if (strcmp(section->keys[i].name, "params") != 0 && strncmp(section->keys[i].name, "x-", 2) != 0)
      return true;
  return false;
}

void kd_blocks_find(kd_expander *e) {
  for (int i = 0; i < e->ini->n_sections; i++) {
    kd_ini_section *section = e->ini->sections[i];
    if (strcmp(section->kind, "block") != 0 || !section->name) continue;
    size_t used = (size_t)e->n_blocks;
    e->blocks = kd_pool_grow(e->pool, e->blocks, used, &e->block_capacity, sizeof *e->blocks);
    kd_block *block = &e->blocks[used];
    *block = (kd_block){.name = section->name, .section = section};
    kd_name_add(&e->block_index, e->pool, section->name, e->n_blocks++);
    if (!kd_valid_name(section->name))
      kd_diag_error(e->diag, section->origin, "block %s: a name has only letters, digits and '_'",
                    kd_quoted(section->name));
    kd_ini_key *params = kd_ini_key_find(section, "params");
    if (params) read_params(e, block, params);
    if (!has_lines(section)) kd_diag_error(e->diag, section->origin, "block %s: has no lines", section->name);
  }
}

const kd_block *kd_block_find(const kd_expander *e, const char *name) {
  int at = kd_name_find(&e->block_index, name);
  return at < 0 ? NULL : &e->blocks[at];
}

int kd_block_repeat(kd_expander *e, const kd_draft *draft, bool *given) {
  int repeat = 1;
  *given = false;
  for (int i = 0; i < draft->args.count; i++) {
    const kd_spec_arg *arg = &draft->args.v[i];
    if (!kd_streq(arg->key, "repeat")) continue;
    *given = true;
    bool good =
        arg->value->type == KD_V_INT && arg->value->integer >= 1 && arg->value->integer <= KD_SPEC_LAYERS;
    if (!good)
      kd_diag_error(e->diag, arg->value->origin,
                    "layer %s (%s): repeat = %s is out of range: expected int in [1, %d]", draft->name,
                    draft->type, kd_quoted(kd_value_print(e->pool, arg->value)), KD_SPEC_LAYERS);
    repeat = good ? (int)arg->value->integer : 0;
  }
  return repeat;
}

static int find_param(const kd_block *block, const char *name) {
  for (int i = 0; i < block->n_params; i++)
    if (!strcmp(block->params[i], name)) return i;
  return -1;
}

static void unknown_param(kd_expander *e, const kd_block *block, const kd_draft *draft,
                          const kd_spec_arg *arg) {
  const char *near = kd_nearest(arg->key, block->params, (size_t)block->n_params, sizeof *block->params);
  const char *list = block->n_params ? "" : "(none)";
  for (int i = 0; i < block->n_params; i++)
    list = kd_pool_printf(e->pool, "%s%s%s", list, i ? ", " : "", block->params[i]);
  kd_diag_error(e->diag, arg->value->origin, "layer %s (%s): unknown key '%s'; %s%s%s", draft->name,
                block->name, kd_quoted(arg->key),
                near ? "did you mean '" : "the parameters are: ", near ? near : list, near ? "'?" : "");
}

/* How strongly an argument binds in this copy: later passes win. -1: not in this copy. */
static int rank_of(const kd_spec_arg *arg, int copy, int copies, const char **param) {
  *param = arg->key;
  int rank = arg->override ? 1 : 0;
  if (!arg->key) return rank;
  bool first = !strncmp(arg->key, "first.", 6), last = !strncmp(arg->key, "last.", 5);
  if (first) *param = arg->key + 6;
  if (last) *param = arg->key + 5;
  if ((first && copy != 0) || (last && copy != copies - 1)) return -1;
  return first || last ? rank + 2 : rank;
}

/* Finds the parameter of an argument; `position` counts positional ones. -1 after an error. */
static int target(kd_expander *e, const kd_block *block, const kd_draft *draft, const kd_spec_arg *arg,
                  const char *param, int *position) {
  int at = arg->key ? find_param(block, param) : (*position)++;
  if (at >= 0 && at < block->n_params) return at;
  if (arg->key)
    unknown_param(e, block, draft, arg);
  else
    kd_diag_error(e->diag, arg->value->origin,
                  "layer %s (%s): more values by position than the block's %d parameters", draft->name,
                  block->name, block->n_params);
  return -1;
}

bool kd_block_bind(kd_expander *e, const kd_block *block, const kd_draft *draft, int copy, int copies,
                   kd_fact *bindings) {
  const kd_value **values = kd_pool_alloc(e->pool, (size_t)block->n_params, sizeof *values);
  int *ranks = kd_pool_alloc(e->pool, (size_t)block->n_params, sizeof *ranks);
  bool good = true;
  for (int i = 0; i < block->n_params; i++) ranks[i] = -1;
  int position = 0;
  for (int i = 0; i < draft->args.count; i++) {
    const kd_spec_arg *arg = &draft->args.v[i];
    const char *param;
    int rank = rank_of(arg, copy, copies, &param);
    if (kd_streq(arg->key, "repeat")) continue;
    /* A misspelt first.key is reported even in copies that it does not touch. */
    int at = target(e, block, draft, arg, param, &position);
    if (at < 0) good = false;
    if (at < 0 || rank < 0) continue;
    if (ranks[at] == rank && rank == 0) {
      kd_diag_error(e->diag, arg->value->origin, "layer %s (%s): '%s' is given twice", draft->name,
                    block->name, block->params[at]);
      good = false;
    }
    if (rank >= ranks[at]) {
      ranks[at] = rank;
      values[at] = arg->value;
    }
  }
  for (int i = 0; i < block->n_params; i++) {
    const kd_value *value = values[i] ? values[i] : block->defaults[i];
    if (!value) {
      kd_diag_error(e->diag, draft->origin, "layer %s (%s): '%s' is missing", draft->name, block->name,
                    block->params[i]);
      good = false;
      continue;
    }
    bindings[i] = (kd_fact){block->params[i], kd_value_print(e->pool, value), value->origin};
  }
  return good;
}
