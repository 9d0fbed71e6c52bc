/* CTC and CTC_GRAD (Graves et al., ICML 2006), in the form and with the numbers of optax, which Keras has:
 * after each step a path stands in blank[n] with n labels behind it, or has just emitted label n in emit[n].
 * What is not possible has the weight exp(IMPOSSIBLE) instead of 0, so that even labels that do not fit into
 * the steps have a loss and a gradient.
 *
 * A weight is a probability with an exponent of its own (ctc_weight.h), since that of a double ends where a
 * hundred steps begin. Backward makes forward's states again, which is cheaper than to keep them through the
 * whole backward pass. A sample is one item of work. */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "device/cpu/ctc_weight.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/index.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

static const double IMPOSSIBLE = -1e5;

/* States after one step: blank[0 .. labels], then emit[0 .. labels-1]. */
static int64_t state_width(const kd_launch *launch) {
  return 2 * launch->input[1].shape.dim[1] + 1;
}

/* Bytes of one sample: so many states, slopes by two of them, and the labels. */
static int64_t sample_bytes(const kd_launch *launch, int64_t n_states) {
  int64_t width = state_width(launch), labels = launch->input[1].shape.dim[1];
  return n_states * width * (int64_t)sizeof(kd_weight) + (2 * width + labels) * (int64_t)sizeof(double);
}

typedef struct sample {
  const float *logs;                      /* (steps, classes) */
  int64_t steps, classes, labels, length; /* length: labels that count */
  int64_t width;
  kd_weight *states, impossible;
  double *slopes[2], *label;
} sample;

/* Sample i with its labels read; false: a label is no class. */
static bool sample_open(const kd_launch *launch, int64_t i, int64_t n_states, sample *s) {
  const kd_tensor *logs = &launch->input[0], *labels = &launch->input[1];
  *s = (sample){.steps = logs->shape.dim[1],
                .classes = logs->shape.dim[2],
                .labels = labels->shape.dim[1],
                .width = state_width(launch),
                .impossible = kd_weight_exp(IMPOSSIBLE)};
  s->logs = (const float *)logs->data + i * s->steps * s->classes;
  s->states = (kd_weight *)((char *)launch->workspace + i * sample_bytes(launch, n_states));
  for (int k = 0; k < 2; k++) s->slopes[k] = (double *)(s->states + n_states * s->width) + k * s->width;
  s->label = s->slopes[1] + s->width;
  bool good = true;
  for (int64_t n = 0; n < s->labels; n++) {
    s->label[n] = (double)kd_index_at(labels, i * s->labels + n);
    s->length += s->label[n] != 0;
    good &= s->label[n] >= 0 && s->label[n] < (double)s->classes;
  }
  return good;
}

static bool repeats(const sample *s, int64_t n) {
  return n + 1 < s->labels && s->label[n] == s->label[n + 1];
}

static kd_weight unless(const sample *s, bool impossible, kd_weight w) {
  return impossible ? kd_weight_times(w, s->impossible) : w;
}

static void start(const sample *s, kd_weight *state) {
  for (int64_t n = 0; n < s->width; n++) state[n] = s->impossible;
  state[0] = kd_weight_exp(0);
}

/* Label n-1 is left for the next one, without a blank: only when that is another label. */
static kd_weight left_at_once(const sample *s, const kd_weight *emit, int64_t n) {
  return unless(s, repeats(s, n - 1), emit[n - 1]);
}

/* Label n-1 is left by a blank: only when it is repeated, otherwise `left_at_once` has it. */
static kd_weight left_by_blank(const sample *s, const kd_weight *emit, int64_t n) {
  return unless(s, !repeats(s, n - 1), emit[n - 1]);
}

/* n labels are behind before a step. */
static kd_weight behind(const sample *s, const kd_weight *blank, const kd_weight *emit, int64_t n) {
  return n == 0 ? blank[0] : kd_weight_plus(blank[n], left_at_once(s, emit, n));
}

static void advance(const sample *s, int64_t t, const kd_weight *before, kd_weight *after) {
  const kd_weight *blank = before, *emit = before + s->labels + 1;
  const float *logs = s->logs + t * s->classes;
  kd_weight at_blank = kd_weight_exp((double)logs[0]);
  for (int64_t n = 0; n <= s->length; n++) {
    kd_weight from = behind(s, blank, emit, n), rests = from;
    if (n > 0) rests = kd_weight_plus(from, left_by_blank(s, emit, n));
    after[n] = kd_weight_level(kd_weight_times(at_blank, rests));
    if (n == s->length) break;
    kd_weight at_label = kd_weight_exp((double)logs[(int64_t)s->label[n]]);
    after[s->labels + 1 + n] = kd_weight_level(kd_weight_times(at_label, kd_weight_plus(from, emit[n])));
  }
}

static double loss_of(const sample *s, const kd_weight *last) {
  if (s->length == 0) return -kd_weight_log(last[0]);
  return -kd_weight_log(kd_weight_plus(last[s->length], last[s->labels + s->length]));
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

/* Slopes of log p by the last state. A slope is what share of the paths, by weight, goes through a state. */
static void slopes_last(const sample *s, const kd_weight *state, double *slopes) {
  int64_t end = s->length;
  double part = end > 0 ? kd_weight_share(state[end], state[s->labels + end]) : 1;
  memset(slopes, 0, (size_t)s->width * sizeof *slopes);
  slopes[end] = part;
  if (end > 0) slopes[s->labels + end] = 1 - part;
}

/* Slopes by the state before a step, from those by the state after it. */
static void slopes_before(const sample *s, const kd_weight *state, const double *after, double *before) {
  const kd_weight *blank = state, *emit = state + s->labels + 1;
  const double *to_emit = after + s->labels + 1;
  double *from_emit = before + s->labels + 1, carry = 0;
  for (int64_t n = s->length; n >= 0; n--) {
    kd_weight from = behind(s, blank, emit, n);
    double leaves = 0, by_blank = after[n], kept = 1;
    if (n < s->length) {
      leaves = to_emit[n] * kd_weight_share(from, emit[n]);
      from_emit[n] = to_emit[n] - leaves + carry;
    }
    if (n > 0) {
      by_blank *= kd_weight_share(from, left_by_blank(s, emit, n));
      kept = kd_weight_share(blank[n], left_at_once(s, emit, n));
    }
    double through = by_blank + leaves;
    carry = after[n] - by_blank + through * (1 - kept);
    before[n] = through * kept;
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
    slopes_last(&s, s.states + s.steps * s.width, s.slopes[s.steps % 2]);
    for (int64_t t = s.steps - 1; t >= 0; t--) {
      const double *after = s.slopes[(t + 1) % 2];
      store_step(&s, dloss, after, dlogs + t * s.classes);
      if (t > 0) slopes_before(&s, s.states + t * s.width, after, s.slopes[t % 2]);
    }
  }
}

/* --- both -------------------------------------------------------------------------------------------- */

static kd_status prepare_states(kd_launch *launch, int64_t n_states) {
  KD_TRY(kd_cpu_check_types(launch));
  launch->note = "double, sample by sample";
  launch->workspace_bytes = (size_t)(launch->input[0].shape.dim[0] * sample_bytes(launch, n_states));
  return kd_dtype_check_index(launch->input[1].dtype);
}

static kd_status prepare(kd_launch *launch) {
  return prepare_states(launch, 2);
}

static kd_status grad_prepare(kd_launch *launch) {
  return prepare_states(launch, launch->input[0].shape.dim[1] + 1);
}

/* The sums of a state take as long as this many bytes. */
enum { STATE_BYTES = 60 };

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
