/* CTC: a block for each sample, a thread for each label, step after step; device/cpu/ctc.c says what is
 * computed. Logarithms are double. */
#include "device/cuda/platform.cuh"

enum { KD_CTC_THREADS = 64 };
#define KD_IMPOSSIBLE (-1e5)

/* for (each label position of this thread) */
#define KD_EACH_POSITION(n, count) for (int64_t n = threadIdx.x; n < (count); n += KD_CTC_THREADS)

/* What all threads of a block know of their sample. States: blank[0 .. labels], emit[0 .. labels-1]. */
struct ctc_sample {
  kd_job_ctc job;
  int64_t number, length, width;
  bool good; /* all labels are classes */
  const float *logs;
  double *states;
};

static __device__ __forceinline__ int64_t ctc_label(const ctc_sample &s, int64_t n) {
  return kd_index(s.job.label_type, s.job.label, s.number * s.job.labels + n);
}

static __device__ ctc_sample ctc_open(const kd_job_ctc &job, int64_t number, int64_t room) {
  ctc_sample s = {job,
                  number,
                  0,
                  2 * job.labels + 1,
                  true,
                  job.logs + number * job.steps * job.classes,
                  job.states + number * room};
  for (int64_t n = 0; n < job.labels; n++) {
    int64_t label = ctc_label(s, n);
    s.length += label != 0;
    s.good = s.good && label >= 0 && label < job.classes;
  }
  return s;
}

static __device__ __forceinline__ double ctc_log_add(double a, double b) {
  return a == b ? a + log(2.0) : (a > b ? a : b) + log1p(exp(-fabs(a - b)));
}

/* exp(a) / (exp(a) + exp(b)) */
static __device__ __forceinline__ double ctc_share(double a, double b) {
  return a == b ? 0.5 : 1 / (1 + exp(b - a));
}

/* Label n - 1 left at no cost, and by a blank: the one is impossible where the other is not. */
static __device__ __forceinline__ void ctc_leave(const ctc_sample &s, const double *emit, int64_t n,
                                                 double *plain, double *by_blank) {
  bool repeats = n < s.job.labels && ctc_label(s, n - 1) == ctc_label(s, n);
  *plain = emit[n - 1] + (repeats ? KD_IMPOSSIBLE : 0);
  *by_blank = emit[n - 1] + (repeats ? 0 : KD_IMPOSSIBLE);
}

static __device__ void ctc_begin(const ctc_sample &s, double *state) {
  KD_EACH_POSITION(n, s.width) state[n] = n == 0 ? 0 : KD_IMPOSSIBLE;
  __syncthreads();
}

static __device__ void ctc_advance(const ctc_sample &s, int64_t t, const double *before, double *after) {
  const double *emit = before + s.job.labels + 1;
  const float *logs = s.logs + t * s.job.classes;
  KD_EACH_POSITION(n, s.length + 1) {
    double plain, by_blank, from = before[n], blank = from;
    if (n > 0) {
      ctc_leave(s, emit, n, &plain, &by_blank);
      from = ctc_log_add(from, plain);
      blank = ctc_log_add(from, by_blank);
    }
    after[n] = (double)logs[0] + blank;
    if (n < s.length)
      after[s.job.labels + 1 + n] = (double)logs[ctc_label(s, n)] + ctc_log_add(from, emit[n]);
  }
  __syncthreads();
}

static __global__ void ctc(kd_job_ctc job, int64_t room, float *loss) {
  ctc_sample s = ctc_open(job, blockIdx.x, room);
  if (s.good) {
    ctc_begin(s, s.states);
    for (int64_t t = 0; t < job.steps; t++)
      ctc_advance(s, t, s.states + t % 2 * s.width, s.states + (t + 1) % 2 * s.width);
  }
  if (threadIdx.x > 0) return;
  const double *last = s.states + job.steps % 2 * s.width;
  double log_p = s.length == 0 ? last[0] : ctc_log_add(last[s.length], last[job.labels + s.length]);
  loss[s.number] = s.good ? (float)-log_p : NAN;
}

/* --- backward --------------------------------------------------------------------------------------- */

static __device__ void slopes_last(const ctc_sample &s, double *state) {
  int64_t end = s.length;
  double part = end > 0 ? ctc_share(state[end], state[s.job.labels + end]) : 1;
  __syncthreads();
  KD_EACH_POSITION(n, s.width)
  state[n] = n == end ? part : end > 0 && n == s.job.labels + end ? 1 - part : 0;
  __syncthreads();
}

