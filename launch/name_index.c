/* Open addressing with linear probing, at most half full. */
#include "launch/name_index.h"

#include <string.h>

#include "device/base/hash.h"

static size_t slot_of(const kd_name_index *index, const char *name) {
  size_t slot = kd_hash_text(name, 0) & (index->capacity - 1);
  while (index->names[slot] && strcmp(index->names[slot], name) != 0)
    slot = (slot + 1) & (index->capacity - 1);
  return slot;
}

int kd_name_find(const kd_name_index *index, const char *name) {
  if (index->count == 0) return -1;
  size_t slot = slot_of(index, name);
  return index->names[slot] ? index->values[slot] : -1;
}

static void put(kd_name_index *index, const char *name, int value) {
  size_t slot = slot_of(index, name);
  index->names[slot] = name;
  index->values[slot] = value;
  index->count++;
}

void kd_name_add(kd_name_index *index, kd_pool *pool, const char *name, int value) {
  if (2 * (index->count + 1) > index->capacity) {
    kd_name_index bigger = {.capacity = index->capacity ? 2 * index->capacity : 16};
    bigger.names = kd_pool_alloc(pool, bigger.capacity, sizeof *bigger.names);
    bigger.values = kd_pool_alloc(pool, bigger.capacity, sizeof *bigger.values);
    for (size_t i = 0; i < index->capacity; i++)
      if (index->names[i]) put(&bigger, index->names[i], index->values[i]);
    *index = bigger;
  }
  put(index, name, value);
}
