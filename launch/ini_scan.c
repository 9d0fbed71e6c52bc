/* From the bytes of one file to sections and keys. */
#include <ctype.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/ini.h"

enum { TAB = 8, FILE_ERRORS = 200 }; /* a file that is no configuration at all stops after 200 errors */

typedef struct scanner {
  kd_ini *ini;
  kd_diag *diag;
  const char *file;
  int line;
  kd_ini_section *section; /* NULL behind a header that was wrong: its keys are passed over */
  bool skip;
  bool discard; /* the present key was wrong: its continuation lines are passed over */
  /* The key that continuation lines add to; written to the section by finish_key. */
  const char *key; /* NULL: none */
  int key_line, key_indent;
  bool in_quote; /* the value so far ends inside quotes */
  char *value;
  size_t used, room;
} scanner;

static kd_origin here(const scanner *s) {
  return (kd_origin){s->file, s->line};
}

static const char *slice(const scanner *s, const char *start, const char *end) {
  return kd_pool_strndup(s->ini->pool, start, (size_t)(end - start));
}

static bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void finish_key(scanner *s) {
  if (s->key && !s->discard) {
    const char *text = kd_pool_strndup(s->ini->pool, s->value ? s->value : "", s->used);
    kd_ini_key_set(s->ini, s->section, s->key, text, (kd_origin){s->file, s->key_line}, 0);
  }
  s->key = NULL;
  s->used = 0;
}

static void append(scanner *s, const char *text, size_t length) {
  while (s->used + length + 1 > s->room) {
    s->room = s->room ? 2 * s->room : 256;
    s->value = kd_realloc(s->value, s->room, 1);
  }
  if (length) memcpy(s->value + s->used, text, length);
  s->used += length;
}

/* The end of a line's content: '#' after white space, outside quotes, begins a comment. */
static const char *content_end(bool *in_quote, const char *start, const char *end) {
  for (const char *c = start; c < end; c++) {
    if (*c == '"') *in_quote = !*in_quote;
    if (*c == '\\' && *in_quote && c + 1 < end) c++;
    if (*c == '#' && !*in_quote && c > start && blank(c[-1])) end = c;
  }
  while (end > start && blank(end[-1])) end--;
  return end;
}

/* Adds one line's part of a value; parts are joined by one space. */
static void add_value(scanner *s, const char *start, const char *end) {
  while (start < end && blank(*start)) start++;
  if (start == end) return;
  if (s->used) append(s, " ", 1);
  append(s, start, (size_t)(end - start));
}

/* Splits the text between the brackets of a header; false when it is not "kind" or "kind name". */
static bool split_header(const scanner *s, const char *start, const char *end, const char **kind,
                         const char **name) {
  while (start < end && blank(*start)) start++;
  while (end > start && blank(end[-1])) end--;
  const char *kind_end = start;
  while (kind_end < end && !blank(*kind_end)) kind_end++;
  const char *name_start = kind_end;
  while (name_start < end && blank(*name_start)) name_start++;
  for (const char *c = name_start; c < end; c++)
    if (blank(*c)) return false;
  *kind = slice(s, start, kind_end);
  *name = name_start < end ? slice(s, name_start, end) : NULL;
  return kind_end > start;
}

static void read_header(scanner *s, const char *start, const char *end) {
  finish_key(s);
  s->skip = true;
  const char *kind, *name, *close = memchr(start, ']', (size_t)(end - start));
  if (!close || close + 1 != end || !split_header(s, start + 1, close, &kind, &name)) {
    kd_diag_error(s->diag, here(s), "'%s': expected [kind] or [kind name]", kd_quoted(slice(s, start, end)));
    return;
  }
  const kd_ini_section *first = kd_ini_section_find(s->ini, kind, name);
  if (first) {
    kd_diag_error(s->diag, here(s), "[%s] stands twice in this file; the first one is in line %d",
                  kd_quoted(first->title), first->origin.line);
    return;
  }
  s->section = kd_ini_section_add(s->ini, kind, name, here(s), 0);
  s->skip = false;
}

static bool valid_key(const char *start, const char *end) {
  if (start == end) return false;
  for (const char *c = start; c < end; c++)
    if (!isalnum((unsigned char)*c) && !strchr("_.-", *c)) return false;
  return true;
}

static void read_key(scanner *s, const char *start, const char *end, int indent) {
  finish_key(s);
  s->key_indent = indent;
  s->key_line = s->line;
  s->key = "";
  s->discard = true;
  if (s->skip) return;
  const char *equals = memchr(start, '=', (size_t)(end - start));
  const char *key_end = equals;
  while (key_end && key_end > start && blank(key_end[-1])) key_end--;
  if (!equals || key_end == start) {
    kd_diag_error(s->diag, here(s),
                  "'%s': expected [section] or key = value (a value that goes on is indented)",
                  kd_quoted(slice(s, start, end)));
    return;
  }
  s->key = slice(s, start, key_end);
  if (!valid_key(start, key_end)) {
    kd_diag_error(s->diag, here(s), "'%s': a key has only letters, digits, '_', '.' and '-'",
                  kd_quoted(s->key));
    return;
  }
  if (!s->section) s->section = kd_ini_section_add(s->ini, "", NULL, here(s), 0);
  const kd_ini_key *first = kd_ini_key_find(s->section, s->key);
  if (first) {
    kd_diag_error(s->diag, here(s), "[%s]: '%s' stands twice; the first one is in line %d",
                  kd_quoted(s->section->title), kd_quoted(s->key), first->origin.line);
    return;
  }
  s->discard = false;
  add_value(s, equals + 1, end);
}

/* Returns false when the rest of the file makes no sense. */
static bool read_line(scanner *s, const char *start, const char *end) {
  if (memchr(start, '\0', (size_t)(end - start))) {
    kd_diag_error(s->diag, here(s), "a NUL byte: not a text file (UTF-16 must be saved as UTF-8)");
    return false;
  }
  int indent = 0;
  const char *at = start;
  for (; at < end && blank(*at); at++) indent = *at == '\t' ? (indent / TAB + 1) * TAB : indent + 1;
  while (end > at && blank(end[-1])) end--;
  if (at == end || *at == '#' || *at == ';') return true;
  bool goes_on = s->key && indent > s->key_indent;
  if (!goes_on) s->in_quote = false;
  end = content_end(&s->in_quote, at, end);
  if (!kd_valid_utf8(at, (size_t)(end - at))) {
    kd_diag_error(s->diag, here(s), "'%s': invalid UTF-8", kd_quoted(slice(s, at, end)));
    return true;
  }
  if (goes_on)
    add_value(s, at, end);
  else if (*at == '[')
    read_header(s, at, end);
  else
    read_key(s, at, end, indent);
  return true;
}

void kd_ini_scan(kd_ini *ini, kd_diag *diag, const char *file, const char *data, size_t bytes) {
  scanner s = {.ini = ini, .diag = diag, .file = file};
  size_t errors = diag->count;
  if (bytes >= 2 && (!memcmp(data, "\xFF\xFE", 2) || !memcmp(data, "\xFE\xFF", 2))) {
    kd_diag_error(diag, (kd_origin){file, 1}, "the file is UTF-16; save it as UTF-8");
    return;
  }
  const char *at = data, *end = data + bytes;
  if (bytes >= 3 && !memcmp(data, "\xEF\xBB\xBF", 3)) at += 3;
  while (at < end && diag->count < errors + FILE_ERRORS) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline ? newline : end;
    s.line++;
    if (!read_line(&s, at, stop)) break;
    at = stop + 1;
  }
  finish_key(&s);
  kd_free(s.value);
}
