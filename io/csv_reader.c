#include "io/csv_reader.h"

#include "device/base/text.h"

#include <math.h>
#include <string.h>

void kd_csv_start(kd_csv_reader *reader, const char *path, char *text, size_t size) {
  *reader = (kd_csv_reader){.path = path, .at = text, .end = text + size, .next_line = 1};
  *reader->end = '\0';
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) reader->at += 3;
}

void kd_csv_end(kd_csv_reader *reader) {
  kd_free(reader->cell);
  reader->cell = NULL;
}

static void add_cell(kd_csv_reader *reader, char *text) {
  reader->cell = kd_grow(reader->cell, reader->n_cells, &reader->capacity, sizeof *reader->cell);
  reader->cell[reader->n_cells++] = text;
}

/* The cell after an opening quote, freed of its quotes in place; at stands behind the closing quote. */
static kd_status quoted_cell(kd_csv_reader *reader) {
  int64_t first_line = reader->next_line;
  char *start = ++reader->at, *to = start;
  for (; reader->at < reader->end; reader->at++) {
    if (*reader->at == '"') {
      if (reader->at + 1 >= reader->end || reader->at[1] != '"') break;
      reader->at++;
    }
    if (*reader->at == '\n') reader->next_line++;
    *to++ = *reader->at;
  }
  KD_CHECK(reader->at < reader->end, KD_ERR_USAGE, "%s:%lld: the quote that starts here is never closed",
           kd_quoted(reader->path), (long long)first_line);
  reader->at++;
  add_cell(reader, start);
  *to = '\0'; /* at the latest in the place of the closing quote */
  char after = reader->at < reader->end ? *reader->at : '\n';
  KD_CHECK(after == ',' || after == '\n' || after == '\r', KD_ERR_USAGE,
           "%s:%lld: text follows a closing quote", kd_quoted(reader->path), (long long)reader->next_line);
  return KD_OK;
}

static void plain_cell(kd_csv_reader *reader) {
  add_cell(reader, reader->at);
  while (reader->at < reader->end && *reader->at != ',' && *reader->at != '\n' && *reader->at != '\r' &&
         *reader->at)
    reader->at++;
}

/* Ends the cell at `at`; true when another one follows in the record. */
static bool end_cell(kd_csv_reader *reader) {
  if (reader->at >= reader->end) return false; /* the byte behind the text is '\0' */
  char stop = *reader->at;
  *reader->at++ = '\0';
  if (stop == ',') return true;
  if (stop == '\r' && reader->at < reader->end && *reader->at == '\n') reader->at++;
  reader->next_line++;
  return false;
}

static void skip_empty_lines(kd_csv_reader *reader) {
  while (reader->at < reader->end && (*reader->at == '\n' || *reader->at == '\r')) {
    if (*reader->at == '\r' && reader->at + 1 < reader->end && reader->at[1] == '\n') reader->at++;
    reader->at++;
    reader->next_line++;
  }
}

kd_status kd_csv_next(kd_csv_reader *reader, bool *more) {
  skip_empty_lines(reader);
  reader->n_cells = 0;
  *more = reader->at < reader->end;
  if (!*more) return KD_OK;
  reader->line = reader->next_line;
  do {
    if (reader->at < reader->end && *reader->at == '"')
      KD_TRY(quoted_cell(reader));
    else
      plain_cell(reader);
    KD_CHECK(reader->at >= reader->end || *reader->at, KD_ERR_USAGE, "%s:%lld: a NUL byte: this is not text",
             kd_quoted(reader->path), (long long)reader->next_line);
  } while (end_cell(reader));
  return KD_OK;
}

static const char *skip_blanks(const char *text) {
  while (*text == ' ' || *text == '\t') text++;
  return text;
}

/* Plain decimals of at most 15 digits: digits and a power of ten up to 22 are exact in a double, so that one
 * division rounds once (Clinger, PLDI 1990). */
static bool short_decimal(const char *text, double *value) {
  static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  bool negative = *text == '-';
  if (negative) text++;
  int64_t digits = 0;
  int count = 0, fraction = 0;
  for (; *text >= '0' && *text <= '9' && count < 16; text++, count++) digits = 10 * digits + (*text - '0');
  if (*text == '.')
    for (text++; *text >= '0' && *text <= '9' && count < 16; text++, count++, fraction++)
      digits = 10 * digits + (*text - '0');
  if (count == 0 || count > 15 || *skip_blanks(text) != '\0') return false;
  *value = (double)digits / power[fraction];
  if (negative) *value = -*value;
  return true;
}

/* kd_parse_float and kd_parse_int take the whole text: blanks are cut off first. False when it is too long.
 */
static bool trimmed(const char *cell, char buffer[64]) {
  size_t length = strlen(cell);
  while (length > 0 && (cell[length - 1] == ' ' || cell[length - 1] == '\t')) length--;
  if (length == 0 || length >= 64) return false;
  memcpy(buffer, cell, length);
  buffer[length] = '\0';
  return true;
}

bool kd_csv_float(const char *cell, float *value) {
  char buffer[64];
  double number;
  cell = skip_blanks(cell);
  if (!short_decimal(cell, &number)) {
    if (!trimmed(cell, buffer) || !kd_parse_float(buffer, &number) || !isfinite(number)) return false;
  }
  *value = (float)number;
  return true;
}

bool kd_csv_int(const char *cell, int64_t *value) {
  char buffer[64];
  double number;
  if (!trimmed(skip_blanks(cell), buffer)) return false;
  if (kd_parse_int(buffer, value)) return true;
  /* "3.0" is how pandas writes integers of a column that once had gaps. */
  if (!kd_parse_float(buffer, &number) || number != floor(number) || fabs(number) > 0x1p53) return false;
  *value = (int64_t)number;
  return true;
}
