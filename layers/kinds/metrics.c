#include "layers/loss.h"

extern const kd_metric_kind kd_metric_accuracy, kd_metric_bce, kd_metric_binary_accuracy,
    kd_metric_categorical_accuracy, kd_metric_cce, kd_metric_mae, kd_metric_mse, kd_metric_rmse,
    kd_metric_scce, kd_metric_sparse_accuracy, kd_metric_sparse_top_k, kd_metric_top_k;

static const kd_kind *const kinds[] = {
    &kd_metric_accuracy.base,
    &kd_metric_binary_accuracy.base,
    &kd_metric_bce.base,
    &kd_metric_categorical_accuracy.base,
    &kd_metric_cce.base,
    &kd_metric_mae.base,
    &kd_metric_mse.base,
    &kd_metric_rmse.base,
    &kd_metric_sparse_accuracy.base,
    &kd_metric_scce.base,
    &kd_metric_sparse_top_k.base,
    &kd_metric_top_k.base,
};

const kd_family kd_metric_family = {"metric", kinds, sizeof kinds / sizeof *kinds};
