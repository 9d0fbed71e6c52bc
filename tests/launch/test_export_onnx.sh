#!/bin/bash
# ONNX files of kdist export, [export] and ModelCheckpoint: who writes them, and what is refused before training. That
# onnxruntime computes them is checked in tests/interop/test_onnx_models.sh.
. "$(dirname "$0")/../support/program.sh"
. "$support/exported_run.sh"

exported_run "at-{epoch}.onnx" "onnx = deep/m.onnx"

# --- fit writes the model, on any number of ranks the same
expect 0 "fit" 0 fit run.ini --progress=none
expect 0 "fit on two ranks" 2 fit run.ini --progress=none run.dir=two distributed.determinism=world
expect 0 "fit on one rank" 1 fit run.ini --progress=none run.dir=one distributed.determinism=world
same one/deep/m.onnx two/deep/m.onnx "models of one and two ranks"
same runs/e/deep/m.onnx runs/e/at-2.onnx "the model at the end and that of the last epoch"

# --- export: checkpoints and weights files hold the same weights
expect 0 "export" 0 export run.ini -o m.onnx
same m.onnx runs/e/deep/m.onnx "the newest checkpoint and the end of fit"
expect 0 "export of a checkpoint" 0 export run.ini -o c.onnx --checkpoint runs/e/checkpoints/step-0000000004.h5
same c.onnx runs/e/at-1.onnx "the first epoch's checkpoint and ModelCheckpoint's file"
expect 0 "export of weights" 0 export run.ini -o w.onnx --weights runs/e/model.weights.h5
same w.onnx m.onnx "a weights file and a checkpoint"
expect 0 "another opset" 0 export run.ini -o o.onnx --opset 20
cmp -s o.onnx m.onnx && fail "--opset changes nothing"
expect 0 "opset of the configuration" 0 export run.ini -o p.onnx export.opset=20
same o.onnx p.onnx "--opset and [export] opset"

# --- errors; before training where it would end in one
refused() { # TEXT ARGUMENT...
  local text=$1
  shift
  expect 2 "$text" 0 "$@" && has err "$text"
}
refused "opset 24 is not known; use 17 to 23" export run.ini -o m.onnx --opset 24
refused "opset" export run.ini -o m.onnx --opset 9
refused "opset" check run.ini export.opset=24
refused "the name must end in .onnx" check run.ini export.onnx=m.pb
refused "the filepath ends in .keras, .onnx or / (a SavedModel)" check run.ini 'callbacks.each=ModelCheckpoint(a.h5)'
sed 's/^y = /d = Dropout(0.5)(h, training=true)\ny = /' run.ini >drawn.ini
for command in check fit "export -o d.onnx --untrained"; do
  # shellcheck disable=SC2086
  refused "layer d has no form in ONNX: primitive pointwise: it draws random numbers" $command drawn.ini run.dir=drawn
done
[ -e drawn/log.csv ] && fail "a run that cannot be exported was trained"
expect 1 "no folder" 0 export run.ini -o no/such/m.onnx --untrained && has err "no/such/m.onnx"
finish
