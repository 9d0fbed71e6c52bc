/* The long and the short form. */
#include "launch/config_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/config_json.h"
#include "launch/config_record.h"

typedef struct printer {
  kd_config *config;
  FILE *out;
  bool with_origin;
  kd_records records;
} printer;

/* References must not be seen in a text that has none any more. */
static void put_escaped(FILE *out, const char *text) {
  for (; *text; text++) {
    if (*text == '$') putc('$', out);
    putc(*text, out);
  }
}

static void put_value(printer *p, const kd_value *value) {
  put_escaped(p->out, kd_value_print(p->config->pool, value));
}

/* In `key = value` the outermost brackets of a list of several items can be left out. */
static void put_top_value(printer *p, const kd_value *value) {
  if (value->type != KD_V_LIST || value->count < 2) {
    put_value(p, value);
    return;
  }
  for (int i = 0; i < value->count; i++) {
    if (i) fputs(", ", p->out);
    put_value(p, &value->items[i]);
  }
}

static void end_line(printer *p, kd_origin origin) {
  if (p->with_origin && origin.file && origin.line > 0)
    fprintf(p->out, "   # %s:%d", origin.file, origin.line);
  else if (p->with_origin && origin.file)
    fprintf(p->out, "   # %s", origin.file);
  putc('\n', p->out);
}

static void put_header(printer *p, const kd_record *record) {
  fprintf(p->out, "[%s%s%s]", record->kind, record->name ? " " : "", record->name ? record->name : "");
  end_line(p, record->origin);
}

static void put_key(printer *p, const kd_record *record, const kd_record_key *key) {
  fprintf(p->out, "%s = ", key->key);
  if (key->value)
    put_top_value(p, key->value);
  else if (!strcmp(record->kind, "block"))
    fputs(key->text, p->out);
  else
    put_escaped(p->out, key->text);
  end_line(p, key->origin);
}

static void put_section(printer *p, const kd_record *record) {
  put_header(p, record);
  for (int i = 0; i < record->n_keys; i++) put_key(p, record, &record->keys[i]);
}

static void put_args(printer *p, const kd_record *record, kd_record_role role, bool *first) {
  bool positional = true;
  for (int i = 0; i < record->n_keys; i++) {
    const kd_record_key *key = &record->keys[i];
    if (key->role != role) continue;
    positional = positional && key->positional && role == KD_RECORD_ARG;
    fprintf(p->out, "%s%s%s", *first ? "" : ", ", positional ? "" : key->key, positional ? "" : "=");
    put_value(p, key->value);
    *first = false;
  }
}

static const kd_value *value_of(const kd_record *record, kd_record_role role) {
  for (int i = 0; i < record->n_keys; i++)
    if (record->keys[i].role == role) return record->keys[i].value;
  return NULL;
}

/* `name = Type(arguments)(inputs) if false`; above: what stands above the line now. */
static void put_line(printer *p, const kd_record *record, const char *above) {
  const kd_value *type = value_of(record, KD_RECORD_TYPE), *share = value_of(record, KD_RECORD_SHARE);
  const kd_value *input = value_of(record, KD_RECORD_TENSOR);
  bool first = share == NULL, call = false;
  fprintf(p->out, "%s = %s(%s", record->name, share ? "share" : type->text, share ? share->text : "");
  put_args(p, record, KD_RECORD_ARG, &first);
  putc(')', p->out);
  for (int i = 0; i < record->n_keys; i++) call = call || record->keys[i].role == KD_RECORD_CALL;
  const char *moved = !input && !kd_streq(record->above, above) ? record->above : NULL;
  if (input || moved || call) {
    first = !input && !moved;
    putc('(', p->out);
    for (int i = 0; input && i < (input->type == KD_V_LIST ? input->count : 1); i++)
      fprintf(p->out, "%s%s", i ? ", " : "", input->type == KD_V_LIST ? input->items[i].text : input->text);
    if (moved) fputs(moved, p->out);
    put_args(p, record, KD_RECORD_CALL, &first);
    putc(')', p->out);
  }
  if (value_of(record, KD_RECORD_WHEN)) fputs(" if false", p->out);
  end_line(p, record->origin);
}

static bool is_layer(const kd_record *record) {
  return record->n_keys > 0 &&
         (record->keys[0].role == KD_RECORD_TYPE || record->keys[0].role == KD_RECORD_SHARE);
}

/* All layers as one [layers] section, where the first of them stood; inputs go before it. */
static void put_lines(printer *p, int from) {
  const char *above = NULL;
  for (int i = 0; i < p->records.count; i++) {
    const kd_record *record = &p->records.v[i];
    if (strcmp(record->kind, "input") != 0) continue;
    if (i > from) put_section(p, record);
    above = record->name;
  }
  fputs("[layers]\n", p->out);
  for (int i = 0; i < p->records.count; i++) {
    const kd_record *record = &p->records.v[i];
    if (!strcmp(record->kind, "layers"))
      for (int k = 0; k < record->n_keys; k++) put_key(p, record, &record->keys[k]);
    if (!is_layer(record)) continue;
    put_line(p, record, above);
    above = record->name;
  }
}

static void print_ini(printer *p, bool lines) {
  bool done = false; /* [layers] is printed, and the inputs with it */
  for (int i = 0; i < p->records.count; i++) {
    const kd_record *record = &p->records.v[i];
    if (!lines || (!is_layer(record) && strcmp(record->kind, "layers") != 0)) {
      if (!done || strcmp(record->kind, "input") != 0) put_section(p, record);
      continue;
    }
    if (!done) put_lines(p, i);
    done = true;
  }
}

const char *kd_config_text(kd_config *config, kd_config_form form, bool with_origin, bool with_defaults) {
  char *text = NULL;
  size_t bytes = 0;
  printer p = {.config = config, .out = open_memstream(&text, &bytes), .with_origin = with_origin};
  if (!p.out) kd_out_of_memory(1);
  kd_records_make(config, with_defaults, &p.records);
  if (form == KD_CONFIG_JSON)
    kd_records_json(p.out, &p.records, with_origin);
  else
    print_ini(&p, form == KD_CONFIG_SHORT);
  if (fclose(p.out) != 0) kd_out_of_memory(bytes);
  const char *copy = kd_pool_strndup(config->pool, text, bytes);
  free(text);
  return copy;
}
