/* Poison: memory that holds nothing is filled with NaN, so that a test sees a read of dead or unwritten
 * memory. */
#include <string.h>

#include "layers/plan/internal.h"

/* All bits set are a NaN in every floating type and -1 or the largest number in the others. */
static kd_status fill(kd_plan *plan, void *block, size_t bytes) {
  unsigned char nan[4096];
  memset(nan, 0xFF, sizeof nan);
  for (size_t done = 0; done < bytes; done += sizeof nan) {
    size_t part = bytes - done < sizeof nan ? bytes - done : sizeof nan;
    KD_TRY(plan->device->backend->upload(plan->device, (char *)block + done, nan, part));
  }
  return KD_OK;
}

kd_status kd_plan_poison_start(kd_plan *plan) {
  KD_TRY(fill(plan, plan->arena, plan->layout.arena_bytes));
  return fill(plan, plan->workspace, plan->workspace_bytes);
}

kd_status kd_plan_poison_dead(kd_plan *plan, int launch) {
  const kd_layout *layout = &plan->layout;
  for (int b = 0; b < layout->n_blocks; b++) {
    if (layout->block_last[b] != launch) continue;
    KD_TRY(fill(plan, (char *)plan->arena + layout->block_offset[b], layout->block_bytes[b]));
  }
  return fill(plan, plan->workspace, plan->workspace_bytes);
}
