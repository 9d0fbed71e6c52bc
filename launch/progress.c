#include "launch/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/base/clock.h"
#include "launch/json_text.h"

enum { CELLS = 20 };
static const double refresh_seconds = 0.05, plain_seconds = 30.0;

struct kd_progress {
  kd_progress_mode mode;
  bool color, utf8;
  int64_t epochs, steps, epoch, first_step, batch_size;
  double epoch_start, after_first, last_print; /* seconds */
};

void kd_progress_number(double value, char buffer[32]) {
  snprintf(buffer, 32, fabs(value) > 1e-3 ? "%.4f" : "%.4e", value);
}

bool kd_color_wanted(const char *color) {
  const char *no = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR");
  if (color && strcmp(color, "always") == 0) return true;
  if ((color && strcmp(color, "never") == 0) || (no && *no)) return false;
  return (force && *force) || isatty(STDOUT_FILENO);
}

static bool terminal(void) {
  const char *term = getenv("TERM");
  return isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb") != 0);
}

/* Keras's "12s", "1:05", "1:02:03". */
static void clock_text(double seconds, char text[32]) {
  long s = (long)(seconds + 0.5);
  if (s >= 3600)
    snprintf(text, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else if (s >= 60)
    snprintf(text, 32, "%ld:%02ld", s / 60, s % 60);
  else
    snprintf(text, 32, "%lds", s);
}

/* Keras's "2ms/step". */
static void step_text(double seconds, char text[32]) {
  if (seconds >= 1 || seconds == 0)
    snprintf(text, 32, "%.0fs/step", seconds);
  else if (seconds >= 1e-3)
    snprintf(text, 32, "%.0fms/step", seconds * 1e3);
  else
    snprintf(text, 32, "%.0fus/step", seconds * 1e6);
}

/* Time per step excludes the first one, as Keras's does. */
static double seconds_per_step(const kd_progress *p, int64_t done) {
  int64_t counted = done - p->first_step - 1;
  double now = kd_now();
  if (counted > 0 && p->after_first > 0) return (now - p->after_first) / (double)counted;
  return done > p->first_step ? (now - p->epoch_start) / (double)(done - p->first_step) : 0;
}

static void print_logs(const kd_logs *logs) {
  for (int i = 0; i < logs->count; i++) {
    char number[32];
    kd_progress_number(logs->entries[i].value, number);
    printf(" - %s: %s", logs->entries[i].name, number);
  }
}

static void print_bar(const kd_progress *p, int64_t done) {
  const char *cell = p->utf8 ? "\xE2\x94\x81" : "=";
  int full = (int)(done * CELLS / (p->steps ? p->steps : 1));
  if (p->color) fputs("\033[32m", stdout);
  for (int i = 0; i < full; i++) fputs(cell, stdout);
  if (p->color) fputs("\033[0m\033[37m", stdout);
  for (int i = full; i < CELLS; i++) fputs(p->color || p->utf8 ? cell : ".", stdout);
  if (p->color) fputs("\033[0m", stdout);
}

static void bar_line(kd_progress *p, int64_t done, const kd_logs *logs, bool end) {
  char time[32], step[32];
  double each = seconds_per_step(p, done);
  clock_text(end ? kd_now() - p->epoch_start : each * (double)(p->steps - done), time);
  step_text(each, step);
  int digits = snprintf(NULL, 0, "%lld", (long long)p->steps);
  printf("\r\033[K%s%*lld/%lld%s ", p->color ? "\033[1m" : "", digits, (long long)done, (long long)p->steps,
         p->color ? "\033[0m" : "");
  print_bar(p, done);
  printf(" %s %s", time, step);
  print_logs(logs);
  if (end) putchar('\n');
  fflush(stdout);
  p->last_print = kd_now();
}

static void plain_step(kd_progress *p, int64_t done, const kd_logs *logs) {
  char time[32];
  double each = seconds_per_step(p, done);
  clock_text(each * (double)(p->steps - done), time);
  printf("epoch %lld step %lld/%lld - %.0f samples/s - ETA %s", (long long)p->epoch + 1, (long long)done,
         (long long)p->steps, each > 0 ? (double)p->batch_size / each : 0, time);
  print_logs(logs);
  putchar('\n');
  fflush(stdout);
  p->last_print = kd_now();
}

static void plain_epoch(const kd_progress *p, const kd_logs *logs) {
  char time[32], step[32];
  clock_text(kd_now() - p->epoch_start, time);
  step_text(seconds_per_step(p, p->steps), step);
  if (p->epochs > 1) printf("Epoch %lld/%lld\n", (long long)p->epoch + 1, (long long)p->epochs);
  printf("%lld/%lld - %s - %s", (long long)p->steps, (long long)p->steps, time, step);
  print_logs(logs);
  putchar('\n');
  fflush(stdout);
}

static void json_event(const kd_progress *p, const char *event, int64_t step, const kd_logs *logs) {
  char number[32];
  kd_json_number((double)time(NULL), number);
  printf("{\"t\":%s,\"event\":\"%s\",\"epoch\":%lld,\"step\":%lld", number, event, (long long)p->epoch,
         (long long)step);
  for (int i = 0; i < logs->count; i++) {
    kd_json_number(logs->entries[i].value, number);
    printf(",\"%s\":%s", logs->entries[i].name, number);
  }
  printf("}\n");
  fflush(stdout);
}

static void train_begin(void *context, int64_t epochs, int64_t steps) {
  kd_progress *p = context;
  p->epochs = epochs;
  p->steps = steps;
}

static void epoch_begin(void *context, int64_t epoch, int64_t first_step) {
  kd_progress *p = context;
  p->epoch = epoch;
  p->first_step = first_step;
  p->epoch_start = p->last_print = kd_now();
  p->after_first = 0;
  if (p->mode == KD_PROGRESS_BAR && p->epochs > 1)
    printf("Epoch %lld/%lld\n", (long long)epoch + 1, (long long)p->epochs);
}

static void on_step(void *context, int64_t done, const kd_logs *logs) {
  kd_progress *p = context;
  double now = kd_now();
  if (p->after_first == 0) p->after_first = now;
  double wait = p->mode == KD_PROGRESS_BAR ? refresh_seconds : plain_seconds;
  if (now - p->last_print < wait || done == p->steps) return;
  if (p->mode == KD_PROGRESS_BAR) bar_line(p, done, logs, false);
  if (p->mode == KD_PROGRESS_PLAIN) plain_step(p, done, logs);
  if (p->mode == KD_PROGRESS_JSON) {
    json_event(p, "step", done, logs);
    p->last_print = now;
  }
}

static void epoch_end(void *context, int64_t epoch, const kd_logs *logs) {
  kd_progress *p = context;
  (void)epoch;
  if (p->mode == KD_PROGRESS_BAR) bar_line(p, p->steps, logs, true);
  if (p->mode == KD_PROGRESS_PLAIN) plain_epoch(p, logs);
  if (p->mode == KD_PROGRESS_JSON) json_event(p, "epoch", p->steps, logs);
}

static void message(void *context, const char *text) {
  kd_progress *p = context;
  if (p->mode == KD_PROGRESS_JSON) {
    printf("{\"event\":\"message\",\"text\":");
    kd_json_text(stdout, text);
    printf("}\n");
  } else {
    printf("%s%s\n", p->mode == KD_PROGRESS_BAR ? "\r\033[K" : "", text);
  }
  fflush(stdout);
}

kd_progress *kd_progress_create(kd_progress_mode mode, const char *color, int ranks, int64_t batch_size) {
  kd_progress *p = kd_calloc(1, sizeof *p);
  /* mpirun gives ranks a terminal of its own even when its output goes to a file. */
  bool bar = ranks == 1 && terminal();
  p->mode = mode != KD_PROGRESS_AUTO ? mode : bar ? KD_PROGRESS_BAR : KD_PROGRESS_PLAIN;
  p->color = p->mode == KD_PROGRESS_BAR && kd_color_wanted(color);
  p->batch_size = batch_size;
  const char *locale_text = getenv("LC_ALL");
  if (!locale_text || !*locale_text) locale_text = getenv("LC_CTYPE");
  if (!locale_text || !*locale_text) locale_text = getenv("LANG");
  p->utf8 = locale_text && (strcasestr(locale_text, "UTF-8") || strcasestr(locale_text, "utf8"));
  return p;
}

void kd_progress_destroy(kd_progress *p) {
  kd_free(p);
}

kd_reporter kd_progress_reporter(kd_progress *p) {
  if (p->mode == KD_PROGRESS_NONE) return (kd_reporter){.context = p};
  return (kd_reporter){.context = p,
                       .train_begin = train_begin,
                       .epoch_begin = epoch_begin,
                       .step = on_step,
                       .epoch_end = epoch_end,
                       .message = message};
}
