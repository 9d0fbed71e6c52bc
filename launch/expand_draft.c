/* One layer as written: a line `name = Type(args)(inputs) if condition`, or a [layer] section. */
#include <ctype.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

static const char *const call_keys[] = {
    "use_causal_mask",
    "return_attention_scores",
    "training",
    "initial_state",
    "mask",
    "attention_mask",
    "query_mask",
    "value_mask",
    "key_mask",
    "key",
    "start_index",
};

static bool is_call_key(const char *key) {
  for (size_t i = 0; i < sizeof call_keys / sizeof *call_keys; i++)
    if (!strcmp(key, call_keys[i])) return true;
  return false;
}

bool kd_valid_name(const char *name) {
  static const char *const taken[] = {"none", "None", "true", "True", "false", "False", "share"};
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    if (!strcmp(name, taken[i])) return false;
  const char *c = name;
  while (isalnum((unsigned char)*c) || *c == '_') c++;
  return c > name && *c == '\0';
}

void kd_args_set(kd_pool *pool, kd_spec_args *args, const char *key, const kd_value *value, bool override) {
  for (int i = 0; key && i < args->count; i++) {
    if (!kd_streq(args->v[i].key, key)) continue;
    args->v[i] = (kd_spec_arg){key, value, override};
    return;
  }
  size_t used = (size_t)args->count;
  args->v = kd_pool_grow(pool, args->v, used, &args->capacity, sizeof *args->v);
  args->v[used] = (kd_spec_arg){key, value, override};
  args->count++;
}

static bool error(kd_expander *e, const kd_draft *draft, kd_origin origin, const char *what,
                  const char *found) {
  kd_diag_error(e->diag, origin, "layer %s: %s%s%s%s", kd_quoted(draft->name), what, found ? " '" : "",
                found ? kd_quoted(found) : "", found ? "'" : "");
  return false;
}

static const char *printed(kd_expander *e, const kd_value *value) {
  return kd_value_print(e->pool, value);
}

/* Inputs are words, or a list of words (merging layers take a list). */
static bool add_inputs(kd_expander *e, kd_draft *draft, const kd_value *value, size_t *room) {
  if (value->type == KD_V_LIST) {
    for (int i = 0; i < value->count; i++)
      if (!add_inputs(e, draft, &value->items[i], room)) return false;
    return true;
  }
  if (value->type == KD_V_CALL || value->type == KD_V_FLOAT || !value->text)
    return error(e, draft, value->origin, "an input must be the name of a layer or input, not",
                 printed(e, value));
  size_t used = (size_t)draft->n_inputs;
  draft->inputs = kd_pool_grow(e->pool, draft->inputs, used, room, sizeof *draft->inputs);
  draft->inputs[draft->n_inputs++] = value;
  return true;
}

static bool set_inputs(kd_expander *e, kd_draft *draft, const kd_value *value) {
  size_t room = 0;
  draft->n_inputs = 0;
  draft->inputs = NULL;
  draft->has_inputs = true;
  if (!add_inputs(e, draft, value, &room)) return false;
  return draft->n_inputs > 0 || error(e, draft, value->origin, "the list of inputs is empty", NULL);
}

/* What stands in the second brackets: tensors by position, call arguments by key. */
static bool read_call(kd_expander *e, kd_draft *draft, const kd_value *call) {
  size_t room = 0;
  for (int i = 0; i < call->count; i++) {
    const char *key = call->keys[i];
    if (key) {
      kd_args_set(e->pool, &draft->call_args, key, &call->items[i], false);
      continue;
    }
    draft->has_inputs = true;
    if (!add_inputs(e, draft, &call->items[i], &room)) return false;
  }
  return true;
}

static bool read_truth(kd_expander *e, const kd_draft *draft, const char *what, const kd_value *value,
                       bool *out) {
  if (value->type != KD_V_BOOL) {
    kd_diag_error(e->diag, value->origin, "layer %s: %s needs true or false, not '%s'",
                  kd_quoted(draft->name), what, kd_quoted(printed(e, value)));
    return false;
  }
  *out = value->boolean;
  return true;
}

/* One key of a [layer] section. */
static bool read_key(kd_expander *e, kd_draft *draft, const char *key, const kd_value *value, bool override) {
  if (!strcmp(key, "type")) {
    if (value->type != KD_V_TEXT)
      return error(e, draft, value->origin, "type must be one name, not", printed(e, value));
    draft->type = value->text;
    return true;
  }
  if (!strcmp(key, "share")) {
    if (!value->text || value->type == KD_V_CALL)
      return error(e, draft, value->origin, "share must be the name of a layer, not", printed(e, value));
    draft->share = value->text;
    return true;
  }
  if (!strcmp(key, "input")) return set_inputs(e, draft, value);
  if (!strcmp(key, "when")) return read_truth(e, draft, "when", value, &draft->present);
  if (!strcmp(key, "trainable")) return read_truth(e, draft, "trainable", value, &draft->trainable);
  if (!strcmp(key, "dtype")) {
    if (value->type != KD_V_TEXT)
      return error(e, draft, value->origin, "dtype must be one name, not", printed(e, value));
    draft->dtype = value->text;
    return true;
  }
  if (!strcmp(key, "init_from")) {
    if (value->type != KD_V_TEXT) return error(e, draft, value->origin, "init_from must be a path", NULL);
    draft->init_from = value->text;
    return true;
  }
  kd_args_set(e->pool, is_call_key(key) ? &draft->call_args : &draft->args, key, value, override);
  return true;
}

