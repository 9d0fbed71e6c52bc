/* A whole CSV file with a header line: chosen columns parsed into arrays. */
#ifndef KD_IO_CSV_TABLE_H
#define KD_IO_CSV_TABLE_H

#include "io/csv_reader.h"
#include "io/dataset.h"
#include "io/element.h"

/* The columns of one field, in order, and the type of its numbers: f4, i4 or i8. */
typedef struct kd_csv_columns {
  int count;
  int *column;
  kd_element element;
} kd_csv_columns;

/* Rows of one field: rows * columns elements; from kd_large_alloc, release with `bytes`. */
typedef struct kd_csv_block {
  void *memory;
  size_t bytes;
} kd_csv_block;

typedef struct kd_csv_table {
  char *text;
  size_t bytes; /* without the extra byte behind the text */
  kd_csv_reader reader;
  int n_names;
  const char **names; /* of the header, in the pool given to open */
} kd_csv_table;

/* Reads the text and the header line. Close the table also after a failure. */
kd_status kd_csv_open(kd_csv_table *table, const kd_data_file *file, kd_pool *pool);
/* Parses all records. KD_ERR_USAGE with path:line for an empty cell, for text where a number is wanted, and
 * for a record that is not as long as the header. The blocks are the caller's, also after a failure. */
kd_status kd_csv_parse(kd_csv_table *table, int n_parts, const kd_csv_columns *parts, kd_csv_block *blocks,
                       int64_t *rows);
void kd_csv_close(kd_csv_table *table);

/* Chooses the columns of every field of the source: map.NAME, else the last column for the only output and
 * the others for the only input. False with errors in diag. Memory is the pool's. */
bool kd_csv_select(const kd_data_source *source, const kd_csv_table *table, kd_pool *pool, kd_diag *diag,
                   kd_csv_columns *parts);

#endif
