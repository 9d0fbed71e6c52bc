/* The CPU as a device whose memory is not the host's and whose sums over ranks are its own: plain MPI, in the
 * order of the tree written once more. Sums are made at the join, so whatever reads them before it, or writes
 * into them after their start, shows. What the trainer asks for is noted. */
#ifndef KD_TEST_GROUP_DEVICE_H
#define KD_TEST_GROUP_DEVICE_H

#include "device/backend.h"

typedef struct group_device_plan {
  bool one_seat;   /* all ranks sit on the same device */
  int refuses;     /* rank whose device is not ready; -1: none */
  int unconnected; /* rank that fails to connect; -1: none */
} group_device_plan;
extern group_device_plan group_device_plans;

/* The connection, every start and every join since group_device_forget, a line each. */
extern char group_device_notes[1 << 16];
void group_device_forget(void);

/* Puts the backend over an open CPU device. rank, size: of the ranks that sum. */
void group_device_wrap(kd_device *device, int rank, int size);

#endif
