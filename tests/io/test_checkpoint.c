// ctest: timeout=120
#include "io/checkpoint.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/log.h"
#include "support/check.h"

enum { WEIGHTS = 300 };
static float weights[WEIGHTS];
static uint8_t bytes[5] = {1, 2, 3, 4, 255};
static int64_t scalar = -7;
static _Float16 halves[2][2] = {{1, 2}, {3, 4}};

static kd_checkpoint *sample(int64_t step) {
  static kd_record records[5];
  static kd_note notes[3] = {{"config", "[run]\nname = a\n"}, {"run/empty", ""}, {"run/unicode", "größe"}};
  static kd_checkpoint checkpoint;
  for (int i = 0; i < WEIGHTS; i++) weights[i] = (float)(step * 1000 + i) / 7;
  records[0] = (kd_record){"weights/stage2.0/mix/kernel", {KD_F32, KD_SHAPE(3, 10, 10), weights}};
  records[1] = (kd_record){"state/bytes", {KD_U8, KD_SHAPE(5), bytes}};
  records[2] = (kd_record){"state/step", {KD_I64, KD_SCALAR, &scalar}};
  records[3] = (kd_record){"state/none", {KD_F32, KD_SHAPE(0, 4), weights}};
  records[4] = (kd_record){"state/half", {KD_F16, KD_SHAPE(2, 2), halves}};
  checkpoint =
      (kd_checkpoint){.step = step, .n_records = 5, .records = records, .n_notes = 3, .notes = notes};
  return &checkpoint;
}

static const char *folder_of(const char *name) {
  static char path[4][256];
  static int next;
  char *to = path[next++ % 4];
  snprintf(to, sizeof path[0], "%s/%s", test_folder(), name);
  return to;
}

static const char *file_of(const char *folder, int64_t step) {
  static char path[4][300];
  static int next;
  char *to = path[next++ % 4];
  snprintf(to, sizeof path[0], "%s/step-%010lld.h5", folder, (long long)step);
  return to;
}

/* The newest checkpoint has this step and holds what sample(step) says. */
static void assert_newest(const char *folder, int64_t step) {
  kd_pool *pool = kd_pool_create();
  kd_checkpoint *found;
  const char *path;
  assert_ok(kd_checkpoint_read_newest(folder, pool, &found, &path));
  assert_non_null(found);
  assert_string_equal(path, file_of(folder, step));
  const kd_checkpoint *want = sample(step);
  assert_int_equal(found->step, step);
  assert_int_equal(found->n_records, want->n_records);
  for (int i = 0; i < want->n_records; i++) {
    const kd_record *record = kd_checkpoint_record(found, want->records[i].name);
    assert_non_null(record);
    assert_int_equal(record->tensor.dtype, want->records[i].tensor.dtype);
    assert_true(kd_shape_equal(&record->tensor.shape, &want->records[i].tensor.shape));
    assert_memory_equal(record->tensor.data, want->records[i].tensor.data,
                        kd_tensor_bytes(&want->records[i].tensor));
  }
  for (int i = 0; i < want->n_notes; i++)
    assert_string_equal(kd_checkpoint_note(found, want->notes[i].name), want->notes[i].text);
  assert_null(kd_checkpoint_note(found, "nothing"));
  assert_null(kd_checkpoint_record(found, "nothing"));
  kd_pool_destroy(pool);
}

static void what_is_written_is_read(void **state) {
  (void)state;
  const char *folder = folder_of("plain/deep");
  assert_ok(kd_checkpoint_write(folder, sample(12), 2));
  assert_newest(folder, 12);
}

static void the_newest_are_kept(void **state) {
  (void)state;
  const char *folder = folder_of("keep");
  for (int64_t step = 5; step <= 40; step += 5) assert_ok(kd_checkpoint_write(folder, sample(step), 2));
  assert_newest(folder, 40);
  assert_true(kd_path_exists(file_of(folder, 35)));
  assert_false(kd_path_exists(file_of(folder, 30)));
}

static void a_folder_without_checkpoints(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_checkpoint *found;
  const char *path;
  assert_ok(kd_checkpoint_read_newest(folder_of("absent"), pool, &found, &path));
  assert_null(found);
  kd_pool_destroy(pool);
}

static size_t read_all(const char *path, unsigned char **data) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  *data = kd_calloc(size, 1);
  assert_int_equal(fread(*data, 1, size, file), size);
  fclose(file);
  return size;
}

static void write_all(const char *path, const unsigned char *data, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  fclose(file);
}

/* Every single changed byte, every truncation (sampled behind the first 2 KiB) and added bytes are found, and
 * the checkpoint before is used. */
