#include <string.h>
#include <sys/stat.h>

#include "device/base/file.h"
#include "device/base/log.h"
#include "device/base/text.h"
#include "io/checkpoint_file.h"
#include "io/onnx/export.h"
#include "io/saved_model/export.h"
#include "launch/commands.h"
#include "launch/session.h"
#include "trainer/keras_file.h"

/* --- weights alone: the optimizer starts anew --- */

typedef struct plain_weights {
  const kd_session *session;
  float **value; /* by weight number */
} plain_weights;

static kd_status get_weight(void *context, int part, int number, float *values) {
  const plain_weights *plain = context;
  const kd_optimizer *o = &plain->session->config->optimizer;
  int64_t count = plain->session->model->weights[number].count;
  if (part == KD_PART_WEIGHT) {
    memcpy(values, plain->value[number], (size_t)count * sizeof *values);
    return KD_OK;
  }
  bool set = part < o->n_rule_slots && o->kind->slot_start;
  float start = set ? (float)o->kind->slot_start(o->common, part) : 0;
  for (int64_t i = 0; i < count; i++) values[i] = start;
  return KD_OK;
}

/* path NULL: start weights. */
static kd_status export_weights(kd_session *s, const char *path, const char *output, const char *config) {
  plain_weights plain = {s, kd_pool_alloc(s->pool, (size_t)s->model->n_weights + 1, sizeof(float *))};
  const kd_optimizer *optimizer = kd_session_has_loss(s) ? &s->config->optimizer : NULL;
  KD_TRY(kd_session_read_weights(s, path, plain.value));
  kd_keras_source source = {.model = s->model,
                            .optimizer = optimizer,
                            .get = get_weight,
                            .context = &plain,
                            .rate = s->config->optimizer.rate.constant,
                            .scale.scale = s->config->optimizer.scaling.initial_scale,
                            .opset = (int)s->config->run.exports.opset};
  return kd_keras_save(&source, output, config);
}

/* --- a checkpoint --- */

