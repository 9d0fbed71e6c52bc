#!/bin/bash
# What every command prints, writes and returns.
. "$(dirname "$0")/../support/program.sh" || exit 1

csv 60 1 >train.csv
csv 37 2 >test.csv
cat >a.ini <<'INI'
[run]
name = a
seed = 3
[input x]
shape = 4
[layer fc1]
type = Dense
units = 8
activation = relu
[layer fc2]
type = Dense
units = 3
[data]
format = csv
train = train.csv
test = test.csv
validation_split = 0.2
[train]
epochs = 3
batch_size = 16
optimizer = Adam(learning_rate=0.05)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
INI

# number FILE NAME: a value of a JSON object.
number() { sed -n 's/.*"'"$2"'":\([-+0-9.e]*\).*/\1/p' "$1" | tail -n 1; }
# once FILE TEXT: the text stands in one line of the file.
once() { [ "$(grep -cF -e "$2" "$1")" = 1 ] || { fail "$1: '$2' is not there once:"; head -n 5 "$1"; }; }

# Where types are told, and that half types are slow where the processor does not multiply them.
types() {
  local half=train.dtype_policy=mixed_bfloat16
  expect 0 "summary of types" 0 summary a.ini $half fc2.dtype=float32
  grep -q "^ Types: mixed_bfloat16, fc2: float32$" out || { fail "summary tells no types"; cat out; }
  expect 0 "check of types" 0 check a.ini $half
  grep -q "^  types       mixed_bfloat16$" out || { fail "check tells no types"; cat out; }
  expect 0 "summary of stored types" 0 summary a.ini train.dtype_policy=bfloat16
  once out ' Trainable params: 67 (134.00 B)'
  expect 0 "info" 0 info
  grep -q "^  bfloat16   products " out || { fail "info does not speak of bfloat16"; cat out; }
  KDIST_ISA=v3 expect 0 "bfloat16 without instructions" 0 fit a.ini run.dir=runs/types $half --progress=none
  grep -q "warning: bfloat16: this device has no instructions" err || { fail "no warning of slow bfloat16"; cat err; }
  rm -r runs
}

check_and_summary() {
  for n in 0 2; do
    expect 0 check $n check a.ini
    once out "  parameters  67, of which 67 are trained"
    has out "3 per epoch"
    [ -s err ] && { fail "check writes to stderr"; cat err; }
    expect 0 summary $n summary a.ini
    once out 'Model: "a"'
    once out ' Trainable params: 67 (268.00 B)'
    once out '(None, 8)'
    [ "$(grep -c '│' out)" -ge 2 ] || fail "no table"
  done
  expect 0 "summary --json" 0 summary a.ini --json
  has out '"fc1"'
  for n in 0 2; do
    expect 0 plan $n plan a.ini
    once out "of rank 0 of $((n ? n : 1)), training, CPU"
    once out "     mark 0"
    [ "$(grep -c '^ *[0-9]* matmul .*fc1/kernel' out)" = 1 ] || { fail "plan: no product with fc1/kernel"; cat out; }
  done
  expect 0 "plan --ranks" 0 plan a.ini --ranks 3
  has out "a pass of $((($(sed -n 's/.*batch_size *= *//p' a.ini) + 2) / 3)) rows of rank 0 of 3"
  [ -e runs ] && fail "check and summary leave a run folder"
}

config() {
  expect 0 config 2 config a.ini train.epochs=5 fc1.units=9
  once out "[layer fc1]"
  has out "epochs = 5"
  has out "units = 9"
  cp out b.ini
  expect 0 "config of a config" 0 config b.ini
  same b.ini out "config"
  KDIST_SET="train.epochs=6 fc1.units=7" expect 0 KDIST_SET 0 config a.ini fc1.units=9
  has out "epochs = 6"
  has out "units = 9"
  for format in long short json; do
    expect 0 "config --format=$format" 0 config a.ini --format=$format
    [ -s out ] || fail "config --format=$format is empty"
    cp out b.ini
    [ $format = json ] || expect 0 "config --format=$format" 0 check b.ini
  done
  expect 0 "config --origin" 0 config a.ini train.epochs=5 --origin
  has out "a.ini:18"
  has out "command line"
  expect 0 "config --defaults" 0 config a.ini --defaults
  has out "determinism = run"
  has out "use_bias = true"
  expect 0 "config --schema" 0 config --schema
  has out "batch_size"
  expect 0 "layers" 2 layers
  [ "$(grep -c '^ *Conv2D ' out)" = 1 ] || fail "layers under mpirun"
  expect 0 "layers Dense" 0 layers Dense
  has out kernel_initializer
  for command in info version help; do
    expect 0 $command 2 $command
    [ -s out ] || fail "$command is silent"
  done
  expect 0 --version 0 --version
  [ "$(wc -l <out)" = 1 ] || fail "--version: not one line"
}

