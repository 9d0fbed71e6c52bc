/* Paths become numbers; layers get an order; what nothing uses is named. */
#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

enum { NEAR_NAMES = 2000, NAMED_LAYERS = 10 };

/* Length of the part of a path that stands before its last name. */
static size_t scope_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The nearest name in the same scope. */
static const char *nearest(kd_expander *e, const char *path) {
  size_t scope = scope_length(path), count = 0, room = 0;
  const char **names = NULL;
  for (int i = 0; i < e->n_items && count < NEAR_NAMES; i++) {
    const char *other = e->items[i].path;
    if (scope_length(other) != scope || strncmp(other, path, scope) != 0) continue;
    names = kd_pool_grow(e->pool, names, count, &room, sizeof *names);
    names[count++] = other + scope;
  }
  return kd_nearest(path + scope, names, count, sizeof *names);
}

static void no_such(kd_expander *e, const char *subject, const kd_ref *ref) {
  const char *near = nearest(e, ref->path);
  kd_diag_error(e->diag, ref->origin, "%s: no layer or input is called '%s'%s%s%s", subject,
                kd_quoted(ref->path), near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* What an item stands for, through left-out lines and blocks. Every item on the way learns the answer, so a
 * long chain is walked once. */
static kd_spec_tap settle(kd_expander *e, int at, const char *subject) {
  kd_spec_tap tap = {-1, -1, 0, e->items[at].origin};
  int current = at, output = 0;
  while (current >= 0) {
    kd_item *item = &e->items[current];
    if (item->state == KD_INI_DONE || item->layer >= 0 || item->input >= 0) {
      tap = item->state == KD_INI_DONE ? item->tap : (kd_spec_tap){item->input, item->layer, 0, item->origin};
      tap.output += output;
      break;
    }
    if (item->state == KD_INI_BUSY) {
      kd_diag_error(e->diag, item->origin, "%s: '%s' passes on itself", subject, kd_quoted(item->path));
      break;
    }
    item->state = KD_INI_BUSY;
    if (!item->alias.path) break;
    output += item->alias.output;
    int next = kd_name_find(&e->index, item->alias.path);
    if (next < 0) no_such(e, subject, &item->alias);
    current = next;
  }
  /* Second walk: each item's own answer is the end's, with the outputs that were picked behind it. */
  int rest = tap.output;
  for (current = at; current >= 0 && e->items[current].state == KD_INI_BUSY;) {
    kd_item *item = &e->items[current];
    item->tap = tap;
    item->tap.output = rest;
    item->state = KD_INI_DONE;
    rest -= item->alias.output;
    current = item->alias.path ? kd_name_find(&e->index, item->alias.path) : -1;
  }
  return tap;
}

static kd_spec_tap resolve(kd_expander *e, const kd_ref *ref, const char *subject) {
  kd_spec_tap tap = {-1, -1, 0, ref->origin};
  if (!ref->path) return tap;
  int at = kd_name_find(&e->index, ref->path);
  if (at < 0) {
    if (!e->full) no_such(e, subject, ref);
    return tap;
  }
  tap = settle(e, at, subject);
  tap.output += ref->output;
  tap.origin = ref->origin;
  if (tap.input >= 0 && tap.output > 0)
    kd_diag_error(e->diag, ref->origin, "%s: input '%s' has one output only", subject, kd_quoted(ref->path));
  if (ref->implied && tap.input >= 0 && e->spec->n_inputs > 1)
    kd_diag_warn(e->diag, ref->origin,
                 "%s: takes input %s because it stands above; write input = %s if that is meant", subject,
                 e->spec->inputs[tap.input].name, e->spec->inputs[tap.input].name);
  return tap;
}

static void resolve_share(kd_expander *e, int number) {
  kd_layer_spec *layer = &e->spec->layers[number];
  const char *path = e->shares[number];
  for (int steps = 0; path && steps <= e->spec->n_layers; steps++) {
    int at = kd_name_find(&e->index, path);
    int target = at < 0 ? -1 : e->items[at].layer;
    if (target < 0) {
      kd_ref ref = {path, 0, false, layer->origin};
      if (at >= 0 && e->items[at].alias.path)
        kd_diag_error(e->diag, layer->origin, "layer %s: share = %s: only single layers can be shared",
                      layer->name, kd_quoted(path));
      else if (at < 0 || e->items[at].input >= 0)
        no_such(e, kd_pool_printf(e->pool, "layer %s: share", layer->name), &ref);
      return;
    }
    layer->share = target;
    path = e->shares[target];
  }
  if (!path) return;
  kd_diag_error(e->diag, layer->origin, "layer %s: shares itself", layer->name);
  layer->share = -1;
}

static void cycle_error(kd_expander *e, const int *stack, int depth, int number) {
  const char *chain = e->spec->layers[number].name;
  for (int i = depth - 1; i >= 0; i--) {
    if (strlen(chain) < 500)
      chain = kd_pool_printf(e->pool, "%s -> %s", e->spec->layers[stack[i]].name, chain);
    if (stack[i] == number) break;
  }
  kd_diag_error(e->diag, e->spec->layers[number].origin, "layer %s: takes its input from itself: %s",
                e->spec->layers[number].name, chain);
}

/* Depth-first order by an explicit stack: models may be deep. */
static void sort(kd_expander *e) {
  kd_model_spec *spec = e->spec;
  size_t n = (size_t)spec->n_layers;
  int *stack = kd_calloc(n + 1, sizeof *stack), *next = kd_calloc(n + 1, sizeof *next), placed = 0;
  char *state = kd_calloc(n + 1, 1); /* 0 new, 1 on the stack, 2 placed */
  spec->order = kd_pool_alloc(e->pool, n, sizeof *spec->order);
  bool good = true;
  for (int start = 0; start < spec->n_layers && good; start++) {
    int depth = 0;
    if (state[start] == 0) stack[depth++] = start, state[start] = 1;
    while (depth > 0 && good) {
      int number = stack[depth - 1];
      const kd_layer_spec *layer = &spec->layers[number];
      if (next[number] == layer->n_inputs) {
        spec->order[placed++] = number;
        state[number] = 2;
        depth--;
        continue;
      }
      int from = layer->inputs[next[number]++].layer;
      if (from < 0 || state[from] == 2) continue;
      good = state[from] == 0;
      if (!good) cycle_error(e, stack, depth, from);
      if (good) stack[depth++] = from, state[from] = 1;
    }
  }
  if (!good) spec->order = NULL;
  kd_free(stack);
  kd_free(next);
  kd_free(state);
}

static void mark_used(kd_expander *e) {
  kd_model_spec *spec = e->spec;
  for (int i = 0; i < spec->n_outputs; i++) {
    const kd_spec_tap *tap = &spec->outputs[i].tap;
    if (tap->layer >= 0) spec->layers[tap->layer].used = true;
    if (tap->input >= 0) spec->inputs[tap->input].used = true;
  }
  for (int i = spec->n_layers - 1; i >= 0; i--) {
    const kd_layer_spec *layer = &spec->layers[spec->order[i]];
    for (int k = 0; layer->used && k < layer->n_inputs; k++) {
      const kd_spec_tap *tap = &layer->inputs[k];
      if (tap->layer >= 0) spec->layers[tap->layer].used = true;
      if (tap->input >= 0) spec->inputs[tap->input].used = true;
    }
  }
}

/* Copies of a block may leave out many layers: the first ones are named, the rest are counted. */
static void warn_unused_layers(kd_expander *e, const bool *shared) {
  const kd_model_spec *spec = e->spec;
  int count = 0;
  for (int i = 0; i < spec->n_layers; i++) {
    const kd_layer_spec *layer = &spec->layers[i];
    if (layer->used || shared[i] || count++ >= NAMED_LAYERS) continue;
    kd_diag_warn(e->diag, layer->origin, "layer %s: no output needs it; it is left out", layer->name);
  }
  if (count > NAMED_LAYERS)
    kd_diag_warn(e->diag, (kd_origin){NULL, 0}, "%d more layers are left out, no output needs them",
                 count - NAMED_LAYERS);
}

static void warn_unused(kd_expander *e) {
  kd_model_spec *spec = e->spec;
  bool *shared = kd_calloc((size_t)spec->n_layers + 1, sizeof *shared);
  for (int i = 0; i < spec->n_layers; i++)
    if (spec->layers[i].used && spec->layers[i].share >= 0) shared[spec->layers[i].share] = true;
  warn_unused_layers(e, shared);
  for (int i = 0; i < spec->n_inputs; i++)
    if (!spec->inputs[i].used)
      kd_diag_warn(e->diag, spec->inputs[i].origin, "input %s: nothing uses it", spec->inputs[i].name);
  kd_free(shared);
}

void kd_expand_resolve(kd_expander *e) {
  kd_model_spec *spec = e->spec;
  for (int i = 0; i < spec->n_layers; i++) {
    kd_layer_spec *layer = &spec->layers[i];
    const char *subject = kd_pool_printf(e->pool, "layer %s", layer->name);
    layer->inputs = kd_pool_alloc(e->pool, (size_t)layer->n_inputs, sizeof *layer->inputs);
    for (int k = 0; k < layer->n_inputs; k++) layer->inputs[k] = resolve(e, &e->refs[i][k], subject);
    if (e->shares[i]) resolve_share(e, i);
  }
  /* Without layers the model comes from a file, which knows its outputs. */
  for (int i = 0; i < spec->n_outputs; i++) {
    spec->outputs[i].tap = (kd_spec_tap){-1, -1, 0, spec->outputs[i].origin};
    if (e->n_items == 0) continue;
    const char *subject = kd_pool_printf(e->pool, "output %s", spec->outputs[i].name);
    spec->outputs[i].tap = resolve(e, &e->output_refs[i], subject);
  }
  sort(e);
  if (e->diag->count == 0) {
    mark_used(e);
    if (spec->n_layers > 0) warn_unused(e);
    return;
  }
  /* After an error nobody knows what is needed: everything is checked. */
  for (int i = 0; i < spec->n_layers; i++) spec->layers[i].used = true;
}
