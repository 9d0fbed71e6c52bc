#include <stdlib.h>
#include <string.h>

#include "trainer/objective.h"

void kd_totals_create(kd_pool *pool, const kd_objective *objective, kd_totals *totals) {
  totals->objective = objective;
  totals->output_loss = kd_pool_alloc(pool, (size_t)objective->n_outputs, sizeof(double));
  totals->state = kd_pool_alloc(pool, (size_t)objective->n_logged, sizeof(double));
  kd_totals_reset(totals);
}

void kd_totals_reset(kd_totals *totals) {
  totals->rows = totals->loss = 0;
  memset(totals->output_loss, 0, (size_t)totals->objective->n_outputs * sizeof(double));
  memset(totals->state, 0, (size_t)totals->objective->n_logged * sizeof(double));
}

double kd_objective_loss(const kd_objective *objective, int number, const float *tail, int64_t rows) {
  const kd_output_loss *output = &objective->outputs[number];
  const kd_loss_common *common = output->loss.options;
  if (output->n_state > 0)
    return ((const kd_loss_kind *)output->loss.kind)
        ->whole->value(common, &output->prediction, output->n_state, tail + output->state_tail, NULL);
  double count = output->counted ? (double)tail[objective->count_tail + number]
                                 : (double)(rows * output->values_per_row);
  if (common->reduction == KD_RED_SUM) count = 1.0;
  return count != 0 ? (double)tail[number] / count : 0.0; /* no valid value: no loss */
}

double kd_totals_add(kd_totals *totals, const float *tail, int64_t rows, double penalty) {
  const kd_objective *objective = totals->objective;
  double loss = penalty + (double)tail[objective->added_tail] / (double)rows;
  for (int i = 0; i < objective->n_outputs; i++) {
    const kd_output_loss *output = &objective->outputs[i];
    if (!output->loss.kind) continue;
    double mean = kd_objective_loss(objective, i, tail, rows);
    loss += output->weight * mean;
    totals->output_loss[i] += mean * (double)rows;
  }
  for (int i = objective->added_tail + 1; i < objective->n_logged; i++) totals->state[i] += (double)tail[i];
  totals->rows += (double)rows;
  totals->loss += loss * (double)rows;
  return loss;
}

int kd_totals_count(const kd_objective *objective) {
  int count = 1;
  for (int m = 0; m < objective->n_metrics; m++) count += objective->metrics[m].n_results;
  for (int i = 0; i < objective->n_outputs; i++) count += objective->outputs[i].log_name != NULL;
  return count;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const kd_log_entry *)a)->name, ((const kd_log_entry *)b)->name);
}

void kd_totals_logs(const kd_totals *totals, kd_log_entry *entries) {
  const kd_objective *objective = totals->objective;
  int n = 0;
  double rows = totals->rows > 0 ? totals->rows : 1;
  entries[n++] = (kd_log_entry){"loss", totals->loss / rows};
  for (int i = 0; i < objective->n_outputs; i++)
    if (objective->outputs[i].log_name)
      entries[n++] = (kd_log_entry){objective->outputs[i].log_name, totals->output_loss[i] / rows};
  for (int m = 0; m < objective->n_metrics; m++) {
    const kd_metric_slot *slot = &objective->metrics[m];
    const kd_metric_kind *kind = (const kd_metric_kind *)slot->metric.kind;
    const double *state = totals->state + slot->tail;
    for (int i = 0; i < slot->n_results; i++)
      entries[n++] =
          (kd_log_entry){slot->result_name[i], kind->result(slot->metric.options, slot->n_state, state, i)};
  }
  qsort(entries, (size_t)n, sizeof *entries, by_name);
}
