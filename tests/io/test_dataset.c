// ctest: timeout=60
/* Data sets of all formats: files that numpy and h5py wrote (tests/golden/make_data.py). */
#include "data_source.h"

static void check_images(const kd_data_source *source, kd_dtype dtype, bool is_signed) {
  kd_dataset *data = must_open(source);
  assert_int_equal(data->count, 20);
  assert_int_equal(data->fields[0].dtype, dtype);
  assert_int_equal(data->fields[0].sample.rank, 2);
  assert_int_equal(data->fields[0].sample.dim[0], 5);
  assert_int_equal(data->fields[0].sample.dim[1], 4);
  assert_golden(data, 0, is_signed);
  assert_labels(data, 1);
  assert_ok(kd_dataset_check_labels(data, 1, 10));
  kd_dataset_close(data);
}

static void idx_files(void **state) {
  (void)state;
  check_images(source_of("idx", GOLDEN("images.idx"), GOLDEN("labels.idx")), KD_U8, false);
  check_images(source_of("idx", GOLDEN("images.idx.gz"), GOLDEN("labels.idx.gz")), KD_U8, false);
}

static void check_one(const char *format, const char *path, kd_dtype dtype, bool is_signed, int64_t width) {
  kd_data_source *source = source_of(format, path, NULL);
  source->n_fields = 1;
  kd_dataset *data = must_open(source);
  assert_int_equal(data->count, 20);
  assert_int_equal(data->fields[0].dtype, dtype);
  assert_int_equal(kd_shape_count(&data->fields[0].sample), width);
  assert_golden(data, 0, is_signed);
  kd_dataset_close(data);
}

static void idx_types(void **state) {
  (void)state;
  check_one("idx", GOLDEN("short.idx"), KD_I32, true, 3);
  check_one("idx", GOLDEN("double.idx.gz"), KD_F32, true, 3);
}

static void npy_types(void **state) {
  (void)state;
  check_one("npy", GOLDEN("f2.npy"), KD_F16, true, 3);
  check_one("npy", GOLDEN("f4.npy"), KD_F32, true, 3);
  check_one("npy", GOLDEN("f8.npy"), KD_F32, true, 3);
  check_one("npy", GOLDEN("i1.npy"), KD_I32, true, 3);
  check_one("npy", GOLDEN("i2.npy"), KD_I32, true, 3);
  check_one("npy", GOLDEN("i4.npy"), KD_I32, true, 3);
  check_one("npy", GOLDEN("i8.npy"), KD_I64, true, 3);
  check_one("npy", GOLDEN("u1.npy"), KD_U8, false, 3);
  check_one("npy", GOLDEN("u2.npy"), KD_I32, false, 3);
  check_one("npy", GOLDEN("u4.npy"), KD_U32, false, 3);
  check_one("npy", GOLDEN("u8.npy"), KD_I64, false, 3);
  check_one("npy", GOLDEN("big_f4.npy"), KD_F32, true, 3);
  check_one("npy", GOLDEN("fortran.npy"), KD_F32, true, 6);
  check_one("npy", GOLDEN("version2.npy"), KD_I32, true, 3);
  check_one("npy", GOLDEN("version3.npy"), KD_I32, true, 3);
}

static void npy_bool(void **state) {
  (void)state;
  kd_data_source *source = source_of("npy", GOLDEN("b1.npy"), NULL);
  source->n_fields = 1;
  kd_dataset *data = must_open(source);
  for (int64_t i = 0; i < 20; i++) {
    uint8_t value[3];
    assert_ok(kd_dataset_read(data, 0, 1, &i, value));
    for (int64_t j = 0; j < 3; j++) assert_int_equal(value[j], (31 * i + 7 * j) % 199 % 2);
  }
  kd_dataset_close(data);
}

static void npz_archives(void **state) {
  (void)state;
  check_images(source_of("npz", GOLDEN("stored.npz"), NULL), KD_U8, false);
  kd_dataset *data = must_open(source_of("npz", GOLDEN("deflated.npz"), NULL));
  assert_golden(data, 0, true);
  assert_labels(data, 1);
  kd_dataset_close(data);
}

static void hdf5_files(void **state) {
  (void)state;
  check_images(source_of("hdf5", GOLDEN("contiguous.h5"), NULL), KD_U8, false);
  check_images(source_of("hdf5", GOLDEN("chunked.h5"), NULL), KD_F32, true);
  check_images(source_of("hdf5", GOLDEN("compressed.h5"), NULL), KD_I32, true);
  check_images(source_of("hdf5", GOLDEN("shard-*.h5"), NULL), KD_U8, false);
}