fit() {
  for mode in plain json none bar auto; do
    for n in 0 2; do
      expect 0 "fit --progress=$mode" $n fit a.ini run.dir=runs/$mode$n --progress=$mode
      cp out $mode$n.out
    done
  done
  for n in 0 2; do
    once plain$n.out "Epoch 2/3"
    [ "$(grep -cE '^3/3 - [0-9]+s - [0-9]+[mu]?s/step - accuracy: .* - loss: .* - val_accuracy: .* - val_loss: ' plain$n.out)" = 3 ] ||
      { fail "plain lines:"; cat plain$n.out; }
    tr -d '\n -~' <plain$n.out | grep -q . && fail "control bytes in plain lines"
    tr -d '\n -~' <auto$n.out | grep -q . && fail "auto: control bytes in a file"
    [ -s none$n.out ] && fail "--progress=none prints"
    [ "$(grep -c '"event":"epoch"' json$n.out)" = 3 ] || { fail "json lines:"; cat json$n.out; }
    grep -qvE '^\{.*\}$' json$n.out && fail "json: other lines"
    grep -q $'\r' bar$n.out || fail "a bar without CR"
  done
  for file in config.ini command.txt env.txt log.csv model.weights.h5; do
    [ -s runs/plain0/$file ] || fail "the run folder has no $file"
  done
  [ "$(ls runs/plain0/checkpoints)" = $'step-0000000006.h5\nstep-0000000009.h5' ] || fail "checkpoints: $(ls runs/plain0/checkpoints)"
  [ "$(head -n 1 runs/plain0/log.csv | tr -d '\r')" = "epoch,accuracy,loss,val_accuracy,val_loss" ] || fail "log.csv: $(head -n 1 runs/plain0/log.csv)"
  [ "$(wc -l <runs/plain0/log.csv)" = 4 ] || fail "log.csv: $(wc -l <runs/plain0/log.csv) lines"
  has runs/plain0/command.txt "fit a.ini run.dir=runs/plain0 --progress=plain"
  same runs/plain0/model.weights.h5 runs/json0/model.weights.h5 "the same run twice"
  same runs/plain2/model.weights.h5 runs/json2/model.weights.h5 "the same run twice on 2 ranks"
  expect 0 "fit from its own config.ini" 0 fit runs/plain0/config.ini run.dir=runs/again --progress=none
  same runs/plain0/model.weights.h5 runs/again/model.weights.h5 "config.ini"
  expect 0 "save" 0 fit a.ini run.dir=runs/saves train.save=x.weights.h5,y.weights.h5 --progress=none
  same runs/saves/x.weights.h5 runs/saves/y.weights.h5
  expect 0 "save = none" 0 fit a.ini run.dir=runs/saves-none train.save=none --progress=none
  ls runs/saves-none/*.h5 2>/dev/null && fail "save = none saves"
  expect 0 "--resume=auto without a run" 0 fit a.ini run.dir=runs/auto --resume=auto --progress=none
  same runs/plain0/model.weights.h5 runs/auto/model.weights.h5 "--resume=auto"
}

evaluate() {
  for n in 0 1 2 3; do
    expect 0 evaluate $n evaluate a.ini run.dir=runs/plain0 --json distributed.determinism=world
    cp out evaluate$n
    same evaluate0 evaluate$n "evaluate on $n ranks"
    [ "$(wc -l <out)" = 1 ] || fail "evaluate --json: not one line"
  done
  [ -n "$(number out loss)" ] && [ -n "$(number out accuracy)" ] || { fail "evaluate --json:"; cat out; }
  expect 0 evaluate 0 evaluate a.ini run.dir=runs/plain0
  grep -qE '^3/3 - .* - accuracy: 0\.[0-9]{4} - loss: [0-9.]+$' out || { fail "evaluate:"; cat out; }
  expect 0 "evaluate --weights" 2 evaluate a.ini --weights runs/plain0/model.weights.h5 --json
  expect 0 "init_from" 0 evaluate a.ini model.init_from=runs/plain0/model.weights.h5 --json
  expect 0 "two files" 0 evaluate a.ini runs/plain0/config.ini --weights runs/plain0/model.weights.h5
}

predict() {
  for suffix in npy npz h5 csv; do
    for n in 0 1 2 3; do
      expect 0 "predict" $n predict a.ini run.dir=runs/plain0 -o p$n.$suffix
      same p0.$suffix p$n.$suffix "predict on $n ranks"
    done
    [ "$(ls | grep -c "^p[0-3].*$suffix")" = 4 ] || fail "predict leaves files: $(ls)"
  done
  [ "$(wc -l <p0.csv)" = 38 ] || fail "p.csv: $(wc -l <p0.csv) lines"
  [ "$(stat -c %s p0.npy)" = $((128 + 37 * 3 * 4)) ] || fail "p.npy: $(stat -c %s p0.npy) bytes"
  expect 0 "shard = coordinator" 3 predict a.ini run.dir=runs/plain0 -o c.csv distributed.shard=coordinator
  same p0.csv c.csv "coordinator"
  expect 0 "an existing file is replaced" 0 predict a.ini run.dir=runs/plain0 -o c.csv
  mkdir folder.npy
  expect 1 "a folder is in the way" 0 predict a.ini run.dir=runs/plain0 -o folder.npy
  expect 1 "no such folder" 0 predict a.ini run.dir=runs/plain0 -o nowhere/p.npy
  has err "nowhere/p.npy"
  # What was predicted can be read as data.
  printf '[data]\nformat = hdf5\ntrain = p0.h5\nmap.x = fc2\nmap.fc2 = fc2\n[input x]\nshape = 3\n[layers]\nfc2 = Dense(3)\n[train]\nloss = mse\n' >p.ini
  expect 0 "predictions as data" 2 fit p.ini --progress=none
}

bench() {
  for n in 0 2; do
    expect 0 bench $n bench a.ini --synthetic --steps 20 --warmup 2 --json
    for key in step_ms step_ms_min first_step_s rss_mb ranks threads samples_per_s; do
      [ -n "$(number out $key)" ] || { fail "bench: no $key:"; cat out; }
    done
    [ "$(wc -l <out)" = 1 ] || fail "bench --json: not one line"
  done
  [ "$(number out ranks)" = 2 ] || fail "bench: ranks"
  sed '/^\[data\]/,/^validation/d' a.ini >nodata.ini
  expect 0 "bench without data" 0 bench nodata.ini --synthetic --steps 2
}

endings() {
  expect 3 "TerminateOnNaN" 2 fit a.ini run.dir=runs/nan callbacks.nan="TerminateOnNaN()" train.optimizer="SGD(1e30)" \
    train.epochs=20 --progress=none
  has err "not finite"
  expect 0 "NaN without TerminateOnNaN" 2 fit a.ini run.dir=runs/nan2 train.optimizer="SGD(1e30)" --progress=none
  [ "$(grep -ci 'nan\|finite' err)" = 1 ] || { fail "NaN: not one warning:"; cat err; }
  # One process never meets MPI, which would fail here.
  OMPI_MCA_pml=none OMPI_MCA_ess=none expect 0 "no MPI" 0 fit a.ini run.dir=runs/nompi --progress=none
  expect 0 "one rank under mpirun" 1 fit a.ini run.dir=runs/np1 --progress=none
  same runs/np1/model.weights.h5 runs/nompi/model.weights.h5 "mpirun -np 1"
}

types
check_and_summary
config
fit
evaluate
predict
bench
endings
finish
