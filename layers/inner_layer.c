/* Layers inside layers: what wrappers build. */
#include "layers/kinds/kinds.h"
#include "layers/model.h"
#include "layers/model_pass.h"

int kd_layer_outputs(const kd_layer_kind *kind, const void *options) {
  if (kind->count_outputs) return kind->count_outputs(kind, options);
  return kind->n_outputs ? kind->n_outputs : 1;
}

static kd_status check_inner(const kd_layer_kind *kind, const void *options, int n_inputs) {
  const char *name = kind->base.name;
  KD_CHECK(kind != &kd_layer_input, KD_ERR_USAGE, "an InputLayer cannot stand in another layer");
  KD_CHECK(n_inputs >= kind->min_inputs && (!kind->max_inputs || n_inputs <= kind->max_inputs), KD_ERR_USAGE,
           "the inner layer %s does not take %d input%s", name, n_inputs, n_inputs == 1 ? "" : "s");
  KD_CHECK(kd_layer_outputs(kind, options) == 1, KD_ERR_USAGE, "the inner layer %s has %d outputs, not one",
           name, kd_layer_outputs(kind, options));
  return KD_OK;
}

kd_status kd_build_inner(kd_build *build, const char *part, const kd_object *inner, int n_inputs,
                         const kd_sym *inputs, const kd_sym *input_masks, kd_sym *output,
                         kd_sym *output_mask) {
  const kd_layer_kind *kind = (const kd_layer_kind *)inner->kind;
  KD_TRY(check_inner(kind, inner->options, n_inputs));
  kd_build outer = *build;
  kd_layer layer = *build->layer;
  layer.kind = kind;
  layer.options = inner->options;
  kd_call call = *build->call;
  call.n_args = 0; /* they are the outer layer's */
  build->call = &call;
  *output = *output_mask = KD_NO_SYM;
  build->part = outer.part ? kd_pool_printf(build->graph->pool, "%s/%s", outer.part, part) : part;
  build->input_mask = input_masks;
  build->output_mask = output_mask;
  kd_status status = kind->build(build, &layer, n_inputs, inputs, output);
  build->part = outer.part;
  build->call = outer.call;
  build->input_mask = outer.input_mask;
  build->output_mask = outer.output_mask;
  if (status != KD_OK) return kd_fail_context(status, "inner layer %s", kind->base.name);
  if (kind->mask == KD_MASK_PASS && n_inputs > 0) *output_mask = input_masks[0];
  return kd_graph_status(build->graph);
}
