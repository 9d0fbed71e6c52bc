#include "launch/costs.h"

#include "launch/name_index.h"

/* Sums the operations of each call; nodes carry its name. */
static void add_nodes(kd_pool *pool, const kd_model *model, const kd_graph *graph, double rows,
                      kd_costs *costs) {
  kd_name_index index = {0};
  for (int i = 0; i < model->n_calls; i++) kd_name_add(&index, pool, model->calls[i]->name, i);
  costs->call_flops = kd_pool_alloc(pool, (size_t)model->n_calls, sizeof *costs->call_flops);
  for (int n = 0; n < graph->n_nodes; n++) {
    int call = kd_name_find(&index, graph->nodes[n].scope);
    double flops = kd_node_flops(graph, &graph->nodes[n]) / rows;
    if (call >= 0) costs->call_flops[call] += flops;
    costs->forward += flops;
  }
}

static kd_status count_forward(kd_session *s, kd_costs *costs) {
  kd_model *model = s->model;
  int64_t batch = 1;
  for (int i = 0; i < model->n_inputs; i++) {
    const kd_model_input *input = &model->inputs[i];
    char shape[KD_SHAPE_TEXT];
    for (int axis = 1; axis < input->shape.rank; axis++)
      KD_CHECK(input->shape.dim[axis] >= 0, KD_ERR_USAGE,
               "they depend on the data: input %s has the shape %s", input->name,
               kd_shape_text(&input->shape, shape));
    if (input->batch_size) batch = input->batch_size;
  }
  kd_graph *graph = kd_graph_create();
  kd_build_spec spec = {.batch = batch};
  kd_built built;
  kd_status status = kd_model_build(model, graph, &spec, &built);
  if (status == KD_OK) add_nodes(s->pool, model, graph, (double)batch, costs);
  kd_graph_destroy(graph);
  return status;
}

static kd_status find(kd_session *s, kd_costs *costs) {
  KD_TRY(count_forward(s, costs));
  KD_TRY(kd_session_measure(s, costs->ranks, &costs->forecast));
  costs->measured = true;
  const kd_replica_stats *stats = &costs->forecast.stats;
  costs->rows = stats->pass_rows;
  if (s->setup.optimizer) costs->training = stats->flops / (double)stats->pass_rows;
  return KD_OK;
}

void kd_costs_find(kd_session *s, int ranks, kd_costs *costs) {
  *costs = (kd_costs){.ranks = ranks, .batch_size = s->config->run.train.batch_size};
  if (find(s, costs) != KD_OK) costs->unknown = kd_pool_strdup(s->pool, kd_status_text());
}
