#include "device/cpu/random.h"

#include <string.h>

#include "device/base/memory.h"

enum { BLOCK = 4 }; /* numbers that one counter gives */

/* Consecutive elements of one row among the numbers drawn. */
typedef struct run {
  int64_t from, length;
} run;

/* Runs that are drawn together: rows of a few elements alone would leave most lanes of a vector idle. */
typedef struct draw {
  kd_counters counters;
  run runs[KD_MAX_COUNTERS];
  int64_t n_runs, n_blocks;
} draw;

static void add_run(draw *d, int64_t e, int64_t length, uint64_t sample) {
  int64_t first = e / BLOCK, count = (e + length + BLOCK - 1) / BLOCK - first;
  for (int64_t i = 0; i < count; i++) {
    uint64_t block = (uint64_t)(first + i);
    int64_t at = d->n_blocks + i;
    d->counters.word[0][at] = (uint32_t)block;
    d->counters.word[1][at] = (uint32_t)(block >> 32);
    d->counters.word[2][at] = (uint32_t)sample;
    d->counters.word[3][at] = (uint32_t)(sample >> 32);
  }
  d->runs[d->n_runs++] = (run){BLOCK * d->n_blocks + e % BLOCK, length};
  d->n_blocks += count;
}

/* Takes as many of the n elements from `start` on as the counters have room for; returns their number, at
 * least 1. */
static int64_t plan_draw(draw *d, int64_t row_elements, int64_t start, int64_t n, uint64_t first_sample) {
  d->n_runs = d->n_blocks = 0;
  int64_t row = start / row_elements, e = start % row_elements, planned = 0;
  while (planned < n) {
    int64_t room = BLOCK * (KD_MAX_COUNTERS - d->n_blocks) - e % BLOCK;
    int64_t length = row_elements - e < n - planned ? row_elements - e : n - planned;
    if (length > room) length = room;
    if (length <= 0) break;
    add_run(d, e, length, first_sample + (uint64_t)row);
    planned += length;
    e += length;
    if (e < row_elements) continue;
    e = 0;
    row++;
  }
  return planned;
}

void kd_cpu_draw(const kd_vector_table *vector, bool normal, uint64_t key, uint64_t first_sample,
                 int64_t row_elements, int64_t start, int64_t n, float *out) {
  draw d;
  _Alignas(KD_ALIGNMENT) float numbers[BLOCK * KD_MAX_COUNTERS];
  for (int64_t done = 0; done < n;) {
    int64_t planned = plan_draw(&d, row_elements, start + done, n - done, first_sample);
    /* One run of whole blocks is drawn where it belongs. */
    bool in_place = d.n_runs == 1 && d.runs[0].from == 0 && d.runs[0].length == BLOCK * d.n_blocks;
    (normal ? vector->normal : vector->uniform)(in_place ? out + done : numbers, &d.counters, d.n_blocks,
                                                key);
    float *next = out + done;
    for (int64_t i = 0; i < d.n_runs && !in_place; i++) {
      memcpy(next, numbers + d.runs[i].from, (size_t)d.runs[i].length * sizeof(float));
      next += d.runs[i].length;
    }
    done += planned;
  }
}
