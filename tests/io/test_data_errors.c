// ctest: timeout=60
/* Bad data files: each is refused with its name and what is wrong; nothing large is allocated. */
#include "data_source.h"

#include <sys/resource.h>

static const char *write_file(const char *name, const void *data, size_t size) {
  static char path[8][256];
  static int next;
  char *to = path[next++ % 8];
  snprintf(to, sizeof path[0], "%s/%s", test_folder(), name);
  FILE *file = fopen(to, "wb");
  assert_non_null(file);
  if (size) assert_int_equal(fwrite(data, 1, size, file), size);
  fclose(file);
  return to;
}

static unsigned char *read_file(const char *path, size_t *size) {
  static unsigned char data[1 << 20];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  *size = fread(data, 1, sizeof data, file);
  fclose(file);
  return data;
}

static void refused(const char *format, const char *path, const char *part) {
  kd_data_source *source = source_of(format, path, NULL);
  source->n_fields = 1;
  must_refuse(source, part, strrchr(path, '/') + 1);
}

static void files_that_are_not_there(void **state) {
  (void)state;
  refused("idx", "/no/such/file.idx", "No such file");
  refused("idx", test_folder(), "not a regular file");
  refused("npy", write_file("empty.npy", "", 0), "the file is empty");
  must_refuse(source_of("hdf5", "/no/such/shard-*.h5", NULL), "/no/such/shard-*.h5",
              "no file has a name like this");
  must_refuse(source_of("idx", GOLDEN("images.idx"), NULL), "one file for each of image, label",
              "2 files, not 1");
  must_refuse(source_of("mnist", GOLDEN("images.idx"), NULL), "format = mnist is unknown", "idx");
  must_refuse(source_of("hdf", GOLDEN("contiguous.h5"), NULL), "did you mean 'hdf5'?", "");
}

static void counts_and_shapes_that_disagree(void **state) {
  (void)state;
  must_refuse(source_of("idx", GOLDEN("images.idx"), GOLDEN("labels19.idx")),
              "images.idx holds 20 samples of image", "labels19.idx holds 19 of label");
  must_refuse(source_of("hdf5", GOLDEN("odd-?.h5"), NULL), "odd-1.h5 (x): samples of image have shape (4, 5)",
              "(5, 4) in " GOLDEN("odd-0.h5"));
  must_refuse(source_of("hdf5", GOLDEN("types.h5"), NULL), "there is no data set image or x in it",
              "f2, f8, i1");
  kd_data_source *source = source_of("npz", GOLDEN("stored.npz"), NULL);
  const char *mapped[] = {"pixels", "y"};
  source->mapped = mapped;
  must_refuse(source, "stored.npz: there is no array pixels in it", "x.npy, y.npy");
}

/* IDX: wrong magic, type, rank; sizes beyond the file; truncated; longer than the header says; the same in
 * gzip. */
