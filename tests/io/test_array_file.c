// ctest: timeout=60
/* Files of predictions, read back by the data set readers, which are tested against numpy and h5py, and by
 * numpy and h5py themselves when KDIST_PYTHON is set. */
#include "io/array_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "data_source.h"
#include "device/base/file.h"

enum { ROWS = 23, WIDTH = 6 };
static float first[ROWS][WIDTH];
static int64_t second[ROWS];

static void fill(void) {
  for (int r = 0; r < ROWS; r++) {
    for (int j = 0; j < WIDTH; j++) first[r][j] = (float)(r * 100 + j) / 3;
    second[r] = (int64_t)r * r - 5;
  }
}

static const kd_array_output outputs[] = {{"image", KD_F32, {2, {2, 3}}}, {"label", KD_I64, {0}}};

/* Blocks of 5 rows, the last one smaller. */
static kd_status write_blocks(const char *path, int n_outputs) {
  kd_array_file *file;
  fill();
  KD_TRY(kd_array_file_create(path, n_outputs, outputs, ROWS, &file));
  kd_status status = KD_OK;
  for (int64_t row = 0; row < ROWS && status == KD_OK; row += 5)
    status = kd_array_file_append(file, ROWS - row < 5 ? ROWS - row : 5,
                                  (const void *[]){first[row], &second[row]});
  if (status == KD_OK) status = kd_array_file_finish(file);
  kd_array_file_destroy(file);
  return status;
}

static const char *path_of(const char *name) {
  static char path[4][256];
  static int next;
  char *to = path[next++ % 4];
  snprintf(to, sizeof path[0], "%s/%s", test_folder(), name);
  return to;
}

static void read_back(const char *format, const char *name, int n_outputs) {
  kd_data_source *source = source_of(format, path_of(name), NULL);
  kd_shape wanted[] = {KD_SHAPE(2, 3), KD_SCALAR};
  source->n_fields = n_outputs;
  source->wanted_shape = wanted;
  kd_dataset *data = must_open(source);
  assert_int_equal(data->count, ROWS);
  for (int64_t r = 0; r < ROWS; r++) {
    float x[WIDTH];
    int64_t y[1];
    assert_ok(kd_dataset_read(data, 0, 1, &r, x));
    assert_memory_equal(x, first[r], sizeof x);
    if (n_outputs < 2) continue;
    assert_ok(kd_dataset_read(data, 1, 1, &r, y));
    assert_true(number_at(y, data->fields[1].dtype, 0) == (double)second[r]);
  }
  kd_dataset_close(data);
}

static void every_format(void **state) {
  (void)state;
  assert_ok(write_blocks(path_of("out.npy"), 1));
  read_back("npy", "out.npy", 1);
  assert_ok(write_blocks(path_of("out.npz"), 2));
  read_back("npz", "out.npz", 2);
  assert_ok(write_blocks(path_of("out.h5"), 2));
  read_back("hdf5", "out.h5", 2);
  assert_ok(write_blocks(path_of("out.csv"), 2));
  read_back("csv", "out.csv", 2);
  char command[300];
  snprintf(command, sizeof command, "exit $(ls %s | grep -c tmp)", test_folder());
  assert_int_equal(system(command), 0);
}

static void numpy_and_h5py(void **state) {
  (void)state;
  const char *python = getenv("KDIST_PYTHON");
  if (!python) {
    print_message("skipped: numpy and h5py themselves (KDIST_PYTHON is not set)\n");
    return;
  }
  char command[1200];
  snprintf(command, sizeof command,
           "cd %s && %s -c \"import numpy as np, h5py\n"
           "x = (np.arange(23)[:, None] * 100 + np.arange(6)[None]).astype('f4').reshape(23, 2, 3) / "
           "np.float32(3)\n"
           "y = np.arange(23) ** 2 - 5\n"
           "z, h = np.load('out.npz'), h5py.File('out.h5')\n"
           "c = np.loadtxt('out.csv', delimiter=',', skiprows=1, dtype='f4')\n"
           "assert (np.load('out.npy') == x).all() and (z['image'] == x).all() and (z['label'] == y).all()\n"
           "assert (h['image'][()] == x).all() and (h['label'][()] == y).all() and h['label'].dtype == 'i8'\n"
           "assert (c[:, :6] == x.reshape(23, 6)).all() and (c[:, 6] == y).all()\"",
           test_folder(), python);
  assert_int_equal(system(command), 0);
}

static void names_and_counts(void **state) {
  (void)state;
  kd_array_file *file;
  assert_fails(kd_array_file_create("out.txt", 1, outputs, 1, NULL), KD_ERR_USAGE,
               "out.txt: the name should end with");
  assert_fails(kd_array_file_create("out.npy", 2, outputs, 1, NULL), KD_ERR_USAGE, "use .npz");
  assert_ok(kd_array_file_create("out.npz", 2, outputs, 1, NULL));
  assert_fails(kd_array_file_create("/no/folder/out.h5", 2, outputs, 1, &file), KD_ERR_RUN,
               "/no/folder/out.h5");
  assert_ok(kd_array_file_create(path_of("few.npy"), 1, outputs, ROWS, &file));
  assert_ok(kd_array_file_append(file, 3, (const void *[]){first}));
  assert_int_equal(kd_array_file_finish(file), KD_ERR_INTERNAL);
  assert_int_equal(kd_array_file_append(file, ROWS, (const void *[]){first}), KD_ERR_INTERNAL);
  kd_array_file_destroy(file);
  assert_false(kd_path_exists(path_of("few.npy")));
  assert_false(kd_path_exists(path_of("few.npy.tmp")));
}

static void a_full_disk(void **state) {
  (void)state;
  static const char *const names[] = {"full.npy", "full.npz", "full.h5", "full.csv"};
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (rlim_t size = 0; size < 600; size += 150) {
      limit = before;
      limit.rlim_cur = size;
      setrlimit(RLIMIT_FSIZE, &limit);
      kd_status status = write_blocks(path_of(names[i]), i == 0 ? 1 : 2);
      setrlimit(RLIMIT_FSIZE, &before);
      assert_int_equal(status, KD_ERR_RUN);
      assert_false(kd_path_exists(path_of(names[i])));
    }
  char command[300];
  snprintf(command, sizeof command, "exit $(ls %s | grep -c full)", test_folder());
  assert_int_equal(system(command), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format),
      cmocka_unit_test(numpy_and_h5py),
      cmocka_unit_test(names_and_counts),
      cmocka_unit_test(a_full_disk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
