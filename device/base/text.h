/* Small text helpers: quoting of foreign text, nearest names, locale-free numbers. */
#ifndef KD_BASE_TEXT_H
#define KD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/memory.h"

/* Copies at most 200 bytes of foreign text into the pool; control bytes and invalid UTF-8 become '?',
 * a cut is marked by "...". For messages. */
const char *kd_quote(kd_pool *pool, const char *text);
/* The same into one of four rotating thread-local buffers: several may stand in one message. */
const char *kd_quoted(const char *text);

/* Damerau-Levenshtein distance (optimal string alignment), at most 64 characters are looked at. */
int kd_edit_distance(const char *a, const char *b);

/* The nearest of `count` names within max(1, length / 3) edits, ignoring case, or NULL. names[i] is read
 * at (char*)names + i * stride as a const char*. */
const char *kd_nearest(const char *name, const void *names, size_t count, size_t stride);

/* Whole text to number, independent of the locale. Integers accept 8, 1_000, 1e3, -4; floats 1e-3, 1_0.5,
 * inf, nan. False when the text is anything else or out of range. */
bool kd_parse_int(const char *text, int64_t *value);
bool kd_parse_float(const char *text, double *value);

/* The shortest decimal text that reads back to the same value, as Python's repr (of a double, or of a
 * float32 when single is true). The buffer needs 32 bytes. */
void kd_format_float(double value, bool single, char buffer[32]);

bool kd_valid_utf8(const char *text, size_t length);
bool kd_ends_with(const char *text, const char *end);
bool kd_streq(const char *a, const char *b); /* NULL is equal to NULL only */

#endif
