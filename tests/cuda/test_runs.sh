#!/bin/bash
# Whole runs with device = cuda. Where there is no GPU the driver is a mock with one device, and the plug-in the one whose kernels
# and libraries run on the processor: device memory is closed to the host there, and work waits until the host waits. With
# KD_TEST_GPU=1 the same on the GPU of this machine.
plugin=$(dirname "$KDIST")/../tests/libkdist_cuda_emulated_plugin.so
[ -r "$plugin" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
if [ -n "${KD_TEST_GPU:-}" ]; then
  "$KDIST" info | grep -q 'cuda:0 *usable' || { echo "skipped: $("$KDIST" info | sed -n 's/^ *cuda *//p' | head -n 1)"; exit 77; }
fi
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
export XDG_CACHE_HOME=$work/cache
limit=300
if [ -z "${KD_TEST_GPU:-}" ]; then
  mock_driver one 13000 1 0
  export LD_LIBRARY_PATH=$work/one KDIST_CUDA_PLUGIN=$(realpath "$plugin")
fi

# close_to NAME NAME: losses and accuracies of all epochs agree to three digits.
close_to() {
  paste -d, "runs/$1/log.csv" "runs/$2/log.csv" | tail -n +2 |
    awk -F, '{ n = NF / 2; for (i = 2; i <= n; i++) { d = $i - $(i + n); s = $i < 0 ? -$i : $i
      if (d * d > 1e-6 * (1 + s) * (1 + s)) exit 1 } }' || fail "$1 and $2 differ: $(tail -qn 1 runs/{$1,$2}/log.csv)"
}

train 0 cpu 0 distributed.device=cpu
train 0 one 0 distributed.device=cuda
grep -q 'cuda:0' runs/one/env.txt || fail "the run was not on the device"
close_to cpu one
train 0 auto 0
equal one auto
for n in 1 2 3; do
  train 0 np$n $n distributed.device=cuda
  equal one np$n
done
# Launches that the device repeats by itself, and one by one; more than one pass a step; run to run.
train 0 again 0 distributed.device=cuda
equal one again
for mode in run off; do
  train 0 $mode 0 distributed.device=cuda distributed.determinism=$mode
  KDIST_CUDA_RECORD=off train 0 $mode-plain 0 distributed.device=cuda distributed.determinism=$mode
  equal $mode $mode-plain
done
train 0 pieces 0 distributed.device=cuda distributed.determinism=run train.micro_batch=5
train 0 pieces-cpu 0 distributed.device=cpu distributed.determinism=run train.micro_batch=5
close_to pieces pieces-cpu
[ -z "${KD_TEST_GPU:-}" ] || finish
KD_EMULATE=reverse train 0 reverse 0 distributed.device=cuda
equal one reverse
KD_EMULATE_RECORD=refuse train 0 refused 0 distributed.device=cuda distributed.determinism=run
has err 'launches are not recorded'
equal run refused
# More than the device has.
KD_EMULATE_MEMORY=20000 train 2 full 0 distributed.device=cuda
has err 'not enough memory'
finish
