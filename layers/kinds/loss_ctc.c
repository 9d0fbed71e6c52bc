/* Connectionist temporal classification, as keras.losses.CTC: labels (batch, labels) that the steps of the
 * logits (batch, steps, classes) spell in order. Class 0 is the blank and the padding of labels. */
#include "layers/kinds/loss_table.h"

typedef struct ctc_options {
  kd_loss_common common;
} ctc_options;

static const kd_option table[] = {KD_LOSS_COMMON(ctc_options), {0}};

static const kd_shape label_shape = {.rank = 1, .dim = {-1}};

static int64_t values_per_row(const void *options, const kd_shape *y_pred) {
  (void)options, (void)y_pred;
  return 1;
}

static kd_sym values(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const kd_shape *logits = kd_sym_shape(g, p->y_pred);
  kd_shape labels = *kd_sym_shape(g, y_true);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  (void)options;
  if (labels.rank == 3 && labels.dim[2] == 1) labels.rank--;
  if (logits->rank != 3 || labels.rank != 2)
    return kd_graph_fail(
        g,
        "logits must have shape (batch, steps, classes), not %s, and labels (batch, labels), "
        "not %s",
        kd_shape_text(logits, a), kd_shape_text(&labels, b));
  kd_sym numbers = kd_cast(g, kd_reshape(g, y_true, labels), KD_I32);
  return kd_ctc(g, kd_softmax(g, p->y_pred, true), numbers);
}

extern const kd_loss_kind kd_loss_ctc;

const kd_loss_kind kd_loss_ctc = {
    .base = {.name = "CTC",
             .aliases = "ctc",
             .help = "how well the steps spell a sequence of labels that has no times; class 0 is the blank "
                     "between labels and the padding behind them",
             .options = table,
             .options_size = sizeof(ctc_options)},
    .values = values,
    .label_shape = &label_shape,
    .label_classes = true,
    .values_per_row = values_per_row,
    .log_name = "ctc",
};
