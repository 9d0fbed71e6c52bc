#include "trainer/schedule.h"

#include <math.h>

/* Rows of the option tables. */
#define RATE(S)                                                                                              \
  {                                                                                                          \
    .name = "initial_learning_rate", .type = KD_OPT_FLOAT, .offset = offsetof(S, initial),                   \
    .help = "rate at step 0", .min = 0, .max = 1e30                                                          \
  }
#define NUMBER(S, key, field, text, low, high, start, marks)                                                 \
  {                                                                                                          \
    .name = key, .type = KD_OPT_FLOAT, .offset = offsetof(S, field), .initial = start, .help = text,         \
    .min = low, .max = high, .flags = marks                                                                  \
  }
#define SWITCH(S, key, field, text)                                                                          \
  { .name = key, .type = KD_OPT_BOOL, .offset = offsetof(S, field), .initial = "false", .help = text }
#define NAME(S, start)                                                                                       \
  {                                                                                                          \
    .name = "name", .type = KD_OPT_TEXT, .offset = offsetof(S, name), .initial = start, .help = "name",      \
    .flags = KD_OPT_NONE_OK                                                                                  \
  }

/* ExponentialDecay: lr0 * rate ^ (step / steps). Source: keras ExponentialDecay. */
typedef struct decay_options {
  double initial, steps, rate;
  bool staircase;
  const char *name;
} decay_options;

static const kd_option decay_table[] = {
    RATE(decay_options),
    NUMBER(decay_options, "decay_steps", steps, "steps per decay", 0, 1e30, NULL, KD_OPT_OPEN_MIN),
    NUMBER(decay_options, "decay_rate", rate, "factor (exponential) or slope (inverse time)", 0, 1e30, NULL,
           0),
    SWITCH(decay_options, "staircase", staircase, "decay in whole steps only"),
    NAME(decay_options, "none"),
    {0},
};

static double decay_progress(const decay_options *o, double step) {
  double p = step / o->steps;
  return o->staircase ? floor(p) : p;
}

static double exponential_at(const void *options, double step) {
  const decay_options *o = options;
  return o->initial * pow(o->rate, decay_progress(o, step));
}

/* InverseTimeDecay: lr0 / (1 + rate * step / steps). */
static double inverse_time_at(const void *options, double step) {
  const decay_options *o = options;
  return o->initial / (1 + o->rate * decay_progress(o, step));
}

/* PiecewiseConstantDecay: values[0] while step <= boundaries[0], and so on. */
typedef struct piecewise_options {
  kd_floats boundaries, values;
  const char *name;
} piecewise_options;

static const kd_option piecewise_table[] = {
    {.name = "boundaries",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(piecewise_options, boundaries),
     .help = "increasing steps",
     .min = 0,
     .max = 1e18,
     .flags = KD_OPT_LIST},
    {.name = "values",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(piecewise_options, values),
     .help = "rates, one more than boundaries",
     .min = 0,
     .max = 1e30,
     .flags = KD_OPT_LIST},
    {.name = "name",
     .type = KD_OPT_TEXT,
     .offset = offsetof(piecewise_options, name),
     .initial = "none",
     .help = "name",
     .flags = KD_OPT_NONE_OK},
    {0},
};

static void piecewise_check(const void *options, kd_diag *diag, kd_origin origin) {
  const piecewise_options *o = options;
  if (o->values.count != o->boundaries.count + 1)
    kd_diag_error(diag, origin, "PiecewiseConstantDecay: %d boundaries need %d values, but there are %d",
                  o->boundaries.count, o->boundaries.count + 1, o->values.count);
  for (int i = 1; i < o->boundaries.count; i++)
    if (o->boundaries.v[i] <= o->boundaries.v[i - 1])
      kd_diag_error(diag, origin, "PiecewiseConstantDecay: boundaries must increase");
}

static double piecewise_at(const void *options, double step) {
  const piecewise_options *o = options;
  int i = 0;
  while (i < o->boundaries.count && step > o->boundaries.v[i]) i++;
  return o->values.v[i];
}

/* PolynomialDecay: (lr0 - end) * (1 - p) ^ power + end. */
typedef struct polynomial_options {
  double initial, steps, end, power;
  bool cycle;
  const char *name;
} polynomial_options;

static const kd_option polynomial_table[] = {
    RATE(polynomial_options),
    NUMBER(polynomial_options, "decay_steps", steps, "steps until the end rate", 0, 1e30, NULL,
           KD_OPT_OPEN_MIN),
    NUMBER(polynomial_options, "end_learning_rate", end, "rate at the end", 0, 1e30, "0.0001", 0),
    NUMBER(polynomial_options, "power", power, "power of the polynomial", 0, 0, "1.0", 0),
    SWITCH(polynomial_options, "cycle", cycle, "start again, with longer periods"),
    NAME(polynomial_options, "none"),
    {0},
};

static double polynomial_at(const void *options, double step) {
  const polynomial_options *o = options;
  double steps = o->steps;
  if (o->cycle)
    steps *= step == 0 ? 1 : ceil(step / o->steps);
  else if (step > steps)
    step = steps;
  return (o->initial - o->end) * pow(1 - step / steps, o->power) + o->end;
}

/* CosineDecay with linear warm-up (Loshchilov and Hutter, "SGDR", ICLR 2017). */
typedef struct cosine_options {
  double initial, steps, alpha;
  const char *name;
  double warmup_target, warmup_steps;
} cosine_options;

