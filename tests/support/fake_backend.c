#include "support/fake_backend.h"

#include <math.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/base/rng.h"
#include "support/interpret.h"
#include "support/op_case.h"

fake_counts fake;
const char *fake_failure;

static float load(const kd_tensor *t, int64_t i) {
  switch (t->dtype) {
  case KD_F32:
    return ((const float *)t->data)[i];
  case KD_U8:
    return ((const uint8_t *)t->data)[i];
  case KD_I32:
    return (float)((const int32_t *)t->data)[i];
  case KD_BF16:
    return (float)op_data_decode(t, i);
  default:
    return NAN;
  }
}

static void store(const kd_tensor *t, int64_t i, float value) {
  switch (t->dtype) {
  case KD_F32:
    ((float *)t->data)[i] = value;
    break;
  case KD_U8:
    ((uint8_t *)t->data)[i] = (uint8_t)value;
    break;
  case KD_I32:
    ((int32_t *)t->data)[i] = (int32_t)value;
    break;
  case KD_BF16:
    op_data_encode(&(double){round_to(KD_BF16, (double)value)}, 1, KD_BF16, (uint16_t *)t->data + i);
    break;
  default:
    break;
  }
}

/* The cell of an operand that broadcasts to cell i of `full`. */
static int64_t broadcast_index(const kd_shape *full, const kd_shape *shape, int64_t i) {
  int64_t index = 0, stride = 1;
  for (int axis = full->rank - 1, own = shape->rank - 1; own >= 0; axis--, own--) {
    int64_t at = i % full->dim[axis];
    i /= full->dim[axis];
    if (shape->dim[own] > 1) index += at * stride;
    stride *= shape->dim[own];
  }
  return index;
}

static float draw(const kd_launch *launch, const kd_pointwise_attr *attr, const kd_pw_step *step, int64_t i) {
  const uint32_t *rng = launch->input[step->arg[0]].data;
  int64_t row_size = attr->shape.rank ? kd_shape_span(&attr->shape, 1, attr->shape.rank) : 1;
  uint64_t row = (uint64_t)(i / row_size), e = (uint64_t)(i % row_size);
  kd_philox block = kd_philox_block(e / 4, rng[KD_RNG_SAMPLE] + row, kd_rng_key(rng, step->imm.node));
  return kd_uniform_f32(block.v[e % 4]);
}

static float apply(const kd_pw_step *step, const float *v) {
  float a = v[step->arg[0]], b = v[step->arg[1]];
  switch (step->op) {
  case KD_PW_CONST:
    return step->imm.value;
  case KD_PW_COPY:
    return a;
  case KD_PW_NEG:
    return -a;
  case KD_PW_SQUARE:
    return a * a;
  case KD_PW_SQRT:
    return sqrtf(a);
  case KD_PW_RECIP:
    return 1 / a;
  case KD_PW_EXP:
    return expf(a);
  case KD_PW_TANH:
    return tanhf(a);
  case KD_PW_SIGMOID:
    return 1 / (1 + expf(-a));
  case KD_PW_RELU:
    return a > 0 ? a : 0;
  case KD_PW_TO_BF16:
    return (float)round_to(KD_BF16, (double)a);
  case KD_PW_ADD:
    return a + b;
  case KD_PW_SUB:
    return a - b;
  case KD_PW_MUL:
    return a * b;
  case KD_PW_DIV:
    return a / b;
  case KD_PW_MAX:
    return a > b ? a : b;
  case KD_PW_LT:
    return a < b;
  case KD_PW_SELECT:
    return a != 0 ? b : v[step->arg[2]];
  default:
    return NAN;
  }
}

static kd_status run_pointwise(const kd_launch *launch) {
  const kd_pointwise_attr *attr = launch->attr;
  float v[KD_MAX_INPUTS + KD_MAX_STEPS];
  fake.run++;
  for (int64_t i = 0; i < kd_shape_count(&attr->shape); i++) {
    for (int n = 0; n < attr->n_inputs; n++)
      v[n] = load(&launch->input[n], broadcast_index(&attr->shape, &launch->input[n].shape, i));
    for (int s = 0; s < attr->n_steps; s++)
      v[attr->n_inputs + s] = attr->step[s].op == KD_PW_UNIFORM ? draw(launch, attr, &attr->step[s], i)
                                                                : apply(&attr->step[s], v);
    for (int o = 0; o < attr->n_outputs; o++) store(&launch->output[o], i, v[attr->output[o]]);
  }
  return KD_OK;
}

static kd_status prepare_pointwise(kd_launch *launch) {
  fake.prepared++;
  launch->note = "loops";
  return KD_OK;
}

