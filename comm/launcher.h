/* How this process was started, from its environment alone (no MPI call). */
#ifndef KD_COMM_LAUNCHER_H
#define KD_COMM_LAUNCHER_H

#include "comm/comm.h"

typedef struct kd_launcher {
  int size;       /* ranks of the job; 1 when alone */
  bool one_host;  /* all of them are on this host */
  int local_size; /* ranks on this host, 0 when unknown */
} kd_launcher;

/* KD_ERR_USAGE under a plain srun of several tasks, which Open MPI cannot join. */
kd_status kd_launcher_find(kd_launcher *launcher);
/* Settings of Open MPI that are better than its defaults, as environment variables; what the user has set
 * stands. To be called before MPI_Init, while the process has one thread. */
void kd_launcher_tune(const kd_launcher *launcher);
/* Processors this machine has for us. */
int kd_launcher_processors(void);

#endif
