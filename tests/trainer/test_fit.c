// ctest: ranks=1,2 timeout=120
/* fit as a whole: a run that is stopped and resumed, at any step, is the uninterrupted one bit for bit, with
 * its callbacks; how runs end. */
#include <math.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/rng.h"
#include "support/mpi_unit.h"
#include "support/tiny.h"
#include "trainer/trainer.h"

enum { ROWS = 26, HELD = 9, BATCH = 8, FEATURES = 5, EPOCHS = 5, STEPS = 4, MOST = 6 };

/* Stands in for the C library's: hundreds of checkpoints need not reach the disk here. */
int fsync(int file) {
  (void)file;
  return 0;
}

static char root[128]; /* the same folder on all ranks */

static int make_root(void **state) {
  (void)state;
  snprintf(root, sizeof root, "%s", unit_comm->rank == 0 ? test_folder() : "");
  assert_ok(kd_comm_broadcast(unit_comm, root, sizeof root));
  return 0;
}

/* Everything of one run; several may use one folder, one after the other. */
typedef struct run {
  tiny t;
  kd_dataset *data, *held;
  float x[(ROWS + HELD) * FEATURES], y[ROWS + HELD];
  kd_fit_spec fit;
  kd_callback callback[MOST];
  kd_reporter reporter;
  kd_trainer trainer;
  volatile sig_atomic_t stop;
  int64_t stop_after; /* steps of this run until `stop` is set; 0: never */
  char folder[256], checkpoints[300];
} run;

static void on_step(void *context, int64_t done, const kd_logs *logs) {
  run *r = context;
  (void)done, (void)logs;
  if (r->stop_after > 0 && --r->stop_after == 0) r->stop = 1;
}

static kd_dataset *rows_of(const run *r, int64_t begin, int64_t count) {
  kd_field fields[] = {{.name = "x", .dtype = KD_F32, .sample = KD_SHAPE(FEATURES)},
                       {.name = "y", .dtype = KD_F32, .sample = KD_SHAPE(1)}};
  const void *arrays[] = {r->x + begin * FEATURES, r->y + begin};
  return kd_dataset_arrays(count, 2, fields, arrays, NULL);
}

static kd_stream stream_of(kd_dataset *data, int64_t batch_size) {
  static const int fields[] = {0, 1};
  static const size_t bytes[] = {FEATURES * sizeof(float), sizeof(float)};
  return (kd_stream){.data = data,
                     .count = data->count,
                     .chunk = 1,
                     .fields = fields,
                     .n_fields = 2,
                     .sample_bytes = bytes,
                     .batch_size = batch_size};
}

static void add_callback(run *r, const char *text) {
  kd_object object;
  if (!kd_object_make(r->t.pool, r->t.diag, &kd_callback_family, tiny_value(&r->t, text), &object))
    assert_ok(kd_diag_status(r->t.diag));
  const kd_callback_kind *kind = (const kd_callback_kind *)object.kind;
  int n = r->fit.n_callbacks++;
  r->callback[n] = (kd_callback){.kind = kind,
                                 .name = kd_pool_printf(r->t.pool, "callbacks/%d", n),
                                 .options = object.options,
                                 .pool = r->t.pool,
                                 .state = kd_pool_alloc(r->t.pool, 1, kind->state_size + 1)};
}

/* Rows are random; one of them is NaN when asked for. */
static void make_data(run *r, int nan_row) {
  for (int i = 0; i < (ROWS + HELD) * FEATURES; i++)
    r->x[i] = kd_uniform_f32(kd_philox_block((uint64_t)i, 5, 1).v[0]) - 0.5f;
  for (int i = 0; i < ROWS + HELD; i++) r->y[i] = r->x[i * FEATURES] * 2 + r->x[i * FEATURES + 1];
  if (nan_row >= 0) r->y[nan_row] = NAN;
  r->data = rows_of(r, 0, ROWS);
  r->held = rows_of(r, ROWS, HELD);
}

