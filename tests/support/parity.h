/* How far results are from Keras's: golden tests note what they compare, and the file that KDIST_PARITY names
 * gets a line "FAMILY CLASS DIFFERENCE" for each class when the program ends (docs/parity.sh makes
 * docs/parity.md of them). */
#ifndef KD_TEST_PARITY_H
#define KD_TEST_PARITY_H

#include "device/base/option.h"

/* The largest difference of two arrays, relative to the largest number of `truth`, or to 0.1 where that is
 * smaller. */
double parity_difference(const float *values, const float *truth, size_t count);
/* text: the class, or a call of it as "Dense(4)". */
void parity_note(const char *family, const char *text, double difference);
/* The same for every class that the text names as a word, by its name or an alias. */
void parity_note_words(const char *family, const kd_family *classes, const char *text, double difference);

#endif
