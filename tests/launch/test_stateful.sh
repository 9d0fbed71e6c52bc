#!/bin/bash
# Recurrent layers that keep their state from batch to batch, with attention, masks and dropout between them. Under
# determinism = world every row goes on with its own state: the same bytes on any number of ranks, and after a resume on
# another number.
. "$(dirname "$0")/../support/program.sh" || exit 1

# sequences ROWS SEED: six words that end early, in zeros, and the parity of the first and last.
sequences() {
  awk -v n="$1" -v seed="$2" 'BEGIN {
    srand(seed)
    print "a,b,c,d,e,f,label"
    for (i = 0; i < n; i++) {
      length_ = 2 + int(rand() * 5)
      for (k = 0; k < 6; k++) word[k] = k < length_ ? 1 + int(rand() * 9) : 0
      printf "%d,%d,%d,%d,%d,%d,%d\n", word[0], word[1], word[2], word[3], word[4], word[5], (word[0] + word[length_ - 1]) % 2
    }
  }'
}
sequences 84 1 >train.csv
sequences 28 2 >test.csv
cat >words.ini <<'INI'
[run]
name = words
seed = 3
[input x]
shape = 6
dtype = int32
batch_size = 14
[layers]
words = Embedding(10, 6, mask_zero=true)
forth = LSTM(7, return_sequences=true, stateful=true, dropout=0.2, recurrent_dropout=0.1)
look = MultiHeadAttention(2, 3, dropout=0.2)(forth, forth, use_causal_mask=true)
both = Bidirectional(GRU(4, stateful=true, return_sequences=true))
drop = SpatialDropout1D(0.2)
last = RNN([LSTMCell(5), SimpleRNNCell(4)], stateful=true)
logits = Dense(2)
[data]
format = csv
train = train.csv
validation = test.csv
[train]
epochs = 3
batch_size = 14
shuffle = false
optimizer = Adam(learning_rate=0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
[distributed]
determinism = world
micro_shards = 5
INI

train() {
  local name=$1 ranks=$2
  shift 2
  expect 0 "run $name" "$ranks" fit words.ini run.dir=runs/$name --progress=none "$@"
}

train one 0
for n in 1 2 3 4; do
  train np$n $n
  equal one np$n
done
train coordinator 3 distributed.shard=coordinator
equal one coordinator
KDIST_TRANSPORT=mpi train messages 2
equal one messages
sed 's/stateful=true/stateful=false/' words.ini >fresh.ini
expect 0 "run fresh" 0 fit fresh.ini run.dir=runs/fresh --progress=none
cmp -s runs/one/log.csv runs/fresh/log.csv && fail "stateful makes no difference"

# One epoch on two ranks, the next ones on three and on one.
train resumed 2 train.epochs=1
train resumed 3 train.epochs=2 --resume
train resumed 0 train.epochs=3 --resume
equal one resumed

# The same with products in bfloat16, and with weights that are stored in half types.
for policy in mixed_bfloat16 bfloat16 float16; do
  train $policy 0 train.dtype_policy=$policy
  train $policy-resumed 3 train.epochs=1 train.dtype_policy=$policy
  train $policy-resumed 2 train.epochs=3 --resume train.dtype_policy=$policy
  equal $policy $policy-resumed
  cmp -s runs/one/log.csv runs/$policy/log.csv && fail "dtype_policy = $policy makes no difference"
done
[ "$(stat -c %s runs/bfloat16/model.weights.h5)" -lt "$(stat -c %s runs/one/model.weights.h5)" ] ||
  fail "weights in bfloat16 take no less room"

# Passes of a few rows are only other roundings; without world, ranks too.
train run 0 distributed.determinism=run
train pieces 2 distributed.determinism=run train.micro_batch=3
paste -d, runs/run/log.csv runs/pieces/log.csv | awk -F, 'NR > 1 { for (i = 2; i <= NF / 2; i++)
  if (($i - $(i + NF / 2)) ^ 2 > 1e-4) exit 1 }' || fail "passes differ: $(tail -qn 1 runs/run/log.csv runs/pieces/log.csv)"

# Evaluation and prediction carry states too, on any number of ranks.
cat >>words.ini <<'INI'
[model]
init_from = runs/one/model.weights.h5
INI
for n in 0 3; do
  expect 0 "evaluate" $n evaluate words.ini data.test=test.csv
  cp out evaluated.$n
  expect 0 "predict" $n predict words.ini data.test=test.csv -o predicted.$n.npy
done
has evaluated.0 "loss"
same <(grep -o 'loss.*' evaluated.0) <(grep -o 'loss.*' evaluated.3) "evaluations"
same predicted.0.npy predicted.3.npy

# The fixed batch stands in the summary; made data fill whole batches.
expect 0 "summary" 0 summary words.ini
has out "(14, 6, 7)"
grep -q "unknown" out && fail "summary: $(grep unknown out)"
expect 0 "bench" 0 bench words.ini --synthetic

# What does not fit.
expect 2 "another batch" 0 fit words.ini run.dir=runs/x train.batch_size=28 --progress=none
has err "layers are stateful and [input x] fixes batch_size = 14, but steps of 28 rows are asked for"
expect 2 "a last batch" 2 fit words.ini run.dir=runs/x data.validation_split=0.25 data.validation=none --progress=none
has err "layers are stateful (forth/cell/state), so every batch must have 14 samples"
expect 2 "no batch" 0 fit words.ini run.dir=runs/x input.x.batch_size=none --progress=none
has err "stateful = true needs a fixed batch: give batch_size to [input x]"
expect 0 "shuffled" 0 fit words.ini run.dir=runs/shuffled train.shuffle=true train.epochs=1 --progress=none
has err "layers are stateful (forth/cell/state), but samples are shuffled"
# Layers that leave something behind with each call.
for layer in "GRU(4, return_sequences=true, stateful=true)" "SpectralNormalization(Dense(3))"; do
  cat >twice.ini <<INI
[input x]
shape = 5, 3
batch_size = 2
[layers]
once = $layer
narrow = Dense(3)
twice = share(once)
INI
  expect 2 "called twice: $layer" 0 summary twice.ini
  has err "twice.ini:7: layer twice"
  grep -q "called more than once\|called once only" err || fail "$layer: $(head -n 3 err)"
done
sed 's/^once = .*/once = SpectralNormalization(Dense(3))(x, training=false)/' twice.ini >before.ini
expect 2 "a call before the one that changes the kernel" 0 summary before.ini
has err "before.ini:7: layer twice (SpectralNormalization): changes layer/kernel before each step, so that no call with training"
sed 's/^twice = .*/twice = share(once)(narrow, training=false)/; s/^once = .*/once = SpectralNormalization(Dense(3))/' twice.ini >behind.ini
"$KDIST" summary behind.ini >out 2>err || fail "a call without training behind the one that changes the kernel: $(cat err)"
finish
