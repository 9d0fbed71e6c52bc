/* Logs as CSV, as keras.callbacks.CSVLogger writes them (Python's csv module, dialect excel): epoch first,
 * lines that end with \r\n, numbers as Python prints them, NA for what an epoch lacks. */
#ifndef KD_CSV_TEXT_H
#define KD_CSV_TEXT_H

#include "trainer/callback.h"

typedef struct kd_csv_columns {
  int count; /* without epoch; 0: not known yet */
  const char **names;
} kd_csv_columns;

/* The columns that the first epoch decides: its names, sorted; when none begins with val_, all of them again
 * with val_. Memory and texts are the pool's. */
kd_csv_columns kd_csv_columns_make(kd_pool *pool, const kd_logs *first);
const char *kd_csv_header(kd_pool *pool, const kd_csv_columns *columns, char separator);
const char *kd_csv_row(kd_pool *pool, const kd_csv_columns *columns, int64_t epoch, const kd_logs *logs,
                       char separator);

#endif
