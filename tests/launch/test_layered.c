/* Layered drawings: boxes never overlap, edges go down and pass no box, few crossings, long edges straight.
 */
#include "launch/plot/layered_parts.h"
#include "support/check.h"

#include <math.h>
#include <time.h>

enum { MOST_BOXES = 40, MOST_EDGES = 120 };
static const double NEAR = 1e-6;

static kd_pool *pool;
static kd_lay_box boxes[MOST_BOXES];
static kd_lay_edge edges[MOST_EDGES];

static int setup(void **state) {
  (void)state;
  pool = kd_pool_create();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kd_pool_destroy(pool);
  return 0;
}

static unsigned draw(unsigned *state, unsigned below) {
  *state = *state * 1664525u + 1013904223u;
  return (*state >> 8) % below;
}

static void add_edge(kd_lay_graph *g, int from, int to) {
  g->edges[g->n_edges++] = (kd_lay_edge){.from = from, .to = to};
}

static kd_lay_graph empty(int n) {
  kd_lay_graph g = {.n_boxes = n, .boxes = boxes, .edges = edges, .box_gap = 10, .rank_gap = 20};
  for (int i = 0; i < n; i++) boxes[i] = (kd_lay_box){.width = 30, .height = 12};
  return g;
}

/* A graph without circles, with boxes of all sizes and edges away from the middles. */
static kd_lay_graph random_graph(unsigned seed, int n, int n_edges) {
  unsigned state = seed * 7919 + 1;
  kd_lay_graph g = empty(n);
  for (int i = 0; i < n; i++)
    boxes[i] = (kd_lay_box){.width = draw(&state, 80), .height = 1 + draw(&state, 60)};
  for (int e = 0; e < n_edges; e++) {
    int to = 1 + (int)draw(&state, (unsigned)n - 1), from = (int)draw(&state, (unsigned)to);
    add_edge(&g, from, to);
    g.edges[e].from_dx = (draw(&state, 3) - 1.0) * boxes[from].width / 4;
    g.edges[e].to_dx = (draw(&state, 3) - 1.0) * boxes[to].width / 4;
  }
  return g;
}

static void check_boxes(const kd_lay_graph *g) {
  for (int i = 0; i < g->n_boxes; i++) {
    const kd_lay_box *a = &g->boxes[i];
    assert_true(a->x >= -NEAR && a->x + a->width <= g->width + NEAR);
    assert_true(a->y >= -NEAR && a->y + a->height <= g->height + NEAR);
    assert_true(a->rank >= 0 && a->rank < g->n_ranks);
    for (int k = 0; k < i; k++) {
      const kd_lay_box *b = &g->boxes[k];
      if (a->rank == b->rank) {
        double gap = fmax(b->x - a->x - a->width, a->x - b->x - b->width);
        assert_true(gap >= g->box_gap - NEAR);
      } else {
        double gap = fmax(b->y - a->y - a->height, a->y - b->y - b->height);
        assert_true(gap >= g->rank_gap - NEAR);
      }
    }
  }
}

/* Slanted pieces must lie beside no box at all, upright ones outside of boxes. */
static void check_piece(const kd_lay_graph *g, kd_lay_point a, kd_lay_point b) {
  bool upright = fabs(a.x - b.x) < NEAR;
  for (int i = 0; i < g->n_boxes; i++) {
    const kd_lay_box *box = &g->boxes[i];
    bool beside = b.y <= box->y + NEAR || a.y >= box->y + box->height - NEAR;
    if (upright) beside = beside || a.x <= box->x + NEAR || a.x >= box->x + box->width - NEAR;
    assert_true(beside);
  }
}

static void check_edges(const kd_lay_graph *g) {
  for (int e = 0; e < g->n_edges; e++) {
    const kd_lay_edge *edge = &g->edges[e];
    const kd_lay_box *from = &g->boxes[edge->from], *to = &g->boxes[edge->to];
    assert_true(from->rank < to->rank);
    kd_lay_point first = edge->points[0], last = edge->points[edge->n_points - 1];
    assert_float_equal(first.x, from->x + from->width / 2 + edge->from_dx, NEAR);
    assert_float_equal(first.y, from->y + from->height, NEAR);
    assert_float_equal(last.x, to->x + to->width / 2 + edge->to_dx, NEAR);
    assert_float_equal(last.y, to->y, NEAR);
    for (int i = 1; i < edge->n_points; i++) {
      assert_true(edge->points[i].y >= edge->points[i - 1].y - NEAR);
      check_piece(g, edge->points[i - 1], edge->points[i]);
    }
  }
}

