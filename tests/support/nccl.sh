# Ranks on emulated devices and a double of NCCL; sourced behind program.sh and mock_driver.sh.
plugin=$(dirname "$KDIST")/../tests/libkdist_cuda_emulated_plugin.so
double=$(dirname "$KDIST")/../tests/nccl/libnccl.so.2
[ -r "$plugin" ] && [ -r "$double" ] || { echo "skipped: this build has no CUDA plug-in with NCCL"; exit 77; }
export XDG_CACHE_HOME=$work/cache KDIST_CUDA_PLUGIN=$(realpath "$plugin") KD_NCCL_FOLDER=$work

# plain_ini SAMPLES: plain.ini, a net of six weights; standard input has the rest of [train] and what follows.
plain_ini() {
  cat >plain.ini <<INI
[input x]
shape = 8
[layers]
one = Dense(40, activation=relu)
two = Dense(40, activation=relu)
three = Dense(3)
[data]
format = synthetic
samples = $1
[train]
loss = SparseCategoricalCrossentropy(from_logits=true)
INI
  cat >>plain.ini
}
