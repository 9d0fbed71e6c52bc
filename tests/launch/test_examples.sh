#!/bin/bash
# The examples: numbers of parameters, and a short training of each with its own data, fetched by the scripts of examples/data.
# Data that cannot be fetched (no network) are reported as skipped.
. "$(dirname "$0")/../support/program.sh" || exit 1
examples=$support/../../examples
limit=300
skipped=()

# parameters NAME NUMBER
parameters() {
  kdist 0 summary "$examples/$1.ini" --json >out 2>err || fail "summary $1: $(tail -n 2 err)"
  grep -qE "\"(total_)?param(eter)?s\": *$2\b" out || fail "$1 has not $2 parameters: $(grep -m1 param out)"
}
parameters fashion_mlp 235146
parameters tickets 752097
parameters transformer 3385985
parameters resnet50 25610152
parameters speech 36937
parameters forecast 12109
parameters characters 623551
parameters biology 1537

# fetch NAME: the data as examples/get_data.sh makes them, with the tests' Python.
fetch() {
  mkdir -p "data/$1"
  "$KDIST_PYTHON" "$examples/data/$1.py" "data/$1" >fetch.out 2>fetch.err && return 0
  skipped+=("$1")
  echo "skipped: $1: its data cannot be fetched: $(tail -n 1 fetch.err | cut -c1-200)"
  return 1
}

# score NAME KEY: a number that evaluate gives.
score() { kdist 0 evaluate "$examples/$1.ini" --json 2>err | sed -n "s/.*\"$2\": *\([0-9.e-]*\).*/\1/p"; }

# better NAME KEY RELATION NUMBER
better() {
  local got
  got=$(score "$1" "$2")
  awk "BEGIN { exit !(\"$got\" != \"\" && $got $3 $4) }" || fail "$1: $2 is '$got', not $3 $4: $(tail -n 2 err)"
}

export KDIST_DATA=$work/data
if [ -z "$KDIST_PYTHON" ]; then
  [ $failures = 0 ] || finish
  echo "skipped: trainings: data need Python (KDIST_PYTHON is not set); numbers of parameters are right"
  exit 77
fi
if fetch tickets; then
  expect 0 tickets 2 fit "$examples/tickets.ini" train.epochs=2 && better tickets priority_binary_accuracy '>' 0.75
fi
if fetch speech; then
  expect 0 speech 2 fit "$examples/speech.ini" train.epochs=25 && better speech accuracy '>' 0.85
fi
if fetch forecast; then
  expect 0 forecast 1 fit "$examples/forecast.ini" train.epochs=20 && better forecast mae '<' 0.6
fi
if fetch biology; then
  expect 0 biology 1 fit "$examples/biology.ini" && better biology binary_accuracy '>' 0.92
fi
if fetch characters; then
  expect 0 characters 2 fit "$examples/characters.ini" train.steps_per_epoch=25 train.epochs=1 \
    "train.optimizer=Adam(0.002)" && better characters loss '<' 3.3
fi
if fetch verses; then
  expect 0 transformer 2 fit "$examples/transformer.ini" train.steps_per_epoch=2 train.epochs=1
fi
[ ${#skipped[@]} = 0 ] || echo "skipped: ${skipped[*]}"
finish
