#!/bin/bash
# Whole runs with device = cuda where there is no GPU: the driver is a mock with one device, the plug-in the one whose kernels
# and libraries run on the processor. Device memory is closed to the host there, and work waits until the host waits.
plugin=$(dirname "$KDIST")/../tests/libkdist_cuda_emulated_plugin.so
[ -r "$plugin" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
mock_driver one 13000 1 0
export LD_LIBRARY_PATH=$work/one KDIST_CUDA_PLUGIN=$(realpath "$plugin") XDG_CACHE_HOME=$work/cache
limit=300

# close_to NAME NAME: losses and accuracies of all epochs agree to three digits.
close_to() {
  paste -d, "runs/$1/log.csv" "runs/$2/log.csv" | tail -n +2 |
    awk -F, '{ n = NF / 2; for (i = 2; i <= n; i++) { d = $i - $(i + n); s = $i < 0 ? -$i : $i
      if (d * d > 1e-6 * (1 + s) * (1 + s)) exit 1 } }' || fail "$1 and $2 differ: $(tail -qn 1 runs/{$1,$2}/log.csv)"
}

train 0 cpu 0 distributed.device=cpu
train 0 one 0 distributed.device=cuda
grep -q 'emulated device' runs/one/env.txt || fail "the run was not on the emulated device"
close_to cpu one
train 0 auto 0
equal one auto
for n in 1 2 3; do
  train 0 np$n $n distributed.device=cuda
  equal one np$n
done
# Launches that the device repeats by itself, and one by one; more than one pass a step; run to run.
for mode in run off; do
  train 0 $mode 0 distributed.device=cuda distributed.determinism=$mode
  KD_EMULATE_RECORD=refuse train 0 $mode-plain 0 distributed.device=cuda distributed.determinism=$mode
  has err 'launches are not recorded'
  equal $mode $mode-plain
done
train 0 pieces 0 distributed.device=cuda distributed.determinism=run train.micro_batch=5
train 0 pieces-cpu 0 distributed.device=cpu distributed.determinism=run train.micro_batch=5
close_to pieces pieces-cpu
KD_EMULATE=reverse train 0 reverse 0 distributed.device=cuda
equal one reverse
# More than the device has.
KD_EMULATE_MEMORY=20000 train 2 full 0 distributed.device=cuda
has err 'not enough memory'
finish
