// ctest: timeout=120
/* Callbacks against Keras: the decisions over scripted logs, the bytes of CSVLogger, names of files
 * (tests/golden/make_callbacks.py). */
#include <ftw.h>
#include <math.h>

#include "device/base/file.h"
#include "support/tiny.h"
#include "trainer/path_format.h"
#include "trainer/trainer.h"

enum { LINE_BYTES = 8192, BATCHES = 3, MOST = 2, LOGS = 16 };

static kd_comm *comm;

/* A case in the course of its lines. */
typedef struct trial {
  char text[LINE_BYTES]; /* of the case line */
  tiny t;
  kd_trainer trainer;
  kd_fit_spec fit;
  kd_callback callback[MOST];
  int64_t epoch;
  bool begun;
  double rate; /* as float32, at the start */
} trial;

static void make_callbacks(trial *x) {
  char *text = kd_strdup(x->text), *rest = text;
  x->fit.callbacks = x->callback;
  while (rest) {
    kd_object object;
    char *part = rest, *end = strstr(rest, "; ");
    rest = end ? end + 2 : NULL;
    if (end) *end = '\0';
    kd_value *value = tiny_value(&x->t, part);
    if (!kd_object_make(x->t.pool, x->t.diag, &kd_callback_family, value, &object))
      assert_ok(kd_diag_status(x->t.diag));
    const kd_callback_kind *kind = (const kd_callback_kind *)object.kind;
    x->callback[x->fit.n_callbacks++] =
        (kd_callback){.kind = kind,
                      .name = "test",
                      .options = object.options,
                      .pool = x->t.pool,
                      .state = kd_pool_alloc(x->t.pool, 1, kind->state_size + 1)};
  }
  kd_free(text);
}

static void trial_open(trial *x, const char *text) {
  static const kd_reporter silent;
  static const char *const layers[] = {"Dense(1, use_bias=false)", NULL};
  memset(x, 0, sizeof *x);
  snprintf(x->text, sizeof x->text, "%s", text);
  tiny_spec spec = {.input = KD_SHAPE(1),
                    .layers = layers,
                    .loss = "mse",
                    .metrics = "accuracy, mae",
                    .optimizer = "SGD(0.1)",
                    .label_dtype = KD_F32,
                    .label = KD_SHAPE(1),
                    .batch = 1,
                    .comm = comm};
  tiny_create(&x->t, &spec);
  make_callbacks(x);
  x->fit.run_folder = test_folder();
  x->rate = (double)0.1f;
  x->trainer = (kd_trainer){.comm = comm,
                            .replica = x->t.replica,
                            .setup = &x->t.spec,
                            .fit = &x->fit,
                            .reporter = &silent,
                            .pool = x->t.pool,
                            .rate = x->rate};
  x->trainer.validation.count = 1; /* val_ names may come later */
  x->trainer.logs =
      (kd_logs){.capacity = LOGS, .entries = kd_pool_alloc(x->t.pool, LOGS, sizeof(kd_log_entry))};
}

#define EACH(x, hook, ...)                                                                                   \
  for (int i_ = 0; i_ < (x)->fit.n_callbacks; i_++)                                                          \
    if ((x)->callback[i_].kind->hook)                                                                        \
  assert_ok((x)->callback[i_].kind->hook(&(x)->callback[i_], &(x)->trainer, ##__VA_ARGS__))

/* "NAME=VALUE ..." up to the bar. */
static void read_logs(trial *x, const char *text, bool training, kd_logs *logs) {
  char name[64];
  double value;
  int used;
  logs->count = 0;
  for (; sscanf(text, " %63[a-z_]=%lf%n", name, &value, &used) == 2; text += used)
    if (!training || strncmp(name, "val_", 4) != 0) kd_logs_set(logs, kd_pool_strdup(x->t.pool, name), value);
}

static int n_files;

static int count_file(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)walk;
  n_files += type == FTW_F && !strstr(path, ".csv");
  return 0;
}

/* Removes the named files, which must be there; no other may be. */
static void check_files(const trial *x, const char *names) {
  char *list = kd_strdup(names), *rest = list;
  for (char *name = strsep(&rest, ","); name && *name; name = strsep(&rest, ",")) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    if (remove(path) != 0) fail_msg("%s: epoch %lld: no file %s", x->text, (long long)x->epoch, name);
  }
  n_files = 0;
  nftw(test_folder(), count_file, 8, FTW_PHYS);
  if (n_files) fail_msg("%s: epoch %lld: %d more files", x->text, (long long)x->epoch, n_files);
  kd_free(list);
}

