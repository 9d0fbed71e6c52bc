#!/bin/bash
# determinism = world: whatever the number of ranks and the way they talk, the files at the end have the same bytes.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1

train 0 one 0
for n in 1 2 3 4; do
  train 0 np$n $n
  equal one np$n
done
train 0 coordinator 3 distributed.shard=coordinator
equal one coordinator
KDIST_TRANSPORT=mpi train 0 messages 3
equal one messages
KDIST_TRANSPORT=hosts:2 train 0 hosts 4
equal one hosts
OMP_NUM_THREADS=2 train 0 threads 0
equal one threads
for choice in activations all; do
  train 0 recomputed-$choice 2 train.recompute=$choice
  equal one recomputed-$choice
done
train 0 other-seed 0 run.seed=6
cmp -s runs/one/model.weights.h5 runs/other-seed/model.weights.h5 && fail "another seed gives the same weights"

# The other modes: the same bits from run to run, losses close to those of one rank.
for mode in run off; do
  train 0 $mode-1 0 distributed.determinism=$mode
  train 0 $mode-2 2 distributed.determinism=$mode
  paste -d, <(tail -n 1 runs/$mode-1/log.csv) <(tail -n 1 runs/$mode-2/log.csv) |
    awk -F, '{ for (i = 2; i <= NF / 2; i++) if (($i - $(i + NF / 2)) ^ 2 > 0.04) exit 1 }' ||
    fail "$mode: 2 ranks differ too much: $(tail -qn 1 runs/$mode-[12]/log.csv)"
done
train 0 run-again 2 distributed.determinism=run
equal run-2 run-again
finish