static bool refuse_dtype(kd_expander *e, const kd_draft *draft) {
  return error(e, draft, draft->origin, "a shared layer has the dtype of the layer that it shares, not",
               draft->dtype);
}

/* The type's own brackets: arguments of the layer. */
static bool read_type(kd_expander *e, kd_draft *draft, const kd_value *type) {
  if ((type->type != KD_V_TEXT && type->type != KD_V_CALL) || type->quoted)
    return error(e, draft, type->origin, "expected a layer type, not", printed(e, type));
  draft->type = type->text;
  int count = type->type == KD_V_CALL ? type->count : 0;
  if (!strcmp(type->text, "share")) {
    if (count < 1 || type->keys[0] || !type->items[0].text || type->items[0].type == KD_V_CALL)
      return error(e, draft, type->origin, "expected share(NAME)", NULL);
    draft->share = type->items[0].text;
  }
  for (int i = draft->share ? 1 : 0; i < count; i++) {
    const char *key = type->keys[i];
    if (kd_streq(key, "trainable") || kd_streq(key, "dtype") || kd_streq(key, "init_from")) {
      if (!read_key(e, draft, key, &type->items[i], false)) return false;
    } else {
      kd_args_set(e->pool, &draft->args, key, &type->items[i], false);
    }
  }
  if (draft->share && draft->args.count)
    return error(e, draft, type->origin, "a shared layer takes no arguments of its own", NULL);
  if (draft->share && draft->dtype) return refuse_dtype(e, draft);
  return true;
}

static bool read_condition(kd_expander *e, kd_draft *draft, const char *text) {
  const kd_value *value = kd_value_parse(e->pool, e->diag, draft->origin, text, false);
  return value && read_truth(e, draft, "if", value, &draft->present);
}

bool kd_draft_line(kd_expander *e, const kd_frame *frame, const kd_ini_key *line, kd_draft *draft) {
  *draft = (kd_draft){.name = line->name, .origin = line->origin, .present = true, .trainable = true};
  if (!kd_valid_name(line->name))
    return error(e, draft, line->origin,
                 "a name has only letters, digits and '_' and is no word of the language", NULL);
  kd_scope scope = {frame->block ? frame->block->section : kd_ini_section_find(e->ini, "layers", NULL),
                    frame->bindings, frame->n_bindings};
  const char *text = kd_interpolate(e->context, &scope, line->origin, line->text), *rest;
  if (!text) return false;
  const kd_value *type = kd_value_parse_first(e->pool, e->diag, line->origin, text, &rest);
  if (!type || !read_type(e, draft, type)) return false;
  if (*rest == '(') {
    const char *call_text = kd_pool_printf(e->pool, "call%s", rest);
    const kd_value *call = kd_value_parse_first(e->pool, e->diag, line->origin, call_text, &rest);
    if (!call || !read_call(e, draft, call)) return false;
  }
  if (!strncmp(rest, "if", 2) && (isspace((unsigned char)rest[2]) || rest[2] == '('))
    return read_condition(e, draft, rest + 2);
  return *rest == '\0' ||
         error(e, draft, line->origin, "expected Type(arguments)(inputs) if condition, found", rest);
}

static bool read_section(kd_expander *e, kd_ini_section *section, kd_draft *draft, bool override) {
  bool good = true;
  for (int i = 0; i < section->n_keys; i++) {
    kd_ini_key *key = &section->keys[i];
    if (!strncmp(key->name, "x-", 2)) continue;
    const char *text = kd_ini_resolve(e->context, section, key);
    const kd_value *value = text ? kd_value_parse(e->pool, e->diag, key->origin, text, true) : NULL;
    good &= value && read_key(e, draft, key->name, value, override);
  }
  return good;
}

static bool check_share(kd_expander *e, const kd_draft *draft) {
  if (!draft->share) return true;
  if (draft->dtype) return refuse_dtype(e, draft);
  if (draft->type && strcmp(draft->type, "share") != 0)
    return error(e, draft, draft->origin, "has both type and share", NULL);
  if (draft->args.count == 0) return true;
  return error(e, draft, draft->args.v[0].value->origin,
               "behind share only input, trainable and call arguments may follow, not", draft->args.v[0].key);
}

bool kd_draft_section(kd_expander *e, kd_ini_section *section, kd_draft *draft) {
  *draft = (kd_draft){.name = section->name, .origin = section->origin, .present = true, .trainable = true};
  if (!kd_valid_name(section->name))
    return error(e, draft, section->origin,
                 "a name has only letters, digits and '_' and is no word of the language", NULL);
  bool good = read_section(e, section, draft, false);
  if (good && !draft->type && !draft->share) return error(e, draft, draft->origin, "'type' is missing", NULL);
  return good && check_share(e, draft);
}

bool kd_draft_overlay(kd_expander *e, kd_ini_section *section, kd_draft *draft) {
  return read_section(e, section, draft, true) && check_share(e, draft);
}
