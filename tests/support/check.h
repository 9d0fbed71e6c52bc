/* What every test includes: CMocka and small helpers. */
#ifndef KD_TEST_CHECK_H
#define KD_TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/base/memory.h"
#include "device/base/status.h"
#include "device/base/text.h"

/* Fails the test with the status text. */
#define assert_ok(call)                                                                                      \
  do {                                                                                                       \
    kd_status assert_ok_status_ = (call);                                                                    \
    if (assert_ok_status_ != KD_OK) fail_msg("%s: %s", #call, kd_status_text());                             \
  } while (0)

/* The call must fail with that code and a text that holds `part`. */
#define assert_fails(call, code, part)                                                                       \
  do {                                                                                                       \
    assert_int_equal(call, code);                                                                            \
    if (!strstr(kd_status_text(), part)) fail_msg("'%s' is not in: %s", part, kd_status_text());             \
  } while (0)

/* |a - b| <= abs + rel * |b| for all; the first difference is shown. */
void assert_close(const float *a, const float *b, size_t count, double rel, double abs, const char *what);

/* A fresh folder below the build's temporary folder; removed at exit. The text stays valid. */
const char *test_folder(void);

#endif
