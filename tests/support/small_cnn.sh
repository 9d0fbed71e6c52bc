# A small training run with everything that has a state; sourced behind program.sh.
idx_images 90 1 >images
idx_labels 90 >labels
idx_images 40 2 >test-images
idx_labels 40 >test-labels
# Batch normalisation, dropout, accumulation, clipping, a schedule, callbacks with state, a last batch of 6 rows in 6 steps.
cat >cnn.ini <<'INI'
[run]
name = cnn
seed = 5
[input image]
shape = 8, 8, 1
[layers]
scale = Rescaling($(1 / 255))
conv = Conv2D(4, 3, padding=same, use_bias=false)
bn = BatchNormalization(momentum=0.8)
act = Activation(relu)
pool = MaxPooling2D(2)
drop1 = Dropout(0.3)
flat = Flatten()
fc = Dense(16, activation=relu)
drop2 = Dropout(0.2)
logits = Dense(4)
[data]
format = idx
train = images, labels
validation = test-images, test-labels
[train]
epochs = 5
batch_size = 14
optimizer = Adam(learning_rate=0.01, global_clipnorm=1.0, gradient_accumulation_steps=2)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy, MeanIoU(4, sparse_y_pred=false)
[callbacks]
lr = ReduceLROnPlateau(monitor=loss, factor=0.5, patience=1, min_delta=0.1)
stop = EarlyStopping(monitor=val_loss, patience=200, restore_best_weights=true)
best = ModelCheckpoint(filepath=best.weights.h5, monitor=val_loss, save_best_only=true, save_weights_only=true)
csv = CSVLogger(filename=callback.csv)
backup = BackupAndRestore(backup_dir=backup, save_freq=2)
[distributed]
determinism = world
INI

# train CODE NAME RANKS ARGUMENT...: a run in runs/NAME.
train() {
  local code=$1 name=$2 ranks=$3
  shift 3
  expect "$code" "run $name" "$ranks" fit cnn.ini run.dir=runs/$name --progress=none "$@"
}

compared+=(best.weights.h5 callback.csv)

# losses NAME: the columns of the log that are losses.
losses() {
  awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /loss$/) column[++n] = i; next }
    { for (k = 1; k <= n; k++) printf "%s%s", $column[k], k < n ? "," : "\n" }' "runs/$1/log.csv"
}

# close_to NAME NAME [TOLERANCE]: losses of all epochs agree, by default to three digits.
close_to() {
  paste -d, <(losses "$1") <(losses "$2") |
    awk -F, -v t="${3:-1e-3}" '{ for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d * d > t * t * (1 + $i) ^ 2) exit 1 } }' || fail "$1 and $2 differ: $(tail -qn 1 runs/{$1,$2}/log.csv)"
}

# The newest step of which runs/NAME has a checkpoint.
steps_saved() { ls "runs/$1/backup" 2>/dev/null | sed -n 's/^step-0*\(.*\)\.h5$/\1/p' | tail -n 1; }
