#include "io/library.h"

#include <hdf5.h>
#include <json-c/json.h>
#include <stdio.h>
#include <zip.h>
#include <zlib.h>

const char *kd_io_library(void) {
  static char text[128];
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  snprintf(text, sizeof text, "HDF5 %u.%u.%u, libzip %s, json-c %s, zlib %s", major, minor, release,
           zip_libzip_version(), json_c_version(), zlibVersion());
  return text;
}
