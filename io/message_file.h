/* Messages of protobuf as files. */
#ifndef KD_MESSAGE_FILE_H
#define KD_MESSAGE_FILE_H

#include <stdio.h>

#include "device/base/memory.h"

/* Appends a message (of protobuf-c); failures stay in ferror. */
void kd_message_write(FILE *file, const void *message);
/* A file that `content` writes, by way of "path.tmp": complete or not there. KD_ERR_RUN. */
kd_status kd_stream_write(const char *path, void (*content)(FILE *file, const void *what), const void *what);

#endif
