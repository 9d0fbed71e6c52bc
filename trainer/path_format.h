/* Python format strings of ModelCheckpoint: "w-{epoch:02d}-{val_loss:.2f}.weights.h5". */
#ifndef KD_PATH_FORMAT_H
#define KD_PATH_FORMAT_H

#include "trainer/callback.h"

/* epoch and batch count from 1. Fields: epoch, batch and every log; formats as Python's:
 * [[fill]align][sign][0][width][.digits][type], types d (epoch, batch), e, f, g, E, F, G, %. KD_ERR_USAGE for
 * anything else, with the field and the names there are. The text is the pool's. */
kd_status kd_path_format(kd_pool *pool, const char *format, int64_t epoch, int64_t batch, const kd_logs *logs,
                         const char **path);

#endif
