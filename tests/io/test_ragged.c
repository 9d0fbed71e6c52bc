// ctest: timeout=60
/* Rows with lengths of their own: HDF5 data sets of variable length that h5py wrote
 * (tests/golden/make_data.py, write_ragged), in two shards. Row r has 2 (r mod 4 + 1) numbers. */
#include "data_source.h"

enum { ROWS = 20, LONGEST = 8 };

static kd_data_source *ragged(const char *item, const kd_shape *wanted) {
  static const char *mapped[2];
  kd_data_source *source = source_of("hdf5", GOLDEN("ragged-[01].h5"), NULL);
  mapped[0] = item;
  source->mapped = mapped;
  source->wanted_shape = wanted;
  return source;
}

/* Each row begins with its numbers and ends in zeros. */
static void check_rows(kd_dataset *data, int64_t width) {
  assert_int_equal(data->count, ROWS);
  assert_int_equal(kd_shape_count(&data->fields[0].sample), width);
  char *out = kd_calloc(1, data->fields[0].bytes);
  for (int64_t r = ROWS - 1; r >= 0; r--) {
    assert_ok(kd_dataset_read(data, 0, 1, &r, out));
    for (int64_t j = 0; j < width; j++) {
      double want = j < 2 * (r % 4 + 1) ? golden(data->fields[0].dtype, true, r, j) : 0;
      assert_true(number_at(out, data->fields[0].dtype, j) == want);
    }
  }
  kd_free(out);
  assert_labels(data, 1);
}

static void check(const char *item, const kd_shape *wanted, kd_shape shape, kd_dtype dtype) {
  kd_dataset *data = must_open(ragged(item, wanted)), *twin;
  assert_true(kd_shape_equal(&data->fields[0].sample, &shape));
  assert_int_equal(data->fields[0].dtype, dtype);
  check_rows(data, kd_shape_count(&shape));
  void *bytes;
  size_t size;
  assert_ok(kd_dataset_manifest(data, &bytes, &size));
  assert_ok(kd_dataset_open_manifest(bytes, size, &twin));
  check_rows(twin, kd_shape_count(&shape));
  kd_dataset_close(twin);
  kd_dataset_close(data);
}

static void longest_row(void **state) {
  (void)state;
  check("x", NULL, KD_SHAPE(LONGEST), KD_F32);
  check("i2", (kd_shape[]){KD_SHAPE(-1), KD_SCALAR}, KD_SHAPE(LONGEST), KD_I32);
}

static void wanted_steps(void **state) {
  (void)state;
  check("x", (kd_shape[]){KD_SHAPE(11), KD_SCALAR}, KD_SHAPE(11), KD_F32);
  check("x", (kd_shape[]){KD_SHAPE(-1, 2), KD_SCALAR}, KD_SHAPE(LONGEST / 2, 2), KD_F32);
  check("i2", (kd_shape[]){KD_SHAPE(7, 2), KD_SCALAR}, KD_SHAPE(7, 2), KD_I32);
}

static void misfits(void **state) {
  (void)state;
  must_refuse(ragged("x", (kd_shape[]){KD_SHAPE(7), KD_SCALAR}),
              "ragged-1.h5 (x): rows of image have up to 8 numbers", "(7,)");
  must_refuse(ragged("x", (kd_shape[]){KD_SHAPE(-1, 3), KD_SCALAR}), "ragged-1.h5 (x)", "(None, 3)");
  must_refuse(ragged("x", (kd_shape[]){KD_SHAPE(-1, -1), KD_SCALAR}), "ragged-1.h5 (x)", "do not fit");
  must_refuse(source_of("hdf5", GOLDEN("ragged-text.h5"), NULL), "ragged-text.h5 (x)",
              "neither integers nor floats");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(longest_row),
      cmocka_unit_test(wanted_steps),
      cmocka_unit_test(misfits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
