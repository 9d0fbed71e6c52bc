/* What recurrent cells do to each unit of each row (device/recurrent.h), between the products that the
 * library makes. */
#include "device/cuda/platform.cuh"

static __device__ float apply(kd_cell_fn fn, float x) {
  switch (fn) {
  case KD_CELL_FN_TANH:
    return tanhf(x);
  case KD_CELL_FN_SIGMOID:
    return 1.0f / (1.0f + expf(-x));
  case KD_CELL_FN_RELU:
    return x < 0 ? 0.0f : x;
  case KD_CELL_FN_RELU6:
    return x < 0 ? 0.0f : x > 6 ? 6.0f : x;
  case KD_CELL_FN_HARD_SIGMOID: {
    float y = x * (1.0f / 6) + 0.5f;
    return y < 0 ? 0.0f : y > 1 ? 1.0f : y;
  }
  case KD_CELL_FN_HARD_TANH:
    return x < -1 ? -1.0f : x > 1 ? 1.0f : x;
  case KD_CELL_FN_ELU:
    return x > 0 ? x : expm1f(x);
  case KD_CELL_FN_SOFTPLUS:
    return (x > 0 ? x : 0.0f) + log1pf(expf(-fabsf(x)));
  case KD_CELL_FN_SOFTSIGN:
    return x / (1.0f + fabsf(x));
  case KD_CELL_FN_EXPONENTIAL:
    return expf(x);
  default:
    return x;
  }
}

/* The derivative where the function has the value y. */
static __device__ float slope(kd_cell_fn fn, float y) {
  switch (fn) {
  case KD_CELL_FN_TANH:
    return 1.0f - y * y;
  case KD_CELL_FN_SIGMOID:
    return y * (1.0f - y);
  case KD_CELL_FN_RELU:
    return y > 0 ? 1.0f : 0.0f;
  case KD_CELL_FN_RELU6:
    return y > 0 && y < 6 ? 1.0f : 0.0f;
  case KD_CELL_FN_HARD_SIGMOID:
    return y > 0 && y < 1 ? 1.0f / 6 : 0.0f;
  case KD_CELL_FN_HARD_TANH:
    return y > -1 && y < 1 ? 1.0f : 0.0f;
  case KD_CELL_FN_ELU:
    return y > 0 ? 1.0f : y + 1.0f;
  case KD_CELL_FN_SOFTPLUS:
    return -expm1f(-y);
  case KD_CELL_FN_SOFTSIGN: {
    float rest = 1.0f - fabsf(y);
    return rest * rest;
  }
  case KD_CELL_FN_EXPONENTIAL:
    return y;
  default:
    return 1.0f;
  }
}

/* One unit of one row. */
typedef struct unit {
  int64_t row, j, gates, states, saved;
  bool valid;
} unit;

static __device__ __forceinline__ unit unit_of(const kd_job_cell &c, const float *mask, int64_t at,
                                               int64_t i) {
  unit u;
  u.row = i / c.units;
  u.j = i % c.units;
  u.gates = c.gates;
  u.states = c.states;
  u.saved = c.saved;
  u.valid = !mask || mask[u.row * c.steps + at] != 0;
  return u;
}

/* z + product (+ bias) of a gate. */
static __device__ __forceinline__ float gate_sum(const kd_job_cell &c, const kd_job_cell_step &s,
                                                 const unit &u, int g) {
  int64_t column = g * c.units + u.j;
  float z = s.z[(u.row * c.steps + s.at) * u.gates * c.units + column];
  return z + s.acc[u.row * u.gates * c.units + column] + (s.bias ? s.bias[column] : 0.0f);
}

static __device__ __forceinline__ float *saved_at(const kd_job_cell &c, const kd_job_cell_step &s,
                                                  const unit &u, int k) {
  return s.saved + (s.kept * c.rows + u.row) * u.saved * c.units + k * c.units + u.j;
}