static void any_graph(void **state) {
  (void)state;
  for (unsigned seed = 0; seed < 300; seed++) {
    kd_lay_graph g = random_graph(seed, 2 + (int)(seed % 29), (int)(seed * 5 % 67));
    kd_lay_out(pool, &g);
    check_boxes(&g);
    check_edges(&g);
  }
}

static void same_each_time(void **state) {
  (void)state;
  kd_lay_graph g = random_graph(5, 30, 60);
  kd_lay_out(pool, &g);
  kd_lay_box first[30];
  memcpy(first, boxes, sizeof first);
  g = random_graph(5, 30, 60);
  kd_lay_out(pool, &g);
  assert_memory_equal(first, boxes, sizeof first);
}

/* Crossings counted pair by pair. */
static long long count_pairs(const kd_lay_slots *s) {
  long long count = 0;
  for (int i = 0; i < s->n_segments; i++)
    for (int k = 0; k < i; k++) {
      const kd_lay_segment *a = &s->segments[i], *b = &s->segments[k];
      if (s->rank[a->upper] != s->rank[b->upper]) continue;
      int upper = s->position[a->upper] - s->position[b->upper];
      int lower = s->position[a->lower] - s->position[b->lower];
      count += (upper < 0 && lower > 0) || (upper > 0 && lower < 0);
    }
  return count;
}

/* The fewest crossings of all orders of ranks from `rank` on. */
static long long fewest(kd_lay_slots *s, int rank, int at) {
  if (rank == s->n_ranks) return count_pairs(s);
  int n = s->rank_start[rank + 1] - s->rank_start[rank], *order = s->order + s->rank_start[rank];
  if (at == n) return fewest(s, rank + 1, 0);
  long long best = INT64_MAX;
  for (int i = at; i < n; i++) {
    int slot = order[i];
    order[i] = order[at];
    order[at] = slot;
    s->position[slot] = at;
    long long found = fewest(s, rank, at + 1);
    if (found < best) best = found;
    order[at] = order[i];
    order[i] = slot;
  }
  return best;
}

static double orders(const kd_lay_slots *s) {
  double count = 1;
  for (int r = 0; r < s->n_ranks; r++) count *= tgamma(s->rank_start[r + 1] - s->rank_start[r] + 1);
  return count;
}

static void fewest_crossings(void **state) {
  (void)state;
  int compared = 0, crossed = 0, missed = 0;
  for (unsigned seed = 0; seed < 1500; seed++) {
    kd_lay_graph g = random_graph(seed, 5 + (int)(seed % 6), 5 + (int)(seed % 9));
    for (int e = 0; e < g.n_edges; e++) g.edges[e].from_dx = g.edges[e].to_dx = 0;
    kd_lay_slots slots;
    kd_lay_rank(pool, &g);
    kd_lay_make_slots(pool, &g, &slots);
    long long crossings = kd_lay_order(&slots);
    assert_int_equal(crossings, count_pairs(&slots));
    assert_int_equal(crossings, kd_lay_crossings(&slots));
    if (orders(&slots) > 3000) continue;
    long long least = fewest(&slots, 0, 0);
    assert_true(crossings >= least);
    missed += crossings > least;
    compared++;
    crossed += crossings > 0;
  }
  print_message("%d graphs, %d with crossings, %d with more than needed\n", compared, crossed, missed);
  assert_true(compared > 500 && crossed > 100 && missed * 50 <= crossed);
}

static double middle(const kd_lay_box *box) {
  return box->x + box->width / 2;
}