static kd_status export_snapshot(kd_session *s, kd_checkpoint *checkpoint, const char *path,
                                 const char *output, const char *config) {
  kd_snapshot snapshot = {.pool = s->pool, .checkpoint = *checkpoint};
  kd_keras_source source;
  kd_status status = kd_keras_from_snapshot(&snapshot, s->model, &s->config->optimizer, &source);
  source.opset = (int)s->config->run.exports.opset;
  if (status == KD_OK) status = kd_keras_save(&source, output, config);
  if (status != KD_OK) return kd_fail_context(status, "%s", kd_quoted(path));
  kd_log(KD_LOG_INFO, "%s: step %lld of %s", output, (long long)checkpoint->step, path);
  return KD_OK;
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static kd_status export_checkpoint(kd_session *s, const char *path, const char *output, const char *config) {
  kd_checkpoint *checkpoint;
  const char *file = path;
  if (is_folder(path))
    KD_TRY(kd_checkpoint_read_newest(path, s->pool, &checkpoint, &file));
  else
    KD_TRY(kd_checkpoint_file_read(path, s->pool, &checkpoint));
  KD_CHECK(checkpoint, KD_ERR_USAGE, "%s holds no checkpoint", kd_quoted(path));
  return export_snapshot(s, checkpoint, file, output, config);
}

/* --- which one --- */

/* What a flag names, else what fit has made: the run folder's newest checkpoint, or the weights that lie
 * there; else those of a file that the configuration names. */
static kd_status export_model(kd_session *s, const char *output, const char *config) {
  const char *weights = kd_cli_flag(s->cli, "weights"), *checkpoint = kd_cli_flag(s->cli, "checkpoint");
  const char *run = s->config->run.run.dir, *folder = kd_path_join(s->pool, run, "checkpoints");
  const kd_model_options *model = &s->config->run.model;
  bool untrained = kd_cli_flag(s->cli, "untrained");
  KD_CHECK((weights != NULL) + (checkpoint != NULL) + untrained <= 1, KD_ERR_USAGE,
           "--weights, --checkpoint and --untrained: give one of them");
  if (weights || untrained) return export_weights(s, weights, output, config);
  if (checkpoint) return export_checkpoint(s, checkpoint, output, config);
  if (kd_checkpoint_newest_step(folder) >= 0) return export_checkpoint(s, folder, output, config);
  weights = kd_path_join(s->pool, run, "model.weights.h5");
  if (kd_path_exists(weights)) return export_weights(s, weights, output, config);
  KD_CHECK(
      model->init_from || model->file, KD_ERR_USAGE,
      "the run folder %s has neither a checkpoint nor model.weights.h5; train with 'kdist fit' first, or "
      "give --weights FILE or --untrained",
      kd_quoted(run));
  return export_weights(s, NULL, output, config);
}

/* A name without an ending is that of a folder. */
static const char *find_output(const kd_session *s) {
  const char *output = kd_cli_flag(s->cli, "output"), *slash = output ? strrchr(output, '/') : NULL;
  if (!output || !*output || strchr(slash ? slash : output, '.')) return output;
  return kd_ends_with(output, KD_SAVED_MODEL_END) ? output
                                                  : kd_pool_printf(s->pool, "%s" KD_SAVED_MODEL_END, output);
}

/* What is wrong with layers is told before weights are read. */
static kd_status check_output(kd_session *s, const char *output, int opset) {
  if (kd_ends_with(output, ".onnx")) return kd_onnx_check(s->model, opset);
  return kd_ends_with(output, KD_SAVED_MODEL_END) ? kd_saved_model_check(s->model, KD_SAVED_MODEL_LIMIT)
                                                  : KD_OK;
}

static kd_status export(kd_session *s) {
  const char *output = find_output(s);
  int ranks;
  KD_TRY(kd_comm_promised_size(&ranks));
  KD_CHECK(ranks == 1, KD_ERR_USAGE, "kdist export is one process: leave out mpirun");
  bool keras = output && kd_ends_with(output, ".keras");
  bool known =
      keras || (output && (kd_ends_with(output, ".onnx") || kd_ends_with(output, KD_SAVED_MODEL_END)));
  KD_CHECK(
      known, KD_ERR_USAGE,
      "kdist export needs a name for the model: -o FILE.keras, -o FILE.onnx or -o FOLDER/ (a SavedModel)%s%s",
      output ? ", not " : "", output ? kd_quoted(output) : "");
  long long opset;
  KD_TRY(kd_cli_int(s->cli, "opset", KD_ONNX_OPSET, s->config->run.exports.opset, &opset));
  s->config->run.exports.opset = opset;
  KD_TRY(check_output(s, output, (int)opset));
  return export_model(s, output, keras ? kd_session_keras_config(s, NULL, s->pool) : NULL);
}

static kd_status run_export(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK) status = export(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "file for the model: .keras or .onnx; a folder: a SavedModel"},
    {.name = "weights", .value = "FILE", .help = "weights to use; the optimizer starts anew"},
    {.name = "checkpoint", .value = "PATH", .help = "a checkpoint, or a folder whose newest one is taken"},
    {.name = "untrained", .help = "start weights, as `fit` would begin with"},
    {.name = "opset", .value = "N", .help = "version of the operators of .onnx (17)"},
    {0},
};

const kd_command kd_command_export = {
    .name = "export",
    .arguments = "FILE.ini [FILE2.ini ...] -o FILE [--options] [section.key=value ...]",
    .help = "the trained model for Keras, onnxruntime or TensorFlow",
    .details =
        "-o FILE.keras: what keras.models.load_model reads: layers, weights, optimizer, losses and "
        "metrics,\n"
        "with the optimizer's state, so that training goes on in Keras. -o FILE.onnx: what computes the "
        "outputs,\n"
        "for onnxruntime and others. -o FOLDER/: the same as a SavedModel, for TensorFlow Serving and "
        "others.\n"
        "From the newest checkpoint of the run folder; if there is none, from the weights that `fit` left "
        "there.\n"
        "Reads no data.",
    .flags = flags,
    .takes_files = true,
    .run = run_export,
};
