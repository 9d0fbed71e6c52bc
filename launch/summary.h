/* The table of a model as Keras prints it, with what the model costs; and the same as JSON. */
#ifndef KD_SUMMARY_H
#define KD_SUMMARY_H

#include <stdio.h>

#include "launch/costs.h"
#include "launch/summary_rows.h"

typedef struct kd_summary {
  const kd_model *model;
  const kd_optimizer *optimizer; /* NULL: none */
  kd_summary_rows rows;
  const kd_costs *costs;
  int depth;   /* levels that are shown; 0: all layers of the model, none inside others */
  int columns; /* of the terminal; the table is min(88 or 108, columns - 4) wide */
} kd_summary;

void kd_summary_print(FILE *out, const kd_summary *summary);
void kd_summary_json(FILE *out, const kd_summary *summary);

/* Weights that the optimizer keeps, as Keras counts them; 0 without one. */
int64_t kd_optimizer_params(const kd_model *model, const kd_optimizer *optimizer);
/* The layers inside the layer of a row that the depth shows. */
int kd_summary_inner(kd_pool *pool, const kd_summary *summary, const kd_summary_row *row,
                     kd_inner_layer **inner);
/* Columns of the terminal: COLUMNS, else the terminal's, else 80 (as Python's shutil). */
int kd_terminal_columns(void);

#endif
