#include "support/compute.h"

#include "device/base/half.h"
#include "layers/plan/plan.h"
#include "support/check.h"
#include "support/interpret.h"

static size_t count_of(const kd_graph *g, kd_sym sym) {
  return (size_t)kd_shape_count(kd_sym_shape(g, sym));
}

static void by_reference(const kd_graph *g, const float *const *fed, int count, const kd_sym *wanted,
                         float **results) {
  double **values = kd_calloc((size_t)g->n_syms, sizeof *values);
  for (kd_sym s = 0; s < g->n_syms; s++) {
    if (!fed[s]) continue;
    values[s] = kd_calloc(count_of(g, s), sizeof(double));
    for (size_t i = 0; i < count_of(g, s); i++) values[s][i] = fed[s][i];
  }
  assert_ok(interpret(g, values));
  for (int i = 0; i < count; i++)
    for (size_t k = 0; k < count_of(g, wanted[i]); k++) results[i][k] = (float)values[wanted[i]][k];
  interpret_free(g, values);
  for (kd_sym s = 0; s < g->n_syms; s++) kd_free(values[s]);
  kd_free(values);
}

/* The values in the tensor's own type, in aligned memory of 64 more bytes. */
static void *converted(const kd_graph *g, kd_sym sym, const float *values) {
  size_t count = count_of(g, sym);
  kd_dtype dtype = kd_sym_get(g, sym)->dtype;
  void *block = aligned_alloc(64, (count * kd_dtype_size(dtype) + 127) / 64 * 64);
  for (size_t i = 0; values && i < count; i++) {
    if (dtype == KD_F32)
      ((float *)block)[i] = values[i];
    else if (dtype == KD_I32)
      ((int32_t *)block)[i] = (int32_t)values[i];
    else if (dtype == KD_U32)
      ((uint32_t *)block)[i] = (uint32_t)values[i];
    else if (dtype == KD_U8)
      ((uint8_t *)block)[i] = (uint8_t)values[i];
    else if (kd_dtype_is_half(dtype))
      kd_floats_write(dtype, &values[i], (uint16_t *)block + i, 1);
    else
      fail_msg("tests do not feed %s", kd_dtype_name(dtype));
  }
  return block;
}

static int position(int count, const kd_sym *list, kd_sym sym) {
  for (int i = 0; i < count; i++)
    if (list[i] == sym) return i;
  return -1;
}

static void by_plan(const kd_graph *g, const float *const *fed, int count, const kd_sym *wanted,
                    float **results) {
  kd_binding *bindings = kd_calloc((size_t)(g->n_syms + count), sizeof *bindings);
  int bound = 0;
  for (kd_sym s = 0; s < g->n_syms; s++)
    if (fed[s]) bindings[bound++] = (kd_binding){s, converted(g, s, fed[s])};
  int inputs = bound;
  for (int i = 0; i < count; i++)
    if (!fed[wanted[i]] && position(i, wanted, wanted[i]) < 0)
      bindings[bound++] = (kd_binding){wanted[i], converted(g, wanted[i], NULL)};
  if (bound > inputs) {
    kd_device device;
    kd_plan *plan;
    assert_ok(kd_device_open("cpu", 0, 1, false, &device));
    kd_plan_spec spec = {
        .graph = g, .device = &device, .n_bindings = bound, .bindings = bindings, .poison = true};
    assert_ok(kd_plan_compile(&spec, &plan));
    assert_ok(kd_plan_run(plan, 1));
    kd_plan_destroy(plan);
    kd_device_close(&device);
  }
  for (int i = 0; i < count; i++)
    for (int b = 0; b < bound; b++)
      if (bindings[b].sym == wanted[i])
        memcpy(results[i], bindings[b].address, count_of(g, wanted[i]) * sizeof(float));
  for (int b = 0; b < bound; b++) free(bindings[b].address);
  kd_free(bindings);
}

void compute(const kd_graph *graph, compute_engine engine, const float *const *fed, int count,
             const kd_sym *wanted, float **results) {
  for (int i = 0; i < count; i++) results[i] = kd_calloc(count_of(graph, wanted[i]), sizeof(float));
  if (engine == COMPUTE_PLAN)
    by_plan(graph, fed, count, wanted, results);
  else
    by_reference(graph, fed, count, wanted, results);
}
