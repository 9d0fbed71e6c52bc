#include "fuzz_data.h"

#include "io/weights_file.h"

/* A model of one Dense layer with 3 inputs and 2 units. */
static kd_model *make_model(void) {
  kd_origin origin = {"fuzz.ini", 1};
  kd_diag *diag = kd_diag_create();
  kd_model *model = kd_model_create("fuzz");
  kd_object object;
  kd_value *value = kd_value_parse(model->pool, diag, origin, "Dense(2)", false);
  kd_object_make(model->pool, diag, &kd_layer_family, value, &object);
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(3), 0, origin);
  int layer =
      kd_model_add_layer(model, (const kd_layer_kind *)object.kind, "y", object.options, true, origin);
  int call = kd_model_add_call(model, layer, "y", 1, &x, 0, NULL, NULL, origin);
  kd_model_add_output(model, "y", (kd_tap){call, 0});
  if (kd_model_finish(model, diag) != KD_OK) abort();
  kd_diag_destroy(diag);
  return model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static kd_model *model;
  static float kernel[6], bias[2];
  float *values[2] = {kernel, bias};
  if (!model) model = make_model();
  kd_weights_read_image("fuzz.weights.h5", data, size, model, values);
  float rate, slot[6];
  kd_optimizer_var var[] = {{.integer = 0}, {.data = &rate}, {.data = slot, .shape = KD_SHAPE(3, 2)}};
  kd_optimizer_vars vars = {.count = 3, .var = var};
  const char *unfit;
  kd_pool *pool = kd_pool_create();
  kd_optimizer_read_image("fuzz.weights.h5", data, size, pool, &vars, &unfit);
  kd_pool_destroy(pool);
  return 0;
}
