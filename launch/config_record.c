#include "launch/config_record.h"

#include <string.h>

#include "device/base/text.h"
#include "launch/expand.h"

typedef struct recorder {
  kd_expander e; /* for reading drafts */
  kd_pool *pool;
  kd_records *records;
  bool with_defaults;
  const char *above;
} recorder;

static kd_record *add_record(recorder *r, const char *kind, const char *name, kd_origin origin) {
  kd_records *records = r->records;
  records->v =
      kd_pool_grow(r->pool, records->v, (size_t)records->count, &records->capacity, sizeof *records->v);
  kd_record *record = &records->v[records->count++];
  *record = (kd_record){.kind = kind, .name = name, .origin = origin};
  return record;
}

static kd_record_key *add_key(recorder *r, kd_record *record, kd_record_role role, const char *key,
                              const kd_value *value) {
  record->keys =
      kd_pool_grow(r->pool, record->keys, (size_t)record->n_keys, &record->capacity, sizeof *record->keys);
  kd_record_key *added = &record->keys[record->n_keys++];
  *added = (kd_record_key){.role = role, .key = key, .value = value};
  added->origin = value ? value->origin : record->origin;
  return added;
}

/* Options of a table that no key gives. */
static void add_defaults(recorder *r, kd_record *record, kd_record_role role, const kd_kind *kind) {
  for (int i = 0; r->with_defaults && kind && kind->options && kind->options[i].name; i++) {
    const kd_option *option = &kind->options[i];
    bool given = false;
    for (int k = 0; k < record->n_keys; k++)
      given = given || kd_streq(record->keys[k].key, option->name) ||
              kd_streq(record->keys[k].key, option->alias);
    if (given || !option->initial) continue;
    const kd_value *value =
        kd_value_parse(r->pool, r->e.diag, (kd_origin){"default", 0}, option->initial, true);
    if (value) add_key(r, record, role, option->name, value)->initial = true;
  }
}

/* The name of the i-th positional argument: of a layer type's table or a block's parameters; NULL: unknown.
 */
static const char *position_name(recorder *r, const kd_draft *draft, const kd_kind *kind, int position) {
  const kd_block *block = kd_block_find(&r->e, draft->type);
  if (block) return position < block->n_params ? block->params[position] : NULL;
  int row = kind ? kd_option_position(kind->options, position) : -1;
  return row < 0 ? NULL : kind->options[row].name;
}

static kd_record_key *find_arg(kd_record *record, const char *key) {
  for (int i = 0; i < record->n_keys; i++)
    if (record->keys[i].role == KD_RECORD_ARG && kd_streq(record->keys[i].key, key)) return &record->keys[i];
  return NULL;
}

/* Arguments by name; an override takes the place of what it overrides. */
static void add_args(recorder *r, kd_record *record, const kd_draft *draft, const kd_kind *kind) {
  int position = 0;
  for (int i = 0; i < draft->args.count; i++) {
    const kd_spec_arg *arg = &draft->args.v[i];
    const char *key = arg->key ? arg->key : position_name(r, draft, kind, position++);
    kd_record_key *known = arg->key ? find_arg(record, key) : NULL;
    if (known) {
      known->value = arg->value;
      known->origin = arg->value->origin;
      continue;
    }
    add_key(r, record, KD_RECORD_ARG, key, arg->value)->positional = !arg->key;
  }
}

static const kd_value *list_of(recorder *r, int count, const kd_value *const *values) {
  kd_value *list = kd_pool_alloc(r->pool, 1, sizeof *list);
  *list = (kd_value){.type = KD_V_LIST, .count = count, .origin = values[0]->origin};
  list->items = kd_pool_alloc(r->pool, (size_t)count, sizeof *list->items);
  for (int i = 0; i < count; i++) list->items[i] = *values[i];
  return count == 1 ? values[0] : list;
}

static const kd_value *word(recorder *r, const char *text, kd_origin origin) {
  kd_value *value = kd_value_text(r->pool, text);
  value->origin = origin;
  return value;
}

static void add_false(recorder *r, kd_record *record, kd_record_role role, const char *key) {
  kd_value *value = kd_value_bool(r->pool, false);
  value->origin = record->origin;
  add_key(r, record, role, key, value);
}

