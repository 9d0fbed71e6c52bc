#include "comm/layout.h"

/* Numbers the colors in the order in which they first appear; domain[r] is the number of rank r. */
static int number_domains(int n_ranks, const int *color, int *domain) {
  int count = 0;
  for (int r = 0; r < n_ranks; r++) {
    int seen = 0;
    while (seen < r && color[seen] != color[r]) seen++;
    domain[r] = seen < r ? domain[seen] : count++;
  }
  return count;
}

kd_domains kd_domains_make(kd_pool *pool, int n_ranks, const int *color) {
  kd_domains layout = {.n_ranks = n_ranks};
  layout.domain = kd_pool_alloc(pool, (size_t)n_ranks, sizeof(int));
  layout.index = kd_pool_alloc(pool, (size_t)n_ranks, sizeof(int));
  layout.member = kd_pool_alloc(pool, (size_t)n_ranks, sizeof(int));
  layout.n_domains = number_domains(n_ranks, color, layout.domain);
  layout.first = kd_pool_alloc(pool, (size_t)layout.n_domains + 1, sizeof(int));
  int placed = 0;
  layout.n_lanes = n_ranks;
  for (int d = 0; d < layout.n_domains; d++) {
    layout.first[d] = placed;
    for (int r = 0; r < n_ranks; r++) {
      if (layout.domain[r] != d) continue;
      layout.index[r] = placed - layout.first[d];
      layout.member[placed++] = r;
    }
    if (placed - layout.first[d] < layout.n_lanes) layout.n_lanes = placed - layout.first[d];
  }
  layout.first[layout.n_domains] = placed;
  return layout;
}

int kd_domains_rank(const kd_domains *layout, int domain, int index) {
  return layout->member[layout->first[domain] + index];
}

int kd_domains_members(const kd_domains *layout, int domain) {
  return layout->first[domain + 1] - layout->first[domain];
}
