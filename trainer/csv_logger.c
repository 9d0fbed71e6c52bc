#include <string.h>

#include "device/base/file.h"
#include "trainer/trainer.h"

/* keras.callbacks.CSVLogger: one line per epoch. The file is written anew from the history each time, so that
 * a resumed run continues it without doubled lines; `append` keeps what the file held before the run. */
typedef struct options {
  const char *filename, *separator;
  bool append;
} options;

enum { FILE_LIMIT = 256 << 20 };

static const kd_option table[] = {
    {.name = "filename",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, filename),
     .help = "file, relative to the run folder"},
    {.name = "separator",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, separator),
     .initial = "\",\"",
     .help = "one character between columns"},
    {.name = "append",
     .type = KD_OPT_BOOL,
     .offset = offsetof(options, append),
     .initial = "false",
     .help = "keep what the file holds"},
    {0},
};

typedef struct state {
  char *before; /* what the file held, with append */
} state;

static void check(const void *given, kd_diag *diag, kd_origin origin) {
  const options *o = given;
  if (strlen(o->separator) != 1) kd_diag_error(diag, origin, "CSVLogger: separator is one character");
}

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  const options *o = self->options;
  state *s = self->state;
  if (!o->append || t->comm->rank != 0) return KD_OK;
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, t->fit->run_folder, o->filename);
  char *text;
  size_t bytes;
  kd_status status = KD_OK;
  if (kd_path_exists(path)) {
    status = kd_file_read(pool, path, FILE_LIMIT, &text, &bytes);
    if (status == KD_OK) s->before = kd_strdup(text);
  }
  kd_pool_destroy(pool);
  return status;
}

/* History holds this epoch only after the callbacks, so the present logs are added for the file. */
static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const options *o = self->options;
  const state *s = self->state;
  (void)epoch;
  if (t->comm->rank != 0) return KD_OK;
  kd_pool *pool = kd_pool_create();
  kd_history history = t->history;
  kd_history_add(pool, &history, logs);
  const char *text = kd_history_csv(pool, &history, o->separator[0]);
  if (s->before) {
    const char *header = strstr(text, "\r\n");
    text = kd_pool_printf(pool, "%s%s", s->before, header ? header + 2 : text);
  }
  kd_status status = kd_file_write(kd_path_join(pool, t->fit->run_folder, o->filename), text, strlen(text));
  kd_pool_destroy(pool);
  return status;
}

static void save(kd_callback *self, kd_trainer *t, kd_snapshot *snapshot) {
  const state *s = self->state;
  (void)t;
  if (s->before) kd_snapshot_note(snapshot, self->name, "before", s->before);
}

static kd_status load(kd_callback *self, kd_trainer *t, const kd_snapshot *snapshot) {
  state *s = self->state;
  (void)t;
  kd_pool *pool = kd_pool_create();
  const char *before =
      kd_checkpoint_note(&snapshot->checkpoint, kd_pool_printf(pool, "%s/before", self->name));
  if (before) s->before = kd_strdup(before);
  kd_pool_destroy(pool);
  return KD_OK;
}

static void release(kd_callback *self) {
  state *s = self->state;
  kd_free(s->before);
  s->before = NULL;
}

const kd_callback_kind kd_callback_csv_logger = {
    .base = {.name = "CSVLogger",
             .help = "writes the logs of each epoch as CSV",
             .options = table,
             .options_size = sizeof(options),
             .check = check},
    .state_size = sizeof(state),
    .train_begin = train_begin,
    .epoch_end = epoch_end,
    .save = save,
    .load = load,
    .release = release,
};
