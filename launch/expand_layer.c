/* One draft becomes a layer of the spec, or the layers of the block that it uses. */
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

static const char *path_of(kd_expander *e, const kd_frame *frame, const char *name) {
  return frame->prefix[0] ? kd_pool_printf(e->pool, "%s/%s", frame->prefix, name) : name;
}

kd_item *kd_item_add(kd_expander *e, const char *path, kd_origin origin) {
  int first = kd_name_find(&e->index, path);
  if (first >= 0) {
    kd_origin before = e->items[first].origin;
    kd_diag_error(e->diag, origin, "one name for two layers: '%s' stands in %s:%d already", kd_quoted(path),
                  before.file, before.line);
    return NULL;
  }
  size_t used = (size_t)e->n_items;
  e->items = kd_pool_grow(e->pool, e->items, used, &e->item_capacity, sizeof *e->items);
  e->items[used] = (kd_item){.path = path, .layer = -1, .input = -1, .origin = origin};
  kd_name_add(&e->index, e->pool, path, e->n_items++);
  return &e->items[used];
}

void kd_expand_failed(kd_expander *e, const kd_frame *frame, const char *name, kd_origin origin,
                      kd_ref *previous) {
  const char *path = path_of(e, frame, name);
  if (kd_name_find(&e->index, path) < 0) kd_item_add(e, path, origin);
  *previous = (kd_ref){path, 0, true, origin};
}

/* "@in", "@in2" ...: the number of the block's input, from 0; -1 for other words. */
static int block_input(const char *word) {
  if (strncmp(word, "@in", 3) != 0) return -1;
  if (word[3] == '\0') return 0;
  char *end;
  long number = strtol(word + 3, &end, 10);
  return *end == '\0' && number >= 1 && number <= KD_SPEC_LAYERS ? (int)number - 1 : -1;
}

kd_ref kd_ref_make(kd_expander *e, const kd_frame *frame, const kd_value *word, const char *subject) {
  kd_ref failed = {NULL, 0, false, word->origin};
  if (word->text[0] == '@') {
    int at = frame->block ? block_input(word->text) : -1;
    if (at >= 0 && at < frame->n_inputs) return frame->inputs[at];
    if (at >= 0)
      kd_diag_error(e->diag, word->origin, "%s: %s: block %s is used with %d input%s", subject,
                    kd_quoted(word->text), frame->block->name, frame->n_inputs,
                    frame->n_inputs == 1 ? "" : "s");
    else
      kd_diag_error(e->diag, word->origin, "%s: '%s': @in, @in2, ... stand in blocks only", subject,
                    kd_quoted(word->text));
    return failed;
  }
  const char *colon = strchr(word->text, ':');
  size_t length = colon ? (size_t)(colon - word->text) : strlen(word->text);
  int64_t output = 0;
  if (length == 0 || (colon && (!kd_parse_int(colon + 1, &output) || output < 0 || output > 1000))) {
    kd_diag_error(e->diag, word->origin, "%s: '%s': expected NAME or NAME:OUTPUT", subject,
                  kd_quoted(word->text));
    return failed;
  }
  return (kd_ref){path_of(e, frame, kd_pool_strndup(e->pool, word->text, length)), (int)output, false,
                  word->origin};
}

/* The draft's input tensors. Without any, the section or line above; with none above, an error. */
static kd_ref *make_refs(kd_expander *e, const kd_frame *frame, const kd_draft *draft, const kd_ref *previous,
                         int *count) {
  const char *subject = kd_pool_printf(e->pool, "layer %s", path_of(e, frame, draft->name));
  kd_ref *refs = kd_pool_alloc(e->pool, (size_t)draft->n_inputs + 1, sizeof *refs);
  *count = draft->has_inputs ? draft->n_inputs : 1;
  for (int i = 0; i < draft->n_inputs; i++) refs[i] = kd_ref_make(e, frame, draft->inputs[i], subject);
  if (draft->has_inputs) return refs;
  refs[0] = *previous;
  if (!previous->path && previous->implied)
    kd_diag_error(e->diag, draft->origin, "%s: has no input: no [input] and no layer stands above", subject);
  if (!frame->block) refs[0].origin = draft->origin;
  return refs;
}

static bool takes_tensors(const char *key) {
  static const char *const keys[] = {"initial_state", "mask", "attention_mask", "query_mask", "value_mask",
                                     "key_mask",      "key"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!strcmp(key, keys[i])) return true;
  return false;
}

