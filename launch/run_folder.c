#include "launch/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/text.h"
#include "io/library.h"
#include "io/saved_model/export.h"
#include "launch/config_print.h"

static kd_status check(const char *dir, kd_resume resume, bool overwrite) {
  bool exists = kd_path_exists(dir);
  KD_CHECK(!exists || resume != KD_RESUME_NO || overwrite, KD_ERR_USAGE,
           "the run folder %s exists: continue with --resume, start anew with --overwrite, or choose another "
           "[run] name or dir",
           dir);
  KD_CHECK(exists || resume != KD_RESUME_YES, KD_ERR_USAGE,
           "there is no run folder %s to resume; --resume=auto starts anew then", dir);
  return KD_OK;
}

kd_status kd_run_folder_check(kd_session *s, kd_resume resume, bool overwrite) {
  kd_status status = s->comm->rank == 0 ? check(s->config->run.run.dir, resume, overwrite) : KD_OK;
  return kd_comm_all_ok(s->comm, status);
}

/* Removes checkpoints of an older run, so that a later --resume cannot find them. */
kd_status kd_run_folder_remove_checkpoints(kd_pool *pool, const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return KD_OK;
  kd_status status = KD_OK;
  for (struct dirent *entry; status == KD_OK && (entry = readdir(dir));) {
    if (strncmp(entry->d_name, "step-", 5) != 0) continue;
    const char *path = kd_path_join(pool, folder, entry->d_name);
    if (unlink(path) != 0) status = kd_fail(KD_ERR_RUN, "%s: cannot remove: %s", path, strerror(errno));
  }
  closedir(dir);
  return status;
}

static kd_status write_text(kd_session *s, const char *name, const char *text) {
  return kd_file_write(kd_path_join(s->pool, s->config->run.run.dir, name), text, strlen(text));
}

static const char *command_text(kd_session *s) {
  const char *text = kd_pool_printf(s->pool, "kdist %s", s->cli->command->name);
  for (int i = 0; i < s->cli->argc; i++) text = kd_pool_printf(s->pool, "%s %s", text, s->cli->argv[i]);
  return text;
}

static kd_status append_command(kd_session *s) {
  const char *path = kd_path_join(s->pool, s->config->run.run.dir, "command.txt");
  FILE *file = fopen(path, "ae");
  KD_CHECK(file, KD_ERR_RUN, "%s: cannot open: %s", path, strerror(errno));
  int printed = fprintf(file, "%s\n", command_text(s));
  KD_CHECK(fclose(file) == 0 && printed > 0, KD_ERR_RUN, "%s: cannot write: %s", path, strerror(errno));
  return KD_OK;
}

extern char **environ;

static kd_status write_environment(kd_session *s) {
  struct utsname system;
  time_t now = time(NULL);
  struct tm utc;
  char date[64];
  strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &utc));
  const char *text = kd_pool_printf(s->pool, "date %s\nkdist %s\n%s\n%s\nranks %d on %d hosts, cpu %s\n",
                                    date, KDIST_VERSION, kd_comm_library(), kd_io_library(), s->comm->size,
                                    s->comm->n_hosts, s->device.backend->describe(&s->device));
  if (uname(&system) == 0)
    text =
        kd_pool_printf(s->pool, "%shost %s, %s %s\n", text, system.nodename, system.sysname, system.release);
  static const char *const prefixes[] = {"KDIST_", "SLURM_", "NCCL_", "OMP_", "GOMP_"};
  for (char **variable = environ; *variable; variable++)
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
      if (strncmp(*variable, prefixes[i], strlen(prefixes[i])) == 0)
        text = kd_pool_printf(s->pool, "%s%s\n", text, kd_quote(s->pool, *variable));
  return write_text(s, "env.txt", text);
}

static void remove_saved(const kd_session *s, const char *name) {
  const char *path = kd_path_join(s->pool, s->config->run.run.dir, name);
  if (kd_ends_with(path, KD_SAVED_MODEL_END))
    kd_saved_model_remove(path);
  else
    unlink(path);
}

/* What a fresh run must not inherit from an older one: checkpoints that a later --resume would find, weights
 * that `evaluate` would take for its own. */
static kd_status remove_old_run(kd_session *s, const char *checkpoints) {
  const kd_texts *saved = &s->config->run.train.save;
  const char *dir = s->config->run.run.dir;
  KD_TRY(kd_run_folder_remove_checkpoints(s->pool, kd_path_join(s->pool, dir, "checkpoints")));
  KD_TRY(kd_run_folder_remove_checkpoints(s->pool, checkpoints));
  unlink(kd_path_join(s->pool, dir, "command.txt"));
  for (int i = 0; i < saved->count; i++) remove_saved(s, saved->v[i]);
  const kd_export_options *exports = &s->config->run.exports;
  if (exports->keras) remove_saved(s, exports->keras);
  if (exports->onnx) remove_saved(s, exports->onnx);
  if (exports->savedmodel) remove_saved(s, exports->savedmodel);
  return KD_OK;
}

