#!/bin/bash
# Bad input of every kind: exit code 2, one clear message on stderr, nothing left behind, no crash and no hang; on one rank and two.
. "$(dirname "$0")/../support/program.sh" || exit 1

csv 60 1 >train.csv
cat >base.ini <<'INI'
[run]
name = t
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
test = train.csv
[train]
epochs = 2
batch_size = 16
optimizer = Adam(learning_rate=0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
INI

# examine CODE TEXT FILE GOT PATTERN...: what a failed command said.
examine() {
  local code=$1 text=$2 file=$3 got=$4 pattern
  shift 4
  [ "$got" = "$code" ] || { fail "$text: exit code $got, not $code"; head -n 5 "$file"; }
  for pattern in "$@"; do
    grep -qF -e "$pattern" "$file" || { fail "$text: no '$pattern' in:"; head -n 5 "$file"; }
  done
  [ "$(grep -cF -e "$1" "$file")" -le 1 ] || fail "$text: said by several ranks"
  [ "$(stat -c %s "$file")" -lt 65536 ] || fail "$text: a flood of text"
  tr -d '\n\t -~\200-\377' <"$file" | grep -q . && fail "$text: control bytes in the message"
  grep -qE 'Segmentation|Sanitizer|Aborted|core dumped|signal [0-9]' "$file" && fail "$text: a crash"
}

# refuse TEXT FILE ARGUMENTS PATTERN...: check and fit on one rank; every third time fit on two as well, and always when `data` is
# the kind of error. @ in a pattern: FILE with the line where it begins to differ from base.ini.
refusals=0
refuse() {
  local text=$1 file=$2 arguments=$3 line pattern patterns=() two=
  shift 3
  line=$(cmp base.ini "$file" 2>&1 | sed -n 's/.*line //p')
  for pattern in "$@"; do patterns+=("${pattern//@/$file:$line}"); done
  : >two.out
  if [ $((refusals++ % 3)) = 0 ] || [ "$kind" = data ]; then
    kdist 2 fit "$file" $arguments >two.out 2>two.err &
    two=$!
  fi
  kdist 0 check "$file" $arguments >check.out 2>check.err
  examine 2 "check, $text" check.err $? "${patterns[@]}"
  kdist 0 fit "$file" $arguments >fit.out 2>fit.err
  examine 2 "fit, $text" fit.err $? "${patterns[@]}"
  if [ -n "$two" ]; then
    wait $two
    examine 2 "fit on 2 ranks, $text" two.err $? "${patterns[@]}"
  fi
  [ -s check.out ] || [ -s fit.out ] || [ -s two.out ] && fail "$text: errors belong on stderr"
  [ -e runs ] && { fail "$text: a run folder is left behind"; rm -rf runs; }
}

# wrong SED PATTERN...: base.ini after an edit.
wrong() {
  local edit=$1
  shift
  sed -e "$edit" base.ini >bad.ini
  refuse "$edit" bad.ini "" "$@"
}

# add TEXT PATTERN...: base.ini with lines at its end.
add() {
  local lines=$1
  shift
  { cat base.ini; printf '%b\n' "$lines"; } >bad.ini
  refuse "$lines" bad.ini "" "${@//@/bad.ini:$(($(wc -l <base.ini) + 1))}"
}

names() {
  wrong 's/^\[train\]/[trian]/' "@: " "unknown kind of section 'trian'" "did you mean 'train'"
  wrong 's/^units = 8/unit = 8/' "@: layer fc1 (Dense): unknown key 'unit'; did you mean 'units'?"
  wrong 's/^epochs/epoch/' "@: " "did you mean 'epochs'?"
  wrong 's/^type = Dense/type = Dens/' "bad.ini:6: layer fc1: " "did you mean 'Dense'?"
  wrong 's/^loss = .*/loss = SparseCategoricalCrossentropi()/' "@: " "did you mean 'SparseCategoricalCrossentropy'?"
  wrong 's/^metrics = .*/metrics = SparseCategoricalAcuracy()/' "@: " "did you mean 'SparseCategoricalAccuracy'?"
  wrong 's/^metrics = .*/weighted_metrics = acuracy/' "@: " "did you mean"
  wrong 's/^metrics = .*/class_weight = 1, -2/' "@: " "class_weight" "-2"
  wrong 's/^metrics = .*/class_weight = 1, 2, 3, 4/' "@: " "class_weight has 4 weights" "fc2 has 3 classes"
  wrong 's/^train = train.csv/sample_weight = nothere\n&/' "train.csv" "nothere"
  wrong 's/Adam(/Adm(/' "@: " "did you mean 'Adam'?"
  wrong 's/learning_rate/learning_rte/' "@: " "did you mean 'learning_rate'?"
  wrong 's/= relu/= rleu/' "@: layer fc1 (Dense): " "did you mean 'relu'?"
  wrong 's/= csv/= cvs/' "bad.ini:14: [data]: " "did you mean 'csv'?"
  add '[callbacks]\nstop = EarlyStoping()' "bad.ini:24: " "did you mean 'EarlyStopping'?"
  wrong 's/0.01/ExponentialDecy(0.1, 10, 0.9)/' "@: " "did you mean 'ExponentialDecay'?"
  refuse "an override of no key" base.ini train.epoch=3 "command line: [train]: unknown key 'epoch'" "did you mean 'epochs'?"
  refuse "an override of no layer" base.ini layer.fc3.units=3 "layer.fc3.units"
}

types_and_ranges() {
  wrong 's/^epochs = 2/epochs = 8.5/' "@: [train]: epochs = 8.5"
  wrong 's/^epochs = 2/epochs = eight/' "@: [train]: epochs = eight"
  wrong 's/^epochs = 2/epochs = 8 8/' "@: " "8 8"
  wrong 's/^epochs = 2/epochs = 0x/' "@: [train]: epochs = 0x"
  wrong 's/^epochs = 2/epochs = 0/' "@: [train]: epochs = 0 is out of range"
  wrong 's/^epochs = 2/epochs = -1/' "@: [train]: epochs = -1"
  wrong 's/^units = 8/units = 1e18/' "@: layer fc1 (Dense): units = 1e18"
  wrong 's/^units = 8/units = true/' "@: layer fc1 (Dense): units = true"
  wrong 's/^units = 8/units = 8, 8/' "@: layer fc1 (Dense): units = "
  wrong 's/^shape = 4/shape = 4, -2/' "@: input x: shape"
  wrong 's/^optimizer = .*/optimizer = none/' "@: " "an optimizer is needed"
  wrong 's/=0.01/=none/' "@: "
  wrong 's/=0.01/=fast/' "@: " "'fast'"
  wrong 's/^batch_size = 16/batch_size = 0/' "@: [train]: batch_size = 0 is out of range"
  wrong 's/^seed = 3/seed = -3/' "@: [run]: seed = -3"
  add '[distributed]\ndeterminism = wrld' "bad.ini:24: " "did you mean 'world'?"
  add '[distributed]\ntimeout = 0' "bad.ini:24: [distributed]: timeout = 0"
}

text() {
  wrong 's/^seed = 3/seed = 3\x00/' "@: " "NUL"
  wrong 's/^name = t/name = t\xff/' "@: " "UTF-8"
  printf '\377\376[\0r\0u\0n\0]\0\n\0' >bad.ini
  refuse "UTF-16" bad.ini "" "bad.ini:1: " "UTF-16"
  wrong 's/^units = 8/units = 8\nunits = 9/' "bad.ini:9: " "line 8" "units"
  add '[train]\nepochs = 3' "@: " "train" "line 17"
  add '[layer fc1]\ntype = Dense\nunits = 3' "@: " "fc1" "line 6"
  add '[layers]\nfc1 = Dense(3)' "bad.ini:24: " "fc1" "6"
  printf 'include = bad.ini\n' >bad.ini
  refuse "a file that includes itself" bad.ini "" "bad.ini:1: " "includes itself"
  printf 'include = nowhere.ini\n' | cat - base.ini >bad.ini
  refuse "an include of no file" bad.ini "" "bad.ini:1: " "nowhere.ini"
  add '[block b]\nc = b()\n[layers]\nd = b()' "bad.ini:2" "block b" "itself"
  wrong 's/^units = 8/units = ${layer.fc2.units}/; s/^units = 3/units = ${layer.fc1.units}/' "bad.ini:12: \${units}: refers to itself: units in line 8 -> units in line 12"
  wrong 's/^units = 8/units = ${layer.fc9.units}/' "@: \${layer.fc9.units}"
  wrong 's/^units = 8/units = $(system("ls"))/' "@: "
  wrong 's/^units = 8/units = $(8 \/\/ 0)/' "@: " "division by zero"
  wrong 's/^units = 8/units = $(eight)/' "@: " "eight"
  wrong "s/^activation = .*/activation = $(printf '%05000d' 0 | tr 0 '(')/" "@: "
  wrong "s/^activation/$(printf '%05000d' 0 | tr 0 k)/" "@: layer fc1 (Dense): unknown key 'kkkkkkkkkkkkkkk"
  wrong 's/^activation/acti\x1b[31mvation/' "@: "
  wrong 's/^seed = 3/seed/' "@: "
  wrong 's/^\[train\]/[train/' "@: "
  wrong 's/^name = t/name = "t/' "@: "
  : >bad.ini
  refuse "an empty file" bad.ini "" "bad.ini" "model"
  refuse "no such file" nowhere.ini "" "nowhere.ini"
  mkdir folder.ini
  refuse "a folder" folder.ini "" "folder.ini"
  for i in $(seq 100); do printf 'include = deep%d.ini\n' $((i + 1)) >deep$i.ini; done
  refuse "deep includes" deep1.ini "" "deep"
  rm deep*.ini
}

graph() {
  wrong 's/^activation = relu/input = fc2/; s/^units = 3/units = 3\ninput = fc1/' "bad.ini:" "fc1 -> fc2"
  wrong 's/^activation = relu/input = fc1/' "bad.ini:6: " "fc1 -> fc1"
  wrong 's/^activation = relu/input = fc7/' "@: " "fc7"
  add '[layers]\ns = Add()(fc1, fc2)' "bad.ini:24: layer s (Add)" "(None, 8)" "(None, 3)"
  add '[layers]\ns = Concatenate(axis=0)(fc1, fc2)' "bad.ini:24: layer s (Concatenate)"
  add '[layers]\ns = Conv2D(4, 3)(x)' "bad.ini:24: layer s (Conv2D)" "(None, 4)"
  add '[layers]\ns = Reshape((3, 2))(x)' "bad.ini:24: layer s (Reshape)" "(None, 4)" "3, 2"
  add '[layers]\nr = Reshape((2, 2, 1))(x)\ns = Conv2D(4, 3)' "bad.ini:25: layer s (Conv2D)" "2"
  add '[layers]\nr = Reshape((2, 2, 1))(x)\ns = Conv2D(4, 1, strides=2, dilation_rate=2)' "bad.ini:25: layer s (Conv2D)" "dilation"
  add '[layers]\nr = Reshape((2, 2, 1))(x)\ns = Conv2D(4, 1, groups=3)' "bad.ini:25: layer s (Conv2D)" "groups"
  add '[layers]\ns = Dropout(1.5)' "bad.ini:24: layer s (Dropout): rate = 1.5"
  add '[layer s]\nshare = nothing\ninput = x' "bad.ini:23: layer s: " "'nothing'"
  add '[layer s]\nshare = fc2\ninput = x' "bad.ini:23: layer s (Dense): " "(8, 3)" "(4, 3)"
  add '[block b]\nd = Dense(3)\n[layers]\ns = b(repeat=1000000000)' "bad.ini:26: " "repeat"
  add '[block b]\nd = Dense(3)\n[block c]\nd = b(repeat=1000)\n[block e]\nd = c(repeat=1000)\n[layers]\ns = e(repeat=1000)' "bad.ini:" "layers"
  add '[layers]\ns = Dense(3, kernel_initializer=VarianceScaling(scale=-1))' "bad.ini:24: "
  add '[output z]\nloss = mse' "@: " "'z'"
  wrong 's/^loss = .*/loss = mse/' "shape" "fc2"
  wrong 's/^loss = .*/loss = BinaryCrossentropy()/' "fc2"
}

data() {
  wrong 's/^train = .*/train = nowhere.csv/' "nowhere.csv"
  wrong 's/^train = .*/train = nowhere-*.csv/' "nowhere-*.csv"
  : >empty.csv
  wrong 's/^train = .*/train = empty.csv/' "empty.csv"
  head -n 1 train.csv >header.csv
  wrong 's/^train = .*/train = header.csv/' "header.csv"
  sed '5s/^[^,]*/text/' train.csv >word.csv
  wrong 's/^train = .*/train = word.csv/' "word.csv:5" "text"
  sed '6s/^[^,]*//' train.csv >hole.csv
  wrong 's/^train = .*/train = hole.csv/' "hole.csv:6"
  sed '7s/^[^,]*,//' train.csv >short.csv
  wrong 's/^train = .*/train = short.csv/' "short.csv:7"
  sed '8s/,[^,]*$/,3/' train.csv >label3.csv
  wrong 's/^train = .*/train = label3.csv/' "label3.csv" "3" "row"
  sed '8s/,[^,]*$/,-1/' train.csv >label-1.csv
  wrong 's/^train = .*/train = label-1.csv/' "label-1.csv" "-1" "row"
  cut -d, -f1,2,3,5 train.csv >narrow.csv
  wrong 's/^train = .*/train = narrow.csv/' "narrow.csv" "(3,)" "(4,)"
  wrong 's/^train = .*/train = train.csv, narrow.csv/' "narrow.csv" "train.csv"
  wrong 's/^test = .*/test = train.csv\nmap.x = a, b, c, e/' "train.csv" "'e'"
  wrong 's/^test = .*/test = train.csv\nvalidation_split = 0.999/' "validation_split"
  wrong 's/^format = .*//' "bad.ini" "format"
  wrong '/^\[data\]/,/^test/d' "[data]"
}

image_data() {
  cp base.ini csv.ini
  sed -e 's/^shape = 4/shape = 8, 8, 1/; s/^format = .*/format = idx/; s/^train = .*/train = images, labels/; /^test/d' \
    -e 's/^activation = .*/activation = relu\n[layer flat]\ntype = Flatten/; s/^units = 3/units = 4/' csv.ini >base.ini
  idx_images 40 1 >images
  idx_labels 40 >labels
  expect 0 "good images" 0 check base.ini
  : >empty
  wrong 's/images,/empty,/' "empty"
  head -c 2000 images >cut
  wrong 's/images,/cut,/' "cut: truncated" "2576 bytes" "2000"
  head -c 10 images >cut-header
  wrong 's/images,/cut-header,/' "cut-header"
  wrong 's/images,/train.csv,/' "train.csv"
  gzip -c images | head -c 1000 >cut.gz
  wrong 's/images,/cut.gz,/' "cut.gz"
  idx_labels 39 >fewer
  wrong 's/labels/fewer/' "40" "39" "fewer"
  wrong 's/^units = 4/units = 3/' "labels" "3" "row"
  printf '0 0 8 3 255 255 255 255 0 0 0 8 0 0 0 8' | bytes >huge
  wrong 's/images,/huge,/' "huge"
  wrong 's/^train = .*/train = images/' "bad.ini:15: " "2 files, not 1"
  wrong 's/^shape = 8, 8, 1/shape = 9, 9, 1/' "images" "(8, 8)" "(9, 9, 1)"
  wrong 's/idx/npy/' "images"
  wrong 's/idx/npz/; s/^train = .*/train = images/' "images"
  wrong 's/idx/hdf5/; s/^train = .*/train = images/' "images"
  mv csv.ini base.ini
}

ranks() {
  sed 's/^batch_size = 16/batch_size = 1/' base.ini >bad.ini
  for command in check fit; do
    kdist 2 $command bad.ini >out 2>err
    examine 2 "$command, batch smaller than ranks" err $? "bad.ini" "batch_size" "2 ranks"
  done
  printf '[distributed]\ndeterminism = world\nmicro_shards = 1\n' | cat base.ini - >bad.ini
  kdist 2 fit bad.ini >out 2>err
  examine 2 "fewer micro-shards than ranks" err $? "micro_shards"
  printf '[distributed]\nbackend = nccl\n' | cat base.ini - >bad.ini
  kdist 2 fit bad.ini >out 2>err
  examine 2 "nccl without GPUs" err $? "nccl"
  kdist 0 fit base.ini --progress=none >out 2>err || fail "a good run"
  for n in 0 2; do
    kdist $n fit base.ini >out 2>err
    examine 2 "the run folder exists, $n" err $? "runs/t" "--resume" "--overwrite"
  done
  rm -rf runs
  for n in 0 2; do
    kdist $n fit base.ini --resume >out 2>err
    examine 2 "nothing to resume, $n" err $? "runs/t" "--resume=auto"
  done
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && { %s; }\nexec "$KDIST" fit base.ini\n' \
    'exec "$KDIST" fit other.ini' >other
  sed 's/^units = 8/units = 9/' base.ini >other.ini
  different "another file"
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && export KDIST_SET=train.epochs=3\nexec "$KDIST" fit base.ini\n' >other
  different "another KDIST_SET"
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec "$KDIST" fit base.ini train.epochs=3\nexec "$KDIST" fit base.ini\n' >other
  different "other arguments"
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && { mkdir -p sub; cd sub; cp ../other.ini base.ini; }\nexec "$KDIST" fit base.ini\n' >other
  different "the same name, other contents"
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec "$KDIST" fit nowhere.ini\nexec "$KDIST" fit base.ini\n' >other
  different "no such file on one rank"
  printf '#!/bin/bash\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && cd other-data\nexec "$KDIST" fit base.ini run.dir="$OLDPWD"/runs\n' >other
  sed -i '2i OLDPWD=$PWD' other
  mkdir other-data
  cp base.ini other-data
  different "no data on one rank"
  sed '7s/^0/1/' train.csv >other-data/train.csv
  different "other data on one rank"
  has err train.csv
}

different() {
  chmod +x other
  timeout 30 mpirun -np 2 ./other >out 2>err
  examine 2 "rank 1: $1" err $? "rank 1"
  [ -e runs ] && fail "rank 1: $1: a run folder"
  rm -rf runs
}

usage() {
  for command in fit evaluate predict check summary plan bench config; do
    expect 2 "$command without a file" 0 $command
    has err "$command"
    expect 2 "an unknown option" 0 $command base.ini --bogus
    has err "--bogus"
    expect 2 "an unknown file" 0 $command nowhere.ini
    has err nowhere.ini
    expect 0 "$command --help" 0 $command --help
    has out "usage: kdist $command"
    [ -s err ] && fail "$command --help writes to stderr"
  done
  expect 2 "a mistake of all ranks" 2 fit base.ini --bogus
  [ "$(grep -c -e --bogus err)" = 1 ] || fail "--bogus is told by several ranks"
  expect 2 "no command" 0
  has err "usage: kdist"
  expect 2 "an unknown command" 0 evalute base.ini
  has err "'evaluate'"
  expect 2 "an unknown command" 0 frobnicate
  expect 2 "a wrong choice" 0 fit base.ini --progress=much
  has err "auto|bar|plain|json|none"
  expect 2 "no number" 0 bench base.ini --steps many
  has err "--steps"
  expect 2 "no number" 0 bench base.ini --steps 0
  expect 2 "no value" 0 bench base.ini --steps
  expect 2 "predict without -o" 0 predict base.ini
  has err "-o"
  expect 2 "predict without weights" 0 predict base.ini -o p.npy
  has err "model.weights.h5"
  expect 2 "an unknown form" 0 predict base.ini -o p.xyz
  has err ".npy"
  expect 2 "no weights" 0 evaluate base.ini --weights nowhere.h5
  has err nowhere.h5
  expect 2 "wrong weights" 0 evaluate base.ini --weights train.csv
  has err train.csv
  expect 2 "resume and overwrite" 0 fit base.ini --resume --overwrite
  expect 2 "an unknown layer" 0 layers Dens
  has err "Dense"
  KDIST_SET=train.epoch=3 expect 2 "KDIST_SET" 0 check base.ini
  has err KDIST_SET
  for f in p.npy p.xyz runs; do [ -e $f ] && fail "$f is left behind"; done
}

all_at_once() {
  sed -e 's/^units = 8/unit = 8/; s/^epochs/epoch/; s/= csv/= cvs/; s/Adam(/Adm(/; s/^seed = 3/seed = x/' base.ini >bad.ini
  for n in 0 2; do
    kdist $n fit bad.ini >out 2>err
    examine 2 "five errors at once, $n" err $? "'unit'" "'epoch'" "cvs" "'Adm'" "seed = x"
  done
  { cat base.ini; for i in $(seq 50); do printf '[layer a%d]\ntype = Dense\nunits = 3\nbogus_%0180d = 1\n' $i $i; done; } >bad.ini
  kdist 0 fit bad.ini >out 2>err
  examine 2 "50 errors" err $? "layer a1 (" "layer a20 (" "30 more"
}

names
types_and_ranges
text
graph
kind=data
data
image_data
ranks
usage
all_at_once
finish