static void open_run(run *r, const char *name, const char *optimizer, const char *const *callbacks,
                     int nan_row) {
  static const char *const layers[] = {"Dense(7, relu)", "BatchNormalization()", "Dropout(0.2)", "Dense(1)",
                                       NULL};
  memset(r, 0, sizeof *r);
  tiny_spec spec = {.input = KD_SHAPE(FEATURES),
                    .layers = layers,
                    .loss = "mse",
                    .metrics = "mae",
                    .optimizer = optimizer,
                    .label_dtype = KD_F32,
                    .label = KD_SHAPE(1),
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .policy = {strstr(optimizer, "LossScale") ? KD_F16 : KD_F32, KD_F32},
                    .comm = unit_comm};
  tiny_create(&r->t, &spec);
  make_data(r, nan_row);
  snprintf(r->folder, sizeof r->folder, "%s/%s", root, name);
  snprintf(r->checkpoints, sizeof r->checkpoints, "%s/checkpoints", r->folder);
  if (unit_comm->rank == 0) assert_ok(kd_make_folders(r->folder));
  for (; *callbacks; callbacks++) add_callback(r, *callbacks);
  r->fit.epochs = EPOCHS;
  r->fit.validation_freq = 1;
  r->fit.shuffle = true;
  r->fit.seed = 3;
  r->fit.callbacks = r->callback;
  r->fit.run_folder = r->folder;
  r->fit.checkpoint_folder = r->fit.restore_folder = r->checkpoints;
  r->fit.keep = 2;
  r->fit.checkpoint_epochs = true;
  r->fit.identity = "test";
  r->fit.resume = true;
  r->fit.stop = &r->stop;
  r->reporter = (kd_reporter){.context = r, .step = on_step};
  r->trainer = (kd_trainer){.comm = unit_comm,
                            .replica = r->t.replica,
                            .setup = &r->t.spec,
                            .fit = &r->fit,
                            .reporter = &r->reporter,
                            .train = stream_of(r->data, BATCH),
                            .validation = stream_of(r->held, BATCH)};
}

static void close_run(run *r) {
  kd_dataset_close(r->data);
  kd_dataset_close(r->held);
  tiny_destroy(&r->t);
}

/* A file of the run's folder as text, in the pool. Only rank 0 looks. */
static const char *file_text(const run *r, const char *name) {
  char *text;
  size_t bytes;
  if (unit_comm->rank != 0) return "";
  assert_ok(kd_file_read(r->t.pool, kd_path_join(r->t.pool, r->folder, name), 1 << 20, &text, &bytes));
  return text;
}

/* The first one is for constant rates only. */
static const char *const observers[] = {
    "ReduceLROnPlateau(monitor=loss, patience=1, factor=0.5, min_delta=0.05)",
    "CSVLogger(csv.csv)",
    "EarlyStopping(patience=50, restore_best_weights=true)",
    "ModelCheckpoint(best.weights.h5, save_weights_only=true, save_best_only=true)",
    "ModelCheckpoint(\"at{batch}-{epoch}.weights.h5\", save_weights_only=true, "
    "save_freq=3)",
    NULL};

/* The last one, in float16, skips steps at the start and again where the scale has grown too far. */
static const char *const optimizers[] = {
    "Adam(0.02)",
    "SGD(ExponentialDecay(0.1, 4, 0.5), momentum=0.9, gradient_accumulation_steps=3, use_ema=true, "
    "ema_momentum=0.8, ema_overwrite_frequency=2)",
    "LossScaleOptimizer(SGD(ExponentialDecay(0.1, 4, 0.5), momentum=0.9, use_ema=true), initial_scale=1e7, "
    "dynamic_growth_steps=3)"};

/* Stops a run after `every` steps again and again, each time with a new trainer, until it is complete. */
static void in_pieces(run *r, const char *name, int o, int every) {
  for (int stops = 0;; stops++) {
    open_run(r, name, optimizers[o], observers + (o > 0), -1);
    r->stop_after = every;
    kd_status status = kd_trainer_fit(&r->trainer);
    if (status == KD_OK) {
      assert_true(stops >= EPOCHS * STEPS / (every + 1) - 1);
      return;
    }
    assert_int_equal(status, KD_ERR_STOPPED);
    close_run(r);
  }
}

static void resumed_runs_are_whole(void **state) {
  (void)state;
  static const char *const files[] = {"csv.csv", "log.csv"};
  for (int o = 0; o < 3; o++) {
    char name[32];
    static run whole, pieces;
    snprintf(name, sizeof name, "whole%d", o);
    open_run(&whole, name, optimizers[o], observers + (o > 0), -1);
    assert_ok(kd_trainer_fit(&whole.trainer));
    kd_loss_scale scale = kd_replica_loss_scale(whole.t.replica);
    assert_true(o < 2 ? scale.skipped == 0 : scale.skipped >= 2 && scale.skipped < EPOCHS * STEPS * 3 / 4);
    for (int every = 1; every <= 6; every++) {
      snprintf(name, sizeof name, "pieces%d-%d", o, every);
      in_pieces(&pieces, name, o, every);
      assert_all(kd_replica_hash(pieces.t.replica) == kd_replica_hash(whole.t.replica));
      assert_all(kd_replica_loss_scale(pieces.t.replica).scale == scale.scale);
      for (int f = 0; f < 2; f++)
        assert_string_equal(file_text(&pieces, files[f]), file_text(&whole, files[f]));
      for (int w = 0; unit_comm->rank == 0 && w < 6; w++) {
        static const char *const weights[] = {"best.weights.h5",  "at3-1.weights.h5", "at2-2.weights.h5",
                                              "at1-3.weights.h5", "at4-3.weights.h5", "at3-4.weights.h5"};
        char path[300];
        snprintf(path, sizeof path, "%s/%s", pieces.folder, weights[w]);
        if (access(path, R_OK) != 0) fail_msg("no file %s", path);
      }
      close_run(&pieces);
    }
    close_run(&whole);
  }
}

