#!/bin/bash
# The loss CTC from files: the same bytes on any number of ranks and after a resume; what does not fit is refused with a reason.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1

# Up to three labels of 1..4, zeros behind.
awk 'BEGIN {
  srand(7)
  print "0 0 8 2 0 0 0 90 0 0 0 3"
  for (i = 0; i < 90; i++) {
    n = int(4 * rand())
    for (k = 0; k < 3; k++) print k < n ? 1 + int(4 * rand()) : 0
  }
}' | bytes >words
cat >cnn.ini <<'INI'
[run]
seed = 5
[input image]
shape = 8, 8, 1
[layers]
scale = Rescaling($(1 / 255))
steps = Reshape((8, 8))
mask = Masking(mask_value=-1)
reset = Reshape((8, 8))
rnn = GRU(6, return_sequences=true)
drop = Dropout(0.2)
y = Dense(5)
[data]
format = idx
train = images, words
validation = images, words
[train]
epochs = 3
batch_size = 14
optimizer = Adam(learning_rate=0.02, global_clipnorm=1.0)
loss = CTC
[callbacks]
best = ModelCheckpoint(filepath=best.weights.h5, monitor=val_loss, save_best_only=true, save_weights_only=true)
csv = CSVLogger(filename=callback.csv)
backup = BackupAndRestore(backup_dir=backup, save_freq=2)
[distributed]
determinism = world
INI

train 0 one 0
for n in 2 3 4; do
  train 0 "ranks-$n" $n
  equal one "ranks-$n"
done
train 0 resumed 3 train.epochs=1
train 0 resumed 2 --resume
equal one resumed
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "loss") at = i } NR == 2 { first = $at } { last = $at }
  END { exit !(at && last < 0.9 * first) }' runs/one/log.csv || fail "the loss does not fall: $(cat runs/one/log.csv)"
# Passes and ranks of other sizes: the same loss but for rounding.
train 0 whole 0 layer.drop.rate=0
train 0 passes 2 layer.drop.rate=0 distributed.determinism=run train.micro_batch=3
paste -d, <(tail -n 1 runs/whole/log.csv) <(tail -n 1 runs/passes/log.csv) |
  awk -F, '{ for (i = 2; i <= NF / 2; i++) if (($i - $(i + NF / 2)) ^ 2 > 1e-4) exit 1 }' || fail "passes give another loss"

sed '/^reset/d' cnn.ini >masked.ini
refused() { # TEXT FILE ARGUMENT...
  local text=$1
  shift
  expect 2 "$text" 0 check "$@"
  has err "$text"
}
refused "is not in [0, 4)" cnn.ini layer.y.units=4
refused "CTC is one number of all steps of a sample and knows no masks of steps" masked.ini
refused "class_weight needs one class for each sample" cnn.ini train.class_weight="1, 2"
refused "(batch, steps, classes)" cnn.ini layer.rnn.return_sequences=false
finish
