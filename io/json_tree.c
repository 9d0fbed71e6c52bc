#include "io/json.h"

static kd_json create(kd_pool *pool, kd_value_type type) {
  kd_json json = {.pool = pool, .value = kd_pool_alloc(pool, 1, sizeof(kd_value))};
  json.value->type = type;
  return json;
}

kd_json kd_json_object(kd_pool *pool) {
  kd_json object = create(pool, KD_V_CALL);
  object.value->text = "dict";
  return object;
}

kd_json kd_json_list(kd_pool *pool) {
  return create(pool, KD_V_LIST);
}

void kd_json_add(kd_json *json, const kd_value *item) {
  kd_value *value = json->value;
  size_t count = (size_t)value->count++;
  value->items = kd_pool_grow(json->pool, value->items, count, &json->item_room, sizeof *value->items);
  value->items[count] = *item;
}

void kd_json_put(kd_json *json, const char *key, const kd_value *item) {
  kd_value *value = json->value;
  size_t count = (size_t)value->count;
  value->keys = kd_pool_grow(json->pool, value->keys, count, &json->key_room, sizeof *value->keys);
  value->keys[count] = key;
  kd_json_add(json, item);
}

void kd_json_put_text(kd_json *json, const char *key, const char *text) {
  kd_json_put(json, key, text ? kd_value_text(json->pool, text) : kd_json_null());
}

const kd_value *kd_json_null(void) {
  static const kd_value null = {.type = KD_V_NONE, .text = "none"};
  return &null;
}
