/* Numbers for people. */
#ifndef KD_SIZE_TEXT_H
#define KD_SIZE_TEXT_H

#include <stdint.h>

/* "918.54 KB": steps of 1024, two decimals, as Keras writes sizes. */
const char *kd_bytes_text(double bytes, char buffer[32]);
/* "1,234,567". */
const char *kd_commas_text(int64_t value, char buffer[32]);
/* "8.18 G": steps of 1000, three digits. */
const char *kd_count_text(double count, char buffer[32]);

#endif
