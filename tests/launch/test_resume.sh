#!/bin/bash
# Stopping by signals and resuming gives the bytes of an uninterrupted run; what may differ, and what not.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1

# stop_by SIGNAL NAME RANKS: a run that goes on where it was, stopped some steps later; the exit code in `code`.
stop_by() {
  local signal=$1 name=$2 ranks=$3 launcher=() before pid wait
  [ "$ranks" = 0 ] || launcher=(mpirun -np "$ranks")
  before=$(steps_saved "$name")
  "${launcher[@]}" "$KDIST" fit cnn.ini run.dir="runs/$name" train.epochs=$epochs --progress=none --resume=auto >out 2>err &
  pid=$!
  for wait in $(seq 1000); do
    [ "$(steps_saved "$name")" -ge $((before + 9)) ] 2>/dev/null && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.02
  done
  kill -"$signal" $pid 2>/dev/null
  wait $pid
  code=$?
}

# Stops again and again until the run is complete. mpirun hands the exit code on after SIGUSR1 only.
signals() {
  local name=$1 ranks=$2 signal stops=0 wanted code=75
  shift 2
  while [ $code = 75 ] && [ $stops -lt 50 ]; do
    signal=$1
    shift
    set -- "$@" "$signal"
    stop_by "$signal" "$name" "$ranks"
    [ $code = 75 ] || break
    stops=$((stops + 1))
    has err "--resume"
    [ "$(grep -c 'stopped by a signal' err)" = 1 ] || fail "$name: the stop is told by several ranks"
  done
  [ $code = 0 ] || { fail "$name: exit code $code after $stops stops"; tail -n 5 err; }
  [ $stops -ge 3 ] || fail "$name: only $stops stops"
  equal whole "$name"
}

# refused TEXT ARGUMENT...: the run runs/whole cannot go on like this.
refused() {
  local text=$1
  shift
  find runs/whole -type f -exec cksum {} + | sort >before
  for n in 0 2; do
    expect 2 "resume with another $text" $n fit cnn.ini run.dir=runs/whole train.epochs=$((epochs + 1)) --progress=none --resume "$@"
    has err "$text"
  done
  find runs/whole -type f -exec cksum {} + | sort >after
  same before after "a refused resume changed files"
}

modes() {
  find runs/whole -type f -exec cksum {} + | sort >before
  for n in 0 2; do
    expect 0 "resume of a complete run" $n fit cnn.ini run.dir=runs/whole train.epochs=$epochs --resume --progress=none
    find runs/whole -type f -exec cksum {} + | sort >after
    same before after "resume of a complete run"
  done
  refused optimizer train.optimizer="SGD(0.1)"
  refused fc layer.fc.units=17
  refused drop1 layer.drop1.rate=0.25
  refused seed run.seed=6
  refused batch_size train.batch_size=15
  cp images kept
  printf 'x' | dd of=images bs=1 seek=500 conv=notrunc 2>/dev/null
  refused images
  cp kept images
  expect 0 "more epochs, other callbacks and ranks" 2 fit cnn.ini run.dir=runs/whole train.epochs=$((epochs + 1)) --resume \
    --progress=none callbacks.lr=none log.level=error
  [ "$(wc -l <runs/whole/log.csv)" = $((epochs + 2)) ] || fail "one epoch more: $(wc -l <runs/whole/log.csv) lines in log.csv"
  [ "$(wc -l <runs/whole/command.txt)" = 2 ] || { fail "commands:"; cat runs/whole/command.txt; }
  expect 0 "overwrite" 0 fit cnn.ini run.dir=runs/whole train.epochs=2 --overwrite --progress=none
  [ "$(wc -l <runs/whole/log.csv)" = 3 ] || fail "overwrite: $(wc -l <runs/whole/log.csv) lines in log.csv"
  train 0 two 0 train.epochs=2
  equal two whole
}

# The newest checkpoint is cut: it is named and the one before is used; none left: exit 2.
damage() {
  stop_by TERM damaged 0
  [ $code = 75 ] || fail "stopped with $code"
  local newest=$(ls runs/damaged/backup/step-*.h5 | tail -n 1)
  printf 'damage' | dd of="$newest" bs=1 seek=3000 conv=notrunc 2>/dev/null
  touch runs/damaged/backup/step-0000000999.h5.tmp
  expect 0 "a damaged checkpoint" 2 fit cnn.ini run.dir=runs/damaged train.epochs=$epochs --progress=none --resume
  has err "$(basename "$newest")"
  [ "$(grep -c "$(basename "$newest")" err)" = 1 ] || fail "a damaged checkpoint is named by several ranks"
  equal whole damaged
  [ -e runs/damaged/backup/step-0000000999.h5.tmp ] && fail "left-overs are not removed"
  stop_by TERM ruined 0
  for file in runs/ruined/backup/step-*.h5; do head -c 1000 "$file" >cut; cat cut >"$file"; done
  for n in 0 2; do
    expect 2 "only damaged checkpoints" $n fit cnn.ini run.dir=runs/ruined train.epochs=$epochs --progress=none --resume
    has err "step-"
  done
}

epochs=30
train 0 whole 0 train.epochs=$epochs
signals stopped 0 TERM USR1 INT
signals ranks 2 USR1
damage
modes
finish
