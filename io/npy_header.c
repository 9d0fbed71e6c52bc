#include "io/npy_header.h"

#include "device/base/memory.h"
#include "device/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cursor over the header's text, a Python dict of three known keys. */
typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, char expected) {
  skip_space(c);
  if (c->at >= c->end || *c->at != expected) return false;
  c->at++;
  return true;
}

static bool take_word(cursor *c, const char *word) {
  skip_space(c);
  size_t length = strlen(word);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
  c->at += length;
  return true;
}

/* 'text' or "text" into a buffer; false when it is longer or not quoted. */
static bool take_quoted(cursor *c, char *buffer, size_t size) {
  skip_space(c);
  if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t used = 0;
  while (c->at < c->end && *c->at != quote) {
    if (used + 1 >= size) return false;
    buffer[used++] = *c->at++;
  }
  buffer[used] = '\0';
  return take(c, quote);
}

static kd_status parse_descr(cursor *c, kd_element *element) {
  char text[16];
  skip_space(c);
  KD_CHECK(c->at < c->end && *c->at != '[', KD_ERR_USAGE, "structured arrays cannot be used");
  KD_CHECK(take_quoted(c, text, sizeof text), KD_ERR_USAGE, "the type in its header cannot be read");
  const char *code = text;
  element->big_endian = *code == '>';
  if (*code && strchr("<>|=", *code)) code++;
  KD_CHECK(*code != 'O', KD_ERR_USAGE, "an array of Python objects cannot be used; save numbers instead");
  element->kind = *code;
  element->size = 0;
  for (const char *digit = *code ? code + 1 : code; *digit >= '0' && *digit <= '9' && element->size < 100;
       digit++)
    element->size = 10 * element->size + (*digit - '0');
  kd_dtype dtype;
  KD_CHECK(kd_element_dtype(*element, &dtype), KD_ERR_USAGE,
           "elements of type '%s' cannot be used; f2 f4 f8 i1..i8 u1..u8 b1 can", kd_quoted(text));
  return KD_OK;
}

static kd_status parse_size(cursor *c, int64_t *size) {
  skip_space(c);
  KD_CHECK(c->at < c->end && *c->at != '-', KD_ERR_USAGE, "its shape has a negative size");
  KD_CHECK(c->at < c->end && *c->at >= '0' && *c->at <= '9', KD_ERR_USAGE,
           "the shape in its header cannot be read");
  *size = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    bool large = __builtin_mul_overflow(*size, (int64_t)10, size) ||
                 __builtin_add_overflow(*size, (int64_t)(*c->at - '0'), size);
    KD_CHECK(!large, KD_ERR_USAGE, "its shape has a size above 2^63");
  }
  if (c->at < c->end && *c->at == 'L') c->at++; /* Python 2 wrote long integers like this */
  return KD_OK;
}

static kd_status parse_shape(cursor *c, kd_npy_header *header) {
  KD_CHECK(take(c, '('), KD_ERR_USAGE, "the shape in its header cannot be read");
  header->rank = 0;
  while (!take(c, ')')) {
    KD_CHECK(header->rank < KD_NPY_AXES, KD_ERR_USAGE, "an array of more than %d axes cannot be used",
             KD_NPY_AXES);
    KD_TRY(parse_size(c, &header->dim[header->rank++]));
    if (!take(c, ',')) {
      KD_CHECK(take(c, ')'), KD_ERR_USAGE, "the shape in its header cannot be read");
      break;
    }
  }
  return KD_OK;
}

enum { HAVE_DESCR = 1, HAVE_ORDER = 2, HAVE_SHAPE = 4, HAVE_ALL = 7 };

static kd_status parse_entry(cursor *c, kd_npy_header *header, int *have) {
  char key[16];
  KD_CHECK(take_quoted(c, key, sizeof key) && take(c, ':'), KD_ERR_USAGE, "its header cannot be read");
  if (strcmp(key, "descr") == 0) {
    *have |= HAVE_DESCR;
    return parse_descr(c, &header->element);
  }
  if (strcmp(key, "shape") == 0) {
    *have |= HAVE_SHAPE;
    return parse_shape(c, header);
  }
  KD_CHECK(strcmp(key, "fortran_order") == 0, KD_ERR_USAGE, "its header has an unknown key '%s'",
           kd_quoted(key));
  *have |= HAVE_ORDER;
  header->fortran_order = take_word(c, "True");
  KD_CHECK(header->fortran_order || take_word(c, "False"), KD_ERR_USAGE, "its header cannot be read");
  return KD_OK;
}

