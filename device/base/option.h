/* Option tables: one table per kind of object serves INI, Keras JSON, help, documentation and export.
 *
 * A kind (a layer, initializer, loss, optimizer, callback ...) is a const descriptor: its Keras name, an
 * option table, and the size of the struct that the options fill. A family is the list of all kinds that
 * may stand in one place. */
#ifndef KD_BASE_OPTION_H
#define KD_BASE_OPTION_H

#include <stddef.h>

#include "device/base/tensor.h"
#include "device/base/value.h"

typedef enum kd_option_type {
  KD_OPT_BOOL,    /* bool */
  KD_OPT_INT,     /* int64_t; range min..max */
  KD_OPT_FLOAT,   /* double; range min..max; an integer is accepted */
  KD_OPT_TEXT,    /* const char* */
  KD_OPT_CHOICE,  /* int: index in `choices`, a "a|b|c" text */
  KD_OPT_INTS,    /* kd_ints: one integer or a list of at most KD_MAX_INTS */
  KD_OPT_FLOATS,  /* kd_floats */
  KD_OPT_OBJECT,  /* kd_object: one object of `family`, or none */
  KD_OPT_OBJECTS, /* kd_objects: a list of objects of `family` */
  KD_OPT_VALUE,   /* const kd_value*: kept as it is, read by the kind itself (padding, axes ...) */
} kd_option_type;

enum { KD_MAX_INTS = 8 };
typedef struct kd_ints {
  int count; /* 0: none */
  int64_t v[KD_MAX_INTS];
} kd_ints;
typedef struct kd_floats {
  int count;
  double *v; /* in the pool of the object */
} kd_floats;

typedef struct kd_kind kd_kind;
typedef struct kd_family kd_family;

/* An object made from a value: its kind and its filled options. kind is NULL for none. */
typedef struct kd_object {
  const kd_kind *kind;
  void *options;
  const kd_value *value; /* as written, for printing and export */
} kd_object;
typedef struct kd_objects {
  int count;
  kd_object *v;
} kd_objects;

typedef enum kd_option_flags {
  KD_OPT_NONE_OK = 1,  /* `none` is a value: see each type (INTS: count 0, TEXT: NULL, OBJECT: kind NULL,
                          INT and FLOAT: `unset` of the row) */
  KD_OPT_REQUIRED = 2, /* no default */
  KD_OPT_OPEN_MIN = 4, /* FLOAT: min itself is not allowed */
  KD_OPT_OPEN_MAX = 8,
  KD_OPT_KEY_ONLY = 16,  /* cannot be given by position */
  KD_OPT_LIST = 32,      /* of INTS, FLOATS, OBJECTS and VALUE: Keras takes a list, also of one item */
  KD_OPT_WHOLE = 64,     /* of FLOATS: Keras takes integers */
  KD_OPT_SPELT_OUT = 128 /* Keras's files must say it: its default follows a setting of the program, or the
                            class cannot be read without it */
} kd_option_flags;

typedef struct kd_option {
  const char *name; /* Keras's argument name; NULL ends a table */
  kd_option_type type;
  size_t offset;           /* offsetof(options struct, field) */
  const char *initial;     /* default in configuration text ("1", "none", "glorot_uniform"); NULL: required */
  const char *help;        /* one line */
  double min, max;         /* range of INT, FLOAT and of the items of INTS, FLOATS; both 0: no limit (with
                              KD_OPT_OPEN_MIN: > 0); max below min or infinite: no upper limit */
  int flags;               /* kd_option_flags */
  const char *choices;     /* CHOICE */
  const kd_family *family; /* OBJECT, OBJECTS; VALUE: of an object that it may hold, or NULL */
  const char *alias;       /* another accepted key (legacy spelling), or NULL */
} kd_option;

/* The value of INT and FLOAT options given as `none`. */
#define KD_UNSET_INT   INT64_MIN
#define KD_UNSET_FLOAT (-1.0e300)

struct kd_kind {
  const char *name;         /* Keras class name */
  const char *aliases;      /* other accepted names, separated by '|', or NULL: "adam", "mse|MSE" */
  const char *help;         /* one line */
  const kd_option *options; /* in Keras's positional order, ends with a NULL name */
  size_t options_size;
  /* What the table cannot say (filters % groups ...). Adds errors to diag; may be NULL. */
  void (*check)(const void *options, kd_diag *diag, kd_origin origin);
};

struct kd_family {
  const char *noun; /* "layer", "initializer": used in messages */
  const kd_kind *const *kinds;
  size_t count;
};

/* The kind of that name or alias; NULL when there is none. */
const kd_kind *kd_family_find(const kd_family *family, const char *name);

/* "; did you mean 'Dense'?", or "; known are: ..." for a short family, or "": the end of a message about an
 * unknown name. */
const char *kd_family_hint(kd_pool *pool, const kd_family *family, const char *name);

/* Fills an object from a value: a call `Name(...)`, a word, or none when allowed by the caller. Unknown
 * names, keys, ill-typed and out-of-range values are added to diag with the nearest right name. Returns
 * false when anything was wrong. Memory is the pool's. */
bool kd_object_make(kd_pool *pool, kd_diag *diag, const kd_family *family, const kd_value *value,
                    kd_object *object);

/* The same for a kind and keys that are known already: keys[i] may be NULL for positional values.
 * `subject` names the object in messages: "layer fc1 (Dense)". */
bool kd_options_fill(kd_pool *pool, kd_diag *diag, const char *subject, kd_origin origin, const kd_kind *kind,
                     int count, const char *const *keys, const kd_value *const *values, void *options);

/* The row of a key (name or alias), or of the i-th positional value; -1: none. */
int kd_option_row(const kd_option *table, const char *key);
int kd_option_position(const kd_option *table, int position);

/* One option as configuration text, as `fit` would read it back. */
const char *kd_option_print(kd_pool *pool, const kd_option *option, const void *options);
/* "float", "int >= 1", "one of valid|same|causal" ... for help and documentation. */
const char *kd_option_type_text(kd_pool *pool, const kd_option *option);

#endif
