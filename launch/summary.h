/* The table of a model as Keras prints it. */
#ifndef KD_SUMMARY_H
#define KD_SUMMARY_H

#include <stdio.h>

#include "layers/model.h"
#include "trainer/optimizer.h"

/* columns: of the terminal; the table is min(88 or 108, columns - 4) wide. optimizer may be NULL. */
void kd_summary_print(FILE *out, const kd_model *model, const kd_optimizer *optimizer, int columns);
void kd_summary_json(FILE *out, const kd_model *model, const kd_optimizer *optimizer);
/* Columns of the terminal: COLUMNS, else the terminal's, else 80 (as Python's shutil). */
int kd_terminal_columns(void);
/* "918.54 KB": steps of 1024, two decimals. */
const char *kd_bytes_text(double bytes, char buffer[32]);

#endif
