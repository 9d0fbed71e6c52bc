/* Normalisation, softmax and sparse cross-entropy. */
#include <math.h>

#include "support/interpret_call.h"

/* Rows and channels of (rows.., c). */
static void split(const kd_shape *shape, int64_t *rows, int64_t *channels) {
  *rows = kd_shape_span(shape, 0, shape->rank - 1);
  *channels = shape->dim[shape->rank - 1];
}

void interpret_batch_norm(const call *c) {
  const kd_norm_attr *attr = c->attr;
  const double *x = c->x[0], *gamma = c->x[1], *beta = c->x[2];
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t j = 0; j < channels; j++) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < rows; i++) mean += x[i * channels + j] / (double)rows;
    for (int64_t i = 0; i < rows; i++) variance += pow(x[i * channels + j] - mean, 2) / (double)rows;
    c->y[1][j] = mean;
    c->y[2][j] = variance;
    for (int64_t i = 0; i < rows; i++) {
      double y = (x[i * channels + j] - mean) / sqrt(variance + (double)attr->epsilon) * gamma[j] + beta[j];
      c->y[0][i * channels + j] = attr->relu && y < 0 ? 0 : y;
    }
  }
}

/* Ioffe and Szegedy, "Batch normalization", 2015, section 3. */
void interpret_batch_norm_grad(const call *c) {
  const kd_norm_attr *attr = c->attr;
  const double *x = c->x[0], *gamma = c->x[1], *beta = c->x[2];
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t j = 0; j < channels; j++) {
    double rstd = 1 / sqrt(c->x[4][j] + (double)attr->epsilon), mean = c->x[3][j];
    for (int pass = 0; pass < 2; pass++) {
      for (int64_t i = 0; i < rows; i++) {
        double unit = (x[i * channels + j] - mean) * rstd;
        double dy = attr->relu && unit * gamma[j] + beta[j] <= 0 ? 0 : c->x[5][i * channels + j];
        if (pass == 0) {
          c->y[1][j] += dy * unit;
          c->y[2][j] += dy;
        } else {
          double common = (c->y[2][j] + unit * c->y[1][j]) / (double)rows;
          c->y[0][i * channels + j] = gamma[j] * rstd * (dy - common);
        }
      }
    }
  }
}

void interpret_layer_norm(const call *c) {
  const kd_norm_attr *attr = c->attr;
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *x = c->x[0] + i * channels;
    double mean = 0, variance = 0;
    for (int64_t j = 0; j < channels; j++) mean += x[j] / (double)channels;
    for (int64_t j = 0; j < channels; j++) variance += pow(x[j] - mean, 2) / (double)channels;
    c->y[1][i] = mean;
    c->y[2][i] = 1 / sqrt(variance + (double)attr->epsilon);
    for (int64_t j = 0; j < channels; j++)
      c->y[0][i * channels + j] = (x[j] - mean) * c->y[2][i] * c->x[1][j] + c->x[2][j];
  }
}

/* Ba, Kiros and Hinton, "Layer normalization", 2016; the same algebra as above, along rows. */
void interpret_layer_norm_grad(const call *c) {
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *x = c->x[0] + i * channels, *gamma = c->x[1], *dy = c->x[4] + i * channels;
    double mean = c->x[2][i], rstd = c->x[3][i], sum = 0, sum_unit = 0;
    for (int64_t j = 0; j < channels; j++) {
      double unit = (x[j] - mean) * rstd;
      c->y[1][j] += dy[j] * unit;
      c->y[2][j] += dy[j];
      sum += dy[j] * gamma[j] / (double)channels;
      sum_unit += dy[j] * gamma[j] * unit / (double)channels;
    }
    for (int64_t j = 0; j < channels; j++)
      c->y[0][i * channels + j] = rstd * (dy[j] * gamma[j] - sum - (x[j] - mean) * rstd * sum_unit);
  }
}

static double log_sum_exp(const double *x, int64_t count) {
  double max = -INFINITY, sum = 0;
  for (int64_t j = 0; j < count; j++) max = fmax(max, x[j]);
  for (int64_t j = 0; j < count; j++) sum += exp(x[j] - max);
  return max + log(sum);
}

void interpret_softmax(const call *c) {
  const kd_softmax_attr *attr = c->attr;
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *x = c->x[0] + i * channels;
    double total = log_sum_exp(x, channels);
    for (int64_t j = 0; j < channels; j++)
      c->y[0][i * channels + j] = attr->log ? x[j] - total : exp(x[j] - total);
  }
}

void interpret_softmax_grad(const call *c) {
  const kd_softmax_attr *attr = c->attr;
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *y = c->x[0] + i * channels, *dy = c->x[1] + i * channels;
    double sum = 0;
    for (int64_t j = 0; j < channels; j++) sum += attr->log ? dy[j] : y[j] * dy[j];
    for (int64_t j = 0; j < channels; j++)
      c->y[0][i * channels + j] = attr->log ? dy[j] - exp(y[j]) * sum : y[j] * (dy[j] - sum);
  }
}

static double largest(const double *x, int64_t n) {
  double most = x[0];
  for (int64_t i = 1; i < n; i++) most = fmax(most, x[i]);
  return most;
}

void interpret_sparse_xent(const call *c) {
  const kd_xent_attr *attr = c->attr;
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *x = c->x[0] + i * channels, label = c->x[1][i];
    bool ignored = label == attr->ignore, inside = !ignored && label >= 0 && label < (double)channels;
    double most = inside ? largest(x, channels) : 0, all = inside ? log_sum_exp(x, channels) : 0;
    c->y[0][i] = ignored ? 0 : inside ? all - x[(int64_t)label] : NAN;
    c->y[1][i] = most;
    c->y[2][i] = exp(all - most);
  }
}

void interpret_sparse_xent_grad(const call *c) {
  const kd_xent_attr *attr = c->attr;
  int64_t rows, channels;
  split(&c->x_shape[0], &rows, &channels);
  for (int64_t i = 0; i < rows; i++) {
    const double *x = c->x[0] + i * channels, label = c->x[1][i];
    if (label == attr->ignore) continue;
    bool inside = label >= 0 && label < (double)channels;
    double most = c->x[2][i], sum = c->x[3][i], dloss = c->x[4][i];
    for (int64_t j = 0; j < channels; j++) {
      double slope = exp(x[j] - most) / sum - (j == (int64_t)label ? 1 : 0);
      c->y[0][i * channels + j] = inside ? dloss * slope : NAN;
    }
  }
}
