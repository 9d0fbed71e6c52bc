/* Checking a model (kd_model_finish) and appending it to a graph (kd_model_build). */
#include <string.h>

#include "layers/model_pass.h"

/* Two sizes for each variable axis: what differs between two builds depends on it. They are large and odd, so
 * that networks which divide their input many times still differ at the end. */
static const int64_t probe_batch[2] = {2, 3}, probe_size[2] = {509, 1021};

static int64_t batch_of(const kd_model *model, int probe) {
  int64_t fixed = kd_model_batch_size(model);
  return fixed ? fixed : probe_batch[probe];
}

static kd_shape *probe_shapes(const kd_model *model, kd_pool *pool, int probe) {
  kd_shape *shapes = kd_pool_alloc(pool, (size_t)model->n_inputs, sizeof *shapes);
  for (int i = 0; i < model->n_inputs; i++) {
    const kd_model_input *input = &model->inputs[i];
    shapes[i] = input->shape;
    shapes[i].dim[0] = batch_of(model, probe);
    for (int axis = 1; axis < shapes[i].rank; axis++)
      if (shapes[i].dim[axis] == -1) shapes[i].dim[axis] = probe_size[probe];
  }
  return shapes;
}

static void report(kd_model *model, int index, kd_diag *diag) {
  const kd_call *call = model->calls[index];
  const kd_layer *layer = model->layers[call->layer];
  kd_origin origin = call->origin.file ? call->origin : layer->origin;
  kd_diag_error(diag, origin, "layer %s (%s): %s", call->name, layer->kind->base.name, kd_status_text());
}

static void record_shapes(kd_call *call, const kd_graph *graph, const kd_sym *outputs, const kd_sym *masks,
                          int probe, bool fixed) {
  for (int i = 0; i < call->n_outputs; i++) {
    call->output_masked[i] = masks[i] != KD_NO_SYM;
    if (outputs[i] == KD_NO_SYM) continue;
    const kd_sym_info *info = kd_sym_get(graph, outputs[i]);
    kd_shape *shape = &call->output_shape[i];
    if (probe == 0) {
      *shape = info->shape;
      call->output_dtype[i] = info->dtype;
    }
    for (int axis = 0; axis < shape->rank; axis++)
      if ((axis == 0 && !fixed) || shape->dim[axis] != info->shape.dim[axis]) shape->dim[axis] = -1;
  }
}

/* One build with probe sizes into a scratch graph, as fit or as evaluation does it; errors of all layers go
 * to diag. */
static void probe_model(kd_model *model, int probe, bool training, kd_diag *diag) {
  kd_graph *graph = kd_graph_create();
  kd_build_spec spec = {.batch = batch_of(model, probe),
                        .training = training,
                        .feed_shape = probe_shapes(model, graph->pool, probe)};
  kd_pass pass;
  kd_built built;
  if (kd_pass_begin(&pass, model, graph, &spec, probe == 0, &built) != KD_OK) {
    kd_diag_error(diag, (kd_origin){0}, "%s", kd_status_text());
    kd_graph_destroy(graph);
    return;
  }
  for (int i = 0; i < model->n_calls; i++) {
    if (kd_pass_call(&pass, i) != KD_OK) {
      report(model, i, diag);
      graph->status = KD_OK; /* the layers that do not depend on this one are still checked */
      graph->failure = NULL;
    }
    record_shapes(model->calls[i], graph, pass.taps[i], pass.masks[i], probe, kd_model_batch_size(model) > 0);
  }
  kd_graph_destroy(graph);
}

/* Where calls say what they are, passes of evaluation may be wrong where those of fit are not. */
static bool calls_choose(const kd_model *model) {
  for (int i = 0; i < model->n_calls; i++)
    for (int k = 0; k < model->calls[i]->n_args; k++)
      if (!strcmp(model->calls[i]->arg_names[k], "training")) return true;
  return false;
}

kd_status kd_model_finish(kd_model *model, kd_diag *diag) {
  size_t before = diag->count;
  if (model->n_inputs == 0) kd_diag_error(diag, (kd_origin){0}, "model %s has no inputs", model->name);
  if (model->n_outputs == 0) kd_diag_error(diag, (kd_origin){0}, "model %s has no outputs", model->name);
  for (int i = 0; i < model->n_inputs; i++)
    if (model->inputs[i].batch_size && model->inputs[i].batch_size != kd_model_batch_size(model))
      kd_diag_error(diag, (kd_origin){0}, "input %s: batch_size = %lld, but another input has %lld",
                    model->inputs[i].name, (long long)model->inputs[i].batch_size,
                    (long long)kd_model_batch_size(model));
  for (int probe = 0; probe < 2 && diag->count == before; probe++) probe_model(model, probe, true, diag);
  if (diag->count == before && calls_choose(model)) probe_model(model, 1, false, diag);
  KD_TRY(kd_diag_status(diag));
  model->finished = true;
  return KD_OK;
}

kd_status kd_model_build(kd_model *model, kd_graph *graph, const kd_build_spec *spec, kd_built *built) {
  KD_CHECK(model->finished, KD_ERR_INTERNAL, "model %s is built before kd_model_finish", model->name);
  kd_pass pass;
  KD_TRY(kd_pass_begin(&pass, model, graph, spec, false, built));
  for (int i = 0; i < model->n_calls; i++) {
    kd_status status = kd_pass_call(&pass, i);
    const kd_call *call = model->calls[i];
    if (status != KD_OK)
      return kd_fail_context(status, "layer %s (%s)", call->name,
                             model->layers[call->layer]->kind->base.name);
  }
  for (int i = 0; i < model->n_outputs; i++) {
    kd_tap tap = model->outputs[i].tap;
    built->output[i] = pass.taps[tap.call][tap.output];
    built->output_mask[i] = pass.masks[tap.call][tap.output];
  }
  built->weight = pass.build.weight_sym;
  return KD_OK;
}
