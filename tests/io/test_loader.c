// ctest: timeout=60
#include "io/loader.h"

#include <pthread.h>
#include <unistd.h>

#include "support/check.h"

enum { COUNT = 103 };

/* Field 0: the sample's number twice; field 1: its number as a byte. */
static kd_dataset *numbers(void) {
  static float pair[COUNT][2];
  static uint8_t byte[COUNT];
  for (int i = 0; i < COUNT; i++) pair[i][0] = pair[i][1] = (float)(byte[i] = (uint8_t)i);
  kd_field fields[2] = {{.name = "pair", .dtype = KD_F32, .sample = KD_SHAPE(2)},
                        {.name = "byte", .dtype = KD_U8}};
  return kd_dataset_arrays(COUNT, 2, fields, (const void *[]){pair, byte}, NULL);
}

static const int both[] = {0, 1};

static kd_loader_spec spec_of(kd_dataset *data, int64_t batch_size, int rank, int ranks) {
  return (kd_loader_spec){.data = data,
                          .n_fields = 2,
                          .fields = both,
                          .batch_size = batch_size,
                          .rank = rank,
                          .ranks = ranks,
                          .depth = 2};
}

/* Takes one epoch and marks what came at which position of the epoch. */
static void take_epoch(const kd_loader_spec *spec, const kd_sampler *order, int64_t first, int64_t *at) {
  kd_loader *loader;
  const kd_batch *batch;
  int64_t step = first, steps = (COUNT - 1) / spec->batch_size + 1;
  assert_ok(kd_loader_create(spec, &loader));
  assert_ok(kd_loader_start(loader, order, first, steps));
  for (;;) {
    assert_ok(kd_loader_next(loader, &batch));
    if (!batch) break;
    assert_int_equal(batch->step, step);
    int64_t left = COUNT - step * spec->batch_size;
    assert_int_equal(batch->global_rows, left < spec->batch_size ? left : spec->batch_size);
    for (int64_t i = 0; i < batch->rows; i++) {
      float value = ((float *)batch->field[0])[2 * i];
      assert_true(value == ((float *)batch->field[0])[2 * i + 1]);
      assert_int_equal(((uint8_t *)batch->field[1])[i], (int)value);
      at[step * spec->batch_size + batch->first + i] = (int64_t)value;
    }
    assert_int_equal((uintptr_t)batch->field[0] % 64, 0);
    step++;
  }
  assert_int_equal(step, steps);
  assert_ok(kd_loader_next(loader, &batch));
  assert_null(batch);
  kd_loader_destroy(loader);
}

/* Any number of ranks reads the same epoch, each sample at its own position; small last batches and ranks
 * without rows included. */
static void ranks_share_every_batch(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  static const int64_t sizes[] = {1, 2, 7, 50, 103, 1000};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int ranks = 1; ranks <= 5; ranks++) {
      kd_sampler order;
      kd_sampler_start(&order, COUNT, true, 0, 11, 4);
      int64_t at[COUNT];
      memset(at, -1, sizeof at);
      for (int rank = 0; rank < ranks; rank++) {
        kd_loader_spec spec = spec_of(data, sizes[s], rank, ranks);
        take_epoch(&spec, &order, 0, at);
      }
      for (int64_t i = 0; i < COUNT; i++) assert_int_equal(at[i], kd_sampler_at(&order, i));
    }
  kd_dataset_close(data);
}

static void an_epoch_may_start_in_its_middle(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  kd_sampler order;
  kd_sampler_start(&order, COUNT, true, 0, 11, 4);
  int64_t at[COUNT];
  memset(at, -1, sizeof at);
  kd_loader_spec spec = spec_of(data, 10, 0, 1);
  take_epoch(&spec, &order, 6, at);
  for (int64_t i = 0; i < COUNT; i++) assert_int_equal(at[i], i < 60 ? -1 : kd_sampler_at(&order, i));
  kd_dataset_close(data);
}

static void last_quarter(void *context, int64_t rows, int64_t *begin, int64_t *end) {
  (*(int *)context)++;
  *begin = rows - rows / 4;
  *end = rows;
}

