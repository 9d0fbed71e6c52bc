#!/bin/bash
# Optimizers with rules per weight, whose slots have shapes of their own, and constraints: the same bytes on any number of ranks, and after a resume
# at another number.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/small_cnn.sh" || exit 1

check() { # NAME OPTIMIZER ARGUMENT...
  local rule=(train.optimizer="$2" train.steps_per_epoch=4 "${@:3}")
  train 0 "$1" 0 train.epochs=3 "${rule[@]}"
  train 0 "$1-ranks" 3 train.epochs=3 "${rule[@]}"
  equal "$1" "$1-ranks"
  train 0 "$1-resumed" 2 train.epochs=2 "${rule[@]}"
  train 0 "$1-resumed" 4 train.epochs=3 "${rule[@]}" --resume
  equal "$1" "$1-resumed"
}

check adafactor "Adafactor(0.02)"
check muon "Muon(0.02, exclude_layers=[logits], gradient_accumulation_steps=2)"
check free "ScheduleFreeAdamW(0.02, warmup_steps=3, global_clipnorm=1.0)"
check held "SGD(0.05, momentum=0.9)" layer.fc.kernel_constraint="MaxNorm(0.3)" layer.conv.kernel_constraint="UnitNorm([0, 1, 2])"
cmp -s runs/held/model.weights.h5 runs/muon/model.weights.h5 && fail "constraints and rules change nothing"
finish
