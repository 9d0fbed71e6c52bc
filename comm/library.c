#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "comm/comm.h"

/* MPI_Get_library_version may be called without MPI_Init. */
const char *kd_comm_library(void) {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  text[strcspn(text, ",\n")] = '\0';
  return text;
}
