/* Policies of types (Keras's DTypePolicy): the type in which a layer computes and that of its variables. */
#ifndef KD_POLICY_H
#define KD_POLICY_H

#include "device/base/memory.h"
#include "device/base/tensor.h"

/* All zero: float32. `compute` is the type of tensors between layers and of the factors of products; sums,
 * functions and statistics are float32 under every policy. `variable` is the type in which weights, moving
 * statistics and the optimizer's slots are stored. */
typedef struct kd_policy {
  kd_dtype compute, variable; /* KD_F32, KD_BF16 or KD_F16 */
} kd_policy;

#define KD_POLICY_CHOICES "float32|mixed_bfloat16|mixed_float16|bfloat16|float16"

/* By number in KD_POLICY_CHOICES. */
kd_policy kd_policy_get(int number);
const char *kd_policy_name(kd_policy policy);
bool kd_policy_equal(kd_policy a, kd_policy b);
/* False for a name that is none; kd_policy_hint tells what could be meant. */
bool kd_policy_parse(const char *name, kd_policy *policy);
/* "did you mean 'mixed_bfloat16'?" or "known are: ...", in the pool. */
const char *kd_policy_hint(kd_pool *pool, const char *name);

#endif