static void add_layer(recorder *r, const kd_draft *draft) {
  kd_record *record = add_record(r, "layer", draft->name, draft->origin);
  const kd_kind *kind = draft->share ? NULL : kd_family_find(&kd_layer_family, draft->type);
  record->above = r->above;
  if (draft->share)
    add_key(r, record, KD_RECORD_SHARE, "share", word(r, draft->share, draft->origin));
  else
    add_key(r, record, KD_RECORD_TYPE, "type", word(r, draft->type, draft->origin));
  if (draft->has_inputs)
    add_key(r, record, KD_RECORD_TENSOR, "input", list_of(r, draft->n_inputs, draft->inputs));
  add_args(r, record, draft, kind);
  add_defaults(r, record, KD_RECORD_ARG, kind);
  if (!draft->trainable) add_false(r, record, KD_RECORD_ARG, "trainable");
  if (draft->dtype) add_key(r, record, KD_RECORD_ARG, "dtype", word(r, draft->dtype, draft->origin));
  if (draft->init_from)
    add_key(r, record, KD_RECORD_ARG, "init_from", word(r, draft->init_from, draft->origin));
  for (int i = 0; i < draft->call_args.count; i++)
    add_key(r, record, KD_RECORD_CALL, draft->call_args.v[i].key, draft->call_args.v[i].value);
  if (!draft->present) add_false(r, record, KD_RECORD_WHEN, "when");
  r->above = draft->name;
}

/* A line of a block or a note stays as it was written. */
static void add_plain(recorder *r, kd_record *record, kd_ini_section *section, kd_ini_key *key) {
  bool block = !strcmp(section->kind, "block"), note = !strncmp(key->name, "x-", 2);
  const char *text = block ? key->text : kd_ini_resolve(r->e.context, section, key);
  const kd_value *value =
      text && !block && !note ? kd_value_parse(r->pool, r->e.diag, key->origin, text, true) : NULL;
  kd_record_key *added = add_key(r, record, KD_RECORD_KEY, key->name, value);
  added->text = text ? text : key->text;
  added->origin = key->origin;
}

static void add_section(recorder *r, kd_ini_section *section) {
  kd_record *record = add_record(r, section->kind, section->name, section->origin);
  for (int i = 0; i < section->n_keys; i++) add_plain(r, record, section, &section->keys[i]);
  add_defaults(r, record, KD_RECORD_KEY, kd_family_find(&kd_section_family, section->kind));
  if (!strcmp(section->kind, "input")) r->above = section->name;
}

static void add_lines(recorder *r, kd_ini_section *layers) {
  static const kd_frame top = {.prefix = "", .trainable = true};
  kd_record *notes = NULL;
  for (int i = 0; i < layers->n_keys; i++) {
    if (strncmp(layers->keys[i].name, "x-", 2) != 0) continue;
    if (!notes) notes = add_record(r, "layers", NULL, layers->origin);
    add_plain(r, notes, layers, &layers->keys[i]);
  }
  for (int i = 0; i < layers->n_keys; i++) {
    kd_draft draft;
    if (!strncmp(layers->keys[i].name, "x-", 2) || !kd_draft_line(&r->e, &top, &layers->keys[i], &draft))
      continue;
    kd_ini_section *over = kd_ini_section_find(r->e.ini, "layer", draft.name);
    if (!over || kd_draft_overlay(&r->e, over, &draft)) add_layer(r, &draft);
  }
}

static void add_any(recorder *r, kd_ini_section *section) {
  kd_draft draft;
  if (!strcmp(section->kind, "layers")) {
    add_lines(r, section);
  } else if (strcmp(section->kind, "layer") != 0 || strpbrk(section->name, "./")) {
    add_section(r, section);
  } else if (!kd_ini_key_find(kd_ini_section_find(r->e.ini, "layers", NULL), section->name)) {
    if (kd_draft_section(&r->e, section, &draft)) add_layer(r, &draft);
  }
}

/* Sections that the file leaves out but that have defaults. */
static void add_missing(recorder *r) {
  for (size_t i = 0; i < kd_section_family.count; i++) {
    const char *kind = kd_section_family.kinds[i]->name;
    kd_ini_naming naming;
    if (!kd_ini_kind(kind, &naming) || naming == KD_INI_NAMED || !strcmp(kind, "data")) continue;
    if (kd_ini_section_find(r->e.ini, kind, NULL)) continue;
    kd_record *record = add_record(r, kind, NULL, (kd_origin){"default", 0});
    add_defaults(r, record, KD_RECORD_KEY, kd_section_family.kinds[i]);
  }
}

void kd_records_make(kd_config *config, bool with_defaults, kd_records *records) {
  *records = (kd_records){0};
  recorder r = {.pool = config->pool, .records = records, .with_defaults = with_defaults};
  r.e = (kd_expander){
      .pool = config->pool, .diag = config->diag, .context = &config->context, .ini = config->ini};
  kd_blocks_find(&r.e);
  for (int i = 0; i < config->ini->n_sections; i++) add_any(&r, config->ini->sections[i]);
  if (with_defaults) add_missing(&r);
}
