#!/bin/bash
# Whole trainings whose sums are made by NCCL, on the emulated device with a double of NCCL: the plug-in's own code from the choice
# of the transport to the last sum. A driver that is a mock shows three devices.
plugin=$(dirname "$KDIST")/../tests/libkdist_cuda_emulated_plugin.so
double=$(dirname "$KDIST")/../tests/nccl/libnccl.so.2
[ -r "$plugin" ] && [ -r "$double" ] || { echo "skipped: this build has no CUDA plug-in with NCCL"; exit 77; }
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
unset NCCL_ALGO NCCL_PROTO NCCL_NVLS_ENABLE
export XDG_CACHE_HOME=$work/cache KDIST_CUDA_PLUGIN=$(realpath "$plugin") KD_NCCL_FOLDER=$work
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
finish
