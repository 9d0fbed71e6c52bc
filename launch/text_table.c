#include "launch/text_table.h"

#include <math.h>
#include <string.h>

/* Column widths as rich shrinks them: the excess is spread evenly, rounding half to even. */
static void set_widths(kd_text_table *t, int line, const double *position) {
  int current = 0, wanted = 0;
  for (int i = 0; i < t->n; i++) {
    t->width[i] = (int)(position[i] * line) - current;
    current += t->width[i];
    wanted += t->width[i] + 2;
  }
  int excess = wanted + t->n + 1 - line;
  for (int i = 0; i < t->n && excess > 0; i++) {
    int share = (int)rint((double)excess / (t->n - i));
    t->width[i] -= share;
    excess -= share;
    if (t->width[i] < 4) t->width[i] = 4;
  }
}

static void rule(const kd_text_table *t, const char *left, const char *cell, const char *join,
                 const char *right) {
  fputs(left, t->out);
  for (int i = 0; i < t->n; i++) {
    for (int c = 0; c < t->width[i] + 2; c++) fputs(cell, t->out);
    fputs(i + 1 < t->n ? join : right, t->out);
  }
  putc('\n', t->out);
}

/* Characters of UTF-8 in `bytes` bytes. */
static int characters(const char *text, int bytes) {
  int n = 0;
  for (int i = 0; i < bytes; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
  return n;
}

static int bytes_of(const char *text, int count) {
  int at = 0;
  for (; text[at]; at++)
    if (((unsigned char)text[at] & 0xC0) != 0x80 && count-- == 0) break;
  return at;
}

/* Takes the words of the next line from *text; a word longer than the line stays whole. Returns its bytes. */
static int take_line(const char **text, int width, const char **start) {
  int used = 0;
  *start = *text;
  int indent = (int)strspn(*text, " "); /* of nested layers; further lines begin with a word */
  for (int end = indent + (int)strcspn(*text + indent, " "); end > 0;) {
    if (used > 0 && characters(*text, end) > width) break;
    used = end;
    if (!(*text)[end] || characters(*text, end) > width) break;
    int gap = end + (int)strspn(*text + end, " ");
    end = gap + (int)strcspn(*text + gap, " ");
  }
  *text += used;
  *text += strspn(*text, " ");
  return used;
}

static void cell_line(const kd_text_table *t, int column, const char *text, int bytes) {
  int width = t->width[column], length = characters(text, bytes), pad = width - length;
  putc(' ', t->out);
  if (length > width) {
    fprintf(t->out, "%.*s\xE2\x80\xA6", bytes_of(text, width - 1), text);
  } else {
    if (t->right[column]) fprintf(t->out, "%*s", pad, "");
    fprintf(t->out, "%.*s", bytes, text);
    if (!t->right[column]) fprintf(t->out, "%*s", pad, "");
  }
  putc(' ', t->out);
}

static int count_lines(const char *text, int width) {
  int n = 0;
  for (const char *start; *text; n++) take_line(&text, width, &start);
  return n;
}

/* The head stands at the bottom of its lines, everything else at the top. */
static void print_row(const kd_text_table *t, const char *bar, const char *const *cells, bool bottom) {
  const char *rest[KD_TABLE_COLUMNS];
  int lines[KD_TABLE_COLUMNS], most = 1;
  for (int i = 0; i < t->n; i++) {
    rest[i] = cells[i];
    lines[i] = count_lines(cells[i], t->width[i]);
    if (lines[i] > most) most = lines[i];
  }
  for (int line = 0; line < most; line++) {
    fputs(bar, t->out);
    for (int i = 0; i < t->n; i++) {
      const char *start = "";
      bool wait = bottom && line < most - lines[i];
      int bytes = wait ? 0 : take_line(&rest[i], t->width[i], &start);
      cell_line(t, i, start, bytes);
      fputs(bar, t->out);
    }
    putc('\n', t->out);
  }
}

void kd_text_table_start(kd_text_table *t, FILE *out, int n, int line, const double *position,
                         const bool *right, const char *const *head) {
  *t = (kd_text_table){.out = out, .n = n, .empty = true};
  for (int i = 0; i < n; i++) t->right[i] = right[i];
  set_widths(t, line, position);
  rule(t, "\xE2\x94\x8F", "\xE2\x94\x81", "\xE2\x94\xB3", "\xE2\x94\x93");
  print_row(t, "\xE2\x94\x83", head, true);
  rule(t, "\xE2\x94\xA1", "\xE2\x94\x81", "\xE2\x95\x87", "\xE2\x94\xA9");
}

void kd_text_table_row(kd_text_table *t, const char *const *cells) {
  if (!t->empty) rule(t, "\xE2\x94\x9C", "\xE2\x94\x80", "\xE2\x94\xBC", "\xE2\x94\xA4");
  t->empty = false;
  print_row(t, "\xE2\x94\x82", cells, false);
}

void kd_text_table_end(kd_text_table *t) {
  rule(t, "\xE2\x94\x94", "\xE2\x94\x80", "\xE2\x94\xB4", "\xE2\x94\x98");
}
