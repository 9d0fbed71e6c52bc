/* How wide a text is, without fonts: the widths of DejaVu Sans, which is wider than the other fonts that a
 * picture names. */
#ifndef KD_TEXT_WIDTH_H
#define KD_TEXT_WIDTH_H

#include <stdbool.h>

#include "device/base/memory.h"

double kd_text_width(const char *text, double size, bool bold);
/* The text, or its beginning with an ellipsis, at most `limit` wide. In the pool. */
const char *kd_text_fit(kd_pool *pool, const char *text, double size, bool bold, double limit);

#endif