/* The text of a fact "KEY=..." behind the bar, or "". */
static const char *fact(const char *facts, const char *key) {
  static char text[LINE_BYTES];
  const char *at = strstr(facts, key);
  text[0] = '\0';
  if (at) sscanf(at + strlen(key), "%8191s", text);
  return text;
}

/* Keras computes schedules in float32. */
static bool equal_rates(double a, double b) {
  return fabs(a - b) <= 2e-7 * fabs(b);
}

static void check_facts(const trial *x, const char *facts, const kd_logs *logs) {
  const char *rate = fact(facts, " rate=");
  double expected = *rate ? atof(rate) : x->rate, logged = (double)NAN;
  if (!equal_rates((double)(float)x->trainer.rate, expected))
    fail_msg("%s: epoch %lld: rate %.9g, Keras has %.9g", x->text, (long long)x->epoch, x->trainer.rate,
             expected);
  bool stop = strstr(facts, " stop") != NULL;
  if (x->trainer.stop_training != stop)
    fail_msg("%s: epoch %lld: %s", x->text, (long long)x->epoch, stop ? "goes on" : "stops");
  const char *truth = fact(facts, " logged=");
  bool found = kd_logs_get(logs, "learning_rate", &logged);
  if (found != (*truth != '\0') || (found && !equal_rates(logged, atof(truth))))
    fail_msg("%s: epoch %lld: logs learning_rate %.17g, Keras %s", x->text, (long long)x->epoch, logged,
             truth);
  check_files(x, fact(facts, " files="));
}

static void run_epoch(trial *x, const char *line) {
  kd_trainer *t = &x->trainer;
  const char *facts = strchr(line, '|');
  if (!x->begun) EACH(x, train_begin);
  x->begun = true;
  t->epoch = x->epoch;
  EACH(x, epoch_begin, x->epoch);
  float weight = (float)x->epoch;
  assert_ok(kd_replica_put(t->replica, KD_PART_WEIGHT, 0, &weight));
  for (t->batch = 1; t->batch <= BATCHES; t->batch++) {
    read_logs(x, line, true, &t->logs);
    EACH(x, batch_end, t->batch);
  }
  t->batch = BATCHES;
  read_logs(x, line, false, &t->logs);
  EACH(x, epoch_end, x->epoch, &t->logs);
  kd_history_add(t->pool, &t->history, &t->logs);
  check_facts(x, facts, &t->logs);
  x->epoch++;
}

/* "\n" in the text stands for the two bytes \r\n. */
static char *unescaped(const char *text) {
  char *out = kd_calloc(2 * strlen(text) + 1, 1), *at = out;
  for (; *text; text++) {
    if (text[0] != '\\' || text[1] != 'n') {
      *at++ = *text;
      continue;
    }
    *at++ = '\r';
    *at++ = '\n';
    text++;
  }
  return out;
}

static void write_before(const char *text) {
  char path[512], *bytes = unescaped(text);
  snprintf(path, sizeof path, "%s/log.csv", test_folder());
  assert_ok(kd_file_write(path, bytes, strlen(bytes)));
  kd_free(bytes);
}

static void check_csv(trial *x, const char *text) {
  char path[512], *expected = unescaped(text), *got;
  size_t bytes;
  snprintf(path, sizeof path, "%s/log.csv", test_folder());
  assert_ok(kd_file_read(x->t.pool, path, 1 << 20, &got, &bytes));
  if (strcmp(got, expected) != 0) fail_msg("%s wrote\n%s, Keras\n%s", x->text, got, expected);
  kd_free(expected);
  remove(path);
}

