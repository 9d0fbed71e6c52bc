/* CTC and CTC_GRAD (Graves et al., ICML 2006), in the form and with the numbers of optax, which Keras has:
 * after each step a path stands in blank[n] with n labels behind it, or has just emitted label n in emit[n].
 * What is not possible costs exp(IMPOSSIBLE) instead of infinity, so that even labels that do not fit into
 * the steps have a loss and a gradient.
 *
 * All is kept as logarithms in double: thousands of steps are a sum of thousands of numbers. Backward makes
 * forward's states again, which is cheaper than to keep them through the whole backward pass. A sample is one
 * item of work. */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/index.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

static const double IMPOSSIBLE = -1e5;

/* States after one step: blank[0 .. labels], then emit[0 .. labels-1]. */
static int64_t state_width(const kd_launch *launch) {
  return 2 * launch->input[1].shape.dim[1] + 1;
}

/* Doubles of one sample: so many states and the labels. */
static int64_t sample_room(const kd_launch *launch, int64_t n_states) {
  return n_states * state_width(launch) + launch->input[1].shape.dim[1];
}

typedef struct sample {
  const float *logs; /* (steps, classes) */
  const double *label;
  int64_t steps, classes, labels, length; /* length: labels that count */
  int64_t width;
  double *states;
} sample;

/* Sample i with its labels read; false: a label is no class. */
static bool sample_open(const kd_launch *launch, int64_t i, int64_t n_states, sample *s) {
  const kd_tensor *logs = &launch->input[0], *labels = &launch->input[1];
  *s = (sample){.steps = logs->shape.dim[1],
                .classes = logs->shape.dim[2],
                .labels = labels->shape.dim[1],
                .width = state_width(launch)};
  s->logs = (const float *)logs->data + i * s->steps * s->classes;
  s->states = (double *)launch->workspace + i * sample_room(launch, n_states);
  double *label = s->states + n_states * s->width;
  bool good = true;
  for (int64_t n = 0; n < s->labels; n++) {
    label[n] = (double)kd_index_at(labels, i * s->labels + n);
    s->length += label[n] != 0;
    good &= label[n] >= 0 && label[n] < (double)s->classes;
  }
  s->label = label;
  return good;
}

static double log_add(double a, double b) {
  double most = fmax(a, b);
  return a == b ? a + M_LN2 : most + log1p(exp(-fabs(a - b)));
}

/* exp(a) / (exp(a) + exp(b)) */
static double share(double a, double b) {
  return a == b ? 0.5 : 1 / (1 + exp(b - a));
}

static double repeats(const sample *s, int64_t n) {
  return n + 1 < s->labels && s->label[n] == s->label[n + 1];
}

static void start(const sample *s, double *state) {
  for (int64_t n = 0; n < s->width; n++) state[n] = IMPOSSIBLE;
  state[0] = 0;
}

/* blank[n] before a step, where the label before may have been left without a blank: only when another label
 * follows. */
static double left(const sample *s, const double *blank, const double *emit, int64_t n) {
  return n == 0 ? blank[0] : log_add(blank[n], emit[n - 1] + IMPOSSIBLE * repeats(s, n - 1));
}

/* Label n-1 is left by a blank: only when it is repeated, otherwise `left` has it. */
static double left_by_blank(const sample *s, const double *emit, int64_t n) {
  return emit[n - 1] + IMPOSSIBLE * (1 - repeats(s, n - 1));
}

static void advance(const sample *s, int64_t t, const double *before, double *after) {
  const double *blank = before, *emit = before + s->labels + 1;
  const float *logs = s->logs + t * s->classes;
  for (int64_t n = 0; n <= s->length; n++) {
    double from = left(s, blank, emit, n);
    after[n] = (double)logs[0] + (n > 0 ? log_add(from, left_by_blank(s, emit, n)) : from);
    if (n < s->length) after[s->labels + 1 + n] = (double)logs[(int64_t)s->label[n]] + log_add(from, emit[n]);
  }
}

static double loss_of(const sample *s, const double *last) {
  return s->length == 0 ? -last[0] : -log_add(last[s->length], last[s->labels + s->length]);
}

static void forward_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  float *loss = launch->output[0].data;
  for (int64_t i = begin; i < end; i++) {
    sample s;
    loss[i] = NAN;
    if (!sample_open(launch, i, 2, &s)) continue;
    start(&s, s.states);
    for (int64_t t = 0; t < s.steps; t++)
      advance(&s, t, s.states + t % 2 * s.width, s.states + (t + 1) % 2 * s.width);
    loss[i] = (float)loss_of(&s, s.states + s.steps % 2 * s.width);
  }
}

