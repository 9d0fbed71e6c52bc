/* Families of layers, for the colours of a picture. */
#ifndef KD_PLOT_FAMILY_H
#define KD_PLOT_FAMILY_H

typedef enum kd_plot_family {
  KD_PLOT_INPUT,
  KD_PLOT_DENSE,
  KD_PLOT_CONV,
  KD_PLOT_RECURRENT,
  KD_PLOT_ATTENTION,
  KD_PLOT_EMBEDDING,
  KD_PLOT_NORM,
  KD_PLOT_ACTIVATION,
  KD_PLOT_POOLING,
  KD_PLOT_MERGE,
  KD_PLOT_RESHAPE,
  KD_PLOT_NOISE,
  KD_PLOT_OTHER,
  KD_PLOT_BLOCK, /* a folded block */
  KD_PLOT_FAMILIES,
} kd_plot_family;

typedef struct kd_plot_colours {
  const char *name;          /* for the legend */
  const char *fill, *stroke; /* "#rrggbb"; black text is readable on fill */
} kd_plot_colours;

extern const kd_plot_colours kd_plot_colours_of[KD_PLOT_FAMILIES];

/* The family of a Keras class. */
kd_plot_family kd_plot_family_of(const char *type);

#endif
