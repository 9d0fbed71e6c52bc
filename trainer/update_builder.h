/* Graphs of the update over ranges of a replica; shared by update.c, update_rule.c and update_scale.c. */
#ifndef KD_UPDATE_BUILDER_H
#define KD_UPDATE_BUILDER_H

#include "trainer/replica_state.h"

typedef struct kd_update_builder {
  kd_replica *replica;
  kd_graph *graph;
  kd_binding *bindings;
  int n, next;
  kd_sym finite; /* KD_NO_SYM: nothing depends on it */
} kd_update_builder;

void kd_update_start(kd_update_builder *b, kd_replica *replica, const char *scope);
/* Compiles and ends the graph. */
kd_status kd_update_finish(kd_update_builder *b, kd_plan **plan);

/* A tensor at an address of the replica, float32 or of a stored type. */
kd_sym kd_update_fed(kd_update_builder *b, kd_shape shape, void *address, const char *name);
kd_sym kd_update_stored(kd_update_builder *b, kd_dtype dtype, kd_shape shape, void *address,
                        const char *name);
/* The values of a weight, in its type. */
kd_sym kd_update_weight(kd_update_builder *b, int weight);
void kd_update_result(kd_update_builder *b, kd_sym sym, void *address);
/* What this builder replaces from now on stays where the device finds gradients that are not finite
 * (`guarded`). */
void kd_update_guard(kd_update_builder *b);
/* A result of a stored type that replaces `old`. */
void kd_update_replace(kd_update_builder *b, kd_sym sym, kd_sym old, kd_dtype dtype, void *address);
/* Where updates read their values. */
kd_update_values *kd_update_scalars(const kd_replica *replica);

kd_shape kd_update_range(const kd_replica *replica); /* of all gradients */
float *kd_update_gradients(const kd_replica *replica);

/* Neighbouring trainable weights that are stored in one type: programs take a run at once. */
typedef struct kd_update_run {
  int64_t at, count; /* in the range of gradients */
  kd_dtype dtype;
  size_t place; /* in the ranges of weights and slots */
} kd_update_run;
/* The run that begins at `at`, where a trainable weight begins, and ends before `end` at the latest. */
kd_update_run kd_update_run_from(const kd_replica *replica, int64_t at, int64_t end);

/* Where the first trainable weight behind the one at `at` begins, or the end of the range. */
int64_t kd_update_next(const kd_replica *replica, int64_t at);

/* update_scale.c */
kd_status kd_update_compile_scale(kd_replica *replica);
kd_status kd_update_compile_inverse(kd_replica *replica);
/* update_rule.c */
kd_status kd_update_compile_rule(kd_replica *replica);
kd_status kd_update_compile_averages(kd_replica *replica);

#endif