static __device__ float step_lstm(const kd_job_cell &c, const kd_job_cell_step &s, const unit &u) {
  float gate[4], *state = s.state + u.row * 2 * c.units + c.units + u.j;
  for (int g = 0; g < 4; g++) {
    gate[g] = apply(g == 2 ? c.activation : c.recurrent_activation, gate_sum(c, s, u, g));
    *saved_at(c, s, u, g) = gate[g];
  }
  *state = gate[1] * *state + gate[0] * gate[2];
  *saved_at(c, s, u, 4) = *state;
  return gate[3] * apply(c.activation, *state);
}

static __device__ float step_gru(const kd_job_cell &c, const kd_job_cell_step &s, const unit &u, float h) {
  float z = apply(c.recurrent_activation, gate_sum(c, s, u, 0));
  float reset = apply(c.recurrent_activation, gate_sum(c, s, u, 1));
  int64_t column = 2 * c.units + u.j;
  float given = s.z[(u.row * c.steps + s.at) * 3 * c.units + column];
  float inner = s.acc[u.row * 3 * c.units + column] + (s.bias ? s.bias[column] : 0.0f);
  float q = apply(c.activation, given + reset * inner);
  *saved_at(c, s, u, 0) = z;
  *saved_at(c, s, u, 1) = reset;
  *saved_at(c, s, u, 2) = q;
  *saved_at(c, s, u, 3) = inner;
  return z * h + (1.0f - z) * q;
}

/* The gates z and r stand in saved already. */
static __device__ float step_gru_before(const kd_job_cell &c, const kd_job_cell_step &s, const unit &u,
                                        float h) {
  float z = *saved_at(c, s, u, 0), q = apply(c.activation, gate_sum(c, s, u, 2));
  *saved_at(c, s, u, 2) = q;
  return z * h + (1.0f - z) * q;
}

static __device__ float step_simple(const kd_job_cell &c, const kd_job_cell_step &s, const unit &u) {
  float h = apply(c.activation, gate_sum(c, s, u, 0));
  *saved_at(c, s, u, 0) = h;
  return h;
}

/* A masked step leaves the state; backward looks for LSTM's cell state in the saved values all the same. */
static __device__ void skip(const kd_job_cell &c, const kd_job_cell_step &s, const unit &u) {
  for (int k = 0; k < u.saved; k++) *saved_at(c, s, u, k) = 0;
  if (c.cell == KD_CELL_LSTM) *saved_at(c, s, u, 4) = s.state[u.row * 2 * c.units + c.units + u.j];
}

static __global__ void cell_step(kd_job_cell c, kd_job_cell_step s) {
  KD_EACH(i, c.rows * c.units) {
    unit u = unit_of(c, s.mask, s.at, i);
    float *h = s.state + u.row * u.states * c.units + u.j, before = *h, now = before;
    bool keep = c.flags & KD_RNN_KEEP;
    s.before[(u.row * (keep ? c.steps : 1) + (keep ? s.at : 0)) * c.units + u.j] = before;
    if (!u.valid)
      skip(c, s, u);
    else if (c.cell == KD_CELL_LSTM)
      now = step_lstm(c, s, u);
    else if (c.cell == KD_CELL_GRU)
      now = step_gru(c, s, u, before);
    else if (c.cell == KD_CELL_GRU_BEFORE)
      now = step_gru_before(c, s, u, before);
    else
      now = step_simple(c, s, u);
    *h = now;
    bool zero = c.flags & KD_RNN_ZERO_MASKED || s.last < 0;
    float held = zero || u.valid ? 0.0f : s.y[(u.row * c.steps + s.last) * c.units + u.j];
    s.y[(u.row * c.steps + s.out) * c.units + u.j] = u.valid ? now : held;
  }
}

int kd_cuda_cell_start(const kd_job_cell *c, const kd_job_cell_step *s, void *stream) {
  if (c->rows * c->units == 0) return 0;
  return kd_start(cell_step, kd_blocks(c->rows * c->units), dim3(KD_BLOCK), stream, *c, *s);
}

