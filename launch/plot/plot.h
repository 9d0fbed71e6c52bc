/* Pictures of models as text: SVG, and DOT for graphviz. */
#ifndef KD_PLOT_H
#define KD_PLOT_H

#include <stdio.h>

#include "launch/plot/family.h"
#include "launch/plot/picture.h"

/* What a node says. */
typedef struct kd_plot_label {
  const char *name;   /* within its group */
  const char *type;   /* class, "Dense, shares encode", "bottleneck x3" */
  const char *detail; /* "(None, 8) · 1,024 params" */
  kd_plot_family family;
} kd_plot_label;

kd_plot_label kd_plot_label_of(kd_pool *pool, const kd_outline *outline, int node);
/* "stage1.0 · bottleneck · 1 of 3". */
const char *kd_plot_group_label(kd_pool *pool, const kd_outline_group *group);

void kd_plot_svg(FILE *out, const kd_outline *outline, bool across);
void kd_plot_dot(FILE *out, const kd_outline *outline, bool across);

#endif