static kd_status parse_dict(cursor *c, kd_npy_header *header) {
  int have = 0;
  KD_CHECK(take(c, '{'), KD_ERR_USAGE, "its header cannot be read");
  while (!take(c, '}')) {
    KD_TRY(parse_entry(c, header, &have));
    if (!take(c, ',')) {
      KD_CHECK(take(c, '}'), KD_ERR_USAGE, "its header cannot be read");
      break;
    }
  }
  KD_CHECK(have == HAVE_ALL, KD_ERR_USAGE, "its header lacks descr, fortran_order or shape");
  return KD_OK;
}

kd_status kd_npy_parse(const unsigned char *bytes, size_t got, kd_npy_header *header) {
  *header = (kd_npy_header){0};
  KD_CHECK(got >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0, KD_ERR_USAGE,
           "not an .npy array: the magic bytes are missing");
  KD_CHECK(got >= 12, KD_ERR_USAGE, "truncated inside the .npy header");
  int version = bytes[6];
  KD_CHECK(version >= 1 && version <= 3, KD_ERR_USAGE, "version %d of the .npy format is not known", version);
  size_t start = version == 1 ? 10 : 12;
  size_t length = bytes[8] | (size_t)bytes[9] << 8;
  if (version > 1) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  KD_CHECK(length <= KD_NPY_HEADER_MAX - start, KD_ERR_USAGE, "an .npy header of %zu bytes is too long",
           length);
  KD_CHECK(got >= start + length, KD_ERR_USAGE, "truncated inside the .npy header");
  cursor c = {(const char *)bytes + start, (const char *)bytes + start + length};
  KD_TRY(parse_dict(&c, header));
  header->header_bytes = (int64_t)(start + length);
  KD_TRY(kd_array_bytes(header->element.size, header->rank, header->dim, &header->data_bytes));
  return KD_OK;
}

kd_status kd_npy_rows(const kd_npy_header *header, int64_t *rows, kd_shape *sample) {
  KD_CHECK(header->rank >= 1, KD_ERR_USAGE, "a single number is not an array of samples");
  *rows = header->dim[0];
  *sample = kd_shape_make(header->rank - 1, header->dim + 1);
  return KD_OK;
}

/* Column-major to row-major, like an odometer over the output. */
void kd_npy_to_c_order(const kd_npy_header *header, const void *in, void *out) {
  int64_t stride[KD_NPY_AXES], at[KD_NPY_AXES] = {0}, count = 1, from = 0;
  for (int i = 0; i < header->rank; i++) {
    stride[i] = count;
    count *= header->dim[i];
  }
  size_t size = (size_t)header->element.size;
  for (int64_t to = 0; to < count; to++) {
    memcpy((char *)out + (size_t)to * size, (const char *)in + (size_t)from * size, size);
    for (int axis = header->rank - 1; axis >= 0; axis--) {
      from += stride[axis];
      if (++at[axis] < header->dim[axis]) break;
      from -= stride[axis] * header->dim[axis];
      at[axis] = 0;
    }
  }
}

size_t kd_npy_write_header(char buffer[KD_NPY_WRITE_MAX], kd_element element, int rank, const int64_t *dims) {
  char shape[KD_NPY_AXES * 24] = "", text[KD_NPY_WRITE_MAX];
  size_t used = 0;
  for (int i = 0; i < rank; i++)
    used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRId64, i ? ", " : "", dims[i]);
  snprintf(text, sizeof text, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (%s%s), }",
           element.size == 1 ? '|' : '<', element.kind, element.size, shape, rank == 1 ? "," : "");
  size_t length = strlen(text), total = (10 + length + 1 + 63) / 64 * 64;
  memcpy(buffer, "\x93NUMPY\x01\x00", 8);
  buffer[8] = (char)((total - 10) & 255);
  buffer[9] = (char)((total - 10) >> 8);
  memset(buffer + 10, ' ', total - 10);
  memcpy(buffer + 10, text, length);
  buffer[total - 1] = '\n';
  return total;
}
