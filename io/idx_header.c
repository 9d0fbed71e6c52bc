#include "io/idx_header.h"

static const struct {
  unsigned char code;
  kd_element element;
} types[] = {
    {0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
    {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}},
};

static bool find_type(unsigned char code, kd_element *element) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].code == code) {
      *element = types[i].element;
      return true;
    }
  return false;
}

static uint32_t big_endian(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

kd_status kd_idx_parse(const unsigned char *bytes, size_t got, kd_idx_header *header) {
  *header = (kd_idx_header){0};
  KD_CHECK(got >= 4, KD_ERR_USAGE, "truncated: %zu bytes are too few for an IDX header", got);
  KD_CHECK(bytes[0] == 0 && bytes[1] == 0 && find_type(bytes[2], &header->element), KD_ERR_USAGE,
           "not an IDX file: it starts with the bytes %02x %02x %02x %02x", bytes[0], bytes[1], bytes[2],
           bytes[3]);
  int rank = bytes[3];
  KD_CHECK(rank >= 1 && rank <= KD_MAX_RANK + 1, KD_ERR_USAGE,
           "an IDX array of %d axes cannot be used; 1 to %d can", rank, KD_MAX_RANK + 1);
  header->header_bytes = 4 + 4 * rank;
  KD_CHECK(got >= (size_t)header->header_bytes, KD_ERR_USAGE, "truncated inside the IDX header");
  int64_t dims[KD_MAX_RANK + 1];
  for (int i = 0; i < rank; i++) dims[i] = big_endian(bytes + 4 + 4 * i);
  header->rows = dims[0];
  header->sample = kd_shape_make(rank - 1, dims + 1);
  return kd_array_bytes(header->element.size, rank, dims, &header->data_bytes);
}