static __global__ void cell_reset(kd_job_cell c, kd_job_cell_step s, float *left) {
  KD_EACH(i, c.rows * c.units) {
    unit u = unit_of(c, s.mask, s.at, i);
    float z = apply(c.recurrent_activation, gate_sum(c, s, u, 0));
    float reset = apply(c.recurrent_activation, gate_sum(c, s, u, 1));
    *saved_at(c, s, u, 0) = z;
    *saved_at(c, s, u, 1) = reset;
    left[i] = reset * s.state[i];
  }
}

int kd_cuda_cell_reset_start(const kd_job_cell *c, const kd_job_cell_step *s, float *left, void *stream) {
  if (c->rows * c->units == 0) return 0;
  return kd_start(cell_reset, kd_blocks(c->rows * c->units), dim3(KD_BLOCK), stream, *c, *s, left);
}

static __global__ void cell_drop(int64_t rows, int64_t units, int64_t all, int first, int gates,
                                 int64_t repeat, const float *h, int64_t stride, const float *drop,
                                 float *dropped) {
  KD_EACH(i, gates * rows * units) {
    int64_t j = i % units, row = i / units % rows, gate = first + i / units / rows;
    dropped[i] = h[row * stride + j] * drop[(row / repeat * all + gate) * units + j];
  }
}

int kd_cuda_cell_drop_start(const kd_job_cell *c, int first, int gates, int64_t rows, int64_t repeat,
                            const float *h, int64_t stride, const float *drop, float *dropped, void *stream) {
  int64_t count = gates * rows * c->units;
  if (count == 0) return 0;
  return kd_start(cell_drop, kd_blocks(count), dim3(KD_BLOCK), stream, rows, c->units, (int64_t)c->gates,
                  first, gates, repeat, h, stride, drop, dropped);
}

/* --- backward -------------------------------------------------------------------------------------- */

static __device__ __forceinline__ float saved_of(const kd_job_cell &c, const kd_job_cell_back &b,
                                                 const unit &u, int64_t step, int k) {
  return b.saved[(step * c.rows + u.row) * u.saved * c.units + k * c.units + u.j];
}

static __device__ __forceinline__ float *dz_at(const kd_job_cell &c, const kd_job_cell_back &b, const unit &u,
                                               int g) {
  return b.dz + (u.row * c.steps + b.at) * u.gates * c.units + g * c.units + u.j;
}

static __device__ void back_lstm(const kd_job_cell &c, const kd_job_cell_back &b, const unit &u, float dh) {
  float i = saved_of(c, b, u, b.step, 0), f = saved_of(c, b, u, b.step, 1), g = saved_of(c, b, u, b.step, 2);
  float o = saved_of(c, b, u, b.step, 3), now = apply(c.activation, saved_of(c, b, u, b.step, 4)), before = 0;
  if (b.step > 0)
    before = saved_of(c, b, u, b.step - 1, 4);
  else if (b.state)
    before = b.state[u.row * 2 * c.units + c.units + u.j];
  float *state = b.dstate + u.row * 2 * c.units + c.units + u.j;
  float dc = *state + dh * o * slope(c.activation, now);
  *dz_at(c, b, u, 0) = dc * g * slope(c.recurrent_activation, i);
  *dz_at(c, b, u, 1) = dc * before * slope(c.recurrent_activation, f);
  *dz_at(c, b, u, 2) = dc * i * slope(c.activation, g);
  *dz_at(c, b, u, 3) = dh * now * slope(c.recurrent_activation, o);
  *state = dc * f;
}

/* Returns what of dh goes to the state before straight away. */
static __device__ float back_gru(const kd_job_cell &c, const kd_job_cell_back &b, const unit &u, float dh) {
  float z = saved_of(c, b, u, b.step, 0), reset = saved_of(c, b, u, b.step, 1);
  float q = saved_of(c, b, u, b.step, 2), h = b.before[(u.row * c.steps + b.at) * c.units + u.j];
  float dq = dh * (1.0f - z) * slope(c.activation, q);
  *dz_at(c, b, u, 0) = dh * (h - q) * slope(c.recurrent_activation, z);
  *dz_at(c, b, u, 2) = dq;
  int64_t at = (u.row * c.steps + b.at) * c.units + u.j;
  if (c.cell == KD_CELL_GRU) {
    *dz_at(c, b, u, 1) = dq * saved_of(c, b, u, b.step, 3) * slope(c.recurrent_activation, reset);
    b.dinner[at] = dq * reset;
  } else {
    b.left[at] = reset * h;
  }
  return dh * z;
}

