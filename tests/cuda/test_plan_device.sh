#!/bin/bash
# `kdist plan --device`: plans for GPUs that are not here, by the libraries themselves, with a driver that does nothing and without one.
[ -r "$(dirname "$KDIST")/libkdist_cuda.so" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
unset LD_LIBRARY_PATH KDIST_CUDA_PLUGIN CUDA_VISIBLE_DEVICES
export XDG_CACHE_HOME=$work/cache
cat >model.ini <<'INI'
[input x]
shape = 16, 16, 8
[layers]
conv = Conv2D(16, 3, activation=relu)
flat = Reshape([-1, 16])
att = MultiHeadAttention(2, 16)(flat, flat)
lstm = LSTM(8)(att)
out = Dense(3)
[data]
format = synthetic
samples = 32
[train]
batch_size = 8
optimizer = SGD(0.1)
loss = SparseCategoricalCrossentropy(from_logits=true)
dtype_policy = mixed_bfloat16
INI
plan() { # NAME ARGUMENT...: one with launches and memory
  local name=$1
  shift
  expect 0 "plan for $name" 0 plan model.ini --device "$@"
  has out 'cuBLASLt, not planned without a GPU' && has out 'memory: '
}
for name in h200 a100 a10; do
  plan $name $name
  [ "$(grep -cE ' conv(_grad_[a-z]*)? .*\{cuDNN' out)" -ge 2 ] || fail "convolutions on $name: $(grep conv out)"
done
if [ ! -e /usr/lib/x86_64-linux-gnu/libcuda.so.1 ]; then
  [ "$(grep -c 'attention.*{cuDNN, not planned without a driver' out)" = 2 ] || fail "attention without a driver: $(grep attention out)"
fi
plan t4 t4 train.dtype_policy=mixed_float16
[ "$(grep -c 'attention.*{running sums' out)" = 2 ] || fail "attention on T4: $(grep attention out)"
if whole_mock_driver whole; then
  LD_LIBRARY_PATH=$work/whole plan "a driver" h200
  [ "$(grep -c 'attention.*{cuDNN, no matrix of scores' out)" = 2 ] || fail "attention with a driver: $(grep attention out)"
fi

# Long sequences, whose gradient is cut in pieces; with a mask for each score, which is too much for larger batches.
cat >long.ini <<'INI'
[input x]
shape = 4096, 64
[input m]
shape = 4096, 4096
[layers]
att = MultiHeadAttention(12, 8)(x, x, attention_mask=m)
out = Dense(1)(att)
[data]
format = synthetic
samples = 32
[train]
optimizer = SGD(0.1)
loss = MeanSquaredError()
dtype_policy = mixed_bfloat16
INI
long() { # ROWS NOTE
  LD_LIBRARY_PATH=$work/whole expect 0 "$1 long rows" 0 plan long.ini --device h200 train.batch_size=$1
  grep 'attention_grad' out | grep -q "$2" || fail "$1 long rows: $(grep attention_grad out)"
}
if [ -d whole ]; then
  long 16 '{cuDNN, in pieces}'
  long 20 '{running sums}'
fi

# refuses TEXT NAME: one message.
refuses() {
  expect 2 "device $2" 0 plan model.ini --device "$2" && has err "--device $2: " && has err "$1"
  [ "$(wc -l <err)" = 1 ] || fail "more than one message for $2: $(cat err)"
}
refuses 'no such GPU; there are: h200, a100, a10, t4' b300
refuses 'no such GPU' ''
refuses 'absent.json' absent.json
echo '{"warpSize":32}' >short.json
refuses 'maxGridSize is missing' short.json
head -c 100000 /dev/zero >large.json
refuses 'large.json' large.json
head -c 3000 /dev/urandom >noise.json
refuses '' noise.json
cat >own.json <<'JSON'
{"maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 114,
 "warpSize": 32, "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
 "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 9013,
 "isTccDriver": 0, "supportCoopLaunch": 1, "smClockRateKHz": 1755000, "memClockRateKHz": 1593000, "l2CacheSize": 52428800,
 "deviceName": "some H100", "deviceVer": 900, "driverVer": 13000, "totalGlobalMem": 80000000000, "cudaDeviceId": 0}
JSON
plan "a file" own.json
has out 'some H100 by its description'
finish