/* Tensors of call arguments join the inputs; the argument keeps their positions. */
static void add_call_args(kd_expander *e, const kd_frame *frame, const kd_draft *draft, kd_layer_spec *layer,
                          kd_ref **refs) {
  const char *subject = kd_pool_printf(e->pool, "layer %s", layer->name);
  size_t room = (size_t)layer->n_inputs;
  for (int i = 0; i < draft->call_args.count; i++) {
    const kd_spec_arg *arg = &draft->call_args.v[i];
    if (!takes_tensors(arg->key) || arg->value->type == KD_V_NONE) {
      kd_args_set(e->pool, &layer->call_args, arg->key, arg->value, arg->override);
      continue;
    }
    const kd_value *words = arg->value;
    int count = words->type == KD_V_LIST ? words->count : 1;
    kd_value *positions = kd_pool_alloc(e->pool, 1, sizeof *positions);
    *positions = (kd_value){.type = KD_V_LIST, .count = count, .origin = words->origin};
    positions->items = kd_pool_alloc(e->pool, (size_t)count, sizeof *positions->items);
    for (int k = 0; k < count; k++) {
      const kd_value *word = words->type == KD_V_LIST ? &words->items[k] : words;
      if (word->type != KD_V_TEXT && word->type != KD_V_INT) {
        kd_diag_error(e->diag, word->origin, "%s: %s needs names of layers", subject, arg->key);
        continue;
      }
      *refs = kd_pool_grow(e->pool, *refs, (size_t)layer->n_inputs, &room, sizeof **refs);
      (*refs)[layer->n_inputs] = kd_ref_make(e, frame, word, subject);
      positions->items[k] = *kd_value_int(e->pool, layer->n_inputs++);
      positions->items[k].origin = word->origin;
    }
    kd_args_set(e->pool, &layer->call_args, arg->key, positions, arg->override);
  }
}

/* Counts a layer or a copy of a block; false, with one error, when there are too many. */
static bool count_copy(kd_expander *e, kd_origin origin) {
  if (e->full) return false;
  if (e->copies++ < KD_SPEC_LAYERS) return true;
  e->full = true;
  kd_diag_error(e->diag, origin, "the blocks expand to more than %d layers", KD_SPEC_LAYERS);
  return false;
}

static const kd_spec_args *defaults_of(const kd_expander *e, const char *type) {
  for (int i = 0; i < e->spec->n_defaults; i++)
    if (!strcmp(e->spec->defaults[i].type, type)) return &e->spec->defaults[i].args;
  return NULL;
}

/* A layer in a block may share one of the same copy, or one at the top of the file. */
static const char *share_path(kd_expander *e, const kd_frame *frame, const char *name) {
  const char *local = path_of(e, frame, name);
  return kd_name_find(&e->index, local) >= 0 || !frame->block ? local : name;
}

static void add_layer(kd_expander *e, const kd_frame *frame, const kd_draft *draft, const char *path,
                      kd_ref *refs, int n_refs) {
  if (!count_copy(e, draft->origin)) return;
  size_t used = (size_t)e->spec->n_layers;
  e->spec->layers = kd_pool_grow(e->pool, e->spec->layers, used, &e->layer_capacity, sizeof *e->spec->layers);
  e->refs = kd_pool_grow(e->pool, e->refs, used, &e->ref_capacity, sizeof *e->refs);
  e->shares = kd_pool_grow(e->pool, e->shares, used, &e->share_capacity, sizeof *e->shares);
  kd_layer_spec *layer = &e->spec->layers[used];
  *layer = (kd_layer_spec){.name = path,
                           .type = draft->share ? NULL : draft->type,
                           .share = -1,
                           .origin = draft->origin,
                           .args = draft->args,
                           .n_inputs = n_refs,
                           .trainable = draft->trainable && frame->trainable,
                           .dtype = draft->dtype ? draft->dtype : frame->dtype,
                           .init_from = draft->init_from};
  if (layer->type) layer->defaults = defaults_of(e, layer->type);
  add_call_args(e, frame, draft, layer, &refs);
  e->refs[used] = refs;
  e->shares[used] = draft->share ? share_path(e, frame, draft->share) : NULL;
  kd_item *item = kd_item_add(e, path, draft->origin);
  if (item) item->layer = (int)used;
  e->spec->n_layers++;
}

