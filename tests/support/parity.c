#include "support/parity.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512, NAME = 48 };

static struct {
  char family[16], class[NAME];
  double difference;
} rows[MOST];
static int n_rows;

double parity_difference(const float *values, const float *truth, size_t count) {
  double largest = 0.1, difference = 0;
  for (size_t i = 0; i < count; i++)
    if (isfinite(truth[i])) largest = fmax(largest, fabs((double)truth[i]));
  for (size_t i = 0; i < count; i++)
    if (isfinite(truth[i])) difference = fmax(difference, fabs((double)values[i] - (double)truth[i]));
  return difference / largest;
}

static void write_rows(void) {
  FILE *file = fopen(getenv("KDIST_PARITY"), "a");
  for (int i = 0; file && i < n_rows; i++)
    fprintf(file, "%s %s %.3g\n", rows[i].family, rows[i].class, rows[i].difference);
  if (file) fclose(file);
}

void parity_note(const char *family, const char *text, double difference) {
  char class[NAME];
  int length = (int)strcspn(text, "(");
  snprintf(class, sizeof class, "%.*s", length, text);
  if (!getenv("KDIST_PARITY")) return;
  if (n_rows == 0) atexit(write_rows);
  int i = 0;
  while (i < n_rows && (strcmp(rows[i].family, family) || strcmp(rows[i].class, class))) i++;
  if (i == MOST) return;
  if (i == n_rows) {
    snprintf(rows[i].family, sizeof rows[i].family, "%s", family);
    snprintf(rows[i].class, sizeof rows[i].class, "%s", class);
    n_rows++;
  }
  rows[i].difference = fmax(rows[i].difference, difference);
}

static bool is_word_at(const char *text, const char *at, size_t length) {
  bool starts = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
  return starts && !(isalnum((unsigned char)at[length]) || at[length] == '_');
}

static bool names(const char *text, const char *word, size_t length) {
  for (const char *at = text; *at; at++)
    if (strncmp(at, word, length) == 0 && is_word_at(text, at, length)) return true;
  return false;
}

void parity_note_words(const char *family, const kd_family *classes, const char *text, double difference) {
  for (size_t i = 0; i < classes->count; i++) {
    const kd_kind *kind = classes->kinds[i];
    bool found = names(text, kind->name, strlen(kind->name));
    for (const char *alias = kind->aliases; alias && *alias && !found;) {
      size_t length = strcspn(alias, "|");
      found = names(text, alias, length);
      alias += length + (alias[length] == '|');
    }
    if (found) parity_note(family, kind->name, difference);
  }
}
