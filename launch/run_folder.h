/* The run folder: what a training run leaves behind. Rank 0 writes; errors reach all ranks. */
#ifndef KD_RUN_FOLDER_H
#define KD_RUN_FOLDER_H

#include "launch/session.h"

typedef enum kd_resume { KD_RESUME_NO, KD_RESUME_YES, KD_RESUME_AUTO } kd_resume;

/* Whether the run may start: the folder exists and neither resume nor overwrite was asked for, or the other
 * way round. Collective. */
kd_status kd_run_folder_check(kd_session *session, kd_resume resume, bool overwrite);
/* Prepares the folder for a run that starts now: a fresh one first removes the checkpoints and results of an
 * older one. Writes config.ini and env.txt, adds the command to command.txt. checkpoints: folder of the run's
 * checkpoints. Collective. */
kd_status kd_run_folder_begin(kd_session *session, const char *checkpoints, bool resumed);
/* Removes the checkpoints of a folder, which need not exist. */
kd_status kd_run_folder_remove_checkpoints(kd_pool *pool, const char *folder);
/* The text that a resumed run must equal: seed, model, optimizer, losses, data. */
const char *kd_run_identity(kd_session *session);

#endif
