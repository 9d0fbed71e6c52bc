/* A configuration as records that all printed forms share: one per section or layer, in file order. */
#ifndef KD_CONFIG_RECORD_H
#define KD_CONFIG_RECORD_H

#include "launch/config.h"

typedef enum kd_record_role {
  KD_RECORD_KEY,    /* a key of a section that is no layer */
  KD_RECORD_TYPE,   /* of a layer */
  KD_RECORD_SHARE,  /* the layer that is shared */
  KD_RECORD_ARG,    /* an argument of the layer */
  KD_RECORD_TENSOR, /* its input */
  KD_RECORD_CALL,   /* a call argument */
  KD_RECORD_WHEN,
} kd_record_role;

typedef struct kd_record_key {
  kd_record_role role;
  const char *key;
  const kd_value *value; /* NULL: text stands for itself */
  const char *text;      /* lines of blocks, notes */
  kd_origin origin;
  bool positional; /* was written without key and all before it too */
  bool initial;    /* not written: the option's default */
} kd_record_key;

typedef struct kd_record {
  const char *kind, *name; /* "layer" for layers in either spelling */
  kd_origin origin;
  const char *above; /* layers: the section above, which is the input of a layer without one; NULL: none */
  int n_keys;
  kd_record_key *keys;
  size_t capacity;
} kd_record;

typedef struct kd_records {
  int count;
  kd_record *v;
  size_t capacity;
} kd_records;

/* All sections, references replaced (but in blocks, whose lines depend on parameters). with_defaults adds the
 * options that were not written. Memory is the configuration's pool. For configurations without errors. */
void kd_records_make(kd_config *config, bool with_defaults, kd_records *records);

#endif