static const kd_option cosine_table[] = {
    RATE(cosine_options),
    NUMBER(cosine_options, "decay_steps", steps, "steps of the cosine, after the warm-up", 0, 1e30, NULL,
           KD_OPT_OPEN_MIN),
    NUMBER(cosine_options, "alpha", alpha, "least rate as a fraction of the peak", 0, 1, "0.0", 0),
    NAME(cosine_options, "CosineDecay"),
    NUMBER(cosine_options, "warmup_target", warmup_target, "peak rate reached by the warm-up", 0, 1e30,
           "none", KD_OPT_NONE_OK),
    NUMBER(cosine_options, "warmup_steps", warmup_steps, "steps of the warm-up", 0, 1e18, "0", 0),
    {0},
};

static double cosine(double peak, double alpha, double progress) {
  return peak * ((1 - alpha) * 0.5 * (1 + cos(acos(-1.0) * progress)) + alpha);
}

static double cosine_at(const void *options, double step) {
  const cosine_options *o = options;
  if (o->warmup_target == KD_UNSET_FLOAT)
    return cosine(o->initial, o->alpha, fmin(step, o->steps) / o->steps);
  if (step < o->warmup_steps) return o->initial + (o->warmup_target - o->initial) * step / o->warmup_steps;
  return cosine(o->warmup_target, o->alpha, fmin(step - o->warmup_steps, o->steps) / o->steps);
}

/* CosineDecayRestarts: periods that grow by t_mul, peaks that shrink by m_mul. */
typedef struct restart_options {
  double initial, first_steps, t_mul, m_mul, alpha;
  const char *name;
} restart_options;

static const kd_option restart_table[] = {
    RATE(restart_options),
    NUMBER(restart_options, "first_decay_steps", first_steps, "steps of the first period", 0, 1e30, NULL,
           KD_OPT_OPEN_MIN),
    NUMBER(restart_options, "t_mul", t_mul, "growth of the periods", 0, 1e9, "2.0", KD_OPT_OPEN_MIN),
    NUMBER(restart_options, "m_mul", m_mul, "factor of the peaks", 0, 1e9, "1.0", 0),
    NUMBER(restart_options, "alpha", alpha, "least rate as a fraction of the peak", 0, 1, "0.0", 0),
    NAME(restart_options, "SGDRDecay"),
    {0},
};

static double restart_at(const void *options, double step) {
  const restart_options *o = options;
  double done = step / o->first_steps, period = 0, fraction;
  if (o->t_mul == 1.0) {
    period = floor(done);
    fraction = done - period;
  } else {
    period = floor(log(1 - done * (1 - o->t_mul)) / log(o->t_mul));
    double before = (1 - pow(o->t_mul, period)) / (1 - o->t_mul);
    fraction = (done - before) / pow(o->t_mul, period);
  }
  /* m_mul shrinks the cosine, not the floor of alpha. */
  double wave = pow(o->m_mul, period) * 0.5 * (1 + cos(acos(-1.0) * fraction));
  return o->initial * ((1 - o->alpha) * wave + o->alpha);
}

#define SCHEDULE(id, class, text, table, struct_type, check_fn, at_fn)                                       \
  static const kd_schedule_kind id = {.base = {.name = class,                                                \
                                               .help = text,                                                 \
                                               .options = table,                                             \
                                               .options_size = sizeof(struct_type),                          \
                                               .check = check_fn},                                           \
                                      .at = at_fn}

SCHEDULE(exponential, "ExponentialDecay", "rate shrinks by a factor", decay_table, decay_options, NULL,
         exponential_at);
SCHEDULE(inverse_time, "InverseTimeDecay", "rate shrinks as 1 / (1 + k t)", decay_table, decay_options, NULL,
         inverse_time_at);
SCHEDULE(piecewise, "PiecewiseConstantDecay", "constant pieces", piecewise_table, piecewise_options,
         piecewise_check, piecewise_at);
SCHEDULE(polynomial, "PolynomialDecay", "polynomial down to an end rate", polynomial_table,
         polynomial_options, NULL, polynomial_at);
SCHEDULE(cosine_decay, "CosineDecay", "half a cosine, with warm-up", cosine_table, cosine_options, NULL,
         cosine_at);
SCHEDULE(cosine_restarts, "CosineDecayRestarts", "cosines that restart", restart_table, restart_options, NULL,
         restart_at);

static const kd_kind *const kinds[] = {&cosine_decay.base, &cosine_restarts.base, &exponential.base,
                                       &inverse_time.base, &piecewise.base,       &polynomial.base};

const kd_family kd_schedule_family = {"schedule", kinds, sizeof kinds / sizeof *kinds};

bool kd_rate_make(kd_pool *pool, kd_diag *diag, const kd_value *value, kd_rate *rate) {
  *rate = (kd_rate){0};
  if (value->type == KD_V_FLOAT || value->type == KD_V_INT) {
    if (value->real >= 0) {
      rate->constant = value->real;
      return true;
    }
    kd_diag_error(diag, value->origin, "learning_rate must be at least 0, but is %g", value->real);
    return false;
  }
  if (value->type == KD_V_NONE) {
    kd_diag_error(diag, value->origin, "learning_rate is a number or a schedule, not none");
    return false;
  }
  return kd_object_make(pool, diag, &kd_schedule_family, value, &rate->schedule);
}

double kd_rate_at(const kd_rate *rate, int64_t step) {
  if (!rate->schedule.kind) return rate->constant;
  const kd_schedule_kind *kind = (const kd_schedule_kind *)rate->schedule.kind;
  return kind->at(rate->schedule.options, (double)step);
}
