#include "io/onnx/export.h"

#include "io/onnx/file.h"
#include "io/onnx/program.h"

static kd_status target_of(int opset, kd_onnx_target *target) {
  *target = (kd_onnx_target){.name = "ONNX", .opset = opset};
  KD_CHECK(opset >= KD_ONNX_OPSET && opset <= KD_ONNX_LAST_OPSET, KD_ERR_USAGE,
           "opset %d is not known; use %d to %d", opset, KD_ONNX_OPSET, KD_ONNX_LAST_OPSET);
  return KD_OK;
}

typedef struct destination {
  const char *path;
  int64_t one_file;
} destination;

static kd_status write_program(void *context, const kd_onnx_program *program) {
  const destination *to = context;
  return kd_onnx_file_write(to->path, program, to->one_file);
}

kd_status kd_onnx_write(const char *path, kd_model *model, const float *const *weight,
                        const kd_onnx_options *options) {
  kd_onnx_target target;
  destination to = {path, options->one_file};
  KD_TRY(target_of(options->opset, &target));
  return kd_onnx_make(model, weight, &target, write_program, &to);
}

static kd_status take(void *context, const kd_onnx_program *program) {
  (void)context, (void)program;
  return KD_OK;
}

kd_status kd_onnx_check(kd_model *model, int opset) {
  kd_onnx_target target;
  KD_TRY(target_of(opset, &target));
  return kd_onnx_try(model, &target, take, NULL);
}
