#!/bin/bash
# kdist export, and [export] of fit: which weights are taken, and what is refused. That Keras reads the files is checked in
# tests/interop/test_export.sh.
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$(dirname "$0")/../support/program.sh"
. "$support/exported_run.sh"
command -v unzip >/dev/null || { echo "skipped: no unzip"; exit 77; }

exported_run "at-{epoch}.keras" "keras = deep/m.keras"

member() { unzip -p "$1" "$2"; }
unpack() { member "$1" model.weights.h5 >"$2"; }
# --- fit writes the model, on any number of ranks the same
expect 0 "fit" 0 fit run.ini --progress=none
[ -f runs/e/deep/m.keras ] || fail "fit wrote no model"
for epoch in 1 2; do [ -f runs/e/at-$epoch.keras ] || fail "ModelCheckpoint wrote no at-$epoch.keras"; done
expect 0 "fit on two ranks" 2 fit run.ini --progress=none run.dir=two distributed.determinism=world
expect 0 "fit on one rank" 1 fit run.ini --progress=none run.dir=one distributed.determinism=world
unpack one/deep/m.keras one.h5
unpack two/deep/m.keras two.h5
same one.h5 two.h5 "models of one and two ranks"
unpack runs/e/deep/m.keras fit.h5
same fit.h5 runs/e/model.weights.h5 "the model's weights and the weights file"
member runs/e/deep/m.keras config.json >config.json
has config.json '"class_name":"Functional"'

# --- export: the run's newest checkpoint has the optimizer's state, a weights file has none
expect 0 "export" 0 export run.ini -o m.keras
unpack m.keras export.h5
same fit.h5 export.h5 "weights of fit and of export"
expect 0 "export of a checkpoint" 0 export run.ini -o c.keras --checkpoint runs/e/checkpoints/step-0000000004.h5
unpack c.keras first.h5
unpack runs/e/at-1.keras at.h5
same first.h5 at.h5 "the first epoch's checkpoint and ModelCheckpoint's file"
expect 0 "export of weights" 0 export run.ini --output=w.keras --weights runs/e/model.weights.h5
unpack w.keras weights.h5
cmp -s weights.h5 fit.h5 && fail "the optimizer's state stands in a file of weights alone"
expect 0 "export of start weights" 0 export run.ini -o s.keras --untrained
rm -r runs/e/checkpoints
expect 0 "export without checkpoints" 0 export run.ini -o p.keras
unpack p.keras plain.h5
same plain.h5 weights.h5 "the run's weights file by itself and named"

# --- round trips: what was exported is read again, and exported again
expect 0 "export for a round trip" 0 export run.ini -o t.keras
expect 0 "predict" 0 predict run.ini data.test=train.csv -o ours.csv
expect 0 "predict from the archive" 0 predict t.keras data.format=csv data.test=train.csv "data.map.x=a, b, c, d" data.map.y=label -o again.csv
same ours.csv again.csv "predictions of the model and of its archive"
expect 0 "export of the archive" 0 export t.keras -o u.keras run.dir=nowhere
expect 0 "predict from the second archive" 0 predict u.keras data.format=csv data.test=train.csv "data.map.x=a, b, c, d" data.map.y=label -o more.csv
same ours.csv more.csv "predictions of the model and of its second archive"

again() { # TEXT FILE ...: the archive of a configuration, and that of the archive, say the same
  local text=$1
  shift
  expect 0 "export of $text" 0 export "$@" -o first.keras --untrained run.name=same
  expect 0 "export of $text again" 0 export first.keras -o second.keras run.name=same run.dir=nowhere
  member first.keras config.json >first.json
  member second.keras config.json >second.json
  same first.json second.json "config.json of $text"
}
for name in speech forecast tickets transformer fashion_mnist; do again $name "$source/examples/$name.ini"; done
for function in 'gelu(approximate=true)' 'leaky_relu(0.3)' 'relu(0.1, max_value=2)' 'elu(0.5)' 'softmax(axis=1)' 'celu(0.7)' \
  'glu(axis=1)' 'hard_shrink(0.7)' 'squareplus(2)' 'log_softmax(axis=1)' 'sparsemax(axis=1)' 'soft_shrink(0.7)' 'threshold(0.5, 0.1)'; do
  again "$function" run.ini h.units=6 "h.activation=$function"
done

# --- errors
refused() { # TEXT ARGUMENT...
  local text=$1
  shift
  expect 2 "$text" 0 "$@" && has err "$text"
}
refused "needs a name for the model: -o FILE.keras, -o FILE.onnx or -o FOLDER/ (a SavedModel)" export run.ini
refused "(a SavedModel), not m.h5" export run.ini -o m.h5
refused "give one of them" export run.ini -o m.keras --untrained --weights w.h5
refused "neither a checkpoint nor model.weights.h5" export run.ini -o m.keras run.dir=nowhere
expect 2 "export of two ranks" 2 export run.ini -o m.keras --untrained && has err "leave out mpirun"
refused "unknown key 'safetensors'; known are: keras, onnx, savedmodel, opset" check run.ini export.safetensors=m
refused "the name must end in .keras" check run.ini export.keras=m.h5
refused "the filepath ends in .keras" check run.ini 'callbacks.each=ModelCheckpoint(a.h5)'
refused "the filepath ends in .weights.h5" check run.ini 'callbacks.each=ModelCheckpoint(a.keras, save_weights_only=true)'
refused "No such file" export run.ini -o m.keras --checkpoint nothing.h5
expect 1 "no folder" 0 export run.ini -o no/such/m.keras --untrained && has err "no/such/m.keras"
echo damaged >bad.weights.h5
expect 2 "damaged weights" 0 export run.ini -o bad.keras --weights bad.weights.h5
[ -e bad.keras ] && fail "a refused export left bad.keras"
finish
