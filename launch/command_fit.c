#include <signal.h>
#include <string.h>

#include "device/base/file.h"
#include "device/base/log.h"
#include "launch/commands.h"
#include "launch/progress.h"
#include "launch/run_folder.h"
#include "launch/size_text.h"

static volatile sig_atomic_t stop_asked;

/* The first signal asks for a checkpoint at the end of the step; a second one ends the process at once. */
static void on_signal(int number) {
  stop_asked = 1;
  signal(number, SIG_DFL);
}

static void catch_signals(void) {
  static const int numbers[] = {SIGTERM, SIGUSR1, SIGINT};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(numbers[i], &action, NULL);
  }
}

static kd_resume resume_mode(const kd_cli *cli) {
  const char *value = kd_cli_flag(cli, "resume");
  return !value ? KD_RESUME_NO : strcmp(value, "auto") == 0 ? KD_RESUME_AUTO : KD_RESUME_YES;
}

typedef struct beginning {
  kd_session *session;
  const char *checkpoints;
} beginning;

static kd_status begin(void *context, bool resumed) {
  const beginning *b = context;
  return kd_run_folder_begin(b->session, b->checkpoints, resumed);
}

/* Checkpoints may lie where the run was told to put them before: callbacks may differ when it goes on. */
static const char *newest_folder(const char *a, const char *b) {
  return kd_checkpoint_newest_step(b) > kd_checkpoint_newest_step(a) ? b : a;
}

static void make_fit(kd_session *s, kd_resume resume, kd_fit_spec *fit) {
  const kd_run_config *c = &s->config->run;
  const char **save = kd_pool_alloc(s->pool, (size_t)c->train.save.count + 3, sizeof *save);
  int n_save = c->train.save.count;
  for (int i = 0; i < n_save; i++) save[i] = kd_path_join(s->pool, c->run.dir, c->train.save.v[i]);
  if (c->exports.keras) save[n_save++] = kd_path_join(s->pool, c->run.dir, c->exports.keras);
  if (c->exports.onnx) save[n_save++] = kd_path_join(s->pool, c->run.dir, c->exports.onnx);
  if (c->exports.savedmodel) save[n_save++] = kd_path_join(s->pool, c->run.dir, c->exports.savedmodel);
  *fit = kd_session_fit(c);
  fit->run_folder = c->run.dir;
  fit->checkpoint_folder = kd_path_join(s->pool, c->run.dir, "checkpoints");
  fit->keep = (int)c->train.keep;
  fit->checkpoint_epochs = true;
  fit->n_save = n_save;
  fit->save = save;
  fit->identity = kd_run_identity(s);
  fit->resume = resume != KD_RESUME_NO;
  fit->resume_required = resume == KD_RESUME_YES;
  fit->stop = &stop_asked;
  kd_session_callbacks(s, c->n_callbacks, c->callbacks, fit);
  fit->restore_folder =
      newest_folder(fit->checkpoint_folder, kd_path_join(s->pool, c->run.dir, "checkpoints"));
  beginning *b = kd_pool_alloc(s->pool, 1, sizeof *b);
  *b = (beginning){s, fit->checkpoint_folder};
  fit->begin = begin;
  fit->begin_context = b;
}

static kd_progress *make_progress(kd_session *s) {
  static const char *const modes[] = {"auto", "bar", "plain", "json", "none"};
  static const char *const colors[] = {"auto", "always", "never"};
  const char *mode = kd_cli_flag(s->cli, "progress"), *color = kd_cli_flag(s->cli, "color");
  int number = s->config->run.log.progress;
  for (int i = 0; mode && i < 5; i++)
    if (strcmp(mode, modes[i]) == 0) number = i;
  return kd_progress_create((kd_progress_mode)number, color ? color : colors[s->config->run.log.color],
                            s->comm->size, s->config->run.train.batch_size);
}

