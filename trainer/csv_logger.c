#include <string.h>

#include "device/base/file.h"
#include "trainer/csv_text.h"
#include "trainer/trainer.h"

/* keras.callbacks.CSVLogger: one line per epoch, with the logs that the callbacks before it have left. The
 * whole text is kept, and the file is written anew with each epoch, so that it is complete at any time and a
 * resumed run has no line twice; `append` begins with what the file held before the run. */
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
  char *text;             /* what the file holds */
  kd_csv_columns columns; /* in the callback's pool; decided by the first epoch */
} state;

static void check(const void *given, kd_diag *diag, kd_origin origin) {
  const options *o = given;
  if (strlen(o->separator) != 1) kd_diag_error(diag, origin, "CSVLogger: separator is one character");
}

static void add_text(state *s, const char *more) {
  size_t used = s->text ? strlen(s->text) : 0;
  char *text = kd_calloc(used + strlen(more) + 1, 1);
  if (s->text) memcpy(text, s->text, used);
  memcpy(text + used, more, strlen(more));
  kd_free(s->text);
  s->text = text;
}

static kd_status write_text(const options *o, const state *s, const kd_trainer *t) {
  if (t->comm->rank != 0) return KD_OK;
  kd_pool *pool = kd_pool_create();
  kd_status status =
      kd_file_write(kd_path_join(pool, t->fit->run_folder, o->filename), s->text, strlen(s->text));
  kd_pool_destroy(pool);
  return status;
}

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  const options *o = self->options;
  state *s = self->state;
  if (t->comm->rank != 0) return KD_OK;
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, t->fit->run_folder, o->filename);
  char *before = NULL;
  size_t bytes;
  kd_status status = KD_OK;
  if (o->append && kd_path_exists(path)) status = kd_file_read(pool, path, FILE_LIMIT, &before, &bytes);
  if (status == KD_OK) add_text(s, before ? before : "");
  kd_pool_destroy(pool);
  return status == KD_OK ? write_text(o, s, t) : status;
}

static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const options *o = self->options;
  state *s = self->state;
  if (t->comm->rank != 0) return KD_OK;
  kd_pool *pool = kd_pool_create();
  if (s->columns.count == 0) {
    s->columns = kd_csv_columns_make(self->pool, logs);
    if (!s->text || !*s->text) add_text(s, kd_csv_header(pool, &s->columns, o->separator[0]));
  }
  add_text(s, kd_csv_row(pool, &s->columns, epoch, logs, o->separator[0]));
  kd_pool_destroy(pool);
  return write_text(o, s, t);
}

/* Columns are lines of one note: names hold no line ends. */
static void save(kd_callback *self, kd_trainer *t, kd_snapshot *snapshot) {
  const state *s = self->state;
  (void)t;
  const char *names = "";
  for (int i = 0; i < s->columns.count; i++)
    names = kd_pool_printf(snapshot->pool, "%s%s\n", names, s->columns.names[i]);
  kd_snapshot_note(snapshot, self->name, "text", s->text ? s->text : "");
  kd_snapshot_note(snapshot, self->name, "columns", names);
}

static void load_columns(kd_callback *self, const char *names) {
  state *s = self->state;
  s->columns.names = kd_pool_alloc(self->pool, strlen(names) + 1, sizeof *s->columns.names);
  for (; *names; names += strcspn(names, "\n") + 1)
    s->columns.names[s->columns.count++] = kd_pool_strndup(self->pool, names, strcspn(names, "\n"));
}

static kd_status load(kd_callback *self, kd_trainer *t, const kd_snapshot *snapshot) {
  state *s = self->state;
  (void)t;
  const char *text =
      kd_checkpoint_note(&snapshot->checkpoint, kd_pool_printf(self->pool, "%s/text", self->name));
  const char *names =
      kd_checkpoint_note(&snapshot->checkpoint, kd_pool_printf(self->pool, "%s/columns", self->name));
  if (!text || !names) return KD_OK;
  add_text(s, text);
  load_columns(self, names);
  return KD_OK;
}

static void release(kd_callback *self) {
  state *s = self->state;
  kd_free(s->text);
  s->text = NULL;
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
