/* `${key}`, `${section.key}`, `${env:NAME,default}` and `$( )` in configuration texts. `$$` is one `$`. */
#ifndef KD_INTERPOLATE_H
#define KD_INTERPOLATE_H

#include "launch/ini.h"

/* A name with its text: parameters of a block, facts that are known only at run time. */
typedef struct kd_fact {
  const char *name, *text;
  kd_origin origin;
} kd_fact;

/* Where a text stands: names are looked for in the bindings, then in the section. */
typedef struct kd_scope {
  const kd_ini_section *section; /* may be NULL */
  const kd_fact *bindings;
  int n_bindings;
} kd_scope;

enum { KD_TEXT_LIMIT = 1 << 20, KD_TEXT_TOTAL = 64 << 20 }; /* bytes of one replaced text, and of all */

typedef struct kd_interpolation {
  kd_pool *pool;
  kd_diag *diag;
  kd_sources *sources;
  const kd_ini *ini;    /* NULL: only ${env:} */
  const kd_fact *facts; /* looked up last: steps_per_epoch */
  int n_facts;
  bool facts_used;
  /* inside */
  size_t total;
  const kd_ini_key *stack[32]; /* keys being resolved, for the message about a circle */
  int depth;
} kd_interpolation;

/* The text after replacement, or NULL after errors at `origin`. */
const char *kd_interpolate(kd_interpolation *context, const kd_scope *scope, kd_origin origin,
                           const char *text);
/* The same for a key of the document; done once per key. */
const char *kd_ini_resolve(kd_interpolation *context, const kd_ini_section *section, kd_ini_key *key);
/* Forgets all resolved texts: facts have changed. */
void kd_ini_unresolve(kd_ini *ini);

#endif
