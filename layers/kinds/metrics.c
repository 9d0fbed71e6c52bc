#include "layers/loss.h"

extern const kd_metric_kind kd_metric_accuracy, kd_metric_bce, kd_metric_binary_accuracy,
    kd_metric_categorical_accuracy, kd_metric_categorical_hinge, kd_metric_cce, kd_metric_cosine,
    kd_metric_hinge, kd_metric_kld, kd_metric_log_cosh, kd_metric_mae, kd_metric_mape, kd_metric_mse,
    kd_metric_msle, kd_metric_poisson, kd_metric_rmse, kd_metric_scce, kd_metric_sparse_accuracy,
    kd_metric_sparse_top_k, kd_metric_squared_hinge, kd_metric_top_k;

static const kd_kind *const kinds[] = {&kd_metric_accuracy.base,
                                       &kd_metric_bce.base,
                                       &kd_metric_binary_accuracy.base,
                                       &kd_metric_categorical_accuracy.base,
                                       &kd_metric_categorical_hinge.base,
                                       &kd_metric_cce.base,
                                       &kd_metric_cosine.base,
                                       &kd_metric_hinge.base,
                                       &kd_metric_kld.base,
                                       &kd_metric_log_cosh.base,
                                       &kd_metric_mae.base,
                                       &kd_metric_mape.base,
                                       &kd_metric_mse.base,
                                       &kd_metric_msle.base,
                                       &kd_metric_poisson.base,
                                       &kd_metric_rmse.base,
                                       &kd_metric_scce.base,
                                       &kd_metric_sparse_accuracy.base,
                                       &kd_metric_sparse_top_k.base,
                                       &kd_metric_squared_hinge.base,
                                       &kd_metric_top_k.base};

const kd_family kd_metric_family = {"metric", kinds, sizeof kinds / sizeof *kinds};
