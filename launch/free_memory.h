/* How much memory a process can still get from this machine. */
#ifndef KD_FREE_MEMORY_H
#define KD_FREE_MEMORY_H

/* Bytes for each of `sharers` processes of this host: what the kernel calls available, within the limits of
 * the process's control groups (version 1 or 2, as containers and Slurm set them) and of its own address
 * space (ulimit -v). 0: unknown. */
double kd_free_memory(int sharers);

#endif