/* True when the block stands in its own frames: it would expand for ever. */
static bool uses_itself(kd_expander *e, const kd_frame *frame, const kd_block *block, kd_origin origin) {
  const char *chain = block->name;
  for (const kd_frame *f = frame; f && f->block; f = f->parent) {
    chain = kd_pool_printf(e->pool, "%s -> %s", f->block->name, chain);
    if (f->block != block) continue;
    kd_diag_error(e->diag, origin, "block %s uses itself: %s", block->name, chain);
    return true;
  }
  if (frame->depth < KD_SPEC_NESTING) return false;
  kd_diag_error(e->diag, origin, "blocks are nested more than %d deep", KD_SPEC_NESTING);
  return true;
}

static void expand_lines(kd_expander *e, const kd_frame *frame, kd_ref *previous) {
  const kd_ini_section *section = frame->block->section;
  for (int i = 0; i < section->n_keys && !e->full; i++) {
    const kd_ini_key *line = &section->keys[i];
    if (!strcmp(line->name, "params") || !strncmp(line->name, "x-", 2)) continue;
    kd_draft draft;
    if (kd_draft_line(e, frame, line, &draft))
      kd_expand_draft(e, frame, &draft, previous);
    else
      kd_expand_failed(e, frame, line->name, line->origin, previous);
  }
}

static void alias(kd_expander *e, const char *path, kd_origin origin, kd_ref target) {
  kd_item *item = kd_item_add(e, path, origin);
  if (item) item->alias = target;
}

static void add_group(kd_expander *e, kd_group_spec group) {
  size_t used = (size_t)e->spec->n_groups++;
  e->spec->groups = kd_pool_grow(e->pool, e->spec->groups, used, &e->group_capacity, sizeof *e->spec->groups);
  e->spec->groups[used] = group;
}

static void expand_block(kd_expander *e, const kd_frame *frame, const kd_draft *draft, const kd_block *block,
                         const char *path, const kd_ref *refs, int n_refs) {
  bool numbered;
  int copies = uses_itself(e, frame, block, draft->origin) ? 0 : kd_block_repeat(e, draft, &numbered);
  if (copies > 0 && draft->call_args.count)
    kd_diag_error(e->diag, draft->origin, "layer %s (%s): a block takes no call arguments", draft->name,
                  block->name);
  kd_ref *inputs = kd_pool_alloc(e->pool, (size_t)n_refs, sizeof *inputs);
  memcpy(inputs, refs, (size_t)n_refs * sizeof *inputs);
  kd_ref last = {NULL, 0, false, draft->origin};
  size_t errors = e->diag->count;
  /* After an error in one copy the others would only repeat it. */
  for (int i = 0; i < copies && e->diag->count == errors && count_copy(e, draft->origin); i++) {
    kd_fact *bindings = kd_pool_alloc(e->pool, (size_t)block->n_params, sizeof *bindings);
    if (!kd_block_bind(e, block, draft, i, copies, bindings)) break;
    const char *prefix = numbered ? kd_pool_printf(e->pool, "%s.%d", path, i) : path;
    kd_frame inner = {frame,
                      prefix,
                      block,
                      bindings,
                      block->n_params,
                      inputs,
                      n_refs,
                      draft->trainable && frame->trainable,
                      draft->dtype ? draft->dtype : frame->dtype,
                      frame->depth + 1};
    add_group(e, (kd_group_spec){prefix, path, block->name, i, numbered ? copies : 0});
    last = inputs[0];
    expand_lines(e, &inner, &last);
    if (numbered) alias(e, prefix, draft->origin, last);
    kd_ref *next = kd_pool_alloc(e->pool, (size_t)n_refs, sizeof *next);
    memcpy(next, inputs, (size_t)n_refs * sizeof *next);
    next[0] = last;
    inputs = next;
  }
  alias(e, path, draft->origin, e->diag->count == errors ? last : (kd_ref){NULL, 0, false, draft->origin});
}

void kd_expand_draft(kd_expander *e, const kd_frame *frame, const kd_draft *draft, kd_ref *previous) {
  const char *path = path_of(e, frame, draft->name);
  int n_refs;
  kd_ref *refs = make_refs(e, frame, draft, previous, &n_refs);
  const kd_block *block = draft->type && !draft->share ? kd_block_find(e, draft->type) : NULL;
  if (!draft->present)
    alias(e, path, draft->origin, refs[0]);
  else if (block)
    expand_block(e, frame, draft, block, path, refs, n_refs);
  else
    add_layer(e, frame, draft, path, refs, n_refs);
  *previous = (kd_ref){path, 0, true, draft->origin};
}
