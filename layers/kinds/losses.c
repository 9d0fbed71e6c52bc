#include <string.h>
#include <strings.h>

#include "layers/kinds/loss_table.h"

extern const kd_loss_kind kd_loss_bce, kd_loss_binary_focal, kd_loss_cce, kd_loss_categorical_focal,
    kd_loss_categorical_generalized, kd_loss_categorical_hinge, kd_loss_circle, kd_loss_cosine, kd_loss_ctc,
    kd_loss_dice, kd_loss_hinge, kd_loss_huber, kd_loss_kld, kd_loss_log_cosh, kd_loss_mae, kd_loss_mape,
    kd_loss_mse, kd_loss_msle, kd_loss_poisson, kd_loss_scce, kd_loss_squared_hinge, kd_loss_tversky;

static const kd_kind *const kinds[] = {&kd_loss_bce.base,
                                       &kd_loss_binary_focal.base,
                                       &kd_loss_cce.base,
                                       &kd_loss_categorical_focal.base,
                                       &kd_loss_categorical_generalized.base,
                                       &kd_loss_categorical_hinge.base,
                                       &kd_loss_circle.base,
                                       &kd_loss_cosine.base,
                                       &kd_loss_ctc.base,
                                       &kd_loss_dice.base,
                                       &kd_loss_hinge.base,
                                       &kd_loss_huber.base,
                                       &kd_loss_kld.base,
                                       &kd_loss_log_cosh.base,
                                       &kd_loss_mae.base,
                                       &kd_loss_mape.base,
                                       &kd_loss_mse.base,
                                       &kd_loss_msle.base,
                                       &kd_loss_poisson.base,
                                       &kd_loss_scce.base,
                                       &kd_loss_squared_hinge.base,
                                       &kd_loss_tversky.base};

const kd_family kd_loss_family = {"loss", kinds, sizeof kinds / sizeof *kinds};

kd_sym kd_mean_last(kd_graph *g, kd_sym terms) {
  if (terms == KD_NO_SYM || kd_sym_shape(g, terms)->rank < 2) return terms;
  return kd_reduce_last(g, KD_REDUCE_MEAN, terms, false);
}

kd_sym kd_sum_last(kd_graph *g, kd_sym terms) {
  if (terms == KD_NO_SYM || kd_sym_shape(g, terms)->rank < 2) return terms;
  return kd_reduce_last(g, KD_REDUCE_SUM, terms, false);
}

static bool is_sigmoid(const kd_node *node) {
  if (node->op != KD_OP_POINTWISE) return false;
  const kd_pointwise_attr *program = node->attr;
  return program->n_steps == 1 && program->step[0].op == KD_PW_SIGMOID;
}

kd_prediction kd_find_logits(const kd_graph *graph, kd_sym y_pred) {
  kd_prediction prediction = {.y_pred = y_pred, .logits = KD_NO_SYM};
  const kd_node *node = kd_producer(graph, y_pred, false);
  if (!node) return prediction;
  if (node->op == KD_OP_SOFTMAX && !((const kd_softmax_attr *)node->attr)->log) {
    prediction.probability = KD_PROB_SOFTMAX;
    prediction.logits = node->input[0];
  } else if (is_sigmoid(node)) {
    prediction.probability = KD_PROB_SIGMOID;
    prediction.logits = node->input[0];
  }
  return prediction;
}

kd_sym kd_align_labels(kd_graph *g, kd_sym y_true, kd_sym y_pred, bool sparse) {
  if (y_true == KD_NO_SYM || y_pred == KD_NO_SYM) return KD_NO_SYM;
  kd_shape truth = *kd_sym_shape(g, y_true);
  int wanted = kd_sym_shape(g, y_pred)->rank - (sparse ? 1 : 0);
  if (truth.rank == wanted + 1 && truth.dim[truth.rank - 1] == 1)
    truth.rank--;
  else if (truth.rank == wanted - 1)
    truth.dim[truth.rank++] = 1;
  return kd_reshape(g, y_true, truth);
}

bool kd_loss_squeezes(const kd_shape *y_true, const kd_shape *y_pred, bool sparse) {
  return !sparse && y_true->rank > 1 && y_true->rank == y_pred->rank - 1 &&
         y_pred->dim[y_pred->rank - 1] == 1;
}

int64_t kd_loss_values_per_row(const kd_shape *y_true, const kd_shape *y_pred, bool sparse) {
  int end = y_pred->rank - (kd_loss_squeezes(y_true, y_pred, sparse) ? 2 : 1);
  return end > 1 ? kd_shape_span(y_pred, 1, end) : 1;
}

static kd_sym squeezed(kd_graph *g, kd_sym x) {
  if (x == KD_NO_SYM) return KD_NO_SYM;
  kd_shape shape = *kd_sym_shape(g, x);
  shape.rank--;
  return kd_reshape(g, x, shape);
}

/* Labels and prediction of ranks that fit; false: one of them is KD_NO_SYM. */
static bool aligned(kd_graph *g, const kd_loss_kind *kind, kd_sym *y_true, kd_prediction *p) {
  if (*y_true == KD_NO_SYM || p->y_pred == KD_NO_SYM) return false;
  if (kd_loss_squeezes(kd_sym_shape(g, *y_true), kd_sym_shape(g, p->y_pred), kind->sparse_labels)) {
    p->y_pred = squeezed(g, p->y_pred);
    p->logits = squeezed(g, p->logits);
  }
  *y_true = kd_align_labels(g, *y_true, p->y_pred, kind->sparse_labels);
  return *y_true != KD_NO_SYM;
}

kd_sym kd_loss_values(kd_graph *g, const kd_object *loss, kd_sym y_true, const kd_prediction *prediction) {
  const kd_loss_kind *kind = (const kd_loss_kind *)loss->kind;
  kd_prediction p = *prediction;
  return aligned(g, kind, &y_true, &p) ? kind->values(g, loss->options, y_true, &p) : KD_NO_SYM;
}

kd_sym kd_loss_state(kd_graph *g, const kd_object *loss, kd_sym y_true, const kd_prediction *prediction,
                     kd_sym first, int64_t n_state) {
  const kd_loss_kind *kind = (const kd_loss_kind *)loss->kind;
  kd_prediction p = *prediction;
  if (!aligned(g, kind, &y_true, &p)) return KD_NO_SYM;
  return kind->whole->state(g, loss->options, y_true, p.y_pred, first, n_state);
}

static bool accuracy_is_sparse(const kd_shape *y_true, const kd_shape *y_pred) {
  bool column = y_true->rank == y_pred->rank && y_true->dim[y_true->rank - 1] == 1;
  return y_true->rank < y_pred->rank || column;
}

const char *kd_metric_resolve(const char *name, const kd_shape *y_true, const kd_shape *y_pred) {
  bool accuracy = strcasecmp(name, "accuracy") == 0 || strcasecmp(name, "acc") == 0;
  bool entropy = strcasecmp(name, "crossentropy") == 0 || strcasecmp(name, "ce") == 0;
  if (!accuracy && !entropy) return name;
  if (y_pred->rank == 0 || y_pred->dim[y_pred->rank - 1] == 1)
    return accuracy ? "BinaryAccuracy" : "BinaryCrossentropy";
  if (accuracy_is_sparse(y_true, y_pred))
    return accuracy ? "SparseCategoricalAccuracy" : "SparseCategoricalCrossentropy";
  return accuracy ? "CategoricalAccuracy" : "CategoricalCrossentropy";
}
