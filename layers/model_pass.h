/* One walk over the calls of a model, shared by kd_model_finish and kd_model_build. */
#ifndef KD_MODEL_PASS_H
#define KD_MODEL_PASS_H

#include "layers/model.h"

typedef struct kd_pass {
  kd_build build;
  kd_sym **masks; /* of the outputs of each call; KD_NO_SYM: none */
  kd_sym **taps;  /* outputs of each call; KD_NO_SYM where a call failed */
  bool *failed;   /* by layer: its weights are not complete */
} kd_pass;

/* Prepares a pass and makes its fed tensors. Memory is the graph's pool. `declare`: layers that have no
 * weights yet may make them. */
kd_status kd_pass_begin(kd_pass *pass, kd_model *model, kd_graph *graph, const kd_build_spec *spec,
                        bool declare, kd_built *built);

/* Builds one call. KD_ERR_USAGE with a text that names neither layer nor line. A call whose inputs failed
 * gives KD_OK and stays failed itself. */
kd_status kd_pass_call(kd_pass *pass, int call);

/* The product of sizes that come from options; fails when it is beyond what any machine holds. */
kd_status kd_checked_count(const kd_shape *shape, int64_t *count);

#endif
