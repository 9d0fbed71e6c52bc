/* Inside of the expansion of blocks: what the files expand_*.c share. */
#ifndef KD_EXPAND_H
#define KD_EXPAND_H

#include "launch/model_spec.h"

/* A tensor by the path of what makes it; looked up when everything is expanded. */
typedef struct kd_ref {
  const char *path; /* NULL after an error */
  int output;
  bool implied; /* the section above: nobody wrote it */
  kd_origin origin;
} kd_ref;

/* One [layer] section or one line of [layers] or of a block, as written. */
typedef struct kd_draft {
  const char *name;
  const char *type;  /* NULL after an error */
  const char *share; /* name of the shared layer, or NULL */
  kd_origin origin;
  kd_spec_args args, call_args;
  bool has_inputs;
  int n_inputs;
  const kd_value **inputs; /* words: "conv", "enc:1", "@in" */
  bool present;            /* the condition of if or when */
  bool trainable;
  const char *dtype; /* policy of types as written, or NULL */
  const char *init_from;
} kd_draft;

typedef struct kd_block {
  const char *name;
  kd_ini_section *section;
  int n_params;
  const char **params;
  const kd_value **defaults; /* per parameter; NULL: must be given */
} kd_block;

/* Where lines are expanded: the top of the file or one copy of a block. */
typedef struct kd_frame {
  const struct kd_frame *parent;
  const char *prefix; /* "" or "stage2.0/mix" */
  const kd_block *block;
  const kd_fact *bindings;
  int n_bindings;
  const kd_ref *inputs; /* @in, @in2 ... */
  int n_inputs;
  bool trainable;
  const char *dtype; /* of layers that have none of their own, or NULL */
  int depth;
} kd_frame;

/* What a path stands for. */
typedef struct kd_item {
  const char *path;
  int layer, input; /* number, or -1 */
  kd_ref alias;     /* for blocks, copies and left-out lines: what they pass on; path NULL after an error */
  kd_origin origin;
  kd_ini_state state; /* of tap */
  kd_spec_tap tap;
} kd_item;

typedef struct kd_expander {
  kd_pool *pool;
  kd_diag *diag;
  kd_interpolation *context;
  const kd_ini *ini;
  kd_model_spec *spec;
  kd_block *blocks;
  int n_blocks;
  kd_item *items;
  int n_items;
  kd_name_index index, block_index; /* path -> item, name -> block */
  kd_ref **refs;                    /* per layer: its inputs */
  const char **shares;              /* per layer: path of the layer that it shares, or NULL */
  kd_ref *output_refs;              /* per output */
  int copies;                       /* layers and copies of blocks so far, against KD_SPEC_LAYERS */
  bool full;                        /* the limit was passed and reported */
  size_t group_capacity;
  size_t layer_capacity, ref_capacity, share_capacity, item_capacity, block_capacity;
} kd_expander;

/* expand_draft.c: text to draft. Errors go to diag; false when the draft cannot be used. */
bool kd_draft_line(kd_expander *e, const kd_frame *frame, const kd_ini_key *line, kd_draft *draft);
bool kd_draft_section(kd_expander *e, kd_ini_section *section, kd_draft *draft);
/* Keys of a section over a draft that came before it. */
bool kd_draft_overlay(kd_expander *e, kd_ini_section *section, kd_draft *draft);
void kd_args_set(kd_pool *pool, kd_spec_args *args, const char *key, const kd_value *value, bool override);
bool kd_valid_name(const char *name);

/* expand_block.c */
void kd_blocks_find(kd_expander *e);
const kd_block *kd_block_find(const kd_expander *e, const char *name);
/* The parameters of copy `copy` of `copies` as texts; false after errors. n_params of the block. */
bool kd_block_bind(kd_expander *e, const kd_block *block, const kd_draft *draft, int copy, int copies,
                   kd_fact *bindings);
/* repeat of a use of a block; 0 after an error. *given tells whether it was written. */
int kd_block_repeat(kd_expander *e, const kd_draft *draft, bool *given);

/* expand_layer.c: one draft becomes a layer, or the layers of a block. *previous is the default input, and
 * becomes what the draft gives. */
kd_item *kd_item_add(kd_expander *e, const char *path, kd_origin origin);
void kd_expand_draft(kd_expander *e, const kd_frame *frame, const kd_draft *draft, kd_ref *previous);
/* A draft that could not be read: its name is known, so that nothing else complains. */
void kd_expand_failed(kd_expander *e, const kd_frame *frame, const char *name, kd_origin origin,
                      kd_ref *previous);
kd_ref kd_ref_make(kd_expander *e, const kd_frame *frame, const kd_value *word, const char *subject);

/* expand.c: the keys of a [layer PATH] section over a layer of the spec. `what` it is, for the message that
 * its input cannot be changed. */
void kd_expand_change(kd_expander *e, kd_ini_section *section, kd_layer_spec *layer, const char *what);

/* expand_resolve.c: paths to numbers, order, unused parts. */
void kd_expand_resolve(kd_expander *e);

#endif
