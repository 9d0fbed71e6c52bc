/* What stateful layers keep from batch to batch. */
#include <string.h>

#include "layers/model_pass.h"

/* Numbers of the fed tensors, far from those of inputs, labels and sample weights. */
enum { FIRST_FED = 1 << 20 };

int64_t kd_model_batch_size(const kd_model *model) {
  for (int i = 0; i < model->n_inputs; i++)
    if (model->inputs[i].batch_size) return model->inputs[i].batch_size;
  return 0;
}

static int find(const kd_model *model, const char *path) {
  for (int i = 0; i < model->n_kept; i++)
    if (!strcmp(model->kept[i].path, path)) return i;
  return -1;
}

static int declare(kd_model *model, const char *path, int64_t width) {
  model->kept = kd_pool_grow(model->pool, model->kept, (size_t)model->n_kept, &model->kept_capacity,
                             sizeof *model->kept);
  model->kept[model->n_kept] = (kd_kept){.path = kd_pool_strdup(model->pool, path), .width = width};
  return model->n_kept++;
}

kd_sym kd_build_kept(kd_build *build, const char *name, kd_sym x, int64_t width, int *number) {
  kd_graph *g = build->graph;
  kd_model *model = build->model;
  *number = -1;
  if (x == KD_NO_SYM) return x;
  if (g->rows_per_sample > 1)
    return kd_graph_fail(g, "a stateful layer within TimeDistributed is not available; use stateful = false");
  if (!kd_model_batch_size(model))
    return kd_graph_fail(g, "stateful = true needs a fixed batch: give batch_size to [input %s]",
                         model->inputs[0].name);
  const char *slash = build->part ? "/" : "", *part = build->part ? build->part : "";
  const char *path = kd_pool_printf(g->pool, "%s/%s%s%s", build->layer->name, part, slash, name);
  *number = find(model, path);
  if (*number < 0) *number = declare(model, path, width);
  kd_built *built = build->built;
  kd_shape shape = KD_SHAPE(kd_sym_shape(g, x)->dim[0], width);
  if (!built->kept_before) return kd_input(g, KD_F32, shape, FIRST_FED + *number, path);
  if (built->kept_after[*number] != KD_NO_SYM)
    return kd_graph_fail(g, "is stateful and called more than once; give each call a layer of its own");
  return built->kept_before[*number] = kd_input(g, KD_F32, shape, FIRST_FED + *number, path);
}

void kd_build_keep(kd_build *build, int number, kd_sym value) {
  if (number >= 0 && build->built->kept_after)
    build->built->kept_after[number] = kd_cast(build->graph, value, KD_F32);
}
