/* Models as Keras's config.json (keras.md 6.2, 6.3): pure functions from a model, and from what it is trained
 * with, to JSON. Options are written as their tables name them, what holds its default is left out: a key
 * that an older Keras does not know is an error there, a missing one is not. */
#ifndef KD_EXPORT_H
#define KD_EXPORT_H

#include "io/json.h"
#include "launch/config.h"
#include "layers/model.h"

/* The text of config.json. config: optimizer, losses and metrics for compile_config; NULL, or without a loss:
 * the model is not compiled. notes: what the user should know, since Keras does it differently. Memory is the
 * pool's. */
const char *kd_export_keras(kd_pool *pool, const kd_model *model, const kd_config *config, kd_texts *notes);

/* --- parts --- */

typedef struct kd_exporter {
  kd_pool *pool;
  const char *policy; /* of the present layer, for the layers inside of it */
  bool frozen;        /* the present layer */
  bool hub;           /* a class of KerasHub was written */
} kd_exporter;

/* export_object.c: an object of a family; null for none. */
const kd_value *kd_export_object(kd_exporter *e, const kd_family *family, const kd_object *object);
/* An object of Keras with that config. */
const kd_value *kd_export_class(kd_exporter *e, const char *module, const char *class_name,
                                const char *registered_name, const kd_value *config);
/* A layer with that config, which module and registered name follow from. */
const kd_value *kd_export_layer(kd_exporter *e, const kd_layer_kind *kind, const kd_value *config);
/* Puts the options into `config`; those that hold their defaults with `all` only. */
void kd_export_settings(kd_exporter *e, const kd_kind *kind, const void *options, bool all, kd_json *config);
/* A value as written; calls in it are objects of the family. */
const kd_value *kd_export_value(kd_exporter *e, const kd_family *family, const kd_value *value);

/* export_graph.c: layers, their calls, inputs and outputs. */
const kd_value *kd_export_graph(kd_exporter *e, const kd_model *model);
/* export_compile.c: compile_config; an empty object without a loss. */
const kd_value *kd_export_compile(kd_exporter *e, const kd_model *model, const kd_config *config);

#endif