static void hdf5_types(void **state) {
  (void)state;
  static const struct {
    const char *name;
    kd_dtype dtype;
    bool is_signed;
  } rows[] = {{"f2", KD_F16, true},
              {"f8", KD_F32, true},
              {"i1", KD_I32, true},
              {"u8", KD_I64, false},
              {"i4", KD_I32, true}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    kd_data_source *source = source_of("hdf5", GOLDEN("types.h5"), NULL);
    const char *mapped[] = {rows[i].name};
    source->n_fields = 1;
    source->mapped = mapped;
    kd_dataset *data = must_open(source);
    assert_int_equal(data->fields[0].dtype, rows[i].dtype);
    assert_golden(data, 0, rows[i].is_signed);
    kd_dataset_close(data);
  }
}

/* Too large to be decoded whole: read in blocks of rows, here of one chunk; chunks that were never written
 * are zeros. */
static void hdf5_blocks(void **state) {
  (void)state;
  kd_dataset *data = must_open(source_of("hdf5", GOLDEN("large.h5"), NULL));
  assert_int_equal(data->count, 4000);
  assert_int_equal(data->chunk, 50);
  enum { EACH = 320 * 320, READ = 7 };
  static uint8_t out[READ][EACH];
  static const int64_t index[READ] = {3999, 49, 50, 2010, 2011, 2012, 0};
  assert_ok(kd_dataset_read(data, 0, READ, index, out));
  for (int i = 0; i < READ; i++)
    for (int j = 0; j < EACH; j += 319) assert_int_equal(out[i][j], index[i] == 50 ? 0 : index[i] % 251);
  assert_labels(data, 1);
  kd_dataset_close(data);
}

/* The trailing axis that the model wants is added or taken away, nothing else. */
static void wanted_shapes(void **state) {
  (void)state;
  kd_shape wanted[2] = {KD_SHAPE(5, 4, 1), KD_SHAPE(1)};
  kd_data_source *source = source_of("idx", GOLDEN("images.idx"), GOLDEN("labels.idx"));
  source->wanted_shape = wanted;
  kd_dataset *data = must_open(source);
  assert_true(kd_shape_equal(&data->fields[0].sample, &wanted[0]));
  assert_true(kd_shape_equal(&data->fields[1].sample, &wanted[1]));
  assert_golden(data, 0, false);
  kd_dataset_close(data);
  source = source_of("hdf5", GOLDEN("contiguous.h5"), NULL);
  wanted[0] = KD_SHAPE(-1, 4);
  wanted[1] = KD_SCALAR;
  source->wanted_shape = wanted;
  data = must_open(source);
  assert_int_equal(data->fields[1].sample.rank, 0);
  assert_labels(data, 1);
  kd_dataset_close(data);
  source = source_of("idx", GOLDEN("images.idx"), GOLDEN("labels.idx"));
  wanted[0] = KD_SHAPE(28, 28, 1);
  source->wanted_shape = wanted;
  must_refuse(source, "images.idx: samples of image have shape (5, 4)", "(28, 28, 1)");
}

static void synthetic_samples(void **state) {
  (void)state;
  kd_shape wanted[2] = {KD_SHAPE(3, 3), KD_SCALAR};
  int64_t classes[2] = {0, 7};
  kd_data_source *source = source_of("synthetic", NULL, NULL);
  source->wanted_shape = wanted;
  source->n_classes = classes;
  source->synthetic_count = 500;
  source->seed = 3;
  kd_dataset *a = must_open(source), *b = must_open(source);
  assert_ok(kd_dataset_check_labels(a, 1, 7));
  assert_int_equal(kd_dataset_check_labels(a, 1, 6), KD_ERR_USAGE);
  int64_t index[3] = {499, 0, 499};
  float x[3][9], y[3][9];
  assert_ok(kd_dataset_read(a, 0, 3, index, x));
  assert_ok(kd_dataset_read(b, 0, 3, index, y));
  assert_memory_equal(x, y, sizeof x);
  assert_memory_equal(x[0], x[2], sizeof x[0]);
  assert_memory_not_equal(x[0], x[1], sizeof x[0]);
  for (int i = 0; i < 9; i++) assert_true(x[0][i] >= 0 && x[0][i] < 1);
  kd_dataset_close(a);
  kd_dataset_close(b);
  wanted[0] = KD_SHAPE(-1);
  must_refuse(source, "fixed shapes", "image");
}