/* The gradients of a masked step are zero; it passes the state's on, and y's to the step whose y it held. */
static __device__ void back_masked(const kd_job_cell &c, const kd_job_cell_back &b, const unit &u) {
  for (int g = 0; g < u.gates; g++) *dz_at(c, b, u, g) = 0;
  int64_t at = (u.row * c.steps + b.at) * c.units + u.j;
  if (b.dinner) b.dinner[at] = 0;
  if (b.left) b.left[at] = 0;
}

static __global__ void cell_back(kd_job_cell c, kd_job_cell_back b) {
  KD_EACH(i, c.rows * c.units) {
    unit u = unit_of(c, b.mask, b.at, i);
    float *dh = b.dstate + u.row * u.states * c.units + u.j, held = b.dheld[i];
    float d = b.dy ? b.dy[(u.row * c.steps + b.out) * c.units + u.j] : 0.0f;
    b.dheld[i] = u.valid || c.flags & KD_RNN_ZERO_MASKED ? 0.0f : held + d;
    if (!u.valid) {
      back_masked(c, b, u);
      continue;
    }
    float all = *dh + d + held, rest = 0;
    if (c.cell == KD_CELL_LSTM)
      back_lstm(c, b, u, all);
    else if (c.cell == KD_CELL_SIMPLE)
      *dz_at(c, b, u, 0) = all * slope(c.activation, saved_of(c, b, u, b.step, 0));
    else
      rest = back_gru(c, b, u, all);
    *dh = rest;
  }
}

int kd_cuda_cell_back_start(const kd_job_cell *c, const kd_job_cell_back *b, void *stream) {
  if (c->rows * c->units == 0) return 0;
  return kd_start(cell_back, kd_blocks(c->rows * c->units), dim3(KD_BLOCK), stream, *c, *b);
}

static __global__ void cell_back_reset(kd_job_cell c, kd_job_cell_back b, const float *dleft) {
  KD_EACH(i, c.rows * c.units) {
    unit u = unit_of(c, b.mask, b.at, i);
    if (!u.valid) continue;
    float reset = saved_of(c, b, u, b.step, 1), h = b.before[(u.row * c.steps + b.at) * c.units + u.j];
    *dz_at(c, b, u, 1) = dleft[i] * h * slope(c.recurrent_activation, reset);
    b.dstate[i] += dleft[i] * reset;
  }
}

int kd_cuda_cell_back_reset_start(const kd_job_cell *c, const kd_job_cell_back *b, const float *dleft,
                                  void *stream) {
  if (c->rows * c->units == 0) return 0;
  return kd_start(cell_back_reset, kd_blocks(c->rows * c->units), dim3(KD_BLOCK), stream, *c, *b, dleft);
}

static __global__ void cell_add(kd_job_cell c, int first, int gates, const float *parts, const float *drop,
                                float *dstate) {
  int64_t all = c.gates, states = c.states;
  KD_EACH(i, c.rows * c.units) {
    int64_t row = i / c.units, j = i % c.units;
    float sum = 0;
    for (int g = 0; g < gates; g++) {
      float factor = drop ? drop[(row * all + first + g) * c.units + j] : 1.0f;
      sum += parts[g * c.rows * c.units + i] * factor;
    }
    dstate[row * states * c.units + j] += sum;
  }
}

int kd_cuda_cell_add_start(const kd_job_cell *c, int first, int gates, const float *parts, const float *drop,
                           float *dstate, void *stream) {
  if (c->rows * c->units == 0) return 0;
  return kd_start(cell_add, kd_blocks(c->rows * c->units), dim3(KD_BLOCK), stream, *c, first, gates, parts,
                  drop, dstate);
}