/* Where results will lie: that a folder cannot be made is told before training. */
static kd_status make_folders(kd_session *s) {
  const kd_run_config *c = &s->config->run;
  KD_TRY(kd_make_folders(c->run.dir));
  for (int i = 0; i < c->train.save.count; i++)
    KD_TRY(kd_make_folder_of(kd_path_join(s->pool, c->run.dir, c->train.save.v[i])));
  if (c->exports.savedmodel)
    KD_TRY(kd_saved_model_check_folder(kd_path_join(s->pool, c->run.dir, c->exports.savedmodel)));
  const char *exports[] = {c->exports.keras, c->exports.onnx, c->exports.savedmodel};
  for (int i = 0; i < 3; i++)
    if (exports[i]) KD_TRY(kd_make_folder_of(kd_path_join(s->pool, c->run.dir, exports[i])));
  return KD_OK;
}

static kd_status begin(kd_session *s, const char *checkpoints, bool resumed) {
  const char *dir = s->config->run.run.dir;
  KD_TRY(make_folders(s));
  if (!resumed) KD_TRY(remove_old_run(s, checkpoints));
  /* What an interrupted write left behind. */
  KD_TRY(kd_checkpoint_sweep(dir));
  KD_TRY(kd_checkpoint_sweep(kd_path_join(s->pool, dir, "checkpoints")));
  KD_TRY(kd_checkpoint_sweep(checkpoints));
  KD_TRY(write_text(s, "config.ini", kd_config_text(s->config, KD_CONFIG_LONG, false, false)));
  KD_TRY(write_environment(s));
  return append_command(s);
}

kd_status kd_run_folder_begin(kd_session *s, const char *checkpoints, bool resumed) {
  return kd_comm_all_ok(s->comm, s->comm->rank == 0 ? begin(s, checkpoints, resumed) : KD_OK);
}

static const char *layer_line(kd_pool *pool, const kd_layer *layer) {
  const kd_kind *kind = &layer->kind->base;
  const char *text = kd_pool_printf(pool, "layer %s: %s(", layer->name, kind->name);
  for (const kd_option *option = kind->options; option && option->name; option++)
    text = kd_pool_printf(pool, "%s%s%s=%s", text, option == kind->options ? "" : ", ", option->name,
                          kd_option_print(pool, option, layer->options));
  const char *policy = kd_policy_name(layer->policy);
  bool plain = layer->policy.compute == KD_F32;
  return kd_pool_printf(pool, "%s)%s%s%s\n", text, layer->trainable ? "" : ", frozen",
                        plain ? "" : ", dtype ", plain ? "" : policy);
}

static const char *data_line(kd_pool *pool, const char *name, const kd_texts *paths,
                             const kd_session_data *data) {
  if (!data->set) return "";
  const char *text = kd_pool_printf(pool, "data %s:", name);
  for (int i = 0; i < paths->count; i++) {
    const char *slash = strrchr(paths->v[i], '/');
    text = kd_pool_printf(pool, "%s %s", text, slash ? slash + 1 : paths->v[i]);
  }
  return kd_pool_printf(pool, "%s, %lld rows, checksum %016llx\n", text, (long long)data->set->count,
                        (unsigned long long)data->set->fingerprint);
}

const char *kd_run_identity(kd_session *s) {
  kd_pool *pool = s->pool;
  const kd_run_config *c = &s->config->run;
  const char *text = kd_pool_printf(pool, "seed: %lld\nbatch_size: %lld\nshuffle: %d\noptimizer: %s\n",
                                    (long long)c->run.seed, (long long)c->train.batch_size, c->train.shuffle,
                                    kd_value_print(pool, c->train.optimizer));
  if (s->config->optimizer.scaling.dynamic) text = kd_pool_printf(pool, "%sloss scale: dynamic\n", text);
  for (int o = 0; o < c->n_outputs; o++)
    text = kd_pool_printf(pool, "%soutput %s: loss %s * %g, metrics %s\n", text, c->outputs[o].name,
                          c->outputs[o].loss ? kd_value_print(pool, c->outputs[o].loss) : "none",
                          c->outputs[o].loss_weight,
                          c->outputs[o].metrics ? kd_value_print(pool, c->outputs[o].metrics) : "none");
  for (int o = 0; o < c->n_outputs; o++) {
    const kd_output_config *output = &c->outputs[o];
    if (output->weighted_metrics)
      text = kd_pool_printf(pool, "%sweighted metrics %s\n", text,
                            kd_value_print(pool, output->weighted_metrics));
    if (output->sample_weight)
      text = kd_pool_printf(pool, "%ssample weights %s\n", text, output->sample_weight);
    if (output->n_class_weights > 0)
      text = kd_pool_printf(pool, "%sclass weights %s\n", text, kd_value_print(pool, c->train.class_weight));
  }
  for (int i = 0; i < s->model->n_layers; i++)
    text = kd_pool_printf(pool, "%s%s", text, layer_line(pool, s->model->layers[i]));
  return kd_pool_printf(pool, "%s%s%s", text, data_line(pool, "train", &c->data.train, &s->train),
                        data_line(pool, "validation", &c->data.validation, &s->validation));
}
