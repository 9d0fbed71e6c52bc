/* POOL and POOL_GRAD. */
#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"
#include "device/cpu/pool_shape.h"

typedef struct pool_state {
  kd_pool_shape shape;
  bool average;
  int64_t grain;
} pool_state;

static kd_status disagree(const kd_tensor *x, const kd_tensor *y) {
  char x_text[KD_SHAPE_TEXT], y_text[KD_SHAPE_TEXT];
  return kd_fail(KD_ERR_INTERNAL, "pooling from %s to %s does not follow from window, stride and padding",
                 kd_shape_text(&x->shape, x_text), kd_shape_text(&y->shape, y_text));
}

static kd_status read_axis(const kd_pool_attr *attr, const kd_tensor *x, const kd_tensor *y, int from, int to,
                           kd_pool_shape *shape) {
  shape->in[to] = x->shape.dim[1 + from];
  shape->out[to] = y->shape.dim[1 + from];
  shape->window[to] = attr->window[from];
  shape->stride[to] = attr->stride[from];
  shape->before[to] = attr->pad_before[from];
  int64_t room = shape->in[to] + attr->pad_before[from] + attr->pad_after[from] - attr->window[from];
  if (attr->window[from] < 1 || attr->stride[from] < 1 || room < 0 ||
      room / attr->stride[from] + 1 != shape->out[to])
    return disagree(x, y);
  int64_t reach = (shape->out[to] - 1) * shape->stride[to] - shape->before[to] + shape->window[to];
  shape->disjoint = shape->disjoint && (shape->stride[to] >= shape->window[to] || shape->out[to] == 1);
  shape->covered = shape->covered && (shape->stride[to] <= shape->window[to] || shape->out[to] == 1) &&
                   reach >= shape->in[to];
  return KD_OK;
}

static kd_status read_shape(const kd_pool_attr *attr, const kd_tensor *x, const kd_tensor *y,
                            kd_pool_shape *shape) {
  int spatial = attr->spatial, rank = spatial + 2;
  KD_CHECK(spatial >= 1 && spatial <= KD_MAX_SPATIAL, KD_ERR_INTERNAL,
           "pooling over %d axes, but 1 to 3 exist", spatial);
  if (x->shape.rank != rank || y->shape.rank != rank || x->shape.dim[0] != y->shape.dim[0] ||
      x->shape.dim[rank - 1] != y->shape.dim[rank - 1])
    return disagree(x, y);
  *shape = (kd_pool_shape){
      .batch = x->shape.dim[0],
      .channels = x->shape.dim[rank - 1],
      .in = {1, 1, 1},
      .out = {1, 1, 1},
      .window = {1, 1, 1},
      .stride = {1, 1, 1},
      .disjoint = true,
      .covered = true,
  };
  for (int axis = 0; axis < spatial; axis++)
    KD_TRY(read_axis(attr, x, y, axis, axis + KD_MAX_SPATIAL - spatial, shape));
  return KD_OK;
}

static kd_status prepare_any(kd_launch *launch, const kd_tensor *x, const kd_tensor *y) {
  const kd_pool_attr *attr = launch->attr;
  KD_TRY(kd_cpu_check_types(launch));
  pool_state *self = launch->handle = kd_calloc(1, sizeof *self);
  self->average = attr->average;
  return read_shape(attr, x, y, &self->shape);
}

static kd_status prepare(kd_launch *launch) {
  KD_TRY(prepare_any(launch, &launch->input[0], &launch->output[0]));
  pool_state *self = launch->handle;
  const kd_pool_shape *s = &self->shape;
  int64_t cells = s->window[0] * s->window[1] * s->window[2];
  self->grain = kd_cpu_grain(s->out[2] * s->channels * (cells + 1) * (int64_t)sizeof(float));
  return KD_OK;
}

static void forward_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->pool(launch->input[0].dtype, &self->shape, self->average, launch->input[0].data,
             launch->output[0].data, begin, end);
}

static kd_status run(const kd_launch *launch) {
  const pool_state *self = launch->handle;
  const kd_pool_shape *s = &self->shape;
  kd_cpu_parallel(launch->device, s->batch * s->out[0] * s->out[1], self->grain, forward_range,
                  (void *)launch);
  return KD_OK;
}

static kd_status prepare_grad(kd_launch *launch) {
  KD_TRY(prepare_any(launch, &launch->input[0], &launch->input[1]));
  pool_state *self = launch->handle;
  const kd_pool_shape *s = &self->shape;
  int64_t image = s->in[0] * s->in[1] * s->in[2] * s->channels;
  self->grain = kd_cpu_grain(3 * image * (int64_t)sizeof(float));
  return KD_OK;
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->pool_grad(launch->input[0].dtype, &self->shape, self->average, launch->input[0].data,
                  launch->input[1].data, launch->input[2].data, launch->output[0].data, begin, end);
}

static kd_status run_grad(const kd_launch *launch) {
  const pool_state *self = launch->handle;
  kd_cpu_parallel(launch->device, self->shape.batch, self->grain, grad_range, (void *)launch);
  return KD_OK;
}

static void release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_pool = {.prepare = prepare, .run = run, .release = release};
const kd_kernel kd_cpu_pool_grad = {.prepare = prepare_grad, .run = run_grad, .release = release};
