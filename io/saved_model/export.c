#include "io/saved_model/export.h"

#include "io/saved_model/folder.h"
#include "io/saved_model/tf.h"

/* Operators of the version 18 take axes of reductions as TensorFlow does. */
static const kd_onnx_target target = {
    .name = "SavedModel", .opset = 18, .channels_last = true, .only_scans = true};

static kd_status check_bytes(int64_t bytes, int64_t limit) {
  KD_CHECK(
      bytes <= limit, KD_ERR_USAGE,
      "the model has %lld MiB of weights, but a SavedModel holds them in one message of at most %lld MiB; "
      "export to ONNX, which has no such limit",
      (long long)(bytes >> 20), (long long)(limit >> 20));
  return KD_OK;
}

/* --- the graph ------------------------------------------------------------------------------------- */

static void make_inputs(kd_tf *t) {
  for (int i = 0; i < t->program->n_inputs; i++) {
    const kd_onnx_port *port = &t->program->inputs[i];
    kd_tf_type type = kd_tf_type_of(port->type);
    t->base = t->program->x->names[port->value];
    t->edge[port->value] = kd_tf_call(t, "Placeholder", type, 0, NULL);
    kd_tf_set_type(t, "dtype", type);
    kd_tf_set_shape(t, "shape", port->rank, port->size);
  }
}

static void make_constants(kd_tf *t) {
  const kd_onnx *x = t->program->x;
  for (int i = 0; i < x->n_tensors; i++) {
    const kd_onnx_tensor *tensor = &x->tensors[i];
    if (!tensor->needed) continue;
    t->tensor[tensor->value] = tensor;
    t->edge[tensor->value] = kd_tf_constant(t, x->names[tensor->value], kd_tf_type_of(tensor->type),
                                            &tensor->shape, tensor->data, tensor->bytes);
  }
}

static kd_status make_graph(kd_tf *t, const kd_onnx_program *program) {
  kd_onnx *x = program->x;
  *t = (kd_tf){.program = program, .pool = x->pool};
  t->edge = kd_pool_alloc(t->pool, (size_t)x->n_values, sizeof *t->edge);
  t->tensor = kd_pool_alloc(t->pool, (size_t)x->n_values, sizeof(const kd_onnx_tensor *));
  make_inputs(t);
  make_constants(t);
  return kd_tf_translate_all(t, program->main);
}

/* --- writing, trying ------------------------------------------------------------------------------- */

typedef struct destination {
  const char *folder;
  int64_t limit;
} destination;

static kd_status write_program(void *context, const kd_onnx_program *program) {
  const destination *to = context;
  kd_tf t;
  KD_TRY(check_bytes(program->bytes, to->limit));
  KD_TRY(make_graph(&t, program));
  return kd_saved_model_folder_write(to->folder, &t);
}

kd_status kd_saved_model_write(const char *folder, kd_model *model, const float *const *weight,
                               int64_t limit) {
  destination to = {folder, limit};
  return kd_onnx_make(model, weight, &target, write_program, &to);
}

static kd_status try_program(void *context, const kd_onnx_program *program) {
  (void)context;
  kd_tf t;
  return make_graph(&t, program);
}

kd_status kd_saved_model_check(kd_model *model, int64_t limit) {
  int64_t count = 0;
  for (int i = 0; i < model->n_weights; i++) count += model->weights[i].count;
  KD_TRY(check_bytes(count * (int64_t)sizeof(float), limit));
  return kd_onnx_try(model, &target, try_program, NULL);
}
