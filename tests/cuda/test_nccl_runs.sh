#!/bin/bash
# Whole trainings whose sums are made by NCCL, on the emulated device with a double of NCCL: the plug-in's own code from the choice
# of the transport to the last sum. A driver that is a mock shows three devices.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
unset NCCL_ALGO NCCL_PROTO NCCL_NVLS_ENABLE
. "$support/nccl.sh" || exit 1
mock_driver three 13000 3 0
cp "$double" three
export LD_LIBRARY_PATH=$work/three
limit=300
nccl='NCCL 2.28.9'

# by NAME TEXT: the run's sums were made by it.
by() { has err "sums by $2 in $3 bucket"; }

# The bits of world, on any number of ranks and by either way; the last batch has fewer rows than micro-shards.
train 0 host 2 distributed.device=cuda distributed.backend=mpi distributed.bucket_mb=0.004
by host 'shared memory' 2
for n in 1 2 3; do
  train 0 nccl$n $n distributed.device=cuda distributed.backend=nccl distributed.bucket_mb=0.004
  by nccl$n "$nccl" 2
  equal host nccl$n
done

# The order of NCCL: the same bits again, close to the host's; several passes of a rank; a rank without rows in the last batch.
run=(distributed.device=cuda distributed.determinism=run train.batch_size=11 distributed.bucket_mb=0.004)
for n in 2 3; do
  train 0 run-host$n $n "${run[@]}" distributed.backend=mpi
  train 0 run$n $n "${run[@]}"
  by run$n "$nccl" 2
  train 0 again$n $n "${run[@]}"
  equal run$n again$n
  close_to run$n run-host$n
done
train 0 pieces 2 "${run[@]}" train.micro_batch=2
train 0 pieces-host 2 "${run[@]}" train.micro_batch=2 distributed.backend=mpi
close_to pieces pieces-host

# What is put on the device and between ranks is the same on all of them. With equal rows every launch; else what orders streams
# and ranks.
plain_ini 30 <<'INI'
epochs = 1
metrics = accuracy
INI
order() { # NAME ARGUMENT...
  local name=$1
  shift
  KD_EMULATE_LOG=$work/$name expect 0 "$name" 3 fit plain.ini run.dir=runs/$name --progress=none distributed.device=cuda \
    distributed.bucket_mb=0.004 "$@"
  # Rank 0 fetches the weights at the end. Lanes of a sum along the tree differ by a cache line.
  for rank in 0 1 2; do
    awk '$0 == "work" { held = held $0 "\n"; next } $0 != "destroy" { printf "%s", held } { held = ""; print }' $name.$rank |
      sed -E 's/^(send|receive) [0-9]+/\1/' >$name.$rank.all
    grep -vx work $name.$rank.all >$name.$rank.order
  done
}
# same_order NAME FORM COUNT LINE: of all ranks; the line comes so often.
same_order() {
  for rank in 1 2; do same $1.0.$2 $1.$rank.$2 "$1, rank $rank"; done
  local got
  got=$(grep -c -e "$4" $1.0.order)
  [ "$got" = "$3" ] || fail "$1: '$4' comes $got times, not $3"
}
export KDIST_CUDA_RECORD=off
order equal train.batch_size=15 data.samples=60
same_order equal all 12 all-reduce # 4 steps of 3 buckets
same_order equal all 1 'connect 3, Ring Simple 0'
order equal-world train.batch_size=15 data.samples=60 distributed.determinism=world distributed.micro_shards=3
same_order equal-world all 48 send # to 2 ranks, twice a bucket
same_order equal-world all 0 all-reduce
order uneven train.batch_size=7
same_order uneven order 15 all-reduce # the last of 5 steps has 2 rows: none for rank 2
same_order uneven order 20 'order streams' # a fork for each bucket, a join for each step
order uneven-world train.batch_size=7 distributed.determinism=world distributed.micro_shards=4
same_order uneven-world order 60 send
same_order uneven-world order 20 'order streams'
NCCL_ALGO=Tree order chosen train.batch_size=15 data.samples=60
same_order chosen all 1 'connect 3, Tree Simple 0'
order off train.batch_size=15 data.samples=60 distributed.determinism=off
same_order off all 1 'connect 3, - - -'
unset KDIST_CUDA_RECORD

# The same of steps that are recorded, by all ranks in the same step: sums come twice plainly, once in the record, then by replays.
order graph train.batch_size=15 data.samples=120
same_order graph all 9 all-reduce
same_order graph all 6 replay # of 8 steps
order graph-world train.batch_size=15 data.samples=120 distributed.determinism=world distributed.micro_shards=3
same_order graph-world all 36 send
same_order graph-world all 6 replay
order graph-uneven train.batch_size=7 train.epochs=3
same_order graph-uneven order 18 all-reduce # two records: the last of 5 steps has 2 rows, none for rank 2
same_order graph-uneven order 11 replay
# A rank with two micro-shards makes two passes, and repeats the first by itself; updates are recorded by all.
order graph-uneven-world train.batch_size=7 train.epochs=3 distributed.determinism=world distributed.micro_shards=4
grep -q replay graph-uneven-world.0.order || fail 'graph-uneven-world: nothing is repeated'
sed -i -e /^record$/d -e /^replay$/d graph-uneven-world.?.order
same_order graph-uneven-world order 180 send
finish
