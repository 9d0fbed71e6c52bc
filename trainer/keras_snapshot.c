/* Checkpoints as the content of Keras's files. */
#include "device/base/half.h"
#include "device/base/text.h"
#include "trainer/keras_file.h"

static kd_status get(void *context, int part, int number, float *values) {
  const kd_keras_source *source = context;
  const kd_snapshot *s = source->snapshot;
  const kd_weight *weight = &source->model->weights[number];
  const char *owner = kd_snapshot_part(s->pool, source->optimizer, part);
  char have[KD_SHAPE_TEXT], want[KD_SHAPE_TEXT];
  const kd_tensor *tensor = kd_snapshot_get_array(s, owner, weight->path);
  KD_CHECK(tensor && kd_dtype_is_float(tensor->dtype) && tensor->dtype != KD_F64, KD_ERR_USAGE,
           "the checkpoint lacks %s/%s: it belongs to another configuration", owner, weight->path);
  KD_CHECK(kd_shape_equal(&tensor->shape, &weight->shape), KD_ERR_USAGE,
           "the checkpoint's %s/%s has shape %s, but the model wants %s", owner, weight->path,
           kd_shape_text(&tensor->shape, have), kd_shape_text(&weight->shape, want));
  kd_floats_read(tensor->dtype, tensor->data, values, weight->count);
  return KD_OK;
}

kd_status kd_keras_from_snapshot(const kd_snapshot *s, kd_model *model, const kd_optimizer *optimizer,
                                 kd_keras_source *source) {
  double iteration;
  *source =
      (kd_keras_source){.model = model, .optimizer = optimizer, .get = get, .context = source, .snapshot = s};
  KD_TRY(kd_snapshot_get_number(s, "state", "iteration", &iteration));
  KD_TRY(kd_snapshot_get_number(s, "state", "rate", &source->rate));
  const char *was = kd_checkpoint_note(&s->checkpoint, "state/optimizer");
  KD_CHECK(!was || kd_streq(was, optimizer->kind->base.name), KD_ERR_USAGE,
           "the checkpoint was made with the optimizer %s, but the configuration has %s", kd_quoted(was),
           optimizer->kind->base.name);
  KD_TRY(kd_snapshot_get_scale(s, optimizer, &source->scale));
  source->updates = (int64_t)iteration - source->scale.skipped;
  return KD_OK;
}
