/* The walk over a document's model sections in file order. */
#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

static const kd_frame top = {.prefix = "", .trainable = true};

static void add_input(kd_expander *e, kd_ini_section *section, kd_ref *previous) {
  if (!kd_valid_name(section->name))
    kd_diag_error(e->diag, section->origin, "input %s: a name has only letters, digits and '_'",
                  kd_quoted(section->name));
  kd_item *item = kd_item_add(e, section->name, section->origin);
  if (item) item->input = e->spec->n_inputs;
  e->spec->inputs[e->spec->n_inputs++] =
      (kd_input_spec){.name = section->name, .section = section, .origin = section->origin};
  *previous = (kd_ref){section->name, 0, true, section->origin};
}

/* A section for a layer that a [layers] line of an earlier file spells out changes that line. */
static bool changes_line(const kd_expander *e, const kd_ini_section *section) {
  const kd_ini_key *line = kd_ini_key_find(kd_ini_section_find(e->ini, "layers", NULL), section->name);
  return line && section->source > line->source;
}

/* "stage2.0/mix/conv": an override of one expanded layer, applied at the end. */
static bool is_path(const char *name) {
  return strpbrk(name, "./") != NULL;
}

static void add_section(kd_expander *e, kd_ini_section *section, kd_ref *previous) {
  kd_draft draft;
  if (kd_draft_section(e, section, &draft))
    kd_expand_draft(e, &top, &draft, previous);
  else
    kd_expand_failed(e, &top, section->name, section->origin, previous);
}

static void add_lines(kd_expander *e, const kd_ini_section *layers, kd_ref *previous) {
  for (int i = 0; i < layers->n_keys && !e->full; i++) {
    const kd_ini_key *line = &layers->keys[i];
    if (!strncmp(line->name, "x-", 2)) continue;
    kd_draft draft;
    bool good = kd_draft_line(e, &top, line, &draft);
    kd_ini_section *over = kd_ini_section_find(e->ini, "layer", line->name);
    if (over && changes_line(e, over)) good = kd_draft_overlay(e, over, &draft) && good;
    if (good)
      kd_expand_draft(e, &top, &draft, previous);
    else
      kd_expand_failed(e, &top, line->name, line->origin, previous);
  }
}

static void add_defaults(kd_expander *e, kd_ini_section *section) {
  kd_defaults_spec *defaults = &e->spec->defaults[e->spec->n_defaults++];
  *defaults = (kd_defaults_spec){.type = section->name, .origin = section->origin};
  if (kd_block_find(e, section->name))
    kd_diag_error(e->diag, section->origin, "[%s]: %s is a block; its defaults stand in its params",
                  kd_quoted(section->title), section->name);
  for (int i = 0; i < section->n_keys; i++) {
    kd_ini_key *key = &section->keys[i];
    if (!strncmp(key->name, "x-", 2)) continue;
    const char *text = kd_ini_resolve(e->context, section, key);
    const kd_value *value = text ? kd_value_parse(e->pool, e->diag, key->origin, text, true) : NULL;
    if (value) kd_args_set(e->pool, &defaults->args, key->name, value, false);
  }
}

/* `from` of an [output]; the layer of the same name without it. */
static kd_ref output_ref(kd_expander *e, kd_ini_section *section) {
  kd_ref ref = {section->name, 0, false, section->origin};
  kd_ini_key *from = kd_ini_key_find(section, "from");
  if (!from) return ref;
  ref = (kd_ref){NULL, 0, false, from->origin};
  const char *text = kd_ini_resolve(e->context, section, from);
  const kd_value *value = text ? kd_value_parse(e->pool, e->diag, from->origin, text, false) : NULL;
  if (!value) return ref;
  if (value->type == KD_V_TEXT || value->type == KD_V_INT)
    return kd_ref_make(e, &top, value, kd_pool_printf(e->pool, "output %s", section->name));
  kd_diag_error(e->diag, from->origin, "output %s: from must be the name of a layer",
                kd_quoted(section->name));
  return ref;
}

static void add_output(kd_expander *e, const char *name, kd_ini_section *section, kd_ref ref) {
  e->output_refs[e->spec->n_outputs] = ref;
  e->spec->outputs[e->spec->n_outputs++] =
      (kd_output_spec){.name = name, .section = section, .origin = ref.origin};
}

