#include "io/hdf5_base.h"

#include "device/base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  H5dont_atexit(); /* every file is closed by who opened it */
  H5open();
}

void kd_h5_enter(void) {
  pthread_once(&once, initialise);
  pthread_mutex_lock(&lock);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* of this thread */
}

void kd_h5_leave(void) {
  pthread_mutex_unlock(&lock);
}

enum { REASON = 256 };

static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0 && error->desc) snprintf(text, REASON, "%s", error->desc);
  return 0;
}

kd_status kd_h5_fail(kd_status code, const char *format, ...) {
  char text[1024], reason[REASON] = "";
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
  H5Eclear2(H5E_DEFAULT);
  if (!reason[0]) return kd_fail(code, "%s", text);
  return kd_fail(code, "%s: HDF5 says: %s", text, kd_quoted(reason));
}

kd_status kd_h5_open(const char *path, hid_t *file) {
  *file = -1;
  KD_CHECK(access(path, R_OK) == 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_file_locking(access, 0, 1); /* readers need no lock, and some network file systems have none */
  *file = H5Fopen(path, H5F_ACC_RDONLY, access);
  H5Pclose(access);
  if (*file >= 0) return KD_OK;
  return kd_h5_fail(KD_ERR_USAGE, "%s: cannot open as HDF5", kd_quoted(path));
}

kd_status kd_h5_open_image(const char *name, const void *bytes, size_t size, hid_t *file) {
  enum { INCREMENT = 1 << 16 };
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  *file = -1;
  if (H5Pset_fapl_core(access, INCREMENT, 0) >= 0 &&
      H5Pset_file_image(access, (void *)(uintptr_t)bytes, size) >= 0)
    *file = H5Fopen(name, H5F_ACC_RDONLY, access);
  kd_status status =
      *file >= 0 ? KD_OK : kd_h5_fail(KD_ERR_USAGE, "%s: cannot open as HDF5", kd_quoted(name));
  H5Pclose(access);
  return status;
}

/* IEEE 754 layouts of 2, 4 and 8 bytes: bit positions of sign, exponent and mantissa. */
static bool is_ieee(hid_t type, size_t size) {
  size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0) return false;
  size_t wanted = size == 2 ? 10 : size == 4 ? 23 : 52;
  return mantissa == 0 && mantissa_bits == wanted && exponent == wanted && sign == 8 * size - 1 &&
         exponent_bits == sign - exponent;
}

bool kd_h5_element(hid_t type, kd_element *element) {
  H5T_class_t kind = H5Tget_class(type);
  size_t size = H5Tget_size(type);
  if (size == 0 || size > 8) return false;
  *element = (kd_element){.size = (int)size, .big_endian = H5Tget_order(type) == H5T_ORDER_BE};
  if (kind == H5T_ENUM) { /* h5py's bool is an enumeration of one byte */
    element->kind = 'b';
    return size == 1;
  }
  if (kind == H5T_INTEGER) {
    element->kind = H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
    return H5Tget_precision(type) == 8 * size && H5Tget_offset(type) == 0;
  }
  element->kind = 'f';
  return kind == H5T_FLOAT && (size == 2 || size == 4 || size == 8) && is_ieee(type, size);
}

hid_t kd_h5_type(kd_dtype dtype) {
  switch (dtype) {
  case KD_F32:
    return H5T_IEEE_F32LE;
  case KD_F64:
    return H5T_IEEE_F64LE;
  case KD_I32:
    return H5T_STD_I32LE;
  case KD_I64:
    return H5T_STD_I64LE;
  case KD_U8:
    return H5T_STD_U8LE;
  case KD_U32:
    return H5T_STD_U32LE;
  case KD_F16:
  case KD_BF16:
    return H5T_STD_U16LE; /* raw bits; who stores them adds an attribute "dtype" */
  case KD_N_DTYPES:
    break;
  }
  return H5I_INVALID_HID;
}

kd_status kd_h5_dims(hid_t set, const char *what, int max, int *rank, hsize_t *dims) {
  hid_t space = H5Dget_space(set);
  kd_status status = KD_OK;
  *rank = H5Sget_simple_extent_ndims(space);
  if (*rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL)
    status = kd_h5_fail(KD_ERR_USAGE, "%s: has no usable shape", what);
  else if (*rank > max)
    status = kd_fail(KD_ERR_USAGE, "%s: has %d axes; %d can be used", what, *rank, max);
  else if (H5Sget_simple_extent_dims(space, dims, NULL) < 0)
    status = kd_h5_fail(KD_ERR_USAGE, "%s: has no usable shape", what);
  if (space >= 0) H5Sclose(space);
  return status;
}

bool kd_h5_chunks_sane(hid_t set) {
  enum { ALWAYS = 64 << 20 };
  hsize_t chunk[H5S_MAX_RANK], dims[H5S_MAX_RANK];
  hid_t plist = H5Dget_create_plist(set), type = H5Dget_type(set), space = H5Dget_space(set);
  double chunk_bytes = (double)H5Tget_size(type), set_bytes = chunk_bytes;
  int rank = H5Pget_layout(plist) == H5D_CHUNKED ? H5Pget_chunk(plist, H5S_MAX_RANK, chunk) : 0;
  if (H5Sget_simple_extent_dims(space, dims, NULL) < rank) rank = 0;
  for (int i = 0; i < rank; i++) {
    chunk_bytes *= (double)chunk[i];
    set_bytes *= (double)dims[i];
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Pclose(plist);
  return chunk_bytes <= ALWAYS || chunk_bytes <= 2 * set_bytes;
}
