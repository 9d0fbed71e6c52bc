/* Whole models as files: who asks for them, what they say, and whether they can be. */
#include "device/base/log.h"
#include "device/base/text.h"
#include "io/onnx/export.h"
#include "io/saved_model/export.h"
#include "launch/keras/export.h"
#include "launch/session.h"

/* ModelCheckpoint's file; other callbacks write none of these. */
static const char *file_of(const kd_callback *callback) {
  const kd_option *table = callback->kind->base.options;
  int row = kd_option_row(table, "filepath");
  if (row < 0) return "";
  const void *at = (const char *)callback->options + table[row].offset;
  return *(const char *const *)at;
}

static bool saves_models(const kd_fit_spec *fit, const char *end) {
  for (int i = 0; i < fit->n_save; i++)
    if (kd_ends_with(fit->save[i], end)) return true;
  for (int i = 0; i < fit->n_callbacks; i++)
    if (kd_ends_with(file_of(&fit->callbacks[i]), end)) return true;
  return false;
}

const char *kd_session_keras_config(const kd_session *s, const kd_fit_spec *fit, kd_pool *pool) {
  kd_texts notes;
  if (fit && !saves_models(fit, ".keras")) return NULL;
  const char *text = kd_export_keras(pool, s->model, s->config, &notes);
  for (int i = 0; i < notes.count; i++) kd_log(KD_LOG_WARNING, "export to Keras: %s", notes.v[i]);
  return text;
}

kd_status kd_session_check_exports(const kd_session *s, const kd_fit_spec *fit) {
  if (saves_models(fit, ".onnx")) KD_TRY(kd_onnx_check(s->model, (int)s->config->run.exports.opset));
  return saves_models(fit, KD_SAVED_MODEL_END) ? kd_saved_model_check(s->model, KD_SAVED_MODEL_LIMIT) : KD_OK;
}