static void idx_headers(void **state) {
  (void)state;
  refused("idx", write_file("text.idx", "hello world", 11),
          "not an IDX file: it starts with the bytes 68 65 6c 6c");
  refused("idx", write_file("type.idx", "\0\0\x0A\1\0\0\0\1x", 9), "not an IDX file");
  refused("idx", write_file("rank.idx", "\0\0\x08\x20\0\0\0\1x", 9), "32 axes");
  refused("idx", write_file("tiny.idx", "\0\0\x08", 3), "truncated");
  refused("idx", write_file("head.idx", "\0\0\x08\3\0\0\0\1", 8), "truncated inside the IDX header");
  refused("idx", write_file("huge.idx", "\0\0\x08\3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16),
          "too large");
  refused("idx", write_file("big.idx", "\0\0\x08\1\x7F\0\0\0x", 9), "truncated: its header promises");
  refused("idx", write_file("none.idx", "\0\0\x08\1\0\0\0\0", 8), "no samples");
  size_t size;
  unsigned char *good = read_file(GOLDEN("images.idx"), &size);
  refused("idx", write_file("cut.idx", good, size - 1),
          "truncated: its header promises 416 bytes, it has 415");
  good[size] = 0;
  refused("idx", write_file("long.idx", good, size + 1), "promises 416 bytes, it has 417");
}

static void gzip_damage(void **state) {
  (void)state;
  size_t size;
  unsigned char *good = read_file(GOLDEN("images.idx.gz"), &size);
  for (size_t cut = 1; cut < size - 20; cut += 9) {
    const char *path = write_file("cut.idx.gz", good, size - cut);
    kd_data_source *source = source_of("idx", path, NULL);
    source->n_fields = 1;
    must_refuse(source, "cut.idx.gz", "");
  }
  /* Damage in the middle is found at the latest when the data are read. */
  for (size_t at = 30; at < size - 8; at += 5) {
    good[at] ^= 0x55;
    kd_data_source *source = source_of("idx", write_file("flip.idx.gz", good, size), NULL);
    source->n_fields = 1;
    kd_diag *diag = kd_diag_create();
    kd_dataset *data = kd_dataset_open(source, diag);
    if (data) {
      uint8_t out[20];
      int64_t index = 3;
      assert_fails(kd_dataset_read(data, 0, 1, &index, out), KD_ERR_USAGE, "flip.idx.gz");
      assert_int_equal(kd_dataset_read(data, 0, 1, &index, out), KD_ERR_USAGE);
    }
    kd_dataset_close(data);
    kd_diag_destroy(diag);
    good[at] ^= 0x55;
  }
}

static const char *npy(const char *name, const char *dict) {
  static unsigned char data[512];
  size_t length = strlen(dict);
  memcpy(data, "\x93NUMPY\1\0", 8);
  data[8] = (unsigned char)(length & 255);
  data[9] = (unsigned char)(length >> 8);
  memcpy(data + 10, dict, length);
  memset(data + 10 + length, 7, 64);
  return write_file(name, data, 10 + length + 64);
}

static void npy_headers(void **state) {
  (void)state;
  refused("npy", GOLDEN("object.npy"), "Python objects");
  refused("npy", write_file("text.npy", "hello world!", 12), "magic bytes are missing");
  refused("npy", npy("shape.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2)}"),
          "negative size");
  refused("npy",
          npy("over.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8)}"),
          "too large");
  refused("npy",
          npy("wide.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 8)}"),
          "above 2^63");
  refused("npy",
          npy("zero.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 8)}"),
          "too large");
  refused("npy", npy("long.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000)}"),
          "truncated: its header promises 4000000");
  refused("npy", npy("struct.npy", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"),
          "structured");
  refused("npy", npy("text2.npy", "{'descr': '<U4', 'fortran_order': False, 'shape': (3,)}"),
          "elements of type '<U4'");
  refused("npy", npy("scalar.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': ()}"), "single number");
  refused("npy", npy("axes.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1)}"),
          "axes");
  refused("npy", npy("dict.npy", "{'descr': '<f4', 'shape': (3,)}"), "lacks");
  refused("npy", npy("open.npy", "{'descr': '<f4'"), "cannot be read");
  refused("npy", npy("key.npy", "{'descr': '<f4', 'x': 1}"), "unknown key");
  refused("npy", write_file("v9.npy", "\x93NUMPY\x09\0\0\0\0\0", 12), "version 9");
  refused("npy", write_file("cut.npy", "\x93NUMPY\1\0\x70\0{'descr", 17), "truncated");
}

/* Every single truncation of an archive and of an HDF5 file is an error when it is opened or read. */
static void assert_cuts_are_found(const char *format, const char *source_path, const char *name) {
  size_t size;
  unsigned char *good = read_file(source_path, &size);
  for (size_t keep = 1; keep < size; keep += 61) {
    kd_data_source *source = source_of(format, write_file(name, good, keep), NULL);
    kd_diag *diag = kd_diag_create();
    kd_dataset *data = kd_dataset_open(source, diag);
    if (data) {
      char out[4096];
      int64_t index = data->count - 1;
      kd_status status = kd_dataset_read(data, 0, 1, &index, out);
      if (status == KD_OK) status = kd_dataset_read(data, 1, 1, &index, out);
      assert_int_equal(status, KD_ERR_USAGE);
    } else {
      assert_true(diag->count > 0 && strstr(diag->messages[0], name));
    }
    kd_dataset_close(data);
    kd_diag_destroy(diag);
  }
}

static void truncated_archives(void **state) {
  (void)state;
  assert_cuts_are_found("npz", GOLDEN("stored.npz"), "cut.npz");
  assert_cuts_are_found("npz", GOLDEN("deflated.npz"), "cut.npz");
  assert_cuts_are_found("hdf5", GOLDEN("contiguous.h5"), "cut.h5");
  assert_cuts_are_found("hdf5", GOLDEN("compressed.h5"), "cut.h5");
  assert_cuts_are_found("hdf5", GOLDEN("ragged-1.h5"), "cut.h5");
}

/* A file that shrinks or grows after it was opened is named, not misread. */
static void files_that_change(void **state) {
  (void)state;
  size_t size;
  unsigned char *good = read_file(GOLDEN("images.idx"), &size);
  const char *path = write_file("change.idx", good, size);
  kd_data_source *source = source_of("idx", path, NULL);
  source->n_fields = 1;
  kd_dataset *data = must_open(source);
  write_file("change.idx", good, size - 40);
  uint8_t out[20];
  int64_t index = 19;
  assert_fails(kd_dataset_read(data, 0, 1, &index, out), KD_ERR_USAGE, "change.idx");
  kd_dataset_close(data);
}

static void damaged_npz_member(void **state) {
  (void)state;
  size_t size;
  unsigned char *good = read_file(GOLDEN("stored.npz"), &size);
  good[200] ^= 1; /* inside the pixels: only the checksum tells */
  kd_data_source *source = source_of("npz", write_file("crc.npz", good, size), NULL);
  kd_dataset *data = must_open(source);
  uint8_t out[20];
  int64_t index = 0;
  assert_fails(kd_dataset_read(data, 0, 1, &index, out), KD_ERR_USAGE, "crc.npz");
  kd_dataset_close(data);
}

int main(void) {
#ifndef __SANITIZE_ADDRESS__
  struct rlimit limit = {(rlim_t)1 << 31, (rlim_t)1 << 31};
  setrlimit(RLIMIT_AS, &limit); /* sizes from headers must not be believed */
#endif
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_that_are_not_there),
      cmocka_unit_test(counts_and_shapes_that_disagree),
      cmocka_unit_test(idx_headers),
      cmocka_unit_test(gzip_damage),
      cmocka_unit_test(npy_headers),
      cmocka_unit_test(truncated_archives),
      cmocka_unit_test(files_that_change),
      cmocka_unit_test(damaged_npz_member),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
