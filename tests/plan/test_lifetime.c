/* The arena planner: blocks alive together never overlap; the arena stays near the lower bound. */
#include "layers/plan/plan.h"
#include "support/check.h"

enum { MOST = 400 };

typedef struct blocks {
  int count;
  size_t bytes[MOST], offset[MOST];
  int first[MOST], last[MOST];
} blocks;

static uint64_t state = 12345;

static int draw(int below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (int)((state >> 33) % (uint64_t)below);
}

static size_t rounded(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

/* The most bytes alive at one step: no plan can be smaller. */
static size_t lower_bound(const blocks *b, int steps) {
  size_t most = 0;
  for (int t = 0; t < steps; t++) {
    size_t alive = 0;
    for (int i = 0; i < b->count; i++)
      if (b->first[i] <= t && t <= b->last[i]) alive += rounded(b->bytes[i]);
    if (alive > most) most = alive;
  }
  return most;
}

static size_t plan_and_check(blocks *b) {
  size_t total = kd_lifetime_plan(b->count, b->bytes, b->first, b->last, b->offset);
  for (int i = 0; i < b->count; i++) {
    assert_int_equal(b->offset[i] % 64, 0);
    assert_true(b->offset[i] + b->bytes[i] <= total);
    for (int j = 0; j < i; j++) {
      bool together = b->first[i] <= b->last[j] && b->first[j] <= b->last[i];
      bool apart = b->offset[i] + b->bytes[i] <= b->offset[j] || b->offset[j] + b->bytes[j] <= b->offset[i];
      if (together && !apart) fail_msg("blocks %d and %d overlap", i, j);
    }
  }
  return total;
}

static void test_random_intervals(void **unused) {
  (void)unused;
  for (int round = 0; round < 200; round++) {
    static blocks b;
    int steps = 1 + draw(100);
    b.count = 1 + draw(MOST - 1);
    for (int i = 0; i < b.count; i++) {
      b.bytes[i] = (size_t)draw(5) == 0 ? 0 : (size_t)draw(100000);
      b.first[i] = draw(steps);
      b.last[i] = b.first[i] + draw(steps - b.first[i]);
    }
    size_t total = plan_and_check(&b), bound = lower_bound(&b, steps);
    assert_true(total >= bound);
    assert_true((double)total <= 1.5 * (double)bound + 64);
  }
}

/* The lowest offset of block i beside those of `order` before it. */
static size_t lowest(const blocks *b, const int *order, int placed, int i) {
  size_t at = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int k = 0; k < placed; k++) {
      int j = order[k];
      bool together = b->first[i] <= b->last[j] && b->first[j] <= b->last[i];
      if (!together || at + b->bytes[i] <= b->offset[j] || b->offset[j] + b->bytes[j] <= at) continue;
      at = b->offset[j] + b->bytes[j];
      moved = true;
    }
  }
  return at;
}

/* The least arena of all orders in which blocks may be put as low as they go. One of the smallest arenas
 * there are is among them: in any arena blocks can sink, and then they lie in the order of their offsets. */
static size_t brute_force(blocks *b, int *order, int placed, size_t total) {
  size_t least = SIZE_MAX;
  if (placed == b->count) return total;
  for (int k = placed; k < b->count; k++) {
    int i = order[k];
    order[k] = order[placed];
    order[placed] = i;
    b->offset[i] = lowest(b, order, placed, i);
    size_t end = b->offset[i] + b->bytes[i];
    size_t found = brute_force(b, order, placed + 1, end > total ? end : total);
    if (found < least) least = found;
    order[placed] = order[k];
    order[k] = i;
  }
  return least;
}

static void test_against_brute_force(void **unused) {
  (void)unused;
  enum { ROUNDS = 300, FEW = 7, STEPS = 8 };
  double excess = 0;
  for (int round = 0; round < ROUNDS; round++) {
    blocks b = {.count = 1 + draw(FEW)};
    int order[FEW];
    for (int i = 0; i < b.count; i++) {
      order[i] = i;
      b.bytes[i] = (size_t)(1 + draw(9)) * 64;
      b.first[i] = draw(STEPS);
      b.last[i] = b.first[i] + draw(STEPS - b.first[i]);
    }
    size_t total = plan_and_check(&b), least = brute_force(&b, order, 0, 0);
    assert_true(total >= least);
    assert_true((double)total <= 1.4 * (double)least);
    excess += (double)total / (double)least - 1;
  }
  if (excess / ROUNDS > 0.01)
    fail_msg("arenas are %.2f %% above the least on average", 100 * excess / ROUNDS);
}

/* Forward activations that live until their backward step: nested intervals. */
static void test_training_shape(void **unused) {
  (void)unused;
  static blocks b;
  int layers = 50;
  b.count = 2 * layers;
  for (int i = 0; i < layers; i++) {
    b.bytes[i] = (size_t)(1 + (layers - i) / 8) * 4096;
    b.first[i] = i;
    b.last[i] = 2 * layers - 1 - i;
    b.bytes[layers + i] = b.bytes[i];
    b.first[layers + i] = 2 * layers - 1 - i;
    b.last[layers + i] = 2 * layers - i;
  }
  size_t total = plan_and_check(&b), bound = lower_bound(&b, 2 * layers + 1);
  assert_true((double)total <= 1.05 * (double)bound);
}

static void test_chain_reuses(void **unused) {
  (void)unused;
  static blocks b;
  b.count = 100;
  for (int i = 0; i < b.count; i++) {
    b.bytes[i] = 1000;
    b.first[i] = i;
    b.last[i] = i + 1;
  }
  assert_int_equal(plan_and_check(&b), 2 * 1024);
}

static void test_same_twice(void **unused) {
  (void)unused;
  static blocks b;
  b.count = 300;
  for (int i = 0; i < b.count; i++) {
    b.bytes[i] = (size_t)(1 + draw(4)) * 256;
    b.first[i] = draw(40);
    b.last[i] = b.first[i] + draw(10);
  }
  size_t total = plan_and_check(&b);
  size_t offset[MOST];
  memcpy(offset, b.offset, sizeof offset);
  assert_int_equal(plan_and_check(&b), total);
  assert_memory_equal(offset, b.offset, (size_t)b.count * sizeof *offset);
}

static void test_nothing(void **unused) {
  (void)unused;
  static blocks b;
  b.count = 0;
  assert_int_equal(plan_and_check(&b), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_intervals), cmocka_unit_test(test_training_shape),
      cmocka_unit_test(test_chain_reuses),     cmocka_unit_test(test_same_twice),
      cmocka_unit_test(test_nothing),          cmocka_unit_test(test_against_brute_force),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