/* Counts sections of each kind first, so that the arrays of the spec have their final size. */
static void prepare(kd_expander *e) {
  int inputs = 0, outputs = 0, defaults = 0;
  for (int i = 0; i < e->ini->n_sections; i++) {
    const char *kind = e->ini->sections[i]->kind;
    inputs += !strcmp(kind, "input");
    outputs += !strcmp(kind, "output");
    defaults += !strcmp(kind, "defaults");
  }
  e->spec->inputs = kd_pool_alloc(e->pool, (size_t)inputs, sizeof *e->spec->inputs);
  e->spec->outputs = kd_pool_alloc(e->pool, (size_t)outputs + 1, sizeof *e->spec->outputs);
  e->spec->defaults = kd_pool_alloc(e->pool, (size_t)defaults, sizeof *e->spec->defaults);
  e->output_refs = kd_pool_alloc(e->pool, (size_t)outputs + 1, sizeof *e->output_refs);
  kd_blocks_find(e);
  const char **names = kd_pool_alloc(e->pool, (size_t)e->n_blocks, sizeof *names);
  for (int i = 0; i < e->n_blocks; i++) names[i] = e->blocks[i].name;
  e->spec->block_names = names;
  e->spec->n_blocks = e->n_blocks;
}

static void walk(kd_expander *e, kd_ref *last_layer) {
  kd_ref previous = {.implied = true};
  for (int i = 0; i < e->ini->n_sections; i++) {
    kd_ini_section *section = e->ini->sections[i];
    if (!strcmp(section->kind, "layers") && !section->name && section->n_keys) {
      add_lines(e, section, &previous);
      *last_layer = previous;
    }
    if (!section->name) continue;
    if (!strcmp(section->kind, "input")) add_input(e, section, &previous);
    if (!strcmp(section->kind, "output")) add_output(e, section->name, section, output_ref(e, section));
    if (strcmp(section->kind, "layer") != 0 || is_path(section->name) || changes_line(e, section)) continue;
    add_section(e, section, &previous);
    *last_layer = previous;
  }
}

void kd_expand_change(kd_expander *e, kd_ini_section *section, kd_layer_spec *layer, const char *what) {
  kd_draft draft = {.name = section->name,
                    .type = layer->type,
                    .args = layer->args,
                    .trainable = layer->trainable,
                    .dtype = layer->dtype,
                    .call_args = layer->call_args,
                    .init_from = layer->init_from,
                    .origin = layer->origin};
  if (!kd_draft_overlay(e, section, &draft)) return;
  if (draft.has_inputs)
    kd_diag_error(e->diag, section->origin, "layer %s: the input of %s cannot be changed",
                  kd_quoted(section->name), what);
  layer->type = draft.type;
  layer->args = draft.args;
  layer->call_args = draft.call_args;
  layer->trainable = draft.trainable;
  layer->dtype = draft.dtype;
  layer->init_from = draft.init_from;
}

/* Overrides of single layers inside blocks. */
static void apply_paths(kd_expander *e) {
  for (int i = 0; i < e->ini->n_sections; i++) {
    kd_ini_section *section = e->ini->sections[i];
    if (strcmp(section->kind, "layer") != 0 || !section->name || !is_path(section->name)) continue;
    int at = kd_name_find(&e->index, section->name);
    int number = at < 0 ? -1 : e->items[at].layer;
    if (number < 0) {
      kd_diag_error(e->diag, section->origin, "there is no layer '%s' that could be changed",
                    kd_quoted(section->name));
      continue;
    }
    kd_expand_change(e, section, &e->spec->layers[number], "a layer inside a block");
  }
}

kd_model_spec *kd_model_spec_make(kd_interpolation *context) {
  kd_expander e = {.pool = context->pool, .diag = context->diag, .context = context, .ini = context->ini};
  e.spec = kd_pool_alloc(e.pool, 1, sizeof *e.spec);
  prepare(&e);
  for (int i = 0; i < e.ini->n_sections; i++)
    if (!strcmp(e.ini->sections[i]->kind, "defaults") && e.ini->sections[i]->name)
      add_defaults(&e, e.ini->sections[i]);
  kd_ref last = {0};
  walk(&e, &last);
  if (e.spec->n_outputs == 0 && last.path) add_output(&e, last.path, NULL, last);
  apply_paths(&e);
  kd_expand_resolve(&e);
  return e.spec;
}
