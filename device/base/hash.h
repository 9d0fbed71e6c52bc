/* 64-bit hashes (XXH3) for agreement between ranks, manifests and checkpoints. */
#ifndef KD_BASE_HASH_H
#define KD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t kd_hash(const void *data, size_t bytes, uint64_t seed);
uint64_t kd_hash_text(const char *text, uint64_t seed);

#endif
