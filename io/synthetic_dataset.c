/* Synthetic samples for benchmarks and first tries: numbers that are a function of seed, field and sample.
 * A sample is a piece of one row of random numbers, at a place that depends on the sample: drawing all
 * numbers anew would cost more than a training step of a small model. */
#include "io/file_set.h"

#include "device/base/rng.h"
#include "device/base/text.h"

#include <string.h>

enum { WORDS = 4, PLACES = 1024 };

static kd_element element_of(kd_dtype dtype) {
  switch (dtype) {
  case KD_U8:
    return (kd_element){'u', 1, false};
  case KD_I32:
    return (kd_element){'i', 4, false};
  case KD_U32:
    return (kd_element){'u', 4, false};
  case KD_I64:
    return (kd_element){'i', 8, false};
  case KD_F32:
  case KD_BF16:
  case KD_F16:
  case KD_F64:
  case KD_N_DTYPES:
    break;
  }
  return (kd_element){'f', 4, false}; /* other types are cast from float32 by the model */
}

/* The field's shape: every axis must be known. */
static bool field_shape(const kd_data_source *source, int field, kd_shape *shape, kd_diag *diag) {
  *shape = source->wanted_shape ? source->wanted_shape[field] : (kd_shape){.rank = -1};
  if (shape->rank < 0) *shape = KD_SCALAR; /* a target of unknown shape: one label per sample */
  for (int i = 0; i < shape->rank; i++)
    if (shape->dim[i] < 0) {
      char text[KD_SHAPE_TEXT];
      kd_diag_error(diag, source->origin, "synthetic data need fixed shapes, but %s has shape %s",
                    source->field_names[field], kd_shape_text(shape, text));
      return false;
    }
  return true;
}

static void synthetic_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  if (source->synthetic_count <= 0) {
    kd_diag_error(diag, source->origin, "synthetic data need a number of samples above 0, not %lld",
                  (long long)source->synthetic_count);
    return;
  }
  for (int f = 0; f < source->n_fields; f++) {
    kd_shape shape;
    if (!field_shape(source, f, &shape, diag)) continue;
    int64_t classes = source->n_classes ? source->n_classes[f] : 0;
    kd_dtype dtype = source->wanted_dtype ? source->wanted_dtype[f] : classes > 0 ? KD_I32 : KD_F32;
    kd_piece piece = {.file = -1,
                      .storage = KD_STORED_OWN,
                      .element = element_of(dtype),
                      .sample = shape,
                      .rows = source->synthetic_count,
                      .offset = (int64_t)(kd_mix64(source->seed, (uint64_t)f) >> 1),
                      .item = kd_pool_printf(set->base.pool, "%lld", (long long)classes)};
    kd_file_set_add_piece(set, f, &piece);
  }
}

/* Integers below `classes` (256 for pixels, 2 when nothing is known), floats in [0, 1). */
static void store(kd_dtype dtype, int64_t classes, uint32_t bits, void *out, int64_t i) {
  uint64_t range = classes > 0 ? (uint64_t)classes : dtype == KD_U8 ? 256 : 2;
  uint64_t whole = (uint64_t)bits * (range > UINT32_MAX ? UINT32_MAX : range) >> 32;
  switch (dtype) {
  case KD_U8:
    ((uint8_t *)out)[i] = (uint8_t)whole;
    return;
  case KD_I32:
    ((int32_t *)out)[i] = (int32_t)whole;
    return;
  case KD_U32:
    ((uint32_t *)out)[i] = (uint32_t)whole;
    return;
  case KD_I64:
    ((int64_t *)out)[i] = (int64_t)whole;
    return;
  default:
    break;
  }
  ((float *)out)[i] = classes > 0 ? (float)whole : kd_uniform_f32(bits);
}

/* The types that element_of gives. */
static bool is_made(kd_dtype dtype) {
  return dtype == KD_U8 || dtype == KD_I32 || dtype == KD_U32 || dtype == KD_I64 || dtype == KD_F32;
}

static kd_status draw_row(const kd_field *info, kd_piece *piece) {
  int64_t count = kd_shape_count(&info->sample) + PLACES, classes = 0;
  KD_CHECK(is_made(info->dtype) && piece->item && kd_parse_int(piece->item, &classes), KD_ERR_USAGE,
           "synthetic data: broken manifest");
  size_t bytes = (size_t)count * kd_dtype_size(info->dtype);
  KD_TRY(kd_large_alloc(bytes, &piece->memory));
  piece->memory_bytes = bytes;
  for (int64_t i = 0; i < count; i += WORDS) {
    kd_philox block = kd_philox_block((uint64_t)i, 0, (uint64_t)piece->offset);
    for (int64_t w = 0; w < WORDS && i + w < count; w++)
      store(info->dtype, classes, block.v[w], piece->memory, i + w);
  }
  return KD_OK;
}

static kd_status synthetic_read(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows,
                                void *out) {
  const kd_field *info = &set->base.fields[field];
  if (!piece->memory) KD_TRY(draw_row(info, piece));
  size_t size = kd_dtype_size(info->dtype);
  for (int64_t r = 0; r < rows; r++) {
    size_t place = kd_mix64((uint64_t)piece->offset, (uint64_t)(row + r)) % PLACES;
    memcpy((char *)out + (size_t)r * info->bytes, (char *)piece->memory + place * size, info->bytes);
  }
  return KD_OK;
}

const kd_format kd_synthetic_format = {"synthetic", true, synthetic_open, NULL, synthetic_read, NULL};
