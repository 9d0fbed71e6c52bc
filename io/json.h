/* JSON texts as values of the configuration language (device/base/value.h): an object is a call
 * dict(key=value, ...), null is none, a text counts as quoted. Python's NaN, Infinity and -Infinity are
 * numbers. json-c reads and writes the texts; limits and messages are here. */
#ifndef KD_IO_JSON_H
#define KD_IO_JSON_H

#include "device/base/value.h"

enum {
  KD_JSON_BYTES = 64 << 20,     /* of one text */
  KD_JSON_VALUES = 2 << 20,     /* of one text */
  KD_JSON_CONTAINERS = 1 << 19, /* objects and lists of one text */
  KD_JSON_DEPTH = 100,          /* objects and lists in each other */
};

/* Reads a whole text. `name` is the file's for messages: the origin of every value is "NAME:
 * config.layers[3]", the path of the object or list that holds it (a long path is cut), with line 0. Memory
 * is the pool's. KD_ERR_USAGE for what is not JSON, or beyond the limits. */
kd_status kd_json_read(kd_pool *pool, const char *name, const char *text, size_t bytes,
                       const kd_value **value);

/* A value as kd_json_read gives it, as a text in the pool. Calls are objects, whatever their names. */
const char *kd_json_write(kd_pool *pool, const kd_value *value);

/* --- json_tree.c: values for kd_json_write, made step by step --- */

/* An object or list that grows; `value` is it at any time. What is put in is copied, what it holds is not. */
typedef struct kd_json {
  kd_pool *pool;
  kd_value *value;
  size_t item_room, key_room;
} kd_json;
kd_json kd_json_object(kd_pool *pool);
kd_json kd_json_list(kd_pool *pool);
void kd_json_add(kd_json *list, const kd_value *item);
void kd_json_put(kd_json *object, const char *key, const kd_value *item);
void kd_json_put_text(kd_json *object, const char *key, const char *text); /* NULL: null */
const kd_value *kd_json_null(void);

/* Whether the value is an object ({...}). */
bool kd_json_is_object(const kd_value *value);

#endif
