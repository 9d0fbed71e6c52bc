/* Records of comma-separated text (RFC 4180): quoted cells may hold commas, line ends and doubled quotes. */
#ifndef KD_IO_CSV_READER_H
#define KD_IO_CSV_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/memory.h"

typedef struct kd_csv_reader {
  const char *path; /* for messages */
  char *at, *end;   /* text; it is changed: cells end with '\0' in place */
  int64_t next_line;
  int64_t line; /* number of the line in which the present record starts, from 1 */
  char **cell;
  size_t n_cells, capacity;
} kd_csv_reader;

/* text[size] must be writable: one byte behind the text is used. A byte order mark is passed over. */
void kd_csv_start(kd_csv_reader *reader, const char *path, char *text, size_t size);
/* The next record that is not an empty line; *more is false at the end. KD_ERR_USAGE with path:line for a
 * quote that is never closed, text behind a closing quote, or a NUL byte. */
kd_status kd_csv_next(kd_csv_reader *reader, bool *more);
void kd_csv_end(kd_csv_reader *reader);

/* Whole cell to number; surrounding blanks are allowed. False for text, an empty cell, nan and inf. */
bool kd_csv_float(const char *cell, float *value);
bool kd_csv_int(const char *cell, int64_t *value);

#endif
