/* The objective: losses and metrics of all outputs, and where their sums stand in the tail of the reduce
 * range.
 *
 * The tail holds, in float32, sums over the rows of one pass: one loss sum per output, one count per output
 * (of outputs whose mean is over a number that the data decide: valid steps, weights), the sum of the layers'
 * own terms (activity regularisation), then the states of all metrics, then those of losses of whole batches
 * (kd_whole_loss). Summed over passes and ranks with the
 * gradients, they give the logs of a step; the host adds steps up in double. */
#ifndef KD_OBJECTIVE_H
#define KD_OBJECTIVE_H

#include "layers/loss.h"
#include "layers/model.h"

/* What the configuration says about one output. */
typedef struct kd_output_goal {
  const kd_value *loss; /* NULL: the output has none */
  double loss_weight;
  const kd_value *metrics;          /* one value or a list; NULL: none */
  const kd_value *weighted_metrics; /* the same, with sample weights; NULL: none */
  bool sample_weight;               /* weights are fed: one for each sample, or for each step */
  kd_dtype weight_dtype;
  kd_shape weight_sample; /* shape of one sample's weights: () or (steps) */
  int n_class_weights;    /* weight of class i; 0: none */
  const double *class_weight;
  kd_dtype label_dtype;  /* as fed */
  kd_shape label_sample; /* shape of one label, without the batch */
  kd_origin origin;
} kd_output_goal;

typedef struct kd_output_loss {
  kd_object loss; /* kind NULL: none */
  double weight;
  kd_dtype label_dtype;
  kd_shape label_sample;
  int64_t values_per_row; /* loss values of one sample */
  const char *log_name;   /* "department_loss"; NULL without a loss or with a single one */
  bool sample_weight;
  kd_dtype weight_dtype;
  kd_shape weight_sample;
  int n_class_weights;
  const double *class_weight;
  bool counted;        /* the mean is over a count that the data decide: valid steps, or a sum of weights */
  int64_t classes;     /* > 0: labels must lie in [0, classes) */
  kd_shape prediction; /* as the loss sees it, with the batch as -1 */
  int64_t n_state;     /* of a loss of the whole batch; 0: it is a sum over rows */
  int state_tail;      /* place of its state */
} kd_output_loss;

typedef struct kd_metric_slot {
  const char *log_name;
  int n_results;
  const char **result_name; /* the log name, or NAME.0, NAME.1 ... */
  kd_object metric;
  int output;
  bool weighted;     /* sees sample weights */
  bool counted;      /* an object without a name, for the numbers of Keras's names */
  int tail, n_state; /* place in the tail */
} kd_metric_slot;

typedef struct kd_objective {
  int n_outputs;
  kd_output_loss *outputs;
  int n_metrics;
  kd_metric_slot *metrics;
  int count_tail; /* place of the counts, one per output */
  int added_tail; /* place of the layers' own terms */
  int n_logged;   /* floats that epochs add up */
  int n_tail;     /* floats of the tail: behind them the states of losses of whole batches */
} kd_objective;

/* goals: one per model output. rows: of the largest batch. Errors go to diag; false then. Memory is the
 * pool's. */
bool kd_objective_make(kd_pool *pool, kd_diag *diag, const kd_model *model, const kd_output_goal *goals,
                       int64_t rows, kd_objective *objective);

/* Numbers of VALUE tensors of training and evaluation plans. */
enum {
  KD_VALUE_INV_ROWS = KD_VALUE_RNG + 1, /* 1 / rows of the global batch */
  KD_VALUE_SHARE,                       /* rows of this pass / rows of the global batch */
  KD_VALUE_FIRST,                       /* number of the pass's first row in the global batch, as float32 */
  KD_VALUE_INV_COUNT,                   /* + output: 1 / count of the global batch, of counted outputs */
  KD_VALUE_SLOPE = 1 << 19              /* + output: slopes of a loss of the whole batch by its state */
};

typedef struct kd_emitted {
  /* Scalar: this pass's part of the mean loss of the global batch, without weight penalties; of losses of
   * whole batches, a number that has their gradient. */
  kd_sym loss;
  kd_sym *label;     /* per output: the fed labels; KD_NO_SYM without loss and metrics */
  kd_sym *weight;    /* per output: the fed sample weights; KD_NO_SYM: none */
  kd_sym *inv_count; /* per output: see KD_VALUE_INV_COUNT; KD_NO_SYM when not counted */
  kd_sym *slope;     /* per output: see KD_VALUE_SLOPE; KD_NO_SYM: no loss of the whole batch */
  kd_sym first;      /* see KD_VALUE_FIRST; KD_NO_SYM: not needed */
  int n_tail;
  kd_sym *tail; /* tensors to bind in the tail */
  int *tail_at; /* their places */
} kd_emitted;

/* The mean loss of one output from the tail of one step, unweighted. */
double kd_objective_loss(const kd_objective *objective, int output, const float *tail, int64_t rows);
/* Appends losses and metrics. Labels are INPUTs numbered behind the model's inputs, sample weights behind
 * those. rows: of this pass. With counts_only nothing but counts and states of whole batches is emitted.
 * Arrays are in the graph's pool. */
kd_status kd_objective_emit(const kd_objective *objective, kd_graph *graph, const kd_model *model,
                            const kd_built *built, int64_t rows, kd_sym inv_rows, bool counts_only,
                            kd_emitted *emitted);
/* The objective without class weights, which Keras uses in training only. In the pool. */
const kd_objective *kd_objective_for_evaluation(const kd_objective *objective, kd_pool *pool);
/* Whether any output is counted or has a loss of the whole batch: training then sums before it
 * differentiates. */
bool kd_objective_counts(const kd_objective *objective);

/* --- logs of an epoch or an evaluation: sums in double --- */

typedef struct kd_log_entry {
  const char *name;
  double value;
} kd_log_entry;

typedef struct kd_totals {
  const kd_objective *objective;
  double rows;
  double loss;         /* sum over steps of mean loss * rows */
  double *output_loss; /* the same per output, unweighted */
  double *state;       /* metric states, n_tail entries at their tail places */
} kd_totals;

void kd_totals_create(kd_pool *pool, const kd_objective *objective, kd_totals *totals);
void kd_totals_reset(kd_totals *totals);
/* Adds one step: tail as reduced over all passes and ranks, rows of the global batch, penalty of the weights.
 * Returns the step's loss. */
double kd_totals_add(kd_totals *totals, const float *tail, int64_t rows, double penalty);
/* Log entries sorted by name, as Keras shows them; entries must have room for kd_totals_count. */
int kd_totals_count(const kd_objective *objective);
void kd_totals_logs(const kd_totals *totals, kd_log_entry *entries);

#endif
