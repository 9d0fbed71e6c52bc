/* Open files by number: a bounded number of descriptors, opened on demand, least recently used closed. */
#ifndef KD_IO_FILE_TABLE_H
#define KD_IO_FILE_TABLE_H

#include "io/dataset.h"

typedef struct kd_file_table kd_file_table;
/* files must outlive the table. */
kd_file_table *kd_file_table_create(int count, const kd_data_file *files);
void kd_file_table_destroy(kd_file_table *table); /* NULL is allowed */
/* Exactly `bytes` bytes from offset on. KD_ERR_USAGE when the file is missing, is not as long as it was when
 * the data set was opened, or ends too early. */
kd_status kd_file_table_read(kd_file_table *table, int file, int64_t offset, size_t bytes, void *out);
/* The same without a table. */
kd_status kd_read_at(int fd, const char *path, int64_t offset, size_t bytes, void *out);

#endif
