/* The order of samples in an epoch: a function of (seed, epoch) alone, in O(1) memory. Pure. */
#ifndef KD_SAMPLER_H
#define KD_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct kd_sampler {
  int64_t count; /* samples of the epoch */
  bool shuffle;  /* false: file order */
  int64_t chunk; /* > 1: chunk-local order: chunks are permuted, and samples within each; for files read by
                    chunk */
  uint64_t key;
  int half_bits; /* of the Feistel network over samples, or over chunks when chunk > 1 */
  int64_t chunks,
      short_slot; /* chunk > 1: number of chunks, and where in the order the last, shorter one is */
} kd_sampler;

void kd_sampler_start(kd_sampler *sampler, int64_t count, bool shuffle, int64_t chunk, uint64_t seed,
                      int64_t epoch);
/* The sample number at position `position` (0 .. count-1): a bijection. */
int64_t kd_sampler_at(const kd_sampler *sampler, int64_t position);

/* The part [begin, end) of a batch of `rows` rows that part `part` of `parts` takes: balanced, contiguous,
 * the first rows % parts parts have one more. Used for ranks and for micro-shards. */
void kd_split(int64_t rows, int parts, int part, int64_t *begin, int64_t *end);

#endif
