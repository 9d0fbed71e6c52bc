#!/bin/bash
# Ranks that are killed at random, or hang. determinism = world: resumed on another number of ranks, a run ends with the same bytes.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
epochs=24

children() { cat "/proc/$1/task/$1/children"; }

# start NAME RANKS ARGUMENT...: a run in the background, its process in `pid`.
start() {
  local name=$1 ranks=$2 launcher=()
  shift 2
  [ "$ranks" = 0 ] || launcher=(mpirun -np "$ranks")
  "${launcher[@]}" "$KDIST" fit cnn.ini run.dir="runs/$name" train.epochs=$epochs --progress=none "$@" >out 2>err &
  pid=$!
}

# wait_steps NAME STEPS: until the run has saved so many steps more, or has ended.
wait_steps() {
  local goal=$(($(steps_saved "$1") + $2)) i
  for i in $(seq 1500); do
    [ "$(steps_saved "$1")" -ge $goal ] 2>/dev/null && return
    kill -0 $pid 2>/dev/null || return
    sleep 0.02
  done
}

# A rank, any of them, is killed in the middle of writing, computing or talking.
killed() {
  local kills=0 code=1 ranks victims
  RANDOM=7
  while [ $kills -lt 40 ]; do
    for ranks in 2 0 3 1 4; do
      start killed $ranks --resume=auto
      wait_steps killed $((RANDOM % 12 + 4))
      sleep 0.00$((RANDOM % 10))
      if [ $ranks = 0 ]; then victims=($pid); else victims=($(children $pid 2>/dev/null)); fi
      [ ${#victims[@]} -gt 0 ] && kill -KILL "${victims[RANDOM % ${#victims[@]}]}" 2>/dev/null
      wait $pid 2>/dev/null
      code=$?
      [ $code = 0 ] && break 2
      [ $code = 137 ] || { fail "killed on $ranks ranks: exit code $code"; head -n 5 err; return; }
      kills=$((kills + 1))
    done
  done
  [ $code = 0 ] || fail "the run does not end"
  [ $kills -ge 4 ] || fail "only $kills kills"
  ls runs/killed/*.tmp runs/killed/backup/*.tmp 2>/dev/null && fail "left-overs"
  equal whole killed
}

# A rank that is stopped (or in an endless loop) is named, and the job ends.
hanging() {
  local victim code begin=$SECONDS
  start hanging 3 distributed.timeout=3 train.epochs=100000
  wait_steps hanging 20
  for victim in $(children $pid); do
    tr '\0' '\n' <"/proc/$victim/environ" | grep -q '^OMPI_COMM_WORLD_RANK=1$' && break
  done
  kill -STOP "$victim"
  for i in $(seq 200); do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$victim" 2>/dev/null
  wait $pid
  code=$?
  [ $code = 1 ] || fail "a stopped rank: exit code $code"
  has err "rank 1 @"
  has err "step"
  [ "$(grep -c 'is late' err)" = 1 ] || { fail "several ranks tell it:"; grep 'is late' err; }
  [ $((SECONDS - begin)) -le 15 ] || fail "it took $((SECONDS - begin)) s"
}

train 0 whole 0 train.epochs=$epochs
killed
hanging
finish
