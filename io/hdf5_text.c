#include "io/hdf5_text.h"

#include "device/base/text.h"

#include <string.h>

enum { NAME_BYTES = 1024 }; /* of one text of a list */

static void add(kd_pool *pool, kd_h5_texts *texts, const char *text, size_t bytes) {
  size_t used = (size_t)texts->count++;
  texts->v = kd_pool_grow(pool, texts->v, used, &texts->room, sizeof *texts->v);
  texts->v[used] = kd_pool_strndup(pool, text, bytes);
}

/* How much of a list may be read. */
typedef struct bounds {
  const char *what; /* for messages */
  int most;         /* texts */
  size_t bytes;     /* of each */
} bounds;

static kd_status add_variable(kd_pool *pool, const bounds *b, int count, char *const *values,
                              kd_h5_texts *texts) {
  for (int i = 0; i < count; i++) {
    const char *text = values[i] ? values[i] : "";
    size_t bytes = strnlen(text, b->bytes + 1);
    KD_CHECK(bytes <= b->bytes, KD_ERR_USAGE, "%s: a text has more than %zu bytes", b->what, b->bytes);
    add(pool, texts, text, bytes);
  }
  return KD_OK;
}

static kd_status read_variable(kd_pool *pool, const bounds *b, hid_t attribute, hid_t type, int count,
                               kd_h5_texts *texts) {
  hid_t space = H5Aget_space(attribute);
  char **values = kd_calloc((size_t)count + 1, sizeof *values);
  kd_status status = H5Aread(attribute, type, values) >= 0
                         ? add_variable(pool, b, count, values, texts)
                         : kd_h5_fail(KD_ERR_USAGE, "%s: cannot be read", b->what);
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, values);
  H5Eclear2(H5E_DEFAULT);
  kd_free(values);
  H5Sclose(space);
  return status;
}

static kd_status read_fixed(kd_pool *pool, const bounds *b, hid_t attribute, hid_t type, int count,
                            kd_h5_texts *texts) {
  size_t width = H5Tget_size(type);
  KD_CHECK(width >= 1 && width <= b->bytes, KD_ERR_USAGE, "%s: a text has %zu bytes; at most %zu can be read",
           b->what, width, b->bytes);
  char *values = kd_calloc((size_t)count + 1, width);
  bool good = H5Aread(attribute, type, values) >= 0;
  for (int i = 0; good && i < count; i++)
    add(pool, texts, values + (size_t)i * width, strnlen(values + (size_t)i * width, width));
  kd_free(values);
  return good ? KD_OK : kd_h5_fail(KD_ERR_USAGE, "%s: cannot be read", b->what);
}

static kd_status read_open(kd_pool *pool, const bounds *b, hid_t attribute, hid_t type, hssize_t count,
                           kd_h5_texts *texts) {
  KD_CHECK(count >= 0, KD_ERR_USAGE, "%s: has no usable shape", b->what);
  KD_CHECK(count <= b->most - texts->count, KD_ERR_USAGE, "%s: holds more than %d texts", b->what, b->most);
  if (count == 0) return KD_OK; /* whatever its type: h5py makes an empty list one of float64 */
  KD_CHECK(H5Tget_class(type) == H5T_STRING, KD_ERR_USAGE, "%s: is no text", b->what);
  return (H5Tis_variable_str(type) > 0 ? read_variable : read_fixed)(pool, b, attribute, type, (int)count,
                                                                     texts);
}

static kd_status read_texts(kd_pool *pool, const bounds *b, hid_t object, const char *name,
                            kd_h5_texts *texts) {
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return kd_h5_fail(KD_ERR_USAGE, "%s: cannot be read", b->what);
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  kd_status status = read_open(pool, b, attribute, type, H5Sget_simple_extent_npoints(space), texts);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(attribute);
  return status;
}

bool kd_h5_has(hid_t object, const char *name) {
  bool has = H5Aexists(object, name) > 0;
  H5Eclear2(H5E_DEFAULT);
  return has;
}

kd_status kd_h5_text(kd_pool *pool, hid_t object, const char *name, const char *what, size_t limit,
                     const char **text) {
  kd_h5_texts texts = {0};
  KD_CHECK(kd_h5_has(object, name), KD_ERR_USAGE, "%s: there is none", what);
  KD_TRY(read_texts(pool, &(bounds){what, 1, limit}, object, name, &texts));
  KD_CHECK(texts.count == 1, KD_ERR_USAGE, "%s: is empty", what);
  *text = texts.v[0];
  return KD_OK;
}

kd_status kd_h5_names(kd_pool *pool, hid_t object, const char *name, const char *what, int most,
                      kd_h5_texts *texts) {
  bounds b = {what, most, NAME_BYTES};
  *texts = (kd_h5_texts){0};
  if (kd_h5_has(object, name)) return read_texts(pool, &b, object, name, texts);
  for (int part = 0;; part++) {
    const char *piece = kd_pool_printf(pool, "%s%d", name, part);
    bool has = kd_h5_has(object, piece);
    KD_CHECK(has || part > 0, KD_ERR_USAGE, "%s: there is none", what);
    if (!has) return KD_OK;
    KD_TRY(read_texts(pool, &b, object, piece, texts));
  }
}
