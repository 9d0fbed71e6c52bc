#!/bin/bash
# SavedModels of kdist export, [export] and ModelCheckpoint: who writes them, and what is refused before training. That TensorFlow
# computes them is checked in tests/interop/test_saved_model_models.sh.
. "$(dirname "$0")/../support/program.sh"
. "$support/exported_run.sh"

exported_run "at/{epoch}/" "savedmodel = deep/1"
pb=saved_model.pb

# --- fit writes the model, on any number of ranks the same
expect 0 "fit" 0 fit run.ini --progress=none
expect 0 "fit on two ranks" 2 fit run.ini --progress=none run.dir=two distributed.determinism=world
expect 0 "fit on one rank" 1 fit run.ini --progress=none run.dir=one distributed.determinism=world
same one/deep/1/$pb two/deep/1/$pb "models of one and two ranks"
same runs/e/deep/1/$pb runs/e/at/2/$pb "the model at the end and that of the last epoch"
cmp -s runs/e/at/1/$pb runs/e/at/2/$pb && fail "both epochs left the same model"

# --- export: checkpoints and weights files hold the same weights; a slash at the end changes nothing
expect 0 "export" 0 export run.ini -o served
same served/$pb runs/e/deep/1/$pb "the newest checkpoint and the end of fit"
[ "$(ls served)" = $pb ] || fail "served holds $(ls served)"
expect 0 "export of a checkpoint" 0 export run.ini -o v1.0/ --checkpoint runs/e/checkpoints/step-0000000004.h5
same v1.0/$pb runs/e/at/1/$pb "the first epoch's checkpoint and ModelCheckpoint's folder"
expect 0 "export over it" 0 export run.ini -o v1.0/ --weights runs/e/model.weights.h5
same v1.0/$pb served/$pb "a weights file and a checkpoint"
ls -d ./*.tmp >/dev/null 2>&1 && fail "a temporary folder was left"

# --- a folder that holds anything else is left alone: told before training, when a model of before is taken away too
expect 1 "a folder of others" 0 export run.ini -o runs/e --untrained && has err "which is no part of a model of kdist"
touch runs/e/deep/1/notes
rm runs/e/log.csv
expect 1 "fit into a folder of others" 0 fit run.ini --overwrite --progress=none && has err "the folder holds notes"
[ -e runs/e/log.csv ] && fail "a run that cannot be exported was trained"
[ -e runs/e/deep/1/$pb ] || fail "a refused run took the model away"
rm runs/e/deep/1/notes
sed -i 's/^y = Dense(3)/y = Dense(4)/' run.ini
expect 0 "fit anew" 0 fit run.ini --overwrite --progress=none
cmp -s served/$pb runs/e/deep/1/$pb && fail "the old model is still there"

# --- errors; before training where it would end in one
refused() { # TEXT ARGUMENT...
  local text=$1
  shift
  expect 2 "$text" 0 "$@" && has err "$text"
}
sed 's/^y = /d = Dropout(0.5)(h, training=true)\ny = /' run.ini >drawn.ini
for command in check fit "export -o d/ --untrained"; do
  # shellcheck disable=SC2086
  refused "layer d has no form in SavedModel: primitive pointwise: it draws random numbers" $command drawn.ini run.dir=drawn
done
[ -e drawn/log.csv ] && fail "a run that cannot be exported was trained"
expect 1 "no folder" 0 export run.ini -o no/such/m/ --untrained && has err "no/such/m.tmp"
finish
