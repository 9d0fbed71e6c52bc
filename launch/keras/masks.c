#include <string.h>

#include "launch/keras/import.h"

bool kd_keras_is_mask(const char *key) {
  static const char *const keys[] = {"mask", "query_mask", "value_mask", "key_mask"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  return false;
}

/* From the end: an op that only masks need hands that on to what it is made of. */
bool kd_keras_find_masks(kd_keras_import *in, kd_keras_model *model) {
  bool *needed = kd_pool_alloc(in->pool, (size_t)model->n_nodes + 1, sizeof *needed);
  for (int i = 0; i < model->n_outputs; i++) needed[model->outputs[i].node] = true;
  for (int i = model->n_nodes - 1; i >= 0; i--) {
    kd_keras_node *node = &model->nodes[model->order[i]];
    bool op = model->entries[node->entry].role == KD_KERAS_OP;
    node->only_mask = op && !needed[model->order[i]];
    for (int k = 0; k < node->n_refs && !node->only_mask; k++)
      if (!node->refs[k].mask) needed[node->refs[k].node] = true;
  }
  return true;
}

static bool same(kd_keras_ref a, kd_keras_ref b) {
  return a.node == b.node && a.tensor == b.tensor;
}

/* A look through the graph; `left` steps, since hostile files could make it very long. */
typedef struct search {
  const kd_keras_model *model;
  int left;
} search;

enum { SEARCH_STEPS = 100000 };

static const kd_keras_entry *entry_of(const search *s, int node) {
  return &s->model->entries[s->model->nodes[node].entry];
}

static bool is_op(const search *s, int node, const char *type) {
  const kd_keras_entry *entry = entry_of(s, node);
  return entry->role == KD_KERAS_OP && strcmp(entry->type, type) == 0 && s->model->nodes[node].n_refs > 0;
}

static bool is_true(const kd_value *config, const char *key) {
  const kd_value *value = kd_value_key(config, key);
  return value && value->type == KD_V_BOOL && value->boolean;
}

/* The mask that an Embedding or a Masking makes of its own input: x != 0, any(x != value). */
static bool is_made_here(const search *s, const kd_keras_node *maker, int mask) {
  const kd_keras_entry *entry = &s->model->entries[maker->entry];
  bool masking = strcmp(entry->type, "Masking") == 0;
  if (!masking && !is_true(entry->config, "mask_zero")) return false;
  if (masking && is_op(s, mask, "Any")) mask = s->model->nodes[mask].refs[0].node;
  return is_op(s, mask, "NotEqual") && same(s->model->nodes[mask].refs[0], maker->refs[0]);
}

static bool implied(search *s, kd_keras_ref x, int mask);

/* Whether each mask that `node` is made of comes with an input of the merging layer. */
static bool joins(search *s, const kd_keras_node *merge, int node) {
  if (s->left-- <= 0) return false;
  if (entry_of(s, node)->role != KD_KERAS_OP) return true; /* zeros_like(input): its shape alone */
  if (is_op(s, node, "NotEqual")) {
    for (int i = 0; i < merge->n_refs; i++)
      if (implied(s, merge->refs[i], node)) return true;
    return false;
  }
  if (!s->model->nodes[node].only_mask) return false;
  for (int i = 0; i < s->model->nodes[node].n_refs; i++)
    if (!joins(s, merge, s->model->nodes[node].refs[i].node)) return false;
  return true;
}

/* A merging layer joins the masks of its inputs: any(concatenate(...)) of Concatenate, logical_or of the
 * others. */
static bool is_merged(search *s, const kd_keras_node *merge, int mask) {
  if (strcmp(s->model->entries[merge->entry].type, "Concatenate") != 0)
    return is_op(s, mask, "LogicalOr") && joins(s, merge, mask);
  bool reduced = is_op(s, mask, "Any") || is_op(s, mask, "All");
  return reduced && is_op(s, s->model->nodes[mask].refs[0].node, "Concatenate") && joins(s, merge, mask);
}

static bool implied(search *s, kd_keras_ref x, int mask) {
  while (s->left-- > 0) {
    const kd_keras_node *node = &s->model->nodes[x.node];
    const kd_keras_entry *entry = &s->model->entries[node->entry];
    if (entry->role == KD_KERAS_INPUT || entry->role == KD_KERAS_OP || node->n_refs == 0) return false;
    if (strcmp(entry->type, "Embedding") == 0 || strcmp(entry->type, "Masking") == 0)
      return is_made_here(s, node, mask);
    const kd_kind *kind = kd_family_find(&kd_layer_family, entry->type);
    if (entry->role == KD_KERAS_LAYER && (!kind || ((const kd_layer_kind *)kind)->mask == KD_MASK_DROP))
      return false;
    int tensors = 0;
    for (int i = 0; i < node->n_refs; i++) tensors += !node->refs[i].mask;
    if (tensors > 1 && node->args->count == 1 && is_merged(s, node, mask)) return true;
    x = node->refs[0];
  }
  return false;
}

bool kd_keras_mask_implied(const kd_keras_model *model, kd_keras_ref x, kd_keras_ref mask) {
  search s = {model, SEARCH_STEPS};
  return implied(&s, x, mask.node);
}
