#include "support/xent_rows.h"

#include <math.h>

#include "support/check.h"
#include "support/op_case.h"

enum {
  EQUAL,
  ASCENDING,
  DESCENDING,
  ONLY_LAST,
  LATE,
  NOTHING,
  INFINITE,
  NAN_FIRST,
  NAN_LAST,
  HUGE_ONES,
  ROWS
};
static const char *const row_name[ROWS] = {
    "equal elements",         "ascending elements", "descending elements",    "-inf but for the last element",
    "-inf in the first half", "-inf alone",         "+inf in the last place", "NaN in the first place",
    "NaN in the last place",  "huge elements"};

/* Exact in every float type. */
static double element(int row, kd_dtype type, int64_t i, int64_t n) {
  double step = (double)(i * 64 / n), huge = type == KD_F16 ? 61440 : 0x1.8p126;
  bool last = i == n - 1;
  switch (row) {
  case EQUAL:
    return -2.5;
  case ASCENDING:
    return step / 2 - 16;
  case DESCENDING:
    return 16 - step / 2;
  case ONLY_LAST:
    return last ? 1.5 : (double)-INFINITY;
  case LATE:
    return i < n / 2 ? (double)-INFINITY : (double)(i % 16) / 4;
  case NOTHING:
    return (double)-INFINITY;
  case INFINITE:
    return last ? (double)INFINITY : 1;
  case NAN_FIRST:
    return i == 0 ? (double)NAN : 1;
  case NAN_LAST:
    return last ? (double)NAN : step;
  default:
    return i % 3 == 0 ? huge : -huge;
  }
}

static int64_t label_of(int row, int64_t n) {
  return row * 37 % n;
}

static void near(const char *where, int row, int64_t n, const char *what, double value, double expected,
                 double tolerance) {
  if (isnan(expected) ? isnan(value)
                      : value == expected || fabs(value - expected) <= tolerance * (1 + fabs(expected)))
    return;
  fail_msg("%s, %s, %lld classes: the %s is %.9g, expected %.9g", where, row_name[row], (long long)n, what,
           value, expected);
}

/* x: the row. Double precision says what the loss is and what its gradient, times dloss. */
static void compare_row(const char *where, int row, int64_t n, const double *x, double loss, double dloss,
                        const kd_tensor *dx) {
  double most = -INFINITY, sum = 0, tolerance = dx->dtype == KD_F32 ? 2e-6 : 5e-3;
  int64_t label = label_of(row, n);
  for (int64_t i = 0; i < n; i++) most = fmax(most, x[i]);
  for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
  near(where, row, n, "loss", loss, log(sum) + (most - x[label]), 2e-6);
  for (int64_t i = 0; i < n; i++)
    near(where, row, n, "gradient", op_data_decode(dx, row * n + i),
         dloss * (exp(x[i] - most) / sum - (i == label)), tolerance);
}

static void fill(op_run *run, kd_dtype type, int64_t n) {
  double *x = run->values[run->node->input[0]], *labels = run->values[run->node->input[1]];
  for (int64_t i = 0; i < ROWS * n; i++) x[i] = element((int)(i / n), type, i % n, n);
  for (int row = 0; row < ROWS; row++) labels[row] = (double)label_of(row, n);
}

static void check_length(kd_device *device, kd_dtype type, int64_t n, const char *where) {
  const kd_xent_attr attr = {.ignore = INT32_MIN};
  const op_input x = {type, DATA_NORMAL, 0, KD_SHAPE(ROWS, n)}, labels = IDS(1, ROWS),
                 numbers = F32(NORMAL, ROWS);
  const op_case forward = {"rows", KD_OP_SPARSE_XENT, 0, &attr, 2, (op_input[]){x, labels}};
  const op_case backward = {
      "rows", KD_OP_SPARSE_XENT_GRAD, 0, &attr, 5, (op_input[]){x, labels, numbers, numbers, numbers}};
  op_run run, grad;
  op_run_open(&run, &forward, false);
  op_run_open(&grad, &backward, false);
  fill(&run, type, n);
  fill(&grad, type, n);
  op_run_prepare(&run, device, 0, false);
  op_run_once(&run);
  for (int k = 1; k < 3; k++) /* maximum and sum */
    for (int row = 0; row < ROWS; row++)
      grad.values[grad.node->input[1 + k]][row] = op_data_decode(&run.result[k], row);
  op_run_prepare(&grad, device, 0, false);
  op_run_once(&grad);
  for (int row = 0; row < ROWS; row++)
    compare_row(where, row, n, run.values[run.node->input[0]] + row * n, op_data_decode(&run.result[0], row),
                grad.values[grad.node->input[4]][row], &grad.result[0]);
  op_run_finish(&run);
  op_run_finish(&grad);
  op_run_close(&run);
  op_run_close(&grad);
}

void check_xent_rows(kd_device *device, kd_dtype type, const char *where) {
  static const int64_t lengths[] = {1, 2, 15, 100, 1000, 1023, 1024, 1025, 1151, 2000, 8192, 8203};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) check_length(device, type, lengths[i], where);
}
