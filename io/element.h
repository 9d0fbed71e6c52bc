/* Element types as files store them, and their conversion to the types that the rest of kdist knows. */
#ifndef KD_IO_ELEMENT_H
#define KD_IO_ELEMENT_H

#include "device/base/tensor.h"

typedef struct kd_element {
  char kind; /* 'u' unsigned, 'i' signed, 'f' float, 'b' bool: NumPy's letters */
  int size;  /* bytes */
  bool big_endian;
} kd_element;

/* The type that samples have once they are read. Kept: u1, i4, u4, i8, f2, f4. Converted: b1 to uint8; i1, i2
 * and u2 to int32; u8 to int64; f8 to float32. False for any other element. */
bool kd_element_dtype(kd_element element, kd_dtype *dtype);
/* True when the stored bytes are the converted bytes. */
bool kd_element_plain(kd_element element);
/* Converts count elements; in and out must not overlap unless the element is plain. KD_ERR_USAGE for a u8
 * that does not fit into int64. */
kd_status kd_element_convert(kd_element element, const void *in, void *out, int64_t count);
/* Bytes of an array of elements of `size` bytes; KD_ERR_USAGE for a negative size or when the product of all
 * sizes, zeros left out, is too large: every part of the product is safe to compute then. */
kd_status kd_array_bytes(int size, int rank, const int64_t *dims, int64_t *bytes);
/* "int16", "float64", for messages. Returns buffer. */
const char *kd_element_name(kd_element element, char buffer[16]);

#endif
