#include "support/tiny.h"

#include "device/base/rng.h"
#include "support/one_layer.h"

kd_value *tiny_value(tiny *t, const char *text) {
  kd_value *value = kd_value_parse(t->pool, t->diag, (kd_origin){"test", 1}, text, true);
  assert_ok(kd_diag_status(t->diag));
  return value;
}

void tiny_open(tiny *t, kd_comm *comm) {
  *t = (tiny){.pool = kd_pool_create(), .diag = kd_diag_create(), .comm = comm};
  assert_ok(kd_device_open("cpu", 0, 1, true, &t->device));
  t->model = kd_model_create("tiny");
}

void tiny_start(tiny *t, const tiny_spec *spec, const kd_output_goal *goals) {
  assert_ok(kd_model_finish(t->model, t->diag));
  kd_objective_make(t->pool, t->diag, t->model, goals, spec->batch, &t->objective);
  kd_optimizer_make(t->pool, t->diag, tiny_value(t, spec->optimizer), &t->optimizer);
  assert_ok(kd_diag_status(t->diag));
  t->spec = (kd_replica_spec){.comm = t->comm,
                              .device = &t->device,
                              .model = t->model,
                              .objective = &t->objective,
                              .optimizer = &t->optimizer,
                              .batch_size = spec->batch,
                              .largest_batch = spec->batch,
                              .micro_batch = spec->micro_batch,
                              .recompute = spec->recompute,
                              .determinism = spec->determinism,
                              .micro_shards = spec->micro_shards ? spec->micro_shards : 8,
                              .bucket_bytes = spec->bucket_bytes,
                              .whole_tables = spec->whole_tables,
                              .seed = 7};
  if (spec->device) spec->device(t);
  assert_ok(kd_replica_create(&t->spec, &t->replica));
}

void tiny_create(tiny *t, const tiny_spec *spec) {
  tiny_open(t, spec->comm);
  t->model->policy = spec->policy;
  kd_tap tap = kd_model_add_input(t->model, "x", KD_F32, spec->input, 0, (kd_origin){"test", 1});
  for (int i = 0; spec->layers[i]; i++) {
    const char *name = kd_pool_printf(t->pool, "layer%d", i);
    tap = (kd_tap){layer_add_called(t->model, spec->layers[i], 1, name, true, 1, &tap), 0};
  }
  kd_model_add_output(t->model, "y", tap);
  kd_output_goal goal = {.loss = tiny_value(t, spec->loss),
                         .loss_weight = 1,
                         .metrics = spec->metrics ? tiny_value(t, spec->metrics) : NULL,
                         .label_dtype = spec->label_dtype,
                         .label_sample = spec->label,
                         .sample_weight = spec->sample_weight,
                         .weight_dtype = KD_F32,
                         .weight_sample = spec->label};
  if (spec->weighted_metrics) goal.weighted_metrics = tiny_value(t, spec->weighted_metrics);
  tiny_start(t, spec, &goal);
}

enum { FEATURES = 36, CLASSES = 4 };

static void fill(float *x, uint8_t *y, int64_t rows, uint64_t step) {
  for (int64_t i = 0; i < rows; i++) {
    for (int j = 0; j < FEATURES; j++)
      x[i * FEATURES + j] =
          kd_uniform_f32(kd_philox_block((uint64_t)(i * FEATURES + j), step, 1).v[0]) - 0.5f;
    y[i] = (uint8_t)(kd_philox_block((uint64_t)i, step, 2).v[0] % CLASSES);
  }
}

double tiny_train(tiny *t, int steps, int64_t last_rows) {
  int64_t batch = t->spec.batch_size;
  float *x = kd_pool_alloc(t->pool, (size_t)(batch * FEATURES), sizeof *x);
  uint8_t *y = kd_pool_alloc(t->pool, (size_t)batch, sizeof *y);
  kd_totals totals;
  kd_totals_create(t->pool, &t->objective, &totals);
  for (int step = 0; step < steps; step++) {
    int64_t rows = step == steps - 1 ? last_rows : batch, begin, end;
    fill(x, y, rows, (uint64_t)step);
    kd_replica_share(t->replica, rows, &begin, &end);
    void *field[] = {x + begin * FEATURES, y + begin};
    kd_step_data data = {.rows = end - begin, .first = begin, .global_rows = rows, .field = field};
    kd_totals_add(&totals, tiny_step(t, &data, step, t->optimizer.rate.constant).tail, rows, 0);
  }
  return totals.loss / totals.rows;
}

void tiny_destroy(tiny *t) {
  kd_replica_destroy(t->replica);
  kd_model_destroy(t->model);
  kd_device_group_close(t->spec.group);
  kd_device_close(&t->device);
  kd_diag_destroy(t->diag);
  kd_pool_destroy(t->pool);
}

double tiny_rate(void *rate, int64_t updates) {
  (void)updates;
  return *(double *)rate;
}

kd_step_result tiny_step(tiny *t, const kd_step_data *data, int64_t iteration, double rate) {
  kd_step_result result;
  assert_ok(kd_replica_step(t->replica, data, iteration, tiny_rate, &rate));
  while (kd_replica_pending(t->replica) > 0) assert_ok(kd_replica_result(t->replica, &result));
  return result;
}

kd_comm *tiny_alone(void) {
  static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"};
  char *kept[3];
  kd_comm *comm;
  for (int i = 0; i < 3; i++) {
    kept[i] = getenv(variables[i]) ? kd_strdup(getenv(variables[i])) : NULL;
    unsetenv(variables[i]);
  }
  assert_ok(kd_comm_open(&comm));
  for (int i = 0; i < 3; i++) {
    if (kept[i]) setenv(variables[i], kept[i], 1);
    kd_free(kept[i]);
  }
  return comm;
}

int tiny_run_ranks(kd_comm **all_ranks, const struct CMUnitTest *tests, size_t count) {
  if (kd_comm_open(all_ranks) != KD_OK) {
    fprintf(stderr, "%s\n", kd_status_text());
    return 1;
  }
  int64_t worst = _cmocka_run_group_tests("ranks", tests, count, NULL, NULL);
  if (kd_comm_reduce_i64(*all_ranks, KD_COMM_MAX, &worst, 1) != KD_OK) worst = 1;
  kd_comm_close(*all_ranks);
  return (int)worst;
}