/* --- backward --------------------------------------------------------------------------------------- */

/* The last state becomes the slopes of log p by it. From here on slopes are what share of the paths, by
 * weight, goes through a state. */
static void slopes_last(const sample *s, double *state) {
  int64_t end = s->length;
  double part = end > 0 ? share(state[end], state[s->labels + end]) : 1;
  memset(state, 0, (size_t)s->width * sizeof *state);
  state[end] = part;
  if (end > 0) state[s->labels + end] = 1 - part;
}

/* The state before a step becomes slopes, from those after it. Descending, so that n - 1 is still a state. */
static void slopes_before(const sample *s, const double *after, double *before) {
  double *blank = before, *emit = before + s->labels + 1, carry = 0;
  const double *to_emit = after + s->labels + 1;
  for (int64_t n = s->length; n >= 0; n--) {
    double from = left(s, blank, emit, n), stays = 0, leaves = 0;
    if (n < s->length) {
      double part = share(from, emit[n]);
      stays = to_emit[n] * (1 - part);
      leaves = to_emit[n] * part;
      emit[n] = stays + carry;
    }
    double by_blank = n > 0 ? after[n] * share(from, left_by_blank(s, emit, n)) : after[n];
    double through = by_blank + leaves, kept = 1;
    if (n > 0) kept = share(blank[n], emit[n - 1] + IMPOSSIBLE * repeats(s, n - 1));
    carry = after[n] - by_blank + through * (1 - kept);
    blank[n] = through * kept;
  }
}

static void store_step(const sample *s, float dloss, const double *slopes, float *dlogs) {
  double blank = 0;
  memset(dlogs, 0, (size_t)s->classes * sizeof *dlogs);
  for (int64_t n = 0; n <= s->length; n++) blank += slopes[n];
  dlogs[0] = -dloss * (float)blank;
  for (int64_t n = 0; n < s->length; n++)
    dlogs[(int64_t)s->label[n]] -= dloss * (float)slopes[s->labels + 1 + n];
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  for (int64_t i = begin; i < end; i++) {
    sample s;
    bool good = sample_open(launch, i, launch->input[0].shape.dim[1] + 1, &s);
    float *dlogs = (float *)launch->output[0].data + i * s.steps * s.classes;
    float dloss = ((const float *)launch->input[2].data)[i];
    for (int64_t k = 0; !good && k < s.steps * s.classes; k++) dlogs[k] = NAN;
    if (!good) continue;
    start(&s, s.states);
    for (int64_t t = 0; t < s.steps; t++)
      advance(&s, t, s.states + t * s.width, s.states + (t + 1) * s.width);
    slopes_last(&s, s.states + s.steps * s.width);
    for (int64_t t = s.steps - 1; t >= 0; t--) {
      double *after = s.states + (t + 1) * s.width;
      store_step(&s, dloss, after, dlogs + t * s.classes);
      if (t > 0) slopes_before(&s, after, s.states + t * s.width);
    }
  }
}

/* --- both -------------------------------------------------------------------------------------------- */

static kd_status prepare_states(kd_launch *launch, int64_t n_states) {
  KD_TRY(kd_cpu_check_types(launch));
  launch->note = "double, sample by sample";
  launch->workspace_bytes =
      (size_t)(launch->input[0].shape.dim[0] * sample_room(launch, n_states)) * sizeof(double);
  return kd_index_check(&launch->input[1]);
}

static kd_status prepare(kd_launch *launch) {
  return prepare_states(launch, 2);
}

static kd_status grad_prepare(kd_launch *launch) {
  return prepare_states(launch, launch->input[0].shape.dim[1] + 1);
}

/* Two logarithms of sums for each state take as long as this many bytes. */
enum { STATE_BYTES = 200 };

static kd_status run_samples(const kd_launch *launch, kd_range_fn *range) {
  const kd_shape *logs = &launch->input[0].shape;
  int64_t grain = kd_cpu_grain(logs->dim[1] * state_width(launch) * STATE_BYTES);
  kd_cpu_parallel(launch->device, logs->dim[0], grain, range, (void *)launch);
  return KD_OK;
}

static kd_status run(const kd_launch *launch) {
  return run_samples(launch, forward_range);
}

static kd_status grad_run(const kd_launch *launch) {
  return run_samples(launch, grad_range);
}

const kd_kernel kd_cpu_ctc = {.prepare = prepare, .run = run};
const kd_kernel kd_cpu_ctc_grad = {.prepare = grad_prepare, .run = grad_run};
