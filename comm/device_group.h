/* Ranks whose devices sum among themselves (kd_device_sums, CUDA's by NCCL): who decides, how they find each
 * other, and how a rank that does not come ends the job instead of hanging it. */
#ifndef KD_COMM_DEVICE_GROUP_H
#define KD_COMM_DEVICE_GROUP_H

#include "comm/comm.h"
#include "device/backend.h"

typedef enum kd_group_wish { KD_GROUP_AUTO, KD_GROUP_NEVER, KD_GROUP_ALWAYS } kd_group_wish;

typedef struct kd_device_group kd_device_group;

/* Whether the device's backend has sums of its own, by itself. KD_ERR_USAGE says why not. Local. */
kd_status kd_device_group_check(const kd_device *device);

/* All ranks decide alike. *group is NULL where the host is to sum: with NEVER; with AUTO on one rank, when
 * two ranks share a device, and when a rank's device or library refuses, which rank 0 logs with the reason.
 * ALWAYS makes a group of one rank too, and turns a refusal into KD_ERR_USAGE or KD_ERR_RUN with the reason,
 * on all ranks. From now on waits for the device end as waits for ranks do: with the name of a late rank, and
 * step and bucket of the first sum that has not ended, or with what the library says of a rank that is gone
 * (KD_ERR_RUN; then the job is to be ended with kd_comm_fail). Collective. */
kd_status kd_device_group_open(kd_comm *comm, kd_device *device, kd_group_wish wish, kd_device_group **group);
/* NULL is allowed (on all ranks). Collective. */
void kd_device_group_close(kd_device_group *group);

/* Memory of the group's device for what is summed, zeroed; one at a time. n_buckets: of a step, n_steps: that
 * may be on their way at a time. The numbers of all ranks are compared. Collective, as all that follow. */
kd_status kd_device_group_alloc(kd_device_group *group, const kd_sums_spec *spec, int n_buckets, int n_steps,
                                void **memory);
void kd_device_group_free(kd_device_group *group);
/* See kd_device_sums; neither waits for another rank. A failure ends the group. start: of the step that
 * kd_comm_set_step named last; beside its buckets, a step may sum one range more. */
kd_status kd_device_group_start(kd_device_group *group, int bucket, int64_t begin, int64_t end);
kd_status kd_device_group_join(kd_device_group *group);
/* Launches with sums among them, as kd_device_record has them without: nothing runs until a replay. All ranks
 * must be able to, at the same time and with the same sums. After a failure *record is NULL, and the group
 * goes on unless it is over. */
typedef struct kd_group_record kd_group_record;
kd_status kd_device_group_record(kd_device_group *group, kd_status (*enqueue)(void *context), void *context,
                                 kd_group_record **record);
kd_status kd_device_group_replay(kd_device_group *group, const kd_group_record *record);
void kd_device_group_forget(kd_device_group *group, kd_group_record *record); /* local; NULL is allowed */
bool kd_device_group_over(const kd_device_group *group);                      /* ended by a failure. Local */
/* "NCCL 2.28.9" */
const char *kd_device_group_describe(const kd_device_group *group);

#endif
