#!/bin/bash
# When NCCL is not to be had, sums pass through the host or one message says why; when a rank fails, stops or dies under it, the job
# ends within the time limit with one message. On the emulated device with a double of NCCL.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
. "$support/nccl.sh" || exit 1
for folder in two one damaged other; do mock_driver $folder 13000 2 0; done
mock_driver one 13000 1 0
cp "$double" one && cp "$double" two
: >damaged/libnccl.so.2
echo 'int ncclNothing(void) { return 0; }' | cc -shared -fPIC -x c - -o other/libnccl.so.2
export LD_LIBRARY_PATH=$work/two

plain_ini 64 <<'INI'
epochs = 2
batch_size = 16
[distributed]
device = cuda
bucket_mb = 0.004
timeout = 2
INI
fit() { # CODE TEXT RANKS ARGUMENT...
  local code=$1 text=$2 ranks=$3
  shift 3
  expect "$code" "$text" "$ranks" fit plain.ini run.dir=runs/t --overwrite --progress=none "$@"
}

# --- the choice

# chosen TEXT REASON: auto goes on through the host and says why; nccl ends with one message.
chosen() {
  fit 0 "$1, auto" 2
  has err "sums pass through the host: $2"
  has err 'sums by shared memory'
  kdist 2 fit plain.ini run.dir=runs/t --overwrite --progress=none distributed.backend=nccl >out 2>err && fail "$1, nccl: went on"
  one_error "$1" "[distributed] backend = nccl: $2"
}
one_error() { # TEXT MESSAGE
  local n
  n=$(grep -cF -e "$2" err)
  [ "$n" = 1 ] || { fail "$1: '$2' comes $n times"; head -n 5 err; }
}
fit 0 'each on its own' 2
has err 'sums by NCCL 2.28.9 in 3 buckets'
fit 0 'not wanted' 2 distributed.backend=mpi
has err 'sums by shared memory'
grep -q 'pass through the host' err && fail "a reason for what was asked for"
LD_LIBRARY_PATH=$work/one chosen 'one device' "ranks 0 and 1 share the device 0000:10:00.0 of"
LD_LIBRARY_PATH=$work/damaged chosen 'no library' "no NCCL: $work/damaged/libnccl.so.2: file too short"
LD_LIBRARY_PATH=$work/other chosen 'another library' 'libnccl.so.2 has no ncclGetVersion'
KD_NCCL_VERSION=21903 chosen 'an old library' 'libnccl.so.2 is NCCL 2.19.3, but this build needs 2.28'
KD_NCCL_INIT=fail:1 chosen 'a rank that cannot connect' '[rank 1 @ '
has err 'NCCL 2.28.9: connecting the ranks: unhandled system error'
KD_NCCL_INIT=never chosen 'ranks that never meet' '[rank 0 @ '
has err 'NCCL 2.28.9 did not connect the ranks within 2 s'

# --- faults in a run

# ends TEXT MESSAGE...: the job ends with one message, soon.
ends() {
  local start=$SECONDS text=$1
  kdist 2 fit plain.ini run.dir=runs/t --overwrite --progress=none train.epochs=50 >out 2>err && fail "$text: went on"
  [ $((SECONDS - start)) -le 15 ] || fail "$text: took $((SECONDS - start)) s"
  shift
  one_error "$text" "$1"
  for message in "$@"; do has err "$message"; done
}
# Three calls a step: number 20 is the last bucket of step 6, which is launched by itself, or part of a record; the host is ahead.
for record in off on; do
  export KDIST_CUDA_RECORD=$record
  KD_NCCL_LOST=1:20 ends "a lost connection, record $record" '[rank 1 @' 'NCCL 2.28.9: a sum over ranks: remote process exited' '] step '
  KD_NCCL_SILENT=1:20 ends "a device that hangs, record $record" 'the sum of bucket 2 of 3 by NCCL 2.28.9 at step 6' \
    'although all ranks are there'
  KD_NCCL_STOP=1:20 ends "a rank that is stopped, record $record" 'the sum of bucket 2 of 3 did not end' 'rank 1 @' 'is late' 'at step 6'
  KD_NCCL_KILL=1:20 kdist 2 fit plain.ini run.dir=runs/t --overwrite --progress=none train.epochs=50 >out 2>err &&
    fail "a killed rank, record $record: went on"
  has err 'signal 9'
done

# A rank whose library refuses to be recorded, at once or behind other sums: all go on without, with the same weights.
fit 0 'recorded' 2 run.dir=runs/recorded
grep -q 'not recorded' err && fail 'recorded: a refusal'
for call in 0 2; do
  KD_NCCL_RECORD=1:$call fit 0 "call $call is not recorded" 2
  has err 'launches are not recorded: another rank cannot'
  same runs/recorded/log.csv runs/t/log.csv "call $call is not recorded"
done

# A signal to one rank in step 7 of an epoch of 16: step 10 tells the others, its result is read two steps later, and all stop there.
stopped=(data.samples=256 callbacks.backup='BackupAndRestore(backup_dir=backup)')
fit 0 'not stopped' 2 run.dir=runs/whole "${stopped[@]}"
KD_NCCL_SIGNAL=1:20 fit 75 'a signal to one rank' 2 "${stopped[@]}"
one_error 'a signal to one rank' 'stopped by a signal after step 12 of epoch 1'
expect 0 'going on' 2 fit plain.ini run.dir=runs/t --resume --progress=none "${stopped[@]}"
same runs/whole/model.weights.h5 runs/t/model.weights.h5 'going on'
finish