static void damage_is_always_found(void **state) {
  (void)state;
  const char *folder = folder_of("damage");
  assert_ok(kd_checkpoint_write(folder, sample(1), 3));
  assert_ok(kd_checkpoint_write(folder, sample(2), 3));
  char path[300];
  strcpy(path, file_of(folder, 2));
  unsigned char *good;
  size_t size = read_all(path, &good);
  assert_newest(folder, 2);
  kd_log_set_level(KD_LOG_ERROR); /* hundreds of warnings */
  for (size_t i = 0; i < size; i += i < 2048 ? 1 : 13) {
    good[i] ^= (unsigned char)(1 << i % 8);
    write_all(path, good, size);
    assert_newest(folder, 1);
    good[i] ^= (unsigned char)(1 << i % 8);
  }
  for (size_t i = 0; i < size; i += i < 600 ? 7 : 101) {
    write_all(path, good, i);
    assert_newest(folder, 1);
  }
  FILE *file = fopen(path, "ab");
  fputc(0, file);
  fclose(file);
  assert_newest(folder, 1);
  write_all(path, good, size);
  assert_newest(folder, 2);
  kd_free(good);
  /* A file under a wrong name is not what it says. */
  assert_int_equal(rename(file_of(folder, 2), file_of(folder, 9)), 0);
  assert_newest(folder, 1);
}

static void nothing_usable_is_an_error(void **state) {
  (void)state;
  const char *folder = folder_of("all");
  assert_ok(kd_checkpoint_write(folder, sample(1), 2));
  write_all(file_of(folder, 1), (const unsigned char *)"nonsense", 8);
  kd_pool *pool = kd_pool_create();
  kd_checkpoint *found;
  const char *path;
  assert_fails(kd_checkpoint_read_newest(folder, pool, &found, &path), KD_ERR_USAGE, "step-0000000001.h5");
  kd_pool_destroy(pool);
}

/* Files of the folder whose names end so. In this process: a shell might fail for reasons of its own. */
static int count_files(const char *folder, const char *suffix) {
  DIR *listing = opendir(folder);
  assert_non_null(listing);
  int count = 0;
  for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
    size_t length = strlen(entry->d_name), end = strlen(suffix);
    count += length >= end && !strcmp(entry->d_name + length - end, suffix);
  }
  closedir(listing);
  return count;
}

static void left_overs_are_swept(void **state) {
  (void)state;
  const char *folder = folder_of("sweep");
  assert_ok(kd_checkpoint_write(folder, sample(1), 2));
  write_all(folder_of("sweep/step-0000000002.h5.tmp"), (const unsigned char *)"half", 4);
  assert_newest(folder, 1);
  assert_int_equal(count_files(folder, "tmp"), 1);
  assert_ok(kd_checkpoint_sweep(folder));
  assert_int_equal(count_files(folder, "tmp"), 0);
  assert_int_equal(count_files(folder, "h5"), 1);
  assert_ok(kd_checkpoint_sweep(folder_of("absent")));
}

/* A full disk, by a limit of the file size, at every size: an error with the reason, nothing half-written
 * stays, and what was there before is still good. */
static void a_full_disk(void **state) {
  (void)state;
  const char *folder = folder_of("full");
  assert_ok(kd_checkpoint_write(folder, sample(1), 2));
  struct stat info;
  assert_int_equal(stat(file_of(folder, 1), &info), 0);
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  for (int64_t size = 0; size < info.st_size; size += 97) {
    limit = before;
    limit.rlim_cur = (rlim_t)size;
    setrlimit(RLIMIT_FSIZE, &limit);
    kd_status status = kd_checkpoint_write(folder, sample(2), 2);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, KD_ERR_RUN);
    if (!strstr(kd_status_text(), "File too large")) fail_msg("%s", kd_status_text());
    assert_int_equal(count_files(folder, "tmp"), 0);
  }
  assert_newest(folder, 1);
  assert_ok(kd_checkpoint_write(folder, sample(2), 2));
  assert_newest(folder, 2);
}

static void the_writer_works_behind(void **state) {
  (void)state;
  const char *folder = folder_of("writer");
  kd_checkpoint_writer *writer = kd_checkpoint_writer_create(folder, 3);
  for (int64_t step = 1; step <= 10; step++) {
    assert_ok(kd_checkpoint_writer_post(writer, sample(step)));
    memset(weights, 0, sizeof weights); /* the writer has its own copy */
  }
  assert_ok(kd_checkpoint_writer_finish(writer));
  assert_newest(folder, 10);
  assert_ok(kd_checkpoint_writer_finish(writer));
  kd_checkpoint_writer_destroy(writer);
}

static void errors_of_the_writer_come_out(void **state) {
  (void)state;
  write_all(folder_of("a-file"), (const unsigned char *)"x", 1);
  kd_checkpoint_writer *writer = kd_checkpoint_writer_create(folder_of("a-file/below"), 3);
  assert_ok(kd_checkpoint_writer_post(writer, sample(1)));
  assert_fails(kd_checkpoint_writer_finish(writer), KD_ERR_RUN, "a-file");
  assert_ok(kd_checkpoint_writer_post(writer, sample(1)));
  assert_int_equal(kd_checkpoint_writer_post(writer, sample(2)), KD_ERR_RUN);
  kd_checkpoint_writer_destroy(writer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_is_read),      cmocka_unit_test(the_newest_are_kept),
      cmocka_unit_test(a_folder_without_checkpoints), cmocka_unit_test(nothing_usable_is_an_error),
      cmocka_unit_test(left_overs_are_swept),         cmocka_unit_test(a_full_disk),
      cmocka_unit_test(the_writer_works_behind),      cmocka_unit_test(errors_of_the_writer_come_out),
      cmocka_unit_test(damage_is_always_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
