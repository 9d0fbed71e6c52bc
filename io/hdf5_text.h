/* Attributes of foreign HDF5 files that hold text, of fixed or variable length. Inside kd_h5_enter/leave. */
#ifndef KD_IO_HDF5_TEXT_H
#define KD_IO_HDF5_TEXT_H

#include "device/base/memory.h"
#include "io/hdf5_base.h"

/* Texts of one attribute or of several; memory is the pool's. */
typedef struct kd_h5_texts {
  int count;
  const char **v;
  size_t room;
} kd_h5_texts;

/* Whether the object has the attribute. */
bool kd_h5_has(hid_t object, const char *name);

/* The text of a scalar attribute. KD_ERR_USAGE, naming `what`, when it is missing, no text or has more than
 * `limit` bytes. */
kd_status kd_h5_text(kd_pool *pool, hid_t object, const char *name, const char *what, size_t limit,
                     const char **text);

/* The list of texts that Keras keeps in attribute NAME, or, where it is long, in NAME0, NAME1 ... An empty
 * list may be one of numbers. KD_ERR_USAGE, naming `what`, when there is none or it has more than `most`
 * texts. */
kd_status kd_h5_names(kd_pool *pool, hid_t object, const char *name, const char *what, int most,
                      kd_h5_texts *texts);

#endif
