#!/bin/bash
# What summary prints: Keras's own tables, folded blocks, layers inside layers, costs, JSON.
. "$(dirname "$0")/../support/program.sh" || exit 1
golden=$support/../golden/summary

# once FILE TEXT: the text stands in one line of the file.
once() { [ "$(grep -cF -e "$2" "$1")" = 1 ] || { fail "$1: '$2' is not there once:"; head -n 40 "$1"; }; }

as_keras() {
  local count=0 base
  for file in "$golden"/*.txt; do
    base=$(basename "$file" .txt)
    COLUMNS=${base##*.} kdist 0 summary "$golden/${base%.*}.ini" | sed 's/ *$//' | head -n "$(wc -l <"$file")" >out
    diff "$file" out >err || { fail "$base is not what Keras prints:"; head -n 10 err; }
    count=$((count + 1))
  done
  [ $count -ge 20 ] || fail "only $count tables"
}

cat >blocks.ini <<'INI'
[input x]
shape = 8
[block unit]
params = width
fc = Dense(${width})
act = Activation(relu)
[block pair]
params = width
one = unit(${width})
two = unit(${width})
add = Add()(two, @in)
[layers]
first = Dense(8)
body = pair(8, repeat=3)
tail = unit(4)
last = Concatenate()(tail, body, body.1/one)
[data]
format = synthetic
samples = 16
[train]
loss = mse
batch_size = 8
INI

depth() {
  expect 0 "depth 1" 0 summary blocks.ini --depth 1
  once out "│ body (pair x3) "
  once out "│ tail (unit) "
  once out "tail[0][0],"
  has out "body[0][0],"
  has out "body[0][1] "
  [ "$(grep -c '^├' out)" = 4 ] || fail "depth 1: not five rows"
  once out "432 " # three pairs of two Dense(8) on 8
  expect 0 "depth 2" 0 summary blocks.ini --depth 2
  once out "│ body.1/one (unit) "
  once out "│ body.2/add (Add) "
  expect 0 "depth 3" 0 summary blocks.ini --depth 3
  cp out all
  expect 0 "no depth" 0 summary blocks.ini
  same out all "depth 3 and everything"
  for n in 1 2 3; do
    expect 0 "totals" 0 summary blocks.ini --depth $n
    once out " Trainable params: 540 (2.11 KB)"
  done
}

inside() {
  expect 0 "wrappers closed" 0 summary "$golden/sequences.ini"
  grep -q "└ " out && fail "wrappers are open without --depth"
  COLUMNS=120 expect 0 "wrappers open" 0 summary "$golden/sequences.ini" --depth 2
  once out "│    └ forward_layer (LSTM)"
  once out "│    └ backward_layer"
  once out "│    └ layer (Dense)"
  [ "$(grep -cE '(forward|backward)_layer.* 800 ' out)" = 2 ] || fail "the directions have not 800 weights each"
  cat >nest.ini <<'INI'
[input x]
shape = 4, 6, 8
[layers]
a = TimeDistributed(TimeDistributed(Dense(3)))
b = TimeDistributed(Flatten())
c = RNN([LSTMCell(4), GRUCell(5), LSTMCell(6)])
[train]
loss = mse
INI
  expect 0 "wrappers in wrappers" 0 summary nest.ini --depth 9
  once out "│    └ layer (TimeDistributed)"
  once out "│       └ layer (Dense)"
  once out "│    └ layer (Flatten)"
  once out "│    └ lstm_cell (LSTMCell)"
  once out "│    └ gru_cell (GRUCell)"
  once out "│    └ lstm_cell_1 (LSTMCell)"
  expect 0 "one level" 0 summary nest.ini --depth 2
  grep -q "│       └" out && fail "two levels at depth 2"
}

# bytes NAME FILE: what --json says about memory.
bytes() { sed -n 's/.*"memory":{.*"'"$1"'":\([0-9]*\).*/\1/p' "$2"; }

costs() {
  # Dense(8) on 8 takes 2 * 64 operations; backward takes twice as many, but for the first layer's input.
  expect 0 "operations" 0 summary blocks.ini
  once out " Operations per sample: 960 forward, 2.75 K in training"
  once out "(1 rank, passes of 8 rows of a batch of 8)"
  check=$(kdist 0 check blocks.ini | sed -n 's/^ *memory *\(.*\) per rank of.*/\1/p')
  once out " Memory per rank: $check ("
  check=$(kdist 2 check blocks.ini | sed -n 's/^ *memory *\(.*\) per rank of.*/\1/p')
  for way in "0 --ranks 2" "2"; do
    # shellcheck disable=SC2086
    expect 0 "two ranks" ${way%% *} summary blocks.ini ${way#[02]}
    once out " Memory per rank: $check (2 ranks, passes of 4 rows of a batch of 8)"
  done
  expect 0 "accumulated micro-shards" 0 summary blocks.ini --ranks 2 distributed.determinism=world \
    distributed.micro_shards=8 --json
  check=$(kdist 2 check blocks.ini distributed.determinism=world distributed.micro_shards=8 | sed -n 's/.*sums \([0-9.]* KB\).*/\1/p')
  [ "$(awk -v b="$(bytes gradients out)" 'BEGIN { printf "%.2f KB", b / 1024 }')" = "$check" ] ||
    fail "gradients of world: $(bytes gradients out) is not $check"
  sed '/^loss/d' blocks.ini >predicts.ini
  expect 0 "without a loss" 0 summary predicts.ini
  once out " Operations per sample: 960 forward"
  grep -q "gradients\|checkpoints" out && fail "gradients without a loss"
  sed 's/^shape = 8/shape = none, 8/' blocks.ini >variable.ini
  expect 0 "variable axes" 0 summary variable.ini
  once out "Operations and memory: unknown: they depend on the data: input x has the shape (None, None, 8)"
  sed '/^\[data/,/^samples/d' blocks.ini >nodata.ini
  expect 0 "no data" 0 summary nodata.ini
  has out "Memory per rank"
}

json() {
  expect 0 "--json" 0 summary blocks.ini --json --depth 1
  [ "$(wc -l <out)" = 1 ] || fail "--json: not one line"
  has out '{"name":"body","block":"pair","copies":3,"outputs":[{"shape":[null,8],"dtype":"float32"}],"params":432,"trainable_params":432,"forward_flops":768,"inputs":[{"name":"first","call":0,"output":0}]}'
  has out '"params":540,"trainable_params":540,"non_trainable_params":0,'
  has out '"forward_flops":960,"training_flops":2752,"memory":{"ranks":1,"batch_size":8,"pass_rows":8,"total":'
  sum=0
  for part in weights gradients optimizer activations checkpoint_copies; do sum=$((sum + $(bytes $part out))); done
  [ $sum = "$(bytes total out)" ] || fail "the parts of memory are $sum, not $(bytes total out)"
  expect 0 "inner layers" 0 summary "$golden/sequences.ini" --json --depth 2
  has out '"inner":[{"name":"forward_layer","type":"LSTM","level":1,"params":800},'
}

mistakes() {
  expect 2 "depth 0" 0 summary blocks.ini --depth 0
  has err "--depth"
  expect 2 "no number" 0 summary blocks.ini --depth deep
  expect 2 "more ranks than rows" 0 summary blocks.ini --ranks 9
  has err "batch_size is 8"
}

as_keras
depth
inside
costs
json
mistakes
finish