static void check_end(trial *x, const char *text) {
  float weight;
  EACH(x, train_end);
  assert_ok(kd_replica_get(x->t.replica, KD_PART_WEIGHT, 0, &weight));
  int holds = -1;
  sscanf(text, "holds=%d", &holds);
  if (weight != (float)holds)
    fail_msg("%s: holds weights of epoch %g, Keras of %d", x->text, (double)weight, holds);
}

static void trial_close(trial *x) {
  for (int i = 0; i < x->fit.n_callbacks; i++)
    if (x->callback[i].kind->release) x->callback[i].kind->release(&x->callback[i]);
  tiny_destroy(&x->t);
}

static void handle(trial *x, bool *open, char *line) {
  line[strcspn(line, "\n")] = '\0';
  if (strncmp(line, "case ", 5) == 0) {
    if (*open) trial_close(x);
    trial_open(x, line + 5);
    *open = true;
  } else if (strncmp(line, "initial ", 8) == 0) {
    x->epoch = atoi(line + 8);
  } else if (strncmp(line, "before ", 7) == 0) {
    write_before(line + 7);
  } else if (strncmp(line, "epoch ", 6) == 0) {
    run_epoch(x, line + 6);
  } else if (strncmp(line, "end ", 4) == 0) {
    check_end(x, line + 4);
  } else if (strncmp(line, "csv ", 4) == 0) {
    check_csv(x, line + 4);
  } else {
    fail_msg("bad line: %s", line);
  }
}

static void decisions(void **state) {
  (void)state;
  static trial x;
  char line[LINE_BYTES];
  bool open = false;
  int n = 0;
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/callbacks.txt", "r");
  assert_non_null(file);
  for (; fgets(line, LINE_BYTES, file); n++) handle(&x, &open, line);
  trial_close(&x);
  fclose(file);
  assert_true(n > 1000);
}

/* What Python takes but file names need not: these are refused, not misprinted. */
static bool left_out(const char *format) {
  static const char *const formats[] = {"{epoch:x}", "{epoch:,}", "{epoch:.99f}", "{val_loss:z}"};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (strcmp(formats[i], format) == 0) return true;
  return false;
}

static void path_formats(void **state) {
  (void)state;
  kd_log_entry entries[] = {{"bad", (double)NAN}, {"big", 1.25e20}, {"far", (double)INFINITY},
                            {"half", 2.5},        {"loss", 12.5},   {"minus", -3.14159},
                            {"round", 100.0},     {"tiny", 1.5e-7}, {"val_loss", 0.123456789},
                            {"zero", 0.0}};
  kd_logs logs = {.count = sizeof entries / sizeof *entries, .entries = entries};
  char line[LINE_BYTES];
  int n = 0;
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/path_formats.txt", "r");
  assert_non_null(file);
  for (; fgets(line, LINE_BYTES, file); n++) {
    line[strcspn(line, "\n")] = '\0';
    char *expected = strchr(line, '\t');
    *expected++ = '\0';
    kd_pool *pool = kd_pool_create();
    const char *path;
    kd_status status = kd_path_format(pool, line, 7, 12, &logs, &path);
    bool refused = strcmp(expected, "error") == 0 || left_out(line);
    if (refused != (status == KD_ERR_USAGE)) fail_msg("%s: status %d, Python: %s", line, status, expected);
    if (!refused && strcmp(path, expected) != 0)
      fail_msg("%s gives '%s', in Python '%s'", line, path, expected);
    kd_pool_destroy(pool);
  }
  fclose(file);
  assert_true(n > 90);
}

static int join(void **state) {
  (void)state;
  return kd_comm_open(&comm) == KD_OK ? 0 : 1;
}

static int leave(void **state) {
  (void)state;
  kd_comm_close(comm);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(decisions), cmocka_unit_test(path_formats)};
  return cmocka_run_group_tests(tests, join, leave);
}
