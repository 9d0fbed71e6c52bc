#!/bin/bash
# Whole runs with device = cuda. Where there is no GPU the driver is a mock with one device, and the plug-in the one whose kernels
# and libraries run on the processor: device memory is closed to the host there, and work waits until the host waits. With
# KD_TEST_GPU=1 the same on the GPU of this machine.
plugin=$(dirname "$KDIST")/../tests/libkdist_cuda_emulated_plugin.so
[ -r "$plugin" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
if [ -n "${KD_TEST_GPU:-}" ]; then
  "$KDIST" info | grep -q 'cuda:0 *usable' || { echo "skipped: $("$KDIST" info | sed -n 's/^ *cuda *//p' | head -n 1)"; exit 77; }
fi
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1
. "$support/curves.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
export XDG_CACHE_HOME=$work/cache
limit=300
if [ -z "${KD_TEST_GPU:-}" ]; then
  mock_driver one 13000 1 0
  export LD_LIBRARY_PATH=$work/one KDIST_CUDA_PLUGIN=$(realpath "$plugin")
fi

# Sequences: look-up with used rows, masks, recurrent cells, attention, layer normalisation.
cat >steps.ini <<'INI'
[run]
seed = 3
[input ids]
shape = 7
dtype = int32
[layers]
embed = Embedding(20, 8, mask_zero=true)
lstm = LSTM(6, return_sequences=true)
gru = Bidirectional(GRU(4, return_sequences=true, dropout=0.1))
norm = LayerNormalization()
pool = GlobalAveragePooling1D()
out = Dense(3)
[data]
format = synthetic
samples = 60
[train]
epochs = 3
batch_size = 16
optimizer = Adam(0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
INI
steps() { # NAME ARGUMENT...
  local name=$1
  shift
  expect 0 "run $name" 0 fit steps.ini run.dir=runs/$name --progress=none "$@"
}
for policy in float32 mixed_bfloat16 bfloat16; do
  steps steps-$policy-cpu distributed.device=cpu train.dtype_policy=$policy
  steps steps-$policy distributed.device=cuda train.dtype_policy=$policy
done
close_to steps-float32-cpu steps-float32
close_to steps-mixed_bfloat16-cpu steps-mixed_bfloat16 1e-2

# Attention in 16 bits is cuDNN's.
cat >attention.ini <<'INI'
[run]
seed = 3
[input ids]
shape = 6
dtype = int32
[layers]
embed = Embedding(20, 16)
att = MultiHeadAttention(2, 8)(embed, embed, use_causal_mask=true)
sum = Add()(embed, att)
pool = GlobalAveragePooling1D()
out = Dense(3)
[data]
format = synthetic
samples = 60
[train]
epochs = 3
batch_size = 16
optimizer = Adam(0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
dtype_policy = mixed_bfloat16
INI
for device in cpu cuda; do
  expect 0 "attention on $device" 0 fit attention.ini run.dir=runs/attention-$device --progress=none distributed.device=$device
done
close_to attention-cpu attention-cuda 1e-2
expect 0 "plan of attention" 0 plan attention.ini distributed.device=cuda
[ "$(grep -c 'attention.*{cuDNN' out)" = 2 ] || fail "attention is not cuDNN's: $(grep attention out)"

# With padded steps, which are queries that see nothing too, and with heads that share keys and take a mask of scores;
# also with sums in any order.
sed 's/^embed = .*/embed = Embedding(20, 16, mask_zero=true)(ids)/; s/^sum = .*/grouped = GroupQueryAttention(8, 4, 2)(att, embed, attention_mask=seen)\nsum = Add()(embed, grouped)/' attention.ini >padded.ini
printf '[input seen]\nshape = 6, 6\ndtype = uint8\n' >>padded.ini
for device in cpu cuda; do
  expect 0 "padded attention on $device" 0 fit padded.ini run.dir=runs/padded-$device --progress=none distributed.device=$device
done
expect 0 "padded attention in any order" 0 fit padded.ini run.dir=runs/padded-off --progress=none distributed.device=cuda distributed.determinism=off
close_to padded-cpu padded-cuda 1e-2
close_to padded-cpu padded-off 1e-2
expect 0 "plan of padded attention" 0 plan padded.ini distributed.device=cuda
[ "$(grep -c 'attention.*float32(16, 1, 1, 6).*{cuDNN' out)" = 4 ] || fail "padded attention is not cuDNN's: $(grep attention out)"
close_to steps-bfloat16-cpu steps-bfloat16 2e-2
for policy in mixed_bfloat16 bfloat16; do
  train 0 $policy-cpu 0 distributed.device=cpu train.dtype_policy=$policy
  train 0 $policy 0 distributed.device=cuda train.dtype_policy=$policy
  close_to $policy-cpu $policy 5e-2
done

train 0 cpu 0 distributed.device=cpu
train 0 one 0 distributed.device=cuda
grep -q 'cuda:0' runs/one/env.txt || fail "the run was not on the device"
close_to cpu one
train 0 auto 0
equal one auto
for n in 1 2 3; do
  train 0 np$n $n distributed.device=cuda
  equal one np$n
done
# Launches that the device repeats by itself, and one by one; more than one pass a step; run to run.
train 0 again 0 distributed.device=cuda
equal one again
for mode in run off; do
  train 0 $mode 0 distributed.device=cuda distributed.determinism=$mode
  KDIST_CUDA_RECORD=off train 0 $mode-plain 0 distributed.device=cuda distributed.determinism=$mode
  equal $mode $mode-plain
done
train 0 pieces 0 distributed.device=cuda distributed.determinism=run train.micro_batch=5
train 0 pieces-cpu 0 distributed.device=cpu distributed.determinism=run train.micro_batch=5
close_to pieces pieces-cpu
# The C API: whichever way the same steps are asked for, the bits are the same, here too; values are those of plain loops.
for name in test_training test_values test_hooks; do
  "$(dirname "$plugin")/api_$name" >out 2>&1 || { fail "api/$name on the device"; tail -n 20 out; }
done
curves 0 "cnn lstm transformer" distributed.device=cuda
# The real NCCL, as a group of one rank; test_nccl_runs.sh has more ranks, and a double.
if [ -n "${KD_TEST_GPU:-}" ] && "$KDIST" info | grep -q 'nccl  *NCCL'; then
  train 0 nccl 0 distributed.device=cuda distributed.backend=nccl
  has err 'sums by NCCL'
  equal one nccl
  train 0 nccl-run 0 distributed.device=cuda distributed.backend=nccl distributed.determinism=run
  equal run nccl-run
fi
[ -z "${KD_TEST_GPU:-}" ] || finish
KD_EMULATE=reverse train 0 reverse 0 distributed.device=cuda
equal one reverse
KD_EMULATE_RECORD=refuse train 0 refused 0 distributed.device=cuda distributed.determinism=run
has err 'launches are not recorded'
equal run refused
grep -q 'no instructions' err && fail "a GPU multiplies float32"
has err 'of 8.00 GB of memory'
# Convolutions by own loops where cuDNN has no plan, which is remembered; in TF32, which gives other bits and nearly the same losses.
XDG_CACHE_HOME=$work/loops KD_EMULATE_DNN=none train 0 loops 0 distributed.device=cuda
close_to cpu loops
train 0 tf32 0 distributed.device=cuda train.tf32=true
close_to cpu tf32 2e-2
cmp -s runs/one/model.weights.h5 runs/tf32/model.weights.h5 && fail "TF32 changed nothing"
# Choices of plans are on disk now; with all of them damaged the same comes out.
ls "$XDG_CACHE_HOME"/kdist/cuda/*.plan >/dev/null || fail "no plan was kept"
for plan in "$XDG_CACHE_HOME"/kdist/cuda/*.plan; do echo damaged >"$plan"; done
train 0 damaged 0 distributed.device=cuda
equal one damaged
# More than the device has.
KD_EMULATE_MEMORY=20000 train 2 full 0 distributed.device=cuda
has err 'not enough memory'
finish
