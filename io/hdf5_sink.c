#include "io/hdf5_sink.h"

#include "device/base/memory.h"
#include "device/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kd_h5_sink {
  int fd;
  int error; /* errno of the first write that failed */
  char *path;
};

/* The library's view of an open file. */
typedef struct sink_file {
  H5FD_t base; /* must be first */
  kd_h5_sink *sink;
  haddr_t end_allocated, end_written;
} sink_file;

enum { MAX_ADDRESS_BITS = 62 };

/* The file access property list carries a pointer to the sink. */
static H5FD_t *sink_open(const char *name, unsigned flags, hid_t access, haddr_t max) {
  (void)name, (void)flags, (void)max;
  kd_h5_sink *const *info = H5Pget_driver_info(access);
  if (!info) return NULL;
  sink_file *file = kd_calloc(1, sizeof *file);
  file->sink = *info;
  return &file->base;
}

static herr_t sink_close(H5FD_t *base) {
  kd_free(base);
  return 0;
}

static herr_t sink_query(const H5FD_t *base, unsigned long *flags) {
  (void)base;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t sink_get_eoa(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return ((const sink_file *)base)->end_allocated;
}

static herr_t sink_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address) {
  (void)type;
  ((sink_file *)base)->end_allocated = address;
  return 0;
}

static haddr_t sink_get_eof(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return ((const sink_file *)base)->end_written;
}

/* What was never written reads as zeros. */
static herr_t sink_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                        void *out) {
  (void)type, (void)transfer;
  kd_h5_sink *sink = ((sink_file *)base)->sink;
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(sink->fd, (char *)out + done, size - done, (off_t)(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += (size_t)got;
  }
  memset((char *)out + done, 0, size - done);
  return 0;
}

static herr_t sink_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                         const void *data) {
  (void)type, (void)transfer;
  sink_file *file = (sink_file *)base;
  kd_h5_sink *sink = file->sink;
  for (size_t done = 0; done < size && !sink->error;) {
    ssize_t put = pwrite(sink->fd, (const char *)data + done, size - done, (off_t)(address + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0)
      sink->error = put < 0 ? errno : ENOSPC;
    else
      done += (size_t)put;
  }
  if (address + size > file->end_written) file->end_written = address + size;
  return 0;
}

static herr_t sink_truncate(H5FD_t *base, hid_t transfer, hbool_t closing) {
  (void)transfer, (void)closing;
  sink_file *file = (sink_file *)base;
  if (!file->sink->error && ftruncate(file->sink->fd, (off_t)file->end_allocated) != 0)
    file->sink->error = errno;
  file->end_written = file->end_allocated;
  return 0;
}

static const H5FD_class_t sink_class = {
    .name = "kdist_sink",
    .maxaddr = ((haddr_t)1 << MAX_ADDRESS_BITS) - 1,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(kd_h5_sink *),
    .open = sink_open,
    .close = sink_close,
    .query = sink_query,
    .get_eoa = sink_get_eoa,
    .set_eoa = sink_set_eoa,
    .get_eof = sink_get_eof,
    .read = sink_read,
    .write = sink_write,
    .truncate = sink_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Property lists for a new file; the driver is registered on first use. */
static hid_t create_file(kd_h5_sink *sink, hsize_t user_block) {
  static hid_t driver = H5I_INVALID_HID; /* guarded by kd_h5_enter */
  if (driver < 0) driver = H5FDregister(&sink_class);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE), file = H5I_INVALID_HID;
  if (driver >= 0 && H5Pset_driver(access, driver, &sink) >= 0 && H5Pset_userblock(create, user_block) >= 0)
    file = H5Fcreate(sink->path, H5F_ACC_TRUNC, create, access);
  H5Pclose(create);
  H5Pclose(access);
  return file;
}

kd_status kd_h5_create(const char *path, hsize_t user_block, kd_h5_sink **result, hid_t *file) {
  *result = NULL;
  *file = H5I_INVALID_HID;
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  KD_CHECK(fd >= 0, KD_ERR_RUN, "%s: cannot create: %s", kd_quoted(path), strerror(errno));
  kd_h5_sink *sink = kd_calloc(1, sizeof *sink);
  sink->fd = fd;
  sink->path = kd_strdup(path);
  *file = create_file(sink, user_block);
  *result = sink;
  if (*file >= 0) return KD_OK;
  kd_status status = kd_h5_fail(KD_ERR_RUN, "%s: cannot create", kd_quoted(path));
  kd_h5_finish(sink, *file);
  *result = NULL;
  return status;
}

kd_status kd_h5_finish(kd_h5_sink *sink, hid_t file) {
  kd_status status = KD_OK;
  if (file >= 0 && H5Fclose(file) < 0)
    status = kd_h5_fail(KD_ERR_RUN, "%s: cannot close", kd_quoted(sink->path));
  if (close(sink->fd) != 0 && !sink->error) sink->error = errno;
  if (sink->error)
    status = kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(sink->path), strerror(sink->error));
  kd_free(sink->path);
  kd_free(sink);
  return status;
}

hid_t kd_h5_create_set(hid_t file, const char *name, hid_t type, hid_t space) {
  hid_t links = H5Pcreate(H5P_LINK_CREATE), create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(create, false);
  hid_t set = H5Dcreate2(file, name, type, space, links, create, H5P_DEFAULT);
  H5Pclose(create);
  H5Pclose(links);
  return set;
}

kd_status kd_h5_write(hid_t file, const char *name, kd_dtype dtype, int rank, const int64_t *dims,
                      const void *data) {
  hsize_t size[KD_MAX_RANK + 1];
  KD_CHECK(rank <= KD_MAX_RANK + 1, KD_ERR_INTERNAL, "%s: %d axes", name, rank);
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    size[i] = (hsize_t)dims[i];
    empty = empty || dims[i] == 0;
  }
  hid_t type = kd_h5_type(dtype);
  hid_t space = rank ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
  hid_t set = kd_h5_create_set(file, name, type, space);
  bool good = set >= 0 && (empty || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  kd_status status = good ? KD_OK : kd_h5_fail(KD_ERR_RUN, "%s: cannot write", kd_quoted(name));
  if (set >= 0) H5Dclose(set);
  H5Sclose(space);
  return status;
}

kd_status kd_h5_write_text(hid_t object, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool good = attribute >= 0 && H5Awrite(attribute, type, &text) >= 0;
  kd_status status = good ? KD_OK : kd_h5_fail(KD_ERR_RUN, "attribute %s: cannot write", name);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  return status;
}
