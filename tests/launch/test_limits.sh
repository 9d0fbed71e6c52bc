#!/bin/bash
# What the machine refuses: memory is missing before training starts (exit code 2), a disk is full (1); nothing half-written stays.
. "$(dirname "$0")/../support/program.sh" || exit 1
csv 60 1 >train.csv
cat >big.ini <<'INI'
[run]
name = big
[input x]
shape = 4
[layers]
fc1 = Dense(${x-width})
fc2 = Dense(3)
[data]
format = csv
train = train.csv
test = train.csv
[train]
epochs = 2
batch_size = 16
optimizer = Adam(learning_rate=0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
[x-user]
x-width = 8
INI
sed -i 's/\${x-width}/8/; /^\[x-user\]/,$d' big.ini

# no_memory TEXT RANKS ARGUMENT...
no_memory() {
  local text=$1 ranks=$2 command
  shift 2
  for command in check fit; do
    expect 2 "$text, $command" "$ranks" $command big.ini "$@"
    has err "not enough memory"
    [ "$(grep -c 'not enough memory' err)" = 1 ] || fail "$text: said by several ranks"
  done
  [ -e runs ] && { fail "$text: a run folder"; rm -rf runs; }
}

memory() {
  no_memory "a wide layer" 0 fc1.units=2000000000
  no_memory "a wide layer" 2 fc1.units=2000000000
  no_memory "a large batch" 0 fc1.units=1000000 train.batch_size=1000000
  (
    ulimit -v 3000000
    no_memory "ulimit -v" 0 fc1.units=100000000
    exit $failures
  ) || fail "ulimit -v"
  # Followed, the advice is enough.
  (
    ulimit -v 1000000
    no_memory "activations" 0 fc1.units=2000 train.batch_size=65536
    rows=$(sed -n 's/.*micro_batch = \([0-9]*\) fits.*/\1/p' err)
    [ -n "$rows" ] || fail "no micro_batch is proposed"
    expect 0 "the proposed micro_batch" 0 check big.ini fc1.units=2000 train.batch_size=65536 train.micro_batch="$rows"
    exit $failures
  ) || fail "advice"
  expect 2 "evaluate" 0 evaluate big.ini fc1.units=2000000000
  expect 2 "predict" 0 predict big.ini fc1.units=2000000000 -o p.npy
  expect 2 "bench" 0 bench big.ini --synthetic fc1.units=2000000000
  expect 0 "enough memory" 0 fit big.ini --progress=none
}

# no_space TEXT KB RANKS ARGUMENT...: with files of at most so many KB the command fails and leaves no part of one.
no_space() {
  local text=$1 size=$2 ranks=$3
  shift 3
  (
    ulimit -f "$size"
    kdist "$ranks" "$@" 2>&1 >out | cat >err
    exit "${PIPESTATUS[0]}"
  )
  local code=$?
  [ $code = 1 ] || { fail "$text: exit code $code"; head -n 5 err; }
  [ -n "$(find . -name '*.tmp')" ] && fail "$text: $(find . -name '*.tmp')"
}

disk() {
  cksum runs/big/model.weights.h5 >before
  no_space "weights" 8 0 fit big.ini --overwrite --progress=none
  has err "runs/big"
  [ -e runs/big/model.weights.h5 ] && fail "a full disk leaves weights"
  expect 0 "again with space" 0 fit big.ini --resume=auto --progress=none
  cksum runs/big/model.weights.h5 >after
  same before after "weights after a full disk"
  for suffix in npy npz h5 csv; do
    no_space "predict $suffix" 1 0 predict big.ini -o p.$suffix train.batch_size=2 data.test="$(printf 'train.csv, %.0s' {1..9})train.csv"
    [ -e p.$suffix ] && fail "predict $suffix leaves a file"
    has err "p.$suffix"
  done
}

# A file system of 64 KiB, on ranks too.
full_disk() {
  local ranks launcher code
  mkdir -p small
  unshare -rm sh -c 'mount -t tmpfs -o size=64k none small' 2>/dev/null || { echo "skipped: no file system can be mounted"; return; }
  for ranks in 0 2; do
    launcher=
    [ $ranks = 0 ] || launcher="mpirun -np $ranks"
    timeout $limit unshare -rm sh -c "mount -t tmpfs -o size=64k none small && $launcher \"$KDIST\" fit big.ini fc1.units=1000 \
      run.dir=small/run --progress=none; code=\$?; find small -type f >files; exit \$code" >out 2>err
    code=$?
    [ $code = 1 ] || { fail "a full disk, $ranks: exit code $code"; head -n 5 err; }
    has err "No space left"
    [ "$(grep -c 'No space left' err)" = 1 ] || fail "a full disk is told by several ranks"
    grep -q 'tmp$' files && { fail "a full disk leaves"; cat files; }
    grep -q 'model.weights.h5' files && fail "a full disk leaves weights"
  done
}

memory
disk
full_disk
finish
