#include "support/one_layer.h"

#include "support/check.h"

/* The kind, its options and the call arguments in second brackets; NULL after adding to diag. */
static const kd_layer_kind *parse(kd_pool *pool, kd_diag *diag, const char *text, int line, void **options,
                                  const kd_value **call) {
  kd_origin origin = {"case", line};
  const char *rest;
  const kd_value *value = kd_value_parse_first(pool, diag, origin, text, &rest);
  if (!value) return NULL;
  *call = kd_value_parse(pool, diag, origin, kd_pool_printf(pool, "call%s", rest), false);
  if (!*call) return NULL;
  const kd_kind *kind = kd_family_find(&kd_layer_family, value->text);
  if (!kind) {
    kd_diag_error(diag, origin, "no layer class '%s'", value->text);
    return NULL;
  }
  const kd_value **values = kd_pool_alloc(pool, (size_t)value->count + 1, sizeof *values);
  for (int i = 0; i < value->count; i++) values[i] = &value->items[i];
  *options = kd_pool_alloc(pool, 1, kind->options_size);
  const char *subject = kd_pool_printf(pool, "layer under_test (%s)", kind->name);
  bool good = kd_options_fill(pool, diag, subject, origin, kind, value->count, value->keys, values, *options);
  return good ? (const kd_layer_kind *)kind : NULL;
}

static void fail_on(kd_diag *diag, const char *text) {
  if (kd_diag_status(diag) != KD_OK) fail_msg("%s: %s", text, kd_status_text());
}

const kd_layer_kind *layer_parse(kd_pool *pool, const char *text, int line, void **options) {
  kd_diag *diag = kd_diag_create();
  const kd_value *call;
  const kd_layer_kind *kind = parse(pool, diag, text, line, options, &call);
  fail_on(diag, text);
  kd_diag_destroy(diag);
  return kind;
}

/* The call's number; -1 after adding to diag. */
static int add(kd_model *model, kd_diag *diag, const char *text, int line, const char *name, bool trainable,
               int n_inputs, const kd_tap *inputs) {
  kd_origin origin = {"case", line};
  const kd_value *args = NULL;
  void *options = NULL;
  const kd_layer_kind *kind = parse(model->pool, diag, text, line, &options, &args);
  if (!kind) return -1;
  const kd_value **values = kd_pool_alloc(model->pool, (size_t)args->count + 1, sizeof *values);
  for (int i = 0; i < args->count; i++) values[i] = &args->items[i];
  int layer = kd_model_add_layer(model, kind, name, options, trainable, origin);
  return kd_model_add_call(model, layer, NULL, n_inputs, inputs, args->count, args->keys, values, origin);
}

int layer_add_called(kd_model *model, const char *text, int line, const char *name, bool trainable,
                     int n_inputs, const kd_tap *inputs) {
  kd_diag *diag = kd_diag_create();
  int call = add(model, diag, text, line, name, trainable, n_inputs, inputs);
  fail_on(diag, text);
  kd_diag_destroy(diag);
  return call;
}

static kd_model *build(kd_diag *diag, const char *text, int line, bool trainable, int n_inputs,
                       const kd_shape *shapes, const kd_dtype *dtypes, unsigned masked, int64_t batch_size,
                       kd_policy policy) {
  kd_origin origin = {"case", line};
  kd_model *model = kd_model_create("test");
  model->policy = policy;
  kd_tap taps[16];
  for (int i = 0; i < n_inputs; i++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", i);
    kd_shape sample = kd_shape_make(shapes[i].rank - 1, shapes[i].dim + 1);
    taps[i] = kd_model_add_input(model, name, dtypes ? dtypes[i] : KD_F32, sample, batch_size, origin);
    if (masked >> i & 1)
      taps[i].call =
          add(model, diag, "Masking()", 0, kd_pool_printf(model->pool, "mask%d", i), true, 1, &taps[i]);
  }
  int call = add(model, diag, text, line, "under_test", trainable, n_inputs, taps);
  if (call >= 0) {
    for (int i = 0; i < model->calls[call]->n_outputs; i++)
      kd_model_add_output(model, NULL, (kd_tap){call, i});
    (void)kd_model_finish(model, diag);
  }
  return model;
}

kd_model *layer_model(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                      const kd_dtype *dtypes) {
  return layer_model_called(text, line, trainable, n_inputs, shapes, dtypes, 0);
}

kd_model *layer_model_called(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                             const kd_dtype *dtypes, unsigned masked) {
  return layer_model_typed(text, line, trainable, n_inputs, shapes, dtypes, masked, (kd_policy){0});
}

kd_model *layer_model_typed(const char *text, int line, bool trainable, int n_inputs, const kd_shape *shapes,
                            const kd_dtype *dtypes, unsigned masked, kd_policy policy) {
  kd_diag *diag = kd_diag_create();
  kd_model *model = build(diag, text, line, trainable, n_inputs, shapes, dtypes, masked, 0, policy);
  fail_on(diag, text);
  kd_diag_destroy(diag);
  return model;
}

int layer_add(kd_model *model, const char *text, const char *name, int line) {
  void *options;
  const kd_layer_kind *kind = layer_parse(model->pool, text, line, &options);
  return kd_model_add_layer(model, kind, name, options, true, (kd_origin){"model.ini", line});
}

kd_tap layer_call(kd_model *model, int layer, int n_inputs, const kd_tap *inputs) {
  kd_origin origin = model->layers[layer]->origin;
  return (kd_tap){kd_model_add_call(model, layer, NULL, n_inputs, inputs, 0, NULL, NULL, origin), 0};
}

kd_tap layer_chain(kd_model *model, const char *text, const char *name, int line, kd_tap input) {
  return layer_call(model, layer_add(model, text, name, line), 1, &input);
}

void layer_finish(kd_model *model) {
  kd_diag *diag = kd_diag_create();
  assert_ok(kd_model_finish(model, diag));
  kd_diag_destroy(diag);
}

void layer_weights_make(const kd_model *model, float **weight) {
  for (int i = 0; i < model->n_weights; i++) {
    int64_t count = model->weights[i].count > WEIGHT_ROOM ? model->weights[i].count : WEIGHT_ROOM;
    weight[i] = kd_calloc((size_t)count, sizeof(float));
    for (int64_t k = 0; k < count; k++) weight[i][k] = (float)(1000 * i + k);
  }
}

void layer_weights_free(const kd_model *model, float **weight) {
  for (int i = 0; i < model->n_weights; i++) kd_free(weight[i]);
}

kd_model *layer_model_golden(const golden_case *c, kd_policy policy) {
  kd_shape shapes[8];
  kd_dtype dtypes[8];
  int n = 0;
  for (const golden_array *a; (a = golden_at(c, "input", n)); n++) {
    shapes[n] = a->shape;
    dtypes[n] = a->dtype;
  }
  return layer_model_typed(c->text, c->line, !c->frozen, n, shapes, dtypes, c->masked, policy);
}

const char *layer_errors(const char *text, kd_shape input) {
  return layer_errors_called(text, 1, &input, 0, 0);
}

const char *layer_errors_called(const char *text, int n_inputs, const kd_shape *shapes, unsigned masked,
                                int64_t batch_size) {
  static char errors[4096];
  errors[0] = '\0';
  kd_diag *diag = kd_diag_create();
  kd_model *model = build(diag, text, 7, true, n_inputs, shapes, NULL, masked, batch_size, (kd_policy){0});
  if (kd_diag_status(diag) != KD_OK) snprintf(errors, sizeof errors, "%s", kd_status_text());
  kd_model_destroy(model);
  kd_diag_destroy(diag);
  return errors;
}
