/* A map from names to numbers: sections, keys and layers are looked up by name many times. */
#ifndef KD_NAME_INDEX_H
#define KD_NAME_INDEX_H

#include "device/base/memory.h"

/* Zero-initialised is empty. Names are borrowed and must live as long as the index. */
typedef struct kd_name_index {
  const char **names;
  int *values;
  size_t count, capacity; /* capacity is a power of two */
} kd_name_index;

/* The number of that name, or -1. */
int kd_name_find(const kd_name_index *index, const char *name);
/* Adds a name that is not in the index yet. Memory is the pool's. */
void kd_name_add(kd_name_index *index, kd_pool *pool, const char *name, int value);

#endif
