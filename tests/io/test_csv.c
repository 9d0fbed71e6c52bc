// ctest: timeout=60
#include "data_source.h"

static const char *write_csv(const char *name, const char *text) {
  static char path[4][256];
  static int next;
  char *to = path[next++ % 4];
  snprintf(to, sizeof path[0], "%s/%s", test_folder(), name);
  FILE *file = fopen(to, "wb");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  return to;
}

static void assert_rows(kd_dataset *data, int field, int64_t rows, int64_t width, const float *want) {
  assert_int_equal(data->count, rows);
  assert_int_equal(kd_shape_count(&data->fields[field].sample), width);
  assert_int_equal(data->fields[field].dtype, KD_F32);
  for (int64_t i = rows - 1; i >= 0; i--) {
    float out[8];
    assert_ok(kd_dataset_read(data, field, 1, &i, out));
    assert_close(out, want + i * width, (size_t)width, 0, 0, data->fields[field].name);
  }
}

/* RFC 4180: quotes, doubled quotes, commas and line ends in quotes, CRLF; a byte order mark; no line end at
 * the end; blanks around numbers; empty lines. */
static void plain_and_quoted_cells(void **state) {
  (void)state;
  static const float x[] = {1, -2.5f, 0.001f, 1e10f}, y[] = {3, 7};
  static const char *const texts[] = {
      "a,b,target\n1,-2.5,3\n0.001,1e10,7\n",
      "\xEF\xBB\xBF\"a\",\"b, with \"\"comma\"\"\",target\r\n\"1\", -2.5 ,3\r\n\r\n1e-3,\"10000000000\",7.0",
      "a,\"two\nlines\",target\n\n1,-2.5,3\n.001,1E+10,7\n\n\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    kd_dataset *data = must_open(source_of("csv", write_csv("plain.csv", texts[i]), NULL));
    assert_rows(data, 0, 2, 2, x);
    assert_rows(data, 1, 2, 1, y);
    assert_ok(kd_dataset_check_labels(data, 1, 8));
    assert_fails(kd_dataset_check_labels(data, 1, 7), KD_ERR_USAGE, "label 7 of label in row 1");
    kd_dataset_close(data);
  }
}

static void columns_by_name(void **state) {
  (void)state;
  static const float ca[] = {3, 1, 6, 4}, b[] = {2, 5};
  kd_data_source *source = source_of("csv", write_csv("named.csv", "a, b ,c,note\n1,2,3,x\n4,5,6,y\n"), NULL);
  const char *mapped[] = {"c, a", "b"};
  source->mapped = mapped;
  kd_dataset *data = must_open(source);
  assert_rows(data, 0, 2, 2, ca);
  assert_rows(data, 1, 2, 1, b);
  kd_dataset_close(data);
  mapped[0] = "c, aa";
  must_refuse(source, "there is no column 'aa' (map.image)", "did you mean a?");
  mapped[0] = "note";
  must_refuse(source, "named.csv:2: 'x' in column 4 (note) is not a number", "");
}

static void shapes_and_types(void **state) {
  (void)state;
  kd_data_source *source =
      source_of("csv", write_csv("four.csv", "a,b,c,d,y\n1,2,3,4,16777217\n5,6,7,8,3.0\n"), NULL);
  kd_shape wanted[] = {KD_SHAPE(2, 2, 1), KD_SCALAR};
  kd_dtype types[] = {KD_F32, KD_I32};
  source->wanted_shape = wanted;
  source->wanted_dtype = types;
  kd_dataset *data = must_open(source);
  assert_int_equal(data->fields[0].sample.rank, 3);
  assert_int_equal(data->fields[1].dtype, KD_I32);
  int32_t label[2];
  int64_t index[] = {0, 1};
  assert_ok(kd_dataset_read(data, 1, 2, index, label));
  assert_int_equal(label[0], 16777217);
  assert_int_equal(label[1], 3);
  kd_dataset_close(data);
  source->n_fields = 1; /* predict: the last column is one too many, so it is the target */
  data = must_open(source);
  assert_int_equal(kd_shape_count(&data->fields[0].sample), 4);
  kd_dataset_close(data);
  source = source_of("csv", write_csv("frac.csv", "a,y\n1,2\n2,2.5\n"), NULL);
  source->wanted_dtype = types;
  must_refuse(source, "frac.csv:3: '2.5' in column 2 (y) is not an integer", "");
}

static void shards_and_manifest(void **state) {
  (void)state;
  static const float x[] = {1, 2, 3, 4, 5}, y[] = {10, 20, 30, 40, 50};
  write_csv("part-1.csv", "x,y\n1,10\n2,20\n");
  write_csv("part-2.csv", "x,y\n3,30\n4,40\n5,50\n");
  char pattern[256];
  snprintf(pattern, sizeof pattern, "%s/part-?.csv", test_folder());
  kd_dataset *data = must_open(source_of("csv", pattern, NULL)), *twin;
  assert_int_equal(data->n_files, 2);
  void *bytes;
  size_t size;
  assert_ok(kd_dataset_manifest(data, &bytes, &size));
  assert_ok(kd_dataset_open_manifest(bytes, size, &twin));
  assert_rows(twin, 1, 5, 1, y);
  assert_rows(twin, 0, 5, 1, x);
  assert_rows(data, 0, 5, 1, x);
  kd_dataset_close(twin);
  kd_dataset_close(data);
}

static void refused(const char *text, const char *part) {
  must_refuse(source_of("csv", write_csv("bad.csv", text), NULL), part, "bad.csv");
}

static void bad_cells_are_named_with_their_line(void **state) {
  (void)state;
  refused("a,y\n1,2\n3,\n", "bad.csv:3: column 2 (y) is empty; a number is wanted");
  refused("a,y\n1,2\n\n\n x ,2\n", "bad.csv:5: ' x ' in column 1 (a) is not a number");
  refused("a,y\n1,2\n3\n", "bad.csv:3: 1 cells in this line, but 2 in the header");
  refused("a,y\n1,2,3\n", "bad.csv:2: 3 cells");
  refused("a,y\n1,nan\n", "'nan'");
  refused("a,y\n1,1e999\n", "'1e999'");
  refused("a,y\n1,\"2\n", "bad.csv:2: the quote that starts here is never closed");
  refused("a,y\n1,\"2\"x\n", "bad.csv:2: text follows a closing quote");
  refused("a,y\n\"1\n2\",3\n", "bad.csv:2:");
  refused("a,y\n", "no samples");
  refused("\n\n", "no header line");
  refused("y\n1\n", "no column is left for the input image");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_and_quoted_cells),
      cmocka_unit_test(columns_by_name),
      cmocka_unit_test(shapes_and_types),
      cmocka_unit_test(shards_and_manifest),
      cmocka_unit_test(bad_cells_are_named_with_their_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
