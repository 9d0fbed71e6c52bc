/* Data sets of Keras's weights files, read with care: a weights file may come from anywhere. Inside
 * kd_h5_enter/leave. */
#ifndef KD_IO_WEIGHTS_SET_H
#define KD_IO_WEIGHTS_SET_H

#include "io/hdf5_base.h"

/* True when all links on the way are hard ones and exist: soft and external links are refused, as Keras does.
 */
bool kd_set_is_there(hid_t file, const char *path);
/* Whether the attribute of an object is this text. */
bool kd_set_has_text(hid_t object, const char *name, const char *text);
/* The shape of a set whose data are in the file and in sane chunks; else KD_ERR_USAGE, beginning with `what`.
 */
kd_status kd_set_shape(hid_t set, const char *what, kd_shape *shape);
/* All numbers of a set, `count` of them: float, integer or bfloat16 as Keras stores it. KD_ERR_USAGE as
 * above. */
kd_status kd_set_read(hid_t set, const char *what, int64_t count, float *values);

#endif
