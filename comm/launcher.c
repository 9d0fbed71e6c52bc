#include "comm/launcher.h"

#include <stdlib.h>
#include <unistd.h>

#include "device/base/text.h"

/* A positive number in an environment variable, else 0. */
static int number(const char *name) {
  const char *text = getenv(name);
  int64_t value;
  if (!text || !kd_parse_int(text, &value) || value < 1 || value > 1 << 24) return 0;
  return (int)value;
}

int kd_comm_promised_rank(void) {
  int rank = number("OMPI_COMM_WORLD_RANK");
  return rank > 0 ? rank : number("PMIX_RANK");
}

/* Only what a launcher gives to each rank counts. SLURM_NTASKS, SLURM_PROCID and SLURM_JOB_ID are also set in
 * a batch script that starts nothing, and under mpirun they describe the step of its daemon. */
kd_status kd_launcher_find(kd_launcher *launcher) {
  *launcher = (kd_launcher){.size = number("OMPI_COMM_WORLD_SIZE")};
  if (launcher->size > 0) {
    launcher->local_size = number("OMPI_COMM_WORLD_LOCAL_SIZE");
    launcher->one_host = launcher->local_size == launcher->size;
    return KD_OK;
  }
  launcher->size = number("SLURM_STEP_NUM_TASKS");
  if (getenv("PMIX_RANK")) {
    /* Without Slurm's variables some other PMIx launcher started us: it may have started many. */
    launcher->one_host = number("SLURM_STEP_NUM_NODES") == 1;
    if (launcher->one_host) launcher->local_size = launcher->size;
    return KD_OK;
  }
  KD_CHECK(
      launcher->size <= 1, KD_ERR_USAGE,
      "srun started %d tasks that cannot find each other: add --mpi=pmix to srun, or start them with mpirun",
      launcher->size);
  launcher->size = 1;
  launcher->one_host = true;
  return KD_OK;
}

int kd_launcher_processors(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (int)count : 1;
}

void kd_launcher_tune(const kd_launcher *launcher) {
  enum { KEEP = 0 };
  /* Process-to-process copies by the kernel are slower than shared memory here, and containers may deny them.
   */
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", KEEP);
  if (launcher->local_size == 0 || launcher->local_size > kd_launcher_processors())
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", KEEP);
  if (launcher->one_host) {
    /* Chosen in the end anyway; saves 0.2 s of probing old network libraries. Between hosts a fast network
     * may need another one. */
    setenv("OMPI_MCA_pml", "ob1", KEEP);
    setenv("OMPI_MCA_btl", "self,vader", KEEP);
  } else {
    /* Send only: the default put protocol reaches half to two thirds of the line rate. */
    setenv("OMPI_MCA_btl_tcp_flags", "1", KEEP);
  }
}

kd_status kd_comm_promised_size(int *size) {
  kd_launcher launcher;
  KD_TRY(kd_launcher_find(&launcher));
  *size = launcher.size > 0 ? launcher.size : 1;
  return KD_OK;
}
