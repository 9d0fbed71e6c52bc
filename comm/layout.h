/* Ranks grouped into domains: those of a domain share memory, domains exchange messages. */
#ifndef KD_COMM_LAYOUT_H
#define KD_COMM_LAYOUT_H

#include "device/base/memory.h"

typedef struct kd_domains {
  int n_ranks, n_domains;
  int n_lanes; /* ranks of the smallest domain: so many pairs of counterparts carry messages side by side */
  int *domain; /* by rank: its domain; domains are numbered by their lowest rank */
  int *index;  /* by rank: its place in its domain, by rank */
  int *first;  /* by domain: where its members start in `member`; n_domains + 1 entries */
  int *member; /* ranks, domain by domain */
} kd_domains;

/* color: any number by rank, equal within a domain. Arrays live in the pool. */
kd_domains kd_domains_make(kd_pool *pool, int n_ranks, const int *color);
/* The rank at place `index` of `domain`. */
int kd_domains_rank(const kd_domains *layout, int domain, int index);
int kd_domains_members(const kd_domains *layout, int domain);

#endif