/* Another rank's set, made of the manifest alone, gives the same samples. */
static void check_manifest(const kd_data_source *source, bool is_signed) {
  kd_dataset *data = must_open(source), *twin;
  void *bytes;
  size_t size;
  assert_ok(kd_dataset_manifest(data, &bytes, &size));
  assert_ok(kd_dataset_open_manifest(bytes, size, &twin));
  assert_int_equal(twin->count, data->count);
  assert_true(twin->fingerprint == data->fingerprint);
  assert_int_equal(twin->n_files, data->n_files);
  assert_true(kd_shape_equal(&twin->fields[0].sample, &data->fields[0].sample));
  assert_golden(twin, 0, is_signed);
  assert_labels(twin, 1);
  kd_dataset_close(twin);
  unsigned char *broken = kd_calloc(size, 1);
  for (size_t i = 0; i < size; i++) {
    memcpy(broken, bytes, size);
    broken[i] ^= 1 << i % 8;
    assert_int_equal(kd_dataset_open_manifest(broken, size, &twin), KD_ERR_USAGE);
    assert_int_equal(kd_dataset_open_manifest(bytes, i, &twin), KD_ERR_USAGE);
  }
  kd_free(broken);
  kd_dataset_close(data);
}

static void manifests(void **state) {
  (void)state;
  check_manifest(source_of("idx", GOLDEN("images.idx.gz"), GOLDEN("labels.idx")), false);
  check_manifest(source_of("npy", GOLDEN("fortran.npy"), GOLDEN("labels.npy")), true);
  check_manifest(source_of("npz", GOLDEN("deflated.npz"), NULL), true);
  check_manifest(source_of("hdf5", GOLDEN("shard-?.h5"), NULL), false);
  check_manifest(source_of("hdf5", GOLDEN("compressed.h5"), NULL), true);
}

static void slices_and_arrays(void **state) {
  (void)state;
  kd_dataset *data = must_open(source_of("idx", GOLDEN("images.idx"), GOLDEN("labels.idx")));
  kd_dataset *part = kd_dataset_slice(data, 15, 20);
  assert_int_equal(part->count, 5);
  int64_t index[2] = {4, 0};
  uint8_t out[2][20];
  assert_ok(kd_dataset_read(part, 0, 2, index, out));
  for (int j = 0; j < 20; j++) {
    assert_int_equal(out[0][j], (31 * 19 + 7 * j) % 199);
    assert_int_equal(out[1][j], (31 * 15 + 7 * j) % 199);
  }
  index[0] = 5;
  assert_int_equal(kd_dataset_read(part, 0, 1, index, out), KD_ERR_INTERNAL);
  kd_dataset_close(part);
  kd_dataset_close(data);

  float rows[4][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}};
  int32_t labels[4] = {0, 1, 2, 5};
  kd_field fields[2] = {{.name = "a", .dtype = KD_F32, .sample = KD_SHAPE(2)},
                        {.name = "b", .dtype = KD_I32}};
  kd_dataset *arrays = kd_dataset_arrays(4, 2, fields, (const void *[]){rows, labels}, NULL);
  assert_int_equal(kd_dataset_field(arrays, "b"), 1);
  assert_int_equal(kd_dataset_field(arrays, "c"), -1);
  float got[2];
  index[0] = 2;
  assert_ok(kd_dataset_read(arrays, 0, 1, index, got));
  assert_true(got[0] == 4 && got[1] == 5);
  assert_fails(kd_dataset_check_labels(arrays, 1, 5), KD_ERR_USAGE, "label 5 of b in row 3");
  kd_dataset_close(arrays);
}

/* Equal contents in another folder are the same data; one changed byte or another order is not. */
static void fingerprints(void **state) {
  (void)state;
  char copy[256], command[600];
  snprintf(copy, sizeof copy, "%s/images.idx", test_folder());
  snprintf(command, sizeof command, "cp %s %s && chmod u+w %s", GOLDEN("images.idx"), copy, copy);
  assert_int_equal(system(command), 0);
  kd_dataset *a = must_open(source_of("idx", GOLDEN("images.idx"), GOLDEN("labels.idx")));
  kd_dataset *b = must_open(source_of("idx", copy, GOLDEN("labels.idx")));
  assert_true(a->fingerprint == b->fingerprint);
  kd_dataset_close(b);
  FILE *file = fopen(copy, "r+b");
  fseek(file, 100, SEEK_SET);
  fputc('!', file);
  fclose(file);
  b = must_open(source_of("idx", copy, GOLDEN("labels.idx")));
  assert_true(a->fingerprint != b->fingerprint);
  kd_dataset_close(b);
  kd_dataset_close(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(idx_files),     cmocka_unit_test(idx_types),
      cmocka_unit_test(npy_types),     cmocka_unit_test(npy_bool),
      cmocka_unit_test(npz_archives),  cmocka_unit_test(hdf5_files),
      cmocka_unit_test(hdf5_types),    cmocka_unit_test(hdf5_blocks),
      cmocka_unit_test(wanted_shapes), cmocka_unit_test(synthetic_samples),
      cmocka_unit_test(manifests),     cmocka_unit_test(slices_and_arrays),
      cmocka_unit_test(fingerprints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
