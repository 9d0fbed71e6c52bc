#!/bin/bash
# Weights of samples from files of all formats: the same losses everywhere, and what is wrong is named. Values against Keras stand in
# trainer/test_golden_training.
. "$(dirname "$0")/../support/program.sh" || exit 1
data=$(cd "$support/../golden/data" && pwd)

# model FORMAT FILES KEYS: the model gives each class a third.
model() {
  cat >a.ini <<INI
[run]
name = a
[input x]
shape = 3
[layer y]
type = Dense
units = 3
kernel_initializer = zeros
activation = softmax
[data]
format = $1
train = $2
test = $2
$3
[train]
epochs = 2
batch_size = 8
optimizer = SGD(0.0)
loss = sparse_categorical_crossentropy
weighted_metrics = sparse_categorical_crossentropy
INI
}

# trains RANKS: the loss of a sample is log(3), so that of the data is log(3) times the mean weight; the weighted metric is log(3).
expected=$(awk -F, 'NR > 1 { sum += $4; n++ } END { printf "%.4f", log(3) * sum / n }' "$data/weighted.csv")
trains() {
  rm -rf runs
  expect 0 "$format on $1 ranks" "$1" fit a.ini || return
  awk -F, -v want="$expected" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    NR > 1 && (($at["loss"] - want) ^ 2 > 1e-6 || ($at["sparse_categorical_crossentropy"] - log(3)) ^ 2 > 1e-9) { exit 1 }
    END { exit NR != 3 }' runs/a/log.csv || { fail "$format on $1 ranks: not $expected"; cat runs/a/log.csv; }
  expect 0 "evaluate, $format" "$1" evaluate a.ini --json
  awk -v want="$expected" -F'"loss":' '{ exit ($2 - want) ^ 2 > 1e-6 }' out || { fail "evaluate, $format"; cat out; }
}

for format in csv npz hdf5; do
  model $format "$data/weighted.${format/hdf5/h5}" "sample_weight = w"
  trains 0
  trains 2
done

# refuse TEXT PATTERN
refuse() {
  expect 2 "$1" 0 check a.ini && has err "$2"
}
model csv "$data/weighted.csv" "sample_weight = v"
refuse "no such column" "there is no column 'v' (sample_weight = v)"
model npz "$data/weighted.npz" "sample_weight = v"
refuse "no such array" "there is no array v"
model hdf5 "$data/weighted.h5" "sample_weight = pairs"
refuse "two weights for a sample" "the weights of output y have samples of shape (2,): expected one number for each sample"
model npy "$data/f4.npy, $data/labels.npy" "sample_weight = w"
refuse "no file of weights" "takes one file for each of x, y, sample_weight = w: 3 files, not 2"
model hdf5 "$data/weighted.h5" ""
echo "class_weight = [1, 2, 3, 4]" >>a.ini
refuse "too many classes" "class_weight has 4 weights, but output y has 3 classes"
finish
