#include "launch/config_json.h"

#include "launch/json_text.h"

static void put_json(FILE *out, const kd_value *value);

static void put_call(FILE *out, const kd_value *call) {
  fputs("{\"class_name\": ", out);
  kd_json_text(out, call->text);
  bool open = false;
  for (int i = 0; i < call->count; i++) {
    if (call->keys[i]) continue;
    fputs(open ? ", " : ", \"args\": [", out);
    put_json(out, &call->items[i]);
    open = true;
  }
  if (open) putc(']', out);
  fputs(", \"config\": {", out);
  open = false;
  for (int i = 0; i < call->count; i++) {
    if (!call->keys[i]) continue;
    if (open) fputs(", ", out);
    kd_json_text(out, call->keys[i]);
    fputs(": ", out);
    put_json(out, &call->items[i]);
    open = true;
  }
  fputs("}}", out);
}

static void put_json(FILE *out, const kd_value *value) {
  char number[32];
  switch (value->type) {
  case KD_V_NONE:
    fputs("null", out);
    break;
  case KD_V_BOOL:
    fputs(value->boolean ? "true" : "false", out);
    break;
  case KD_V_INT:
    fprintf(out, "%lld", (long long)value->integer);
    break;
  case KD_V_FLOAT:
    kd_json_number(value->real, number);
    fputs(number, out);
    break;
  case KD_V_TEXT:
    kd_json_text(out, value->text);
    break;
  case KD_V_LIST:
    putc('[', out);
    for (int i = 0; i < value->count; i++) {
      if (i) fputs(", ", out);
      put_json(out, &value->items[i]);
    }
    putc(']', out);
    break;
  case KD_V_CALL:
    put_call(out, value);
    break;
  }
}

static void put_origin(FILE *out, kd_origin origin) {
  fputs("{\"file\": ", out);
  kd_json_text(out, origin.file ? origin.file : "");
  fprintf(out, ", \"line\": %d}", origin.line);
}

static void put_record(FILE *out, const kd_record *record, bool with_origin) {
  fputs("    {\"kind\": ", out);
  kd_json_text(out, record->kind);
  fputs(", \"name\": ", out);
  if (record->name)
    kd_json_text(out, record->name);
  else
    fputs("null", out);
  if (with_origin) {
    fputs(", \"origin\": ", out);
    put_origin(out, record->origin);
  }
  fputs(",\n     \"keys\": {", out);
  for (int i = 0; i < record->n_keys; i++) {
    const kd_record_key *key = &record->keys[i];
    if (i) fputs(", ", out);
    kd_json_text(out, key->key);
    fputs(": ", out);
    if (key->value)
      put_json(out, key->value);
    else
      kd_json_text(out, key->text);
  }
  fputs("}", out);
  for (int i = 0; with_origin && i < record->n_keys; i++) {
    fputs(i ? ", " : ",\n     \"origins\": {", out);
    kd_json_text(out, record->keys[i].key);
    fputs(": ", out);
    put_origin(out, record->keys[i].origin);
  }
  if (with_origin && record->n_keys) putc('}', out);
  putc('}', out);
}

void kd_records_json(FILE *out, const kd_records *records, bool with_origin) {
  fputs("{\"sections\": [\n", out);
  for (int i = 0; i < records->count; i++) {
    if (i) fputs(",\n", out);
    put_record(out, &records->v[i], with_origin);
  }
  fputs("\n]}\n", out);
}
