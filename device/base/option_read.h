/* Inside of the option tables: one value into one field. Used by option.c and object.c only. */
#ifndef KD_BASE_OPTION_READ_H
#define KD_BASE_OPTION_READ_H

#include "device/base/option.h"

typedef struct kd_option_reader {
  kd_pool *pool;
  kd_diag *diag;
  const char *subject; /* "layer fc1 (Dense)": stands before every message; may be empty */
  kd_origin origin;    /* used for values that have none */
} kd_option_reader;

/* Adds "subject: text" at the origin of the value (which may be NULL). Always returns false. */
bool kd_option_error(const kd_option_reader *reader, const kd_value *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Stores the value in the option's field; false after adding an error. */
bool kd_option_read(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                    void *options);

/* As kd_object_make, with the reader's subject before each message. */
bool kd_object_read(const kd_option_reader *reader, const kd_family *family, const kd_value *value,
                    kd_object *object);

/* Table questions shared by reading and printing. An upper limit below the lower one is no limit. */
bool kd_option_has_min(const kd_option *option);
bool kd_option_has_max(const kd_option *option);
/* Item `index` of "a|b|c" into buffer (64 bytes); false behind the last. */
bool kd_choice_text(const char *choices, int index, char buffer[64]);

#endif
