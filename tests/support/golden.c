#include "support/golden.h"

#include "support/check.h"

static char *read_whole(const char *name, const char *extension, size_t *size) {
  char path[512];
  snprintf(path, sizeof path, "%s/tests/golden/%s.%s", KDIST_SOURCE_DIR, name, extension);
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot open %s", path);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *data = kd_calloc(*size + 1, 1);
  if (fread(data, 1, *size, file) != *size) fail_msg("cannot read %s", path);
  fclose(file);
  return data;
}

static void read_array(golden_case *c, const char *line, const float *values, size_t n_values) {
  char dims[64], dtype[16];
  size_t offset;
  if (c->count == GOLDEN_ARRAYS) fail_msg("too many arrays in case %s", c->text);
  golden_array *a = &c->array[c->count++];
  if (sscanf(line, "%15s %63s %15s %63s %zu", a->key, a->name, dtype, dims, &offset) != 5)
    fail_msg("bad golden line: %s", line);
  assert_true(kd_dtype_parse(dtype, &a->dtype));
  char *next = strcmp(dims, "scalar") == 0 ? NULL : dims;
  while (next && *next) {
    a->shape.dim[a->shape.rank++] = strtoll(next, &next, 10);
    if (*next == ',') next++;
  }
  a->count = (size_t)kd_shape_count(&a->shape);
  a->values = values + offset;
  if (offset + a->count > n_values) fail_msg("golden data are too short for: %s", line);
}

golden_file *golden_open(const char *name) {
  size_t text_size, value_size;
  golden_file *file = kd_calloc(1, sizeof *file);
  file->text = read_whole(name, "txt", &text_size);
  file->values = (float *)(void *)read_whole(name, "bin", &value_size);
  size_t capacity = 0;
  int number = 0;
  char *rest = file->text;
  for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
    number++;
    if (strncmp(line, "case ", 5) == 0) {
      file->cases = kd_grow(file->cases, (size_t)file->count, &capacity, sizeof *file->cases);
      file->cases[file->count++] = (golden_case){.text = line + 5, .line = number};
    } else if (strcmp(line, "frozen") == 0) {
      file->cases[file->count - 1].frozen = true;
    } else if (strncmp(line, "masked ", 7) == 0) {
      file->cases[file->count - 1].masked |= 1u << atoi(line + 7);
    } else if (*line) {
      read_array(&file->cases[file->count - 1], line, file->values, value_size / sizeof(float));
    }
  }
  return file;
}

void golden_close(golden_file *file) {
  kd_free(file->cases);
  kd_free(file->values);
  kd_free(file->text);
  kd_free(file);
}

const golden_array *golden_find(const golden_case *c, const char *key, const char *name) {
  for (int i = 0; i < c->count; i++)
    if (strcmp(c->array[i].key, key) == 0 && (!name || strcmp(c->array[i].name, name) == 0))
      return &c->array[i];
  return NULL;
}

const golden_array *golden_at(const golden_case *c, const char *key, int index) {
  for (int i = 0; i < c->count; i++)
    if (strcmp(c->array[i].key, key) == 0 && index-- == 0) return &c->array[i];
  return NULL;
}