/* The state before a step becomes slopes, from those after it. All read the state before one writes it. */
static __device__ void slopes_before(const ctc_sample &s, const double *after, double *before, double *room) {
  int64_t labels = s.job.labels;
  const double *emit = before + labels + 1, *to_emit = after + labels + 1;
  double *blank = room, *stays = blank + labels + 1, *carry = stays + labels + 1;
  KD_EACH_POSITION(n, s.length + 1) {
    double plain = 0, by_blank = 0, from = before[n], through = after[n], kept = 1;
    if (n > 0) {
      ctc_leave(s, emit, n, &plain, &by_blank);
      kept = ctc_share(from, plain);
      from = ctc_log_add(from, plain);
      through *= ctc_share(from, by_blank);
    }
    carry[n] = after[n] - through;
    if (n < s.length) {
      double part = ctc_share(from, emit[n]);
      stays[n] = to_emit[n] * (1 - part);
      through += to_emit[n] * part;
    }
    carry[n] += through * (1 - kept);
    blank[n] = through * kept;
  }
  __syncthreads();
  KD_EACH_POSITION(n, s.length + 1) {
    before[n] = blank[n];
    if (n < s.length) before[labels + 1 + n] = stays[n] + carry[n + 1];
  }
  __syncthreads();
}

/* Slopes stay in the states behind each step. */
static __global__ void ctc_slopes(kd_job_ctc job, int64_t room) {
  ctc_sample s = ctc_open(job, blockIdx.x, room);
  if (!s.good) return;
  ctc_begin(s, s.states);
  for (int64_t t = 0; t < job.steps; t++)
    ctc_advance(s, t, s.states + t * s.width, s.states + (t + 1) * s.width);
  slopes_last(s, s.states + job.steps * s.width);
  for (int64_t t = job.steps - 1; t > 0; t--)
    slopes_before(s, s.states + (t + 1) * s.width, s.states + t * s.width,
                  s.states + (job.steps + 1) * s.width);
}

/* The slopes of one class at one step: labels are added in their order, by the thread of the first. */
static __device__ float ctc_class_slope(const ctc_sample &s, const double *slopes, int64_t k) {
  double sum = 0;
  for (int64_t n = 0; k == 0 && n <= s.length; n++) sum += slopes[n];
  for (int64_t n = 0; n < s.length; n++) sum += ctc_label(s, n) == k ? slopes[s.job.labels + 1 + n] : 0;
  return (float)sum;
}

static __device__ bool ctc_is_first(const ctc_sample &s, int64_t n) {
  int64_t label = ctc_label(s, n);
  for (int64_t m = 0; m < n; m++)
    if (ctc_label(s, m) == label) return false;
  return label != 0;
}

/* A block for each step of a sample. */
static __global__ void ctc_store(kd_job_ctc job, int64_t room, const float *dloss, float *dlogs) {
  ctc_sample s = ctc_open(job, blockIdx.x, room);
  for (int64_t t = blockIdx.y; t < job.steps; t += gridDim.y) {
    const double *slopes = s.states + (t + 1) * s.width;
    float *to = dlogs + (s.number * job.steps + t) * job.classes, d = dloss[s.number];
    KD_EACH_POSITION(k, job.classes) to[k] = s.good ? 0.0f : NAN;
    __syncthreads();
    if (!s.good) continue;
    if (threadIdx.x == 0) to[0] = -d * ctc_class_slope(s, slopes, 0);
    KD_EACH_POSITION(n, s.length)
    if (ctc_is_first(s, n)) to[ctc_label(s, n)] = -d * ctc_class_slope(s, slopes, ctc_label(s, n));
  }
}

/* Doubles of one sample. Forward: two states; backward: those of all steps, and the slopes that a step hands
 * on.
 */
static int64_t room_of(const kd_job_ctc *job, bool grad) {
  int64_t width = 2 * job->labels + 1;
  return grad ? (job->steps + 1) * width + 3 * (job->labels + 1) : 2 * width;
}

int64_t kd_cuda_ctc_doubles(const kd_job_ctc *job, bool grad) {
  return job->batch * room_of(job, grad);
}

int kd_cuda_ctc_start(const kd_job_ctc *job, float *loss, void *stream) {
  if (job->batch == 0) return 0;
  return kd_start(ctc, dim3((unsigned)job->batch), dim3(KD_CTC_THREADS), stream, *job, room_of(job, false),
                  loss);
}

int kd_cuda_ctc_grad_start(const kd_job_ctc *job, const float *dloss, float *dlogs, void *stream) {
  if (job->batch == 0) return 0;
  int64_t room = room_of(job, true), steps = job->steps < 65535 ? job->steps : 65535;
  dim3 samples((unsigned)job->batch), rows((unsigned)job->batch, (unsigned)steps);
  int error = kd_start(ctc_slopes, samples, dim3(KD_CTC_THREADS), stream, *job, room);
  if (error) return error;
  return kd_start(ctc_store, rows, dim3(KD_CTC_THREADS), stream, *job, room, dloss, dlogs);
}
