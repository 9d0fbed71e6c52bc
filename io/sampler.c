#include "io/sampler.h"

#include "device/base/rng.h"

/* A keyed permutation of [0, count): a balanced Feistel network (Luby and Rackoff, SIAM J. Comput. 1988) over
 * the next even power of two, walked along its cycle until the value is below count (Black and Rogaway,
 * "Ciphers with arbitrary finite domains", CT-RSA 2002). Fewer than 4 walks are expected above 64. */
enum { ROUNDS = 6, MIN_HALF_BITS = 3, MAX_HALF_BITS = 31 };

static int half_bits_for(int64_t count) {
  int half = MIN_HALF_BITS;
  while (half < MAX_HALF_BITS && (int64_t)1 << (2 * half) < count) half++;
  return half;
}

static uint64_t round_key(uint64_t key, int round) {
  return key ^ (0xD1B54A32D192ED03ull * (uint64_t)(round + 1));
}

static uint64_t encrypt(uint64_t value, int half_bits, uint64_t key) {
  uint64_t mask = ((uint64_t)1 << half_bits) - 1;
  uint64_t left = value >> half_bits, right = value & mask;
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t next = left ^ (kd_mix64(round_key(key, round), right) & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

static uint64_t decrypt(uint64_t value, int half_bits, uint64_t key) {
  uint64_t mask = ((uint64_t)1 << half_bits) - 1;
  uint64_t left = value >> half_bits, right = value & mask;
  for (int round = ROUNDS - 1; round >= 0; round--) {
    uint64_t before = right ^ (kd_mix64(round_key(key, round), left) & mask);
    right = left;
    left = before;
  }
  return left << half_bits | right;
}

static int64_t permute(int64_t value, int64_t count, int half_bits, uint64_t key) {
  if (count <= 1) return 0;
  uint64_t x = (uint64_t)value;
  do x = encrypt(x, half_bits, key);
  while (x >= (uint64_t)count);
  return (int64_t)x;
}

static int64_t permute_back(int64_t value, int64_t count, int half_bits, uint64_t key) {
  if (count <= 1) return 0;
  uint64_t x = (uint64_t)value;
  do x = decrypt(x, half_bits, key);
  while (x >= (uint64_t)count);
  return (int64_t)x;
}

void kd_sampler_start(kd_sampler *sampler, int64_t count, bool shuffle, int64_t chunk, uint64_t seed,
                      int64_t epoch) {
  *sampler =
      (kd_sampler){.count = count, .shuffle = shuffle, .chunk = chunk > 1 && chunk < count ? chunk : 1};
  sampler->key = kd_mix64(kd_mix64(seed, 0), (uint64_t)epoch);
  sampler->chunks = sampler->chunk > 1 ? (count - 1) / sampler->chunk + 1 : 1;
  sampler->half_bits = half_bits_for(sampler->chunk > 1 ? sampler->chunks : count);
  if (sampler->chunk > 1)
    sampler->short_slot =
        permute_back(sampler->chunks - 1, sampler->chunks, sampler->half_bits, sampler->key);
}

/* Chunks follow each other in a permuted order; the last chunk of the file, which may be shorter, takes
 * short_slot in that order. */
static int64_t chunk_local(const kd_sampler *sampler, int64_t position) {
  int64_t size = sampler->chunk, tail = sampler->count - (sampler->chunks - 1) * size;
  int64_t before = sampler->short_slot * size; /* positions in front of the short chunk */
  int64_t slot, within;
  if (position < before) {
    slot = position / size;
    within = position % size;
  } else if (position < before + tail) {
    slot = sampler->short_slot;
    within = position - before;
  } else {
    slot = (position - before - tail) / size + sampler->short_slot + 1;
    within = (position - before - tail) % size;
  }
  int64_t chunk = permute(slot, sampler->chunks, sampler->half_bits, sampler->key);
  int64_t rows = chunk == sampler->chunks - 1 ? tail : size;
  uint64_t key = kd_mix64(sampler->key, (uint64_t)chunk);
  return chunk * size + permute(within, rows, half_bits_for(rows), key);
}

int64_t kd_sampler_at(const kd_sampler *sampler, int64_t position) {
  if (!sampler->shuffle) return position;
  if (sampler->chunk > 1) return chunk_local(sampler, position);
  return permute(position, sampler->count, sampler->half_bits, sampler->key);
}

void kd_split(int64_t rows, int parts, int part, int64_t *begin, int64_t *end) {
  int64_t each = rows / parts, more = rows % parts;
  *begin = part * each + (part < more ? part : more);
  *end = *begin + each + (part < more ? 1 : 0);
}
