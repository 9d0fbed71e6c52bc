#include "layers/policy.h"

#include <string.h>

#include "device/base/text.h"

static const struct {
  const char *name;
  kd_policy policy;
} policies[] = {
    {"float32", {KD_F32, KD_F32}},       {"mixed_bfloat16", {KD_BF16, KD_F32}},
    {"mixed_float16", {KD_F16, KD_F32}}, {"bfloat16", {KD_BF16, KD_BF16}},
    {"float16", {KD_F16, KD_F16}},
};
enum { N_POLICIES = sizeof policies / sizeof *policies };

kd_policy kd_policy_get(int number) {
  return policies[number].policy;
}

bool kd_policy_equal(kd_policy a, kd_policy b) {
  return a.compute == b.compute && a.variable == b.variable;
}

const char *kd_policy_name(kd_policy policy) {
  for (int i = 0; i < N_POLICIES; i++)
    if (kd_policy_equal(policies[i].policy, policy)) return policies[i].name;
  return "";
}

bool kd_policy_parse(const char *name, kd_policy *policy) {
  for (int i = 0; i < N_POLICIES; i++) {
    if (strcmp(policies[i].name, name) != 0) continue;
    *policy = policies[i].policy;
    return true;
  }
  return false;
}

const char *kd_policy_hint(kd_pool *pool, const char *name) {
  const char *near = kd_nearest(name, &policies[0].name, N_POLICIES, sizeof *policies);
  if (near) return kd_pool_printf(pool, "did you mean '%s'?", near);
  const char *known = "";
  for (int i = 0; i < N_POLICIES; i++)
    known = kd_pool_printf(pool, "%s%s%s", known, i ? ", " : "", policies[i].name);
  return kd_pool_printf(pool, "known are: %s", known);
}
