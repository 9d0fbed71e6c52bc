/* JSON output by hand: texts and numbers; the caller writes braces and commas. */
#ifndef KD_JSON_TEXT_H
#define KD_JSON_TEXT_H

#include <stdio.h>

/* A text in quotes, escaped. */
void kd_json_text(FILE *out, const char *text);
/* The shortest number that reads back to the same double; null for what is not finite. */
void kd_json_number(double value, char buffer[32]);

#endif
