// ctest: cuda=library timeout=120
/* The real NCCL on a machine that may have no GPU: it opens, tells its version, names a group, and what it
 * says of a communicator that cannot be comes through in words. */
#ifdef KDIST_WITH_NCCL
#include "comm/nccl_hidden.h"
#include "support/check.h"

static void opens(void **state) {
  (void)state;
  const kd_nccl_library *library, *again;
  if (kd_nccl_open(&library) != KD_OK) {
    assert_non_null(strstr(kd_status_text(), "no NCCL: "));
    print_message("skipped: %s\n", kd_status_text());
    skip();
  }
  assert_ok(kd_nccl_open(&again));
  assert_ptr_equal(library, again);
  int version = 0;
  assert_int_equal(library->GetVersion(&version), ncclSuccess);
  assert_true(version >= NCCL_VERSION(NCCL_MAJOR, NCCL_MINOR, 0));
  assert_string_equal(kd_nccl_sums.describe(), library->text);
  assert_memory_equal(library->text, "NCCL 2.", 7);
}

static void names_groups(void **state) {
  (void)state;
  kd_device device = {0};
  char id[KD_SUMS_ID] = {0}, other[KD_SUMS_ID] = {0}, zero[KD_SUMS_ID] = {0};
  if (!kd_nccl_sums.describe()) skip();
  assert_ok(kd_nccl_sums.identify(&device, id));
  assert_ok(kd_nccl_sums.identify(&device, other));
  assert_memory_not_equal(id, zero, sizeof id);
  assert_memory_not_equal(id, other, sizeof id);
}

/* Without a GPU the communicator fails, with one it is made: either ends. */
static void connects_or_says_why(void **state) {
  (void)state;
  kd_nccl nccl = {0};
  kd_cuda cuda = {.nccl = &nccl};
  kd_device device = {.state = &cuda};
  ncclUniqueId id;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  if (kd_nccl_open(&nccl.library) != KD_OK) skip();
  assert_int_equal(nccl.library->GetUniqueId(&id), ncclSuccess);
  config.blocking = 0;
  ncclResult_t result = nccl.library->CommInitRankConfig(&nccl.comm, 1, id, 0, &config);
  kd_status status = kd_nccl_settle(&device, result, "connecting the ranks");
  if (status == KD_OK) {
    nccl.library->CommAbort(nccl.comm);
    return;
  }
  print_message("%s\n", kd_status_text());
  assert_int_equal(status, KD_ERR_RUN);
  assert_non_null(strstr(kd_status_text(), ": connecting the ranks: "));
  assert_non_null(strstr(kd_status_text(), "NCCL_DEBUG=INFO"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens),
      cmocka_unit_test(names_groups),
      cmocka_unit_test(connects_or_says_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include <stdio.h>

int main(void) {
  puts("skipped: this build has no nccl.h");
  return 77;
}
#endif
