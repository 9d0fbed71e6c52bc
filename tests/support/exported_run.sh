# A small training run that leaves its model in other formats; sourced behind program.sh.
# exported_run PATH LINE: train.csv and run.ini, with a ModelCheckpoint to PATH and that line in [export].
exported_run() {
  csv 40 1 >train.csv
  cat >run.ini <<INI
[run]
name = e
[input x]
shape = 4
[layers]
h = Dense(5, tanh)
y = Dense(3)
[data]
format = csv
train = train.csv
map.x = a, b, c, d
map.y = label
[train]
epochs = 2
batch_size = 10
loss = SparseCategoricalCrossentropy(from_logits=true)
optimizer = Adam(0.01)
[callbacks]
each = ModelCheckpoint("$1", monitor=loss)
[export]
$2
INI
}
