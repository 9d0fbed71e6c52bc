/* A model of one layer made from a configuration value such as `Conv2D(4, 3, padding=same)`. */
#ifndef KD_TEST_ONE_LAYER_H
#define KD_TEST_ONE_LAYER_H

#include "layers/model.h"
#include "support/golden.h"

/* The kind that a value names, with its options filled in the pool; fails the test on errors. */
const kd_layer_kind *layer_parse(kd_pool *pool, const char *text, int line, void **options);

/* Adds a layer and its call on the taps; the text may have call arguments in second brackets (tensors as
 * positions of the taps). Returns the call's number; fails the test on errors. */
int layer_add_called(kd_model *model, const char *text, int line, const char *name, bool trainable,
                     int n_inputs, const kd_tap *inputs);

/* Inputs have the given shapes, which begin with the batch. The model is finished. */
kd_model *layer_model(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                      const kd_dtype *dtypes);

/* The same; the text may have call arguments, and inputs whose bit is set in `masked` go through a Masking
 * layer first. */
kd_model *layer_model_called(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                             const kd_dtype *dtypes, unsigned masked);

/* The same under a policy of types. */
kd_model *layer_model_typed(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                            const kd_dtype *dtypes, unsigned masked, kd_policy policy);

/* Models of several layers: adds one; calls it on tensors; both for one input; finishes the model. Lines are
 * those of model.ini. They fail the test on errors. */
int layer_add(kd_model *model, const char *text, const char *name, int line);
kd_tap layer_call(kd_model *model, int layer, int n_inputs, const kd_tap *inputs);
kd_tap layer_chain(kd_model *model, const char *text, const char *name, int line, kd_tap input);
void layer_finish(kd_model *model);

/* Weights to tell places by: element k of weight i is 1000 i + k. Each has room for WEIGHT_ROOM floats, so
 * that models of one layer can borrow them. Freed by layer_weights_free. */
enum { WEIGHT_ROOM = 1024 };
void layer_weights_make(const kd_model *model, float **weight);
void layer_weights_free(const kd_model *model, float **weight);

/* The model of a golden case. */
kd_model *layer_model_golden(const golden_case *c, kd_policy policy);

/* kd_options_fill and kd_model_finish of one layer with one float input; all error texts, or "" when it is
 * right. Valid until the next call. */
const char *layer_errors(const char *text, kd_shape input);
/* The same with several inputs and call arguments, see layer_model_called. batch_size: fixed by the inputs,
 * or 0. */
const char *layer_errors_called(const char *text, int n_inputs, const kd_shape *shapes, unsigned masked,
                                int64_t batch_size);

#endif
