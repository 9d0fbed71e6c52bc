#!/usr/bin/env bash
# Writes docs/parity.md: how far results are from Keras's, as the golden tests measure it.
#   docs/parity.sh            runs the tests and writes the page
#   docs/parity.sh --check    compares the page with what the tests measure now and with the classes that the program has
# The program is $KDIST, else build/bin/kdist; the tests stand in the folder tests beside bin.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
page=$root/docs/parity.md
kdist=${KDIST:-$root/build/bin/kdist}
tests=$(dirname "$kdist")/../tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for test in layers_test_golden_layers trainer_test_golden_layer_steps trainer_test_golden_losses trainer_test_golden_optimizers \
  trainer_test_golden_schedules trainer_test_golden_training; do
  [ -x "$tests/$test" ] || { echo "parity.sh: $tests/$test is not there: build it" >&2; exit 1; }
  KDIST_PARITY=$work/lines "$tests/$test" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
done

# Bounds are powers of ten with room for other processors: four times what was measured, rounded up, at least 1e-7. A check
# takes what it measures as it is.
bounds() { # FACTOR
  awk -v factor="$1" '{ key = $1 " " $2; if (!(key in worst) || $3 > worst[key]) worst[key] = $3 }
    END { for (key in worst) {
      for (power = -7; 10 ^ power < factor * worst[key]; power++);
      print key, "1e" power } }' "$work/lines"
}

# Every class as "FAMILY CLASS", in the order of the program.
classes() { "$kdist" layers | awk '/^[a-z]+:$/ { family = substr($0, 1, length($0) - 1); next } /^  / { print family, $1 }'; }

# The file of tests that speaks of a class without golden numbers: decisions, distributions, files.
elsewhere() { # FAMILY CLASS
  case $1 in
    initializers) set -- "$2" tests/layers/test_initializers.c ;;
    callbacks) set -- "$2" tests/golden/callbacks.txt tests/trainer/test_fit.c tests/launch/test_resume.sh tests/support/small_cnn.sh ;;
    *) return 0 ;;
  esac
  local name
  name=$(sed 's/\([a-z]\)\([A-Z]\)/\1_*\2/g' <<<"$1") # also as a word: glorot_normal
  (cd "$root" && grep -liw -- "$name" "${@:2}" | head -n 1) || true
}

table() { # FAMILY [FAMILY of its classes]
  printf '| class | difference |\n|---|---|\n'
  classes | awk -v family="${2:-$1}" '$1 == family { print $2 }' | while read -r class; do
    bound=$(awk -v family="$1" -v class="$class" '$1 == family && $2 == class { print $3 }' "$work/bounds")
    [ -n "$bound" ] || bound=$(elsewhere "$1" "$class" | sed 's/.*/`&`/')
    [ "$class" = InputLayer ] && bound='has no numbers of its own'
    [ "$class" = History ] && bound='the epochs of the runs below'
    [ -n "$bound" ] || { echo "parity.sh: $1 $class: no test compares it with Keras" >&2; exit 1; }
    printf '| %s | %s |\n' "$class" "$bound"
  done
}

ten_steps() {
  cat <<'TEXT'

## Layers after ten steps

Weights, statistics and the losses of ten steps of SGD with a momentum of 0.9 on one batch, against Keras's `train_on_batch`:
the layer behind a Dense for each input, with the mean squared error of its outputs (`tests/golden/make_layer_steps.py`), for
the options of the cases above. The test holds each weight's difference to 1e-4 of what the weight moved by, and its
roundings. Layers that draw are trained with a rate of 0, or called with `training=false`: random numbers are not Keras's.

TEXT
  table layer_steps layers
}

write() {
  cat <<'TEXT'
# How far results are from Keras's

Made by `docs/parity.sh` from what the golden tests measure on the CPU. A difference is that of outputs, gradients, moving
statistics, masks and penalties of every case of the class in `tests/golden`, relative to the largest number of the array
that is compared, or to 0.1 where that is smaller. Truth is Keras in float64; float32 has a precision of 6e-8. Shown are
bounds: the largest difference with room for other processors, rounded up to a power of ten. `docs.test_parity.sh` fails
when a class is missing here or a difference is larger. Where a file stands in place of a number, it compares decisions,
distributions or bytes.
TEXT
  for family in layers cells activations regularizers constraints initializers losses metrics optimizers schedules callbacks; do
    printf '\n## %s%s\n\n' "$(printf '%s' "${family:0:1}" | tr '[:lower:]' '[:upper:]')" "${family:1}"
    table "$family"
    [ "$family" != layers ] || ten_steps
  done
  cat <<'TEXT'

## Not here

Classes of Keras 3.15's losses, metrics, optimizers, schedules, regularizers, constraints and initializers that kdist lacks.

| class | why |
|---|---|
| MultiOptimizer, OptimizerMap | open: an update has one rule; Muon and exclude_layers cover the usual pair |
| STFT | open: start values of STFTSpectrogram, a layer that is not here |
| Loss, Metric, MeanMetricWrapper, Optimizer, Regularizer, Constraint, Initializer, LearningRateSchedule | bases of classes written in Python |

## Whole runs

Logs of each step and epoch and the weights at the end of `tests/golden/training/NAME.ini`, ten steps and more, against
Keras's `fit`; in one pass, in passes of three rows, and in the micro-shards of `determinism = world`.

Masks and metrics: a metric that is a mean counts the steps that the output's mask lets through, in training and evaluation, as
Keras does on TensorFlow (on JAX the predictions of a training step have lost their masks when metrics see them, so that
Keras's training logs there count padding too, and those of evaluation do not). Metrics of decisions (AUC, Precision, ...)
count all steps, as Keras's.

| run | difference |
|---|---|
TEXT
  awk '$1 == "runs" { printf "| %s | %s |\n", $2, $3 }' "$work/bounds" | sort
}

# The page must have the same lines; its numbers may be larger.
check() {
  awk -F' \\| ' '
    function number(text) { sub(/ \|$/, "", text); return text ~ /^1e-[0-9]+$/ ? text + 0 : 0 }
    NR == FNR { here[NR] = $0; bound[NR] = number($2); next }
    { name = $1; value = number($2)
      if (bound[FNR] && value) {
        split(here[FNR], part, / \| /)
        if (part[1] != name) { print "line " FNR ": " part[1] " stands where " name " belongs"; bad = 1 }
        else if (value > bound[FNR]) { print name " |: the difference is up to " value ", the page says " bound[FNR]; bad = 1 }
      } else if (here[FNR] != $0) { print "line " FNR ": " here[FNR] "\n  should be " $0; bad = 1 }
      last = FNR }
    END { exit bad || !last }' "$page" "$work/page.md" || { echo "docs/parity.md is old or too strict: run docs/parity.sh"; exit 1; }
  [ "$(wc -l <"$page")" = "$(wc -l <"$work/page.md")" ] || { echo "docs/parity.md is old: run docs/parity.sh"; exit 1; }
}

check=${1:-}
bounds "$([ "$check" ] && echo 1 || echo 4)" >"$work/bounds"
write >"$work/page.md"
if [ "$check" ]; then check; else cp "$work/page.md" "$page"; fi
