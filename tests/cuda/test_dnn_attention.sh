#!/bin/bash
# Plans that cuDNN compiles at run time, on a machine without a GPU: the compiled code is handed to a driver, so there must be one. It
# is a mock with every function of the toolkit's stub, which does nothing; it shows no device.
program=$(dirname "$KDIST")/../tests/cuda_test_dnn_plans
[ -x "$program" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
whole_mock_driver whole || { echo "skipped: no stub of the driver in the toolkit"; exit 77; }
LD_LIBRARY_PATH=$work/whole KD_TEST_MOCK_DRIVER=1 "$program" >out 2>&1 || fail "$(cat out)"
grep -q SKIPPED out && fail "attention was not tried"
finish