/* A chain is one column; a skip beside it turns twice and no more. */
static void straight(void **state) {
  (void)state;
  kd_lay_graph g = empty(MOST_BOXES);
  for (int i = 0; i < MOST_BOXES; i++) {
    boxes[i].width = 20 + i;
    if (i) add_edge(&g, i - 1, i);
  }
  add_edge(&g, 3, 20);
  add_edge(&g, 25, 30);
  kd_lay_out(pool, &g);
  assert_int_equal(g.n_ranks, MOST_BOXES);
  assert_int_equal(g.crossings, 0);
  for (int i = 1; i < MOST_BOXES; i++) assert_float_equal(middle(&boxes[i]), middle(&boxes[0]), NEAR);
  for (int e = g.n_edges - 2; e < g.n_edges; e++) {
    int turns = 0;
    for (int i = 1; i < edges[e].n_points; i++)
      turns += fabs(edges[e].points[i].x - edges[e].points[i - 1].x) > NEAR;
    assert_int_equal(turns, 2);
  }
}

/* An input stands above the box that takes it, not at the top. */
static void ranks(void **state) {
  (void)state;
  kd_lay_graph g = empty(6);
  for (int i = 1; i < 5; i++) add_edge(&g, i - 1, i);
  add_edge(&g, 5, 4);
  kd_lay_out(pool, &g);
  assert_int_equal(boxes[5].rank, 3);
  g = empty(4);
  boxes[2].pin = KD_PIN_FIRST;
  boxes[3].pin = KD_PIN_LAST;
  add_edge(&g, 0, 1);
  add_edge(&g, 2, 1);
  add_edge(&g, 0, 3);
  kd_lay_out(pool, &g);
  assert_int_equal(boxes[2].rank, 0);
  assert_int_equal(boxes[0].rank, 1);
  assert_int_equal(boxes[1].rank, 2);
  assert_int_equal(boxes[3].rank, 3);
}

/* Graphs that are no models must not break anything. */
static void circles(void **state) {
  (void)state;
  kd_lay_graph g = empty(5);
  add_edge(&g, 0, 1);
  add_edge(&g, 1, 2);
  add_edge(&g, 2, 0);
  add_edge(&g, 3, 3);
  add_edge(&g, 2, 4);
  kd_lay_out(pool, &g);
  check_boxes(&g);
  for (int e = 0; e < g.n_edges; e++) assert_true(edges[e].n_points >= 2);
  g = empty(0);
  kd_lay_out(pool, &g);
  assert_float_equal(g.width, 0, 0);
  assert_float_equal(g.height, 0, 0);
}

/* Seconds for 10,000 boxes in a chain with so many more edges that go back at most `reach` boxes. */
static double seconds(int more, int reach) {
  enum { MANY = 10000 };
  kd_pool *large = kd_pool_create();
  kd_lay_graph g = {.n_boxes = MANY, .box_gap = 10, .rank_gap = 20};
  g.boxes = kd_pool_alloc(large, MANY, sizeof *g.boxes);
  g.edges = kd_pool_alloc(large, (size_t)(MANY + more), sizeof *g.edges);
  unsigned state = 3;
  for (int i = 0; i < MANY; i++) {
    g.boxes[i] = (kd_lay_box){.width = 30, .height = 10};
    if (i) add_edge(&g, i - 1, i);
  }
  for (int i = 0; i < more; i++) {
    int to = 1 + (int)draw(&state, MANY - 1), back = 1 + (int)draw(&state, (unsigned)reach);
    add_edge(&g, back < to ? to - back : 0, to);
  }
  struct timespec begin, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  kd_lay_out(large, &g);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  kd_pool_destroy(large);
  return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

static void large(void **state) {
  (void)state;
  double limit = 2;
#if defined(__SANITIZE_ADDRESS__)
  limit = 60;
#endif
  static const int more[] = {0, 5000, 20000}, reach[] = {1, 8, 10000};
  for (int i = 0; i < 3; i++) {
    double time = seconds(more[i], reach[i]);
    print_message("%d more edges of at most %d boxes: %.3f s\n", more[i], reach[i], time);
    assert_true(time < limit);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(any_graph), TEST(same_each_time), TEST(fewest_crossings), TEST(straight), TEST(ranks),
      TEST(circles),   TEST(large),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