static kd_status prepare_matmul(kd_launch *launch) {
  fake.prepared++;
  launch->note = "loops";
  launch->slow = launch->output[0].shape.dim[0] == 1;
  launch->workspace_bytes = kd_tensor_bytes(&launch->output[0]);
  if (launch->weight_input[1]) launch->state_bytes = kd_tensor_bytes(&launch->input[1]);
  launch->handle = kd_calloc(1, 1);
  return KD_OK;
}

static kd_status bind_matmul(kd_launch *launch) {
  fake.bound++;
  return launch->input[0].data && launch->output[0].data ? KD_OK
                                                         : kd_fail(KD_ERR_INTERNAL, "no address at bind");
}

static kd_status refresh_matmul(const kd_launch *launch) {
  fake.refreshed++;
  if (launch->state) memcpy(launch->state, launch->input[1].data, launch->state_bytes);
  return KD_OK;
}

static float epilogue(kd_epilogue kind, float x) {
  switch (kind) {
  case KD_EPI_RELU:
    return x > 0 ? x : 0;
  case KD_EPI_TANH:
    return tanhf(x);
  case KD_EPI_SIGMOID:
    return 1 / (1 + expf(-x));
  default:
    return x;
  }
}

/* (m, k) by (k, n), each transposed when asked; through the workspace, so that sharing it is tested. */
static kd_status run_matmul(const kd_launch *launch) {
  const kd_matmul_attr *attr = launch->attr;
  const kd_shape *y = &launch->output[0].shape;
  int64_t m = y->dim[0], n = y->dim[1], k = launch->input[0].shape.dim[attr->transpose_a ? 0 : 1];
  const float *a = launch->input[0].data, *b = launch->state ? launch->state : launch->input[1].data;
  const float *bias = launch->n_inputs == 3 ? launch->input[2].data : NULL;
  float *work = launch->workspace;
  fake.run++;
  if (fake_failure) return kd_fail(KD_ERR_RUN, "%s", fake_failure);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      float sum = 0;
      for (int64_t l = 0; l < k; l++)
        sum += a[attr->transpose_a ? l * m + i : i * k + l] * b[attr->transpose_b ? j * k + l : l * n + j];
      work[i * n + j] = epilogue(attr->epilogue, sum + (bias ? bias[j] : 0));
    }
  memcpy(launch->output[0].data, work, (size_t)(m * n) * sizeof(float));
  return KD_OK;
}

static kd_status run_reduce(const kd_launch *launch) {
  fake.run++;
  float sum = 0;
  for (int64_t i = 0; i < kd_shape_count(&launch->input[0].shape); i++) sum += load(&launch->input[0], i);
  store(&launch->output[0], 0, sum);
  return KD_OK;
}

static kd_status run_broadcast(const kd_launch *launch) {
  fake.run++;
  memcpy(launch->output[0].data, launch->input[0].data, kd_tensor_bytes(&launch->output[0]));
  return KD_OK;
}

static kd_status prepare_missing(kd_launch *launch) {
  return kd_fail(KD_ERR_INTERNAL, "the fake backend has no kernel for %s", kd_op_get(launch->op)->name);
}

static void release_matmul(kd_launch *launch) {
  fake.released++;
  kd_free(launch->handle);
}

static const kd_kernel *find_kernel(kd_op op) {
  static const kd_kernel pointwise = {.prepare = prepare_pointwise, .run = run_pointwise};
  static const kd_kernel matmul = {prepare_matmul, bind_matmul, refresh_matmul, run_matmul, release_matmul};
  static const kd_kernel reduce = {.run = run_reduce}, broadcast = {.run = run_broadcast};
  static const kd_kernel missing = {.prepare = prepare_missing};
  switch (op) {
  case KD_OP_POINTWISE:
    return &pointwise;
  case KD_OP_MATMUL:
    return &matmul;
  case KD_OP_REDUCE:
    return &reduce;
  case KD_OP_BROADCAST:
    return &broadcast;
  default:
    return &missing;
  }
}

static kd_status alloc_block(kd_device *device, size_t bytes, void **block) {
  (void)device;
  fake.blocks++;
  return kd_large_alloc(bytes, block);
}

static void free_block(kd_device *device, void *block, size_t bytes) {
  (void)device;
  fake.blocks--;
  kd_large_free(block, bytes);
}

static kd_status copy_block(kd_device *device, void *to, const void *from, size_t bytes) {
  (void)device;
  memcpy(to, from, bytes);
  return KD_OK;
}

const kd_backend fake_backend = {
    .name = "fake",
    .host_memory = true,
    .alloc = alloc_block,
    .free = free_block,
    .upload = copy_block,
    .download = copy_block,
    .kernel = find_kernel,
};

kd_device fake_device(void) {
  fake = (fake_counts){0};
  fake_failure = NULL;
  return (kd_device){.backend = &fake_backend, .threads = 1};
}
