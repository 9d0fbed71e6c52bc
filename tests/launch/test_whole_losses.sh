#!/bin/bash
# Losses of whole batches give the same bytes on any number of ranks and after a resume; what they do not know is refused.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1

check() { # NAME ARGUMENT...
  local name=$1
  shift
  train 0 "$name" 0 train.epochs=3 "$@"
  for n in 2 3 4; do
    train 0 "$name-$n" $n train.epochs=3 "$@"
    equal "$name" "$name-$n"
  done
  train 0 "$name-resumed" 3 train.epochs=1 "$@"
  train 0 "$name-resumed" 2 train.epochs=3 "$@" --resume
  equal "$name" "$name-resumed"
  # Passes and ranks of other sizes: the same loss but for rounding.
  train 0 "$name-passes" 2 train.epochs=3 "$@" distributed.determinism=run train.micro_batch=3
  paste -d, <(tail -n 1 "runs/$name/log.csv") <(tail -n 1 "runs/$name-passes/log.csv") |
    awk -F, '{ for (i = 2; i <= NF / 2; i++) if (($i - $(i + NF / 2)) ^ 2 > 1e-4) exit 1 }' || fail "$name: passes give another loss"
}

# Without batch normalisation and dropout, which see one pass alone.
plain=(layer.bn.trainable=false layer.drop1.rate=0 layer.drop2.rate=0)
column=(layer.logits.units=1 layer.logits.activation=sigmoid train.metrics=none)
check dice "${column[@]}" "${plain[@]}" train.loss=Dice
check tversky "${column[@]}" "${plain[@]}" train.loss="Tversky(0.3, 0.6)"
check circle "${plain[@]}" train.loss="Circle(gamma=2)"

expect 2 "weights of classes" 0 fit cnn.ini run.dir=runs/weights --progress=none "${column[@]}" train.loss=Dice \
  train.class_weight="1, 2"
has err "Dice is one number of the whole batch"
expect 2 "shapes" 0 fit cnn.ini run.dir=runs/shapes --progress=none train.metrics=none train.loss=Dice
has err "the model wants (4,)"
finish