/* A complete run is left alone; with more epochs it goes on as if it had been asked for them at once. */
static void complete_runs(void **state) {
  (void)state;
  static run r, whole;
  static const char *const none[] = {NULL};
  open_run(&r, "complete", optimizers[0], none, -1);
  assert_ok(kd_trainer_fit(&r.trainer));
  uint64_t hash = kd_replica_hash(r.t.replica);
  close_run(&r);
  open_run(&r, "complete", optimizers[0], none, -1);
  assert_ok(kd_trainer_fit(&r.trainer));
  assert_all(r.trainer.iteration == EPOCHS * STEPS && kd_replica_hash(r.t.replica) == hash);
  close_run(&r);
  open_run(&r, "complete", optimizers[0], none, -1);
  r.fit.epochs = EPOCHS + 2;
  assert_ok(kd_trainer_fit(&r.trainer));
  open_run(&whole, "longer", optimizers[0], none, -1);
  whole.fit.epochs = EPOCHS + 2;
  assert_ok(kd_trainer_fit(&whole.trainer));
  assert_all(kd_replica_hash(r.t.replica) == kd_replica_hash(whole.t.replica));
  assert_string_equal(file_text(&r, "log.csv"), file_text(&whole, "log.csv"));
  close_run(&r);
  close_run(&whole);
}

static void early_stopping_ends(void **state) {
  (void)state;
  static run r;
  static const char *const stop[] = {"EarlyStopping(monitor=loss, mode=max, patience=2)", NULL};
  open_run(&r, "early", optimizers[0], stop, -1);
  assert_ok(kd_trainer_fit(&r.trainer));
  assert_all(r.trainer.epoch >= 3 && r.trainer.epoch < EPOCHS);
  close_run(&r);
}

static void unknown_direction(void **state) {
  (void)state;
  static run r;
  static const char *const watch[] = {"ReduceLROnPlateau(monitor=learning_rate)", NULL};
  open_run(&r, "direction", optimizers[0], watch, -1);
  assert_fails(kd_trainer_fit(&r.trainer), KD_ERR_USAGE, "give mode = min or max");
  close_run(&r);
}

static void nan_ends(void **state) {
  (void)state;
  static run r;
  static const char *const terminate[] = {"TerminateOnNaN()", NULL}, *const none[] = {NULL};
  open_run(&r, "nan", optimizers[0], terminate, 3);
  assert_fails(kd_trainer_fit(&r.trainer), KD_ERR_DIVERGED, "not finite");
  assert_all(r.trainer.iteration <= STEPS);
  close_run(&r);
  open_run(&r, "nan-goes-on", optimizers[0], none, 3);
  assert_ok(kd_trainer_fit(&r.trainer));
  assert_all(r.trainer.iteration == EPOCHS * STEPS);
  close_run(&r);
}

/* Nothing is lost silently: a stop without a folder for checkpoints says so; required checkpoints must exist.
 */
static void stops_without_checkpoints(void **state) {
  (void)state;
  static run r;
  static const char *const none[] = {NULL};
  open_run(&r, "nowhere", optimizers[0], none, -1);
  r.fit.checkpoint_folder = NULL;
  r.fit.resume = false;
  r.stop_after = 2;
  assert_fails(kd_trainer_fit(&r.trainer), KD_ERR_STOPPED, "nothing is saved");
  close_run(&r);
  open_run(&r, "nothing", optimizers[0], none, -1);
  r.fit.resume_required = true;
  assert_fails(kd_trainer_fit(&r.trainer), KD_ERR_USAGE, "no checkpoint");
  close_run(&r);
}

/* Another configuration than the checkpoint's is refused with the line that differs. */
static void other_settings(void **state) {
  (void)state;
  static run r;
  static const char *const none[] = {NULL};
  open_run(&r, "settings", optimizers[0], none, -1);
  r.fit.identity = "model = a\noptimizer = Adam\n";
  r.stop_after = 3;
  assert_int_equal(kd_trainer_fit(&r.trainer), KD_ERR_STOPPED);
  close_run(&r);
  open_run(&r, "settings", optimizers[0], none, -1);
  r.fit.identity = "model = a\noptimizer = SGD\n";
  assert_fails(kd_trainer_fit(&r.trainer), KD_ERR_USAGE, "optimizer = SGD");
  close_run(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(resumed_runs_are_whole), cmocka_unit_test(complete_runs),
      cmocka_unit_test(early_stopping_ends),    cmocka_unit_test(nan_ends),
      cmocka_unit_test(unknown_direction),      cmocka_unit_test(stops_without_checkpoints),
      cmocka_unit_test(other_settings)};
  unit_begin(100);
  return unit_end(cmocka_run_group_tests(tests, make_root, NULL));
}
