/* Options of the callback BackupAndRestore. */
#ifndef KD_BACKUP_H
#define KD_BACKUP_H

#include "device/base/option.h"

typedef struct kd_backup_options {
  const char *backup_dir;
  const kd_value *save_freq; /* the word epoch, or a number of steps */
} kd_backup_options;

#endif