/* Half types save memory between layers everywhere, but time only where the device multiplies them. */
static void say_policy(const kd_session *s) {
  bool told[KD_N_DTYPES] = {false};
  for (int i = 0; i < s->model->n_layers; i++) {
    kd_dtype type = s->model->layers[i]->policy.compute;
    if (told[type] || s->device.backend->multiplies(type)) continue;
    told[type] = true;
    kd_log(
        KD_LOG_WARNING,
        "%s: this device has no instructions for its products, which are made in float32 of rounded factors; "
        "expect longer steps than with dtype_policy = float32, and less memory",
        kd_dtype_name(type));
  }
}

static void say_start(kd_session *s) {
  kd_replica_stats stats = kd_replica_get_stats(s->replica);
  char needed[32], available[32];
  kd_log(KD_LOG_INFO, "%d rank%s on %d host%s, %s, sums by %s in %d bucket%s, needs %s of %s of memory",
         s->comm->size, s->comm->size == 1 ? "" : "s", s->comm->n_hosts, s->comm->n_hosts == 1 ? "" : "s",
         s->device.backend->describe(&s->device), stats.transport, stats.n_buckets,
         stats.n_buckets == 1 ? "" : "s", kd_bytes_text(s->forecast.needed, needed),
         kd_bytes_text(s->forecast.available, available));
  say_policy(s);
  if (stats.slow_scopes)
    kd_log(KD_LOG_WARNING, "slow library code for %s: the shapes there have no fast kernel",
           stats.slow_scopes);
}

static kd_status train(kd_session *s) {
  kd_resume resume = resume_mode(s->cli);
  KD_TRY(kd_run_folder_check(s, resume, kd_cli_flag(s->cli, "overwrite") != NULL));
  KD_TRY(kd_session_check_labels(s));
  KD_TRY(kd_session_start(s));
  int64_t iteration = 0;
  KD_TRY(kd_session_start_optimizer(s, &iteration));
  say_start(s);
  kd_fit_spec fit;
  make_fit(s, resume, &fit);
  KD_TRY(kd_session_check_exports(s, &fit));
  kd_progress *progress = make_progress(s);
  kd_reporter reporter = kd_progress_reporter(progress);
  kd_trainer trainer = {.comm = s->comm,
                        .replica = s->replica,
                        .setup = &s->setup,
                        .fit = &fit,
                        .iteration = iteration,
                        .keras_config = kd_session_keras_config(s, &fit, s->pool),
                        .opset = (int)s->config->run.exports.opset,
                        .reporter = &reporter,
                        .train = s->train.stream,
                        .validation = s->validation.stream};
  kd_status status = kd_trainer_fit(&trainer);
  if (!trainer.failed_together) status = kd_session_guard(s, status);
  kd_progress_destroy(progress);
  return status;
}

static kd_status run_fit(kd_cli *cli) {
  kd_session session = {.checkpoints = true};
  catch_signals(); /* early: a signal during the start stops the run behind its first step */
  kd_status status = kd_session_open(&session, cli, KD_FOR_TRAINING);
  if (status == KD_OK) status = train(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "resume",
     .value = "[auto]",
     .help = "continue from the newest checkpoint; auto: start anew if there is none",
     .choices = "auto"},
    {.name = "overwrite", .help = "start anew in an existing run folder"},
    {.name = "progress",
     .value = "MODE",
     .help = "what is printed while it runs",
     .choices = "auto|bar|plain|json|none"},
    {.name = "color", .value = "WHEN", .help = "colours of the bar", .choices = "auto|always|never"},
    {0},
};

const kd_command kd_command_fit = {
    .name = "fit",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "train a model",
    .details =
        "Writes config.ini, log.csv, checkpoints and model.weights.h5 into the run folder ([run] dir).\n"
        "SIGTERM, SIGUSR1 and Ctrl-C write a checkpoint and end with exit code 75; use SIGUSR1 under mpirun.",
    .flags = flags,
    .takes_files = true,
    .computes = true,
    .run = run_fit,
};
