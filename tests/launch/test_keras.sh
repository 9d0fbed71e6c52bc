#!/bin/bash
# Models that Keras saved (tests/golden/make_keras.py): every command takes them, on one rank and two; outputs are Keras's.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/program.sh"
golden=$here/../golden/keras

# near NAME MODEL RANKS: the mean squares of the differences to Keras's outputs, and their sum, are those of rounding.
near() {
  cp "$golden/$1.npz" "$1.npz"
  expect 0 "evaluate $2" "$3" evaluate "$2" data.format=npz "data.test=$1.npz" train.loss=mse train.metrics=none train.loss_weights=none --json || return
  tr ',{}' '\n' <out | awk -F: 'NF == 2 { n++; if (!($2 < 1e-9)) bad = bad " " $0 } END { print bad; exit n == 0 || bad != "" }' >far ||
    fail "$2 on $3 ranks: far from Keras:$(cat far)"
}

for name in shared recurrent operations normalized; do
  near "$name" "$golden/$name.keras" 0
  near "$name" "$golden/$name.keras" 2
done
near folder "$golden/folder" 0
near nested "$golden/nested.h5" 0
near nested "$golden/nested.h5" 2
near keras2 "$golden/keras2.h5" 0
near keras2 "$golden/keras2.h5" 2

# --- looking
cp "$golden/shared.keras" m.keras
expect 0 summary 0 summary m.keras && has out "both (Dense)" && has out "Total params"
expect 0 plot 0 plot m.keras -o m.svg && has m.svg "norm"
expect 0 plan 0 plan m.keras
expect 0 config 0 config "$golden/folder" && has out "AdamW" && has out "[input image]" && has out "metrics = [mae]"
cp out again.ini
expect 0 "config again" 0 config again.ini && cp out twice.ini
expect 0 "config a third time" 0 config twice.ini && same out twice.ini "config"

# --- an INI file around it: data, other settings, a layer that is changed
cat >a.ini <<EOF
[model]
file = m.keras
[data]
format = npz
train = shared.npz
test = shared.npz
[train]
epochs = 3
batch_size = 2
loss = mse
optimizer = SGD(0.01)
[layer both]
trainable = false
EOF
expect 0 check 0 check a.ini
expect 0 fit 2 fit a.ini && has runs/a/config.ini "file = m.keras"
expect 0 "resume" 0 fit a.ini --resume train.epochs=4
expect 0 "evaluate, trained" 0 evaluate a.ini --json && cp out trained && has err "--weights m.keras takes those of the model's file"
expect 0 "evaluate, the same by name" 0 evaluate a.ini --weights runs/a/model.weights.h5 --json && same out trained "--weights"
expect 0 "evaluate, the file's" 0 evaluate a.ini --weights m.keras --json && cp out untrained
cmp -s out trained && fail "training changed nothing"
expect 0 predict 0 predict a.ini -o p.npz
expect 0 "evaluate, before training" 0 evaluate a.ini run.name=b --json && same out untrained "[model] file"
expect 0 "start weights of another configuration" 0 evaluate a.ini model.init_from=runs/a/model.weights.h5 --json && same out trained "init_from"
has err "takes what fit saved"

# --- the optimizer's state in the file, on two ranks too; another optimizer or other weights begin anew
cp "$golden/continued.npz" .
cp "$golden/continued.keras" c.keras
for ranks in 0 2; do
  expect 0 "fit, continued" $ranks fit c.keras data.format=npz data.train=continued.npz train.epochs=2 train.batch_size=4 run.name=c$ranks
  has err "c.keras: holds the optimizer's state after 6 steps"
done
expect 0 "fit, another optimizer" 0 fit c.keras data.format=npz data.train=continued.npz train.optimizer=adam run.name=d
grep -q "holds the optimizer" err && fail "another optimizer goes on with the file's state"
expect 0 "fit, other weights" 0 fit c.keras data.format=npz data.train=continued.npz "model.init_from=$golden/continued.weights.h5" run.name=e
grep -q "holds the optimizer" err && fail "other weights go on with the file's state"
cat >frozen.ini <<EOF
[model]
file = c.keras
[data]
format = npz
train = continued.npz
[layer hidden]
trainable = false
EOF
expect 0 "fit, fewer variables" 0 fit frozen.ini && has err "variables are skipped" && has err "holds 9 variables of the optimizer, but this optimizer has 5"

# --- the form of Keras 2: weights alone, compile settings, all the way to weights that have the model's groups
cat >k.ini <<EOF
[model]
file = $golden/keras2.h5
[data]
format = npz
train = keras2.npz
test = keras2.npz
EOF
expect 0 "of Keras 2" 0 evaluate k.ini --json && cp out file
expect 0 "of Keras 2, weights alone" 0 evaluate k.ini --weights "$golden/keras2_weights.h5" --json && same out file "--weights"
{ cat k.ini; printf '[layer tower/squeeze]\ntrainable = false\n'; } >frozen2.ini
expect 0 "of Keras 2, frozen since" 0 evaluate frozen2.ini --json && same out file "frozen since"
{ cat k.ini; printf '[layer tower/fixed]\ninit_from = %s\n' "$golden/keras2_weights.h5"; } >layer.ini
expect 0 "of Keras 2, a layer" 0 evaluate layer.ini --json && same out file "init_from of a layer"
expect 0 "fit of Keras 2" 2 fit k.ini train.epochs=2 train.batch_size=5 run.dir=k
expect 0 "trained, of Keras 2" 0 evaluate k.ini --weights k/model.weights.h5 --json
cmp -s out file && fail "training a model of Keras 2 changed nothing"

# --- wrong files
head -c 20000 m.keras >cut.keras
expect 2 cut 0 summary cut.keras && has err "cut.keras: cannot open as a .keras archive"
expect 2 missing 0 summary none.keras && has err "none.keras"
mkdir bare && cp "$golden/folder/config.json" bare/
expect 2 "no weights" 0 evaluate bare data.format=npz data.test=folder.npz && has err "bare/model.weights.h5"
mkdir mixed && cp "$golden/folder/config.json" mixed/ && cp m.keras mixed/model.weights.h5
expect 2 "no HDF5" 0 evaluate mixed data.format=npz data.test=folder.npz && has err "mixed/model.weights.h5: cannot open as HDF5"
mkdir other && sed 's/"units": 3/"units": 4/' "$golden/folder/config.json" >other/config.json && cp "$golden/folder/model.weights.h5" other/
expect 2 "other weights" 0 predict other data.format=npz data.test=folder.npz -o p.npz && has err "but the model wants (5, 4)"
cp "$golden/nested.h5" n.h5 && head -c 30000 n.h5 >cut.h5
expect 2 "cut HDF5" 0 summary cut.h5 && has err "cut.h5: cannot open as HDF5"
expect 2 "missing HDF5" 0 summary none.h5 && has err "none.h5: cannot open"
expect 2 "weights alone" 0 summary runs/a/model.weights.h5 && has err "model.weights.h5: holds no model (attribute model_config)"
expect 2 "weights of another model" 0 evaluate a.ini --weights n.h5 && has err "layer encoder in n.h5 holds 8 variables, but the model's has 2"
expect 2 "no model" 0 check a.ini model.file=zzz.keras && has err "zzz.keras"

finish
