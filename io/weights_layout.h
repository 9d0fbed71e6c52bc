/* Where Keras's .weights.h5 keeps each variable (keras.md 6.5): pure names, no file. */
#ifndef KD_IO_WEIGHTS_LAYOUT_H
#define KD_IO_WEIGHTS_LAYOUT_H

#include "layers/model.h"

/* Place of one weight: "<layer>/<part>/vars/<index>". */
typedef struct kd_weight_place {
  const char *layer; /* "layers/dense_1" */
  const char *part;  /* "cell", "forward_layer/cell"; "" for the layer itself */
  int index;         /* in its vars */
  int siblings;      /* variables in these vars */
  const char *again; /* a part whose vars hold it once more, in front of that part's own; NULL: none */
} kd_weight_place;

typedef struct kd_weights_layout {
  int n_layers;
  const int *order;         /* model layers in Keras's order */
  const char *const *group; /* by position in that order: "layers/dense_1"; "": none */
  kd_weight_place *place;   /* by weight number */
} kd_weights_layout;

/* Memory is the pool's. */
void kd_weights_layout_make(const kd_model *model, kd_pool *pool, kd_weights_layout *layout);

/* Keras's to_snake_case of a class name: "Conv2DTranspose" -> "conv2d_transpose". In the pool. */
char *kd_snake_case(kd_pool *pool, const char *class_name);

#endif
