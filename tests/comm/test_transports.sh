#!/bin/bash
# The reducer's tests over messages and over a mixture of both, as between hosts (test_reducer alone: shared memory).
test_reducer=$(dirname "$KDIST")/../tests/comm_test_reducer
[ -x "$test_reducer" ] || { echo "skipped: $test_reducer is not built"; exit 77; }
failed=0
for transport in mpi hosts:2 hosts:3; do
  for ranks in 2 3 4; do
    if ! report=$(KDIST_TRANSPORT=$transport mpirun -np $ranks "$test_reducer" 2>&1); then
      echo "$transport, $ranks ranks:"
      echo "$report"
      failed=1
    fi
  done
done
exit $failed
