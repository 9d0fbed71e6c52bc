#include "device/base/text.h"
#include "launch/plot/plot.h"
#include "launch/size_text.h"

kd_plot_label kd_plot_label_of(kd_pool *pool, const kd_outline *outline, int number) {
  const kd_outline_node *node = &outline->nodes[number];
  const kd_call *call = outline->model->calls[node->last_call];
  char count[32];
  kd_plot_label label = {.name = node->label, .type = node->type, .detail = kd_call_shapes(pool, call)};
  label.family = node->copies ? KD_PLOT_BLOCK : kd_plot_family_of(node->type);
  bool shared = node->layer >= 0 && !kd_streq(node->name, outline->model->layers[node->layer]->name);
  if (shared)
    label.type = kd_pool_printf(pool, "%s, shares %s", node->type, outline->model->layers[node->layer]->name);
  if (node->copies > 1) label.type = kd_pool_printf(pool, "%s \xC3\x97%d", node->type, node->copies);
  if (label.family == KD_PLOT_INPUT)
    label.detail = kd_pool_printf(pool, "%s \xC2\xB7 %s", label.detail, kd_dtype_name(call->output_dtype[0]));
  if (node->params && !shared)
    label.detail =
        kd_pool_printf(pool, "%s \xC2\xB7 %s params", label.detail, kd_commas_text(node->params, count));
  return label;
}

const char *kd_plot_group_label(kd_pool *pool, const kd_outline_group *group) {
  if (!group->copies) return kd_pool_printf(pool, "%s \xC2\xB7 %s", group->label, group->block);
  return kd_pool_printf(pool, "%s \xC2\xB7 %s \xC2\xB7 %d of %d", group->label, group->block, group->copy + 1,
                        group->copies);
}