static void the_share_may_be_chosen(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  kd_sampler order;
  kd_sampler_start(&order, COUNT, false, 0, 0, 0);
  int calls = 0;
  kd_loader_spec spec = spec_of(data, 40, 0, 1);
  spec.share = last_quarter;
  spec.share_context = &calls;
  int64_t at[COUNT];
  memset(at, -1, sizeof at);
  take_epoch(&spec, &order, 0, at);
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t rows = i < 80 ? 40 : 23;
    assert_int_equal(at[i], i % 40 >= rows - rows / 4 ? i : -1);
  }
  assert_true(calls >= 3);
  kd_dataset_close(data);
}

/* Restarts and ends in mid-epoch, with batches waiting: no hang, and the new epoch is right from its start.
 */
static void stopping_in_mid_epoch(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  kd_loader_spec spec = spec_of(data, 3, 0, 1);
  kd_loader *loader;
  const kd_batch *batch;
  assert_ok(kd_loader_create(&spec, &loader));
  for (int64_t epoch = 0; epoch < 200; epoch++) {
    kd_sampler order;
    kd_sampler_start(&order, COUNT, true, 0, 5, epoch);
    assert_ok(kd_loader_start(loader, &order, 0, 100));
    for (int64_t step = 0; step < epoch % 7; step++) {
      assert_ok(kd_loader_next(loader, &batch));
      assert_int_equal(batch->step, step);
      for (int64_t i = 0; i < 3; i++)
        assert_int_equal(((uint8_t *)batch->field[1])[i], kd_sampler_at(&order, 3 * step + i));
    }
  }
  kd_loader_destroy(loader);
  assert_ok(kd_loader_create(&spec, &loader));
  kd_loader_destroy(loader);
  kd_loader_destroy(NULL);
  kd_dataset_close(data);
}

/* A batch stays as it is until the next call, however far the thread is ahead. */
static void a_batch_is_stable(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  kd_loader_spec spec = spec_of(data, 10, 0, 1);
  kd_loader *loader;
  const kd_batch *batch;
  kd_sampler order;
  kd_sampler_start(&order, COUNT, false, 0, 0, 0);
  assert_ok(kd_loader_create(&spec, &loader));
  assert_ok(kd_loader_start(loader, &order, 0, 11));
  for (int64_t step = 0; step < 11; step++) {
    assert_ok(kd_loader_next(loader, &batch));
    usleep(3000);
    for (int64_t i = 0; i < batch->rows; i++)
      assert_int_equal(((uint8_t *)batch->field[1])[i], 10 * step + i);
  }
  kd_loader_destroy(loader);
  kd_dataset_close(data);
}

static kd_status failing_fetch(void *context, int field, int64_t count, const int64_t *index, void *out) {
  (void)field, (void)out;
  int *calls = context;
  for (int64_t i = 0; i < count; i++)
    if (index[i] == 57) return kd_fail(KD_ERR_USAGE, "shard-3.h5: sample 57 is damaged");
  ++*calls;
  return KD_OK;
}

static void errors_of_the_thread_come_out_of_next(void **state) {
  (void)state;
  kd_dataset *data = numbers();
  kd_loader_spec spec = spec_of(data, 10, 0, 1);
  int calls = 0;
  spec.fetch = failing_fetch;
  spec.fetch_context = &calls;
  kd_loader *loader;
  const kd_batch *batch;
  kd_sampler order;
  kd_sampler_start(&order, COUNT, false, 0, 0, 0);
  assert_ok(kd_loader_create(&spec, &loader));
  assert_ok(kd_loader_start(loader, &order, 0, 11));
  for (int64_t step = 0; step < 5; step++) {
    assert_ok(kd_loader_next(loader, &batch));
    assert_non_null(batch);
  }
  for (int again = 0; again < 2; again++)
    assert_fails(kd_loader_next(loader, &batch), KD_ERR_USAGE, "shard-3.h5: sample 57 is damaged");
  assert_int_equal(calls, 10);
  assert_ok(kd_loader_start(loader, &order, 6, 2)); /* behind the damaged one all is well again */
  for (int step = 0; step < 2; step++) {
    assert_ok(kd_loader_next(loader, &batch));
    assert_non_null(batch);
  }
  assert_ok(kd_loader_next(loader, &batch));
  assert_null(batch);
  kd_loader_destroy(loader);
  kd_dataset_close(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_share_every_batch), cmocka_unit_test(an_epoch_may_start_in_its_middle),
      cmocka_unit_test(the_share_may_be_chosen), cmocka_unit_test(stopping_in_mid_epoch),
      cmocka_unit_test(a_batch_is_stable),       cmocka_unit_test(errors_of_the_thread_come_out_of_next),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
