/* Tables of box characters as the library behind Keras's summary (rich) draws them. */
#ifndef KD_TEXT_TABLE_H
#define KD_TEXT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

enum { KD_TABLE_COLUMNS = 5 };

typedef struct kd_text_table {
  FILE *out;
  int n;
  int width[KD_TABLE_COLUMNS]; /* of the text, without padding */
  bool right[KD_TABLE_COLUMNS];
  bool empty; /* no row yet */
} kd_text_table;

/* position: of the right end of each of n columns, as a part of the line. right: by column, or NULL. Prints
 * the head. */
void kd_text_table_start(kd_text_table *table, FILE *out, int n, int line, const double *position,
                         const bool *right, const char *const *head);
void kd_text_table_row(kd_text_table *table, const char *const *cells);
void kd_text_table_end(kd_text_table *table);

#endif
