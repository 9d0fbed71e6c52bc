/* Origins (file and line) and the list of everything wrong with a configuration.
 *
 * Configuration errors are collected, so that one run shows all of them; see kd_diag_status. */
#ifndef KD_BASE_DIAG_H
#define KD_BASE_DIAG_H

#include "device/base/memory.h"

/* Where a piece of configuration came from. file may be "command line" with line 0. */
typedef struct kd_origin {
  const char *file;
  int line;
} kd_origin;

typedef struct kd_diag {
  kd_pool *pool;
  char **messages;    /* each complete: "FILE:LINE: text" */
  kd_origin *origins; /* of the messages */
  size_t count, capacity, origin_capacity;
  char **warnings;
  size_t n_warnings, warning_capacity;
} kd_diag;

enum { KD_DIAG_LIMIT = 20 }; /* messages shown; the rest are counted */

kd_diag *kd_diag_create(void);
void kd_diag_destroy(kd_diag *diag);
void kd_diag_error(kd_diag *diag, kd_origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void kd_diag_warn(kd_diag *diag, kd_origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* KD_OK without errors; else KD_ERR_USAGE with all messages (at most KD_DIAG_LIMIT), one a line, as status
 * text. */
kd_status kd_diag_status(const kd_diag *diag);

#endif
