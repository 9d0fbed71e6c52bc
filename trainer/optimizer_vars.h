/* What Keras's files keep of an optimizer, and in which order (keras.md 3.2): one description, by which files
 * are written (keras_file.c) and read (optimizer_restore.c). */
#ifndef KD_OPTIMIZER_VARS_H
#define KD_OPTIMIZER_VARS_H

#include "io/weights_file.h"
#include "trainer/replica.h"

typedef enum kd_var_role {
  KD_VAR_UNUSED,     /* Keras keeps it, nothing reads it */
  KD_VAR_ITERATION,  /* steps that updated weights */
  KD_VAR_RATE,       /* constant learning rate */
  KD_VAR_GOOD_STEPS, /* of a dynamic loss scale: steps since it changed */
  KD_VAR_SCALE,
  KD_VAR_PART,   /* a slot, average or accumulated gradient of a weight */
  KD_VAR_SCALAR, /* the optimizer's own, which follows from the iteration */
} kd_var_role;

/* What one variable is. */
typedef struct kd_var_place {
  kd_var_role role;
  int part, weight; /* of KD_VAR_PART, as kd_replica_get counts */
} kd_var_place;

typedef struct kd_optimizer_layout {
  kd_optimizer_vars vars; /* zeros */
  kd_var_place *place;    /* by variable */
} kd_optimizer_layout;

/* ordered: the model whose order of weights counts. The data of a part have room for all of its weight, of
 * which a smaller slot uses the front. room: each part has memory of its own, else all share one block.
 * Memory is the pool's. */
void kd_optimizer_layout_make(kd_pool *pool, const kd_model *ordered, const kd_optimizer *optimizer,
                              bool room, kd_optimizer_layout *layout);

/* optimizer_restore.c: puts the optimizer's variables of a saved model (.keras) into the replica, the rate
 * into *optimizer, which must be the replica's, and the number of steps done into *iteration. Rank 0 reads.
 * Files whose variables do not fit are warned of, unless they have made no step; the optimizer stays fresh
 * then, and *iteration as it is. Collective. */
kd_status kd_optimizer_restore(kd_comm *comm, kd_replica *replica, const kd_model *model,
                               kd_optimizer *optimizer, const char *path, int64_t *iteration);

#endif
