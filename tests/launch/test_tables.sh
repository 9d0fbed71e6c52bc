#!/bin/bash
# Two tables of which a step uses few rows, one of them looked up twice: under determinism = world the same bytes on any
# number of ranks and by any way of sums, and after a resume on another number.
. "$(dirname "$0")/../support/program.sh" || exit 1

cat >tables.ini <<'INI'
[run]
name = tables
seed = 4
[input user]
shape = ()
dtype = int32
[input item]
shape = 3
dtype = int32
[input before]
shape = 2
dtype = int32
[layer users]
type = Embedding
input = user
input_dim = 700
output_dim = 6
[layer items]
type = Embedding
input = item
input_dim = 400
output_dim = 5
[layer seen]
share = items
input = before
[layer item_flat]
type = Flatten
input = items
[layer seen_flat]
type = Flatten
input = seen
[layer all]
type = Concatenate
input = users, item_flat, seen_flat
[layer fc]
type = Dense
input = all
units = 8
activation = relu
[layer logits]
type = Dense
input = fc
units = 3
[data]
format = synthetic
samples = 75
[train]
epochs = 3
batch_size = 14
optimizer = Adam(learning_rate=0.01)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
[callbacks]
backup = BackupAndRestore(backup_dir=backup, save_freq=4)
[distributed]
determinism = world
micro_shards = 5
INI

train() {
  local name=$1 ranks=$2
  shift 2
  expect 0 "run $name" "$ranks" fit tables.ini run.dir=runs/$name --progress=none "$@"
}

train one 0
for n in 1 2 3 4; do
  train np$n $n
  equal one np$n
done
KDIST_TRANSPORT=mpi train messages 3
equal one messages
KDIST_TRANSPORT=hosts:2 train hosts 4
equal one hosts

train resumed 2 train.epochs=1
train resumed 3 train.epochs=2 --resume
train resumed 0 train.epochs=3 --resume
equal one resumed

# Accumulated and clipped, in pieces of a rank's rows: the same bytes again, by either transport.
for option in gradient_accumulation_steps=2 global_clipnorm=0.1; do
  optimizer="train.optimizer=Adam(0.01, $option)"
  name=${option%=*}
  train $name-one 0 "$optimizer"
  train $name-three 3 "$optimizer"
  equal $name-one $name-three
  train $name-shared 2 distributed.determinism=run train.micro_batch=2 "$optimizer"
  KDIST_TRANSPORT=mpi train $name-sent 2 distributed.determinism=run train.micro_batch=2 "$optimizer"
  equal $name-shared $name-sent
done
finish
