#!/usr/bin/env python3
"""The models of examples/*.ini, built in Keras: from the same start weights, over the same rows in the same order and without
dropout, both lose the same epoch by epoch and end with the same outputs, on one rank and on two. With --scores Keras trains on the data of
examples/get_data.sh instead, with dropout and shuffling, and prints what it reaches: the measure for what kdist reaches.

usage: check_example_models.py KDIST EXAMPLES [NAME...]
       check_example_models.py --scores DATA [NAME...]
"""

import csv
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import h5py
import keras
import numpy as np
from keras import layers, losses, metrics, optimizers

RATE = 1.0  # 0: without dropout
EPOCHS = 3  # of the comparison


def dropout(rate):
    return layers.Dropout(RATE * rate)


class PositionEmbedding(layers.Layer):
    """KerasHub's: a learnt vector for each place, the same for every sample."""

    def build(self, shape):
        self.table = self.add_weight(name="embeddings", shape=shape[1:], initializer="glorot_uniform")

    def call(self, x):
        return keras.ops.broadcast_to(self.table, keras.ops.shape(x))


# --- the models: inputs, outputs, and arguments of compile for a number of steps in an epoch ---


def speech(steps):
    x = keras.Input((29, 12), name="x")
    y = layers.Masking(0.0)(x)
    y = dropout(0.3)(layers.Bidirectional(layers.LSTM(32, return_sequences=True))(y))
    y = dropout(0.3)(layers.Bidirectional(layers.LSTM(32))(y))
    rate = optimizers.schedules.CosineDecay(0.004, 60 * steps)
    return x, layers.Dense(9, name="y")(y), {
        "optimizer": optimizers.Adam(rate, global_clipnorm=1.0),
        "loss": losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": ["accuracy"]}


def forecast(steps):
    x = keras.Input((104, 1), name="x")
    y = layers.Rescaling(0.3)(x)
    for _ in range(2):
        y = layers.Conv1D(32, 5, strides=2, padding="same", activation="relu")(y)
    rate = optimizers.schedules.CosineDecay(0.003, 60 * steps)
    return x, layers.Dense(13, name="y")(layers.GRU(32)(y)), {
        "optimizer": optimizers.Adam(rate), "loss": losses.Huber(delta=0.5), "metrics": ["mae"]}


def decoder(x, dim, heads, ff):
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    y = layers.MultiHeadAttention(heads, dim // heads)(y, y, use_causal_mask=True)
    x = layers.Add()([x, y])
    y = layers.Dense(ff, activation="gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
    return layers.Add()([x, layers.Dense(dim)(y)])


def characters(steps):
    x = keras.Input((96,), dtype="int32", name="x")
    y = layers.Embedding(63, 128)(x)
    y = layers.Add()([y, PositionEmbedding()(y)])
    for _ in range(3):
        y = decoder(y, 128, 4, 512)
    y = layers.LayerNormalization(epsilon=1e-5)(y)
    rate = optimizers.schedules.CosineDecay(0.0, 2 * steps, warmup_target=0.002, warmup_steps=60)
    return x, layers.Dense(63, name="y")(y), {
        "optimizer": optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=1.0),
        "loss": losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": ["accuracy"]}


def biology(steps):
    x = y = keras.Input((30,), name="measures")
    for units in (32, 16):
        y = dropout(0.3)(layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.L2(0.001))(y))
    return x, layers.Dense(1, activation="sigmoid", name="benign")(y), {
        "optimizer": optimizers.Adam(0.003), "loss": "binary_crossentropy", "metrics": [metrics.BinaryAccuracy()]}


def tickets(steps):
    title, body = (keras.Input((None,), dtype="int32", name=name) for name in ("title", "body"))
    tags = keras.Input((12,), name="tag_bits")
    words = layers.Embedding(10000, 64, mask_zero=True)
    both = layers.Concatenate()([layers.LSTM(128)(words(title)), layers.LSTM(32)(words(body)), tags])
    outputs = [layers.Dense(1, activation="sigmoid", name="priority")(both), layers.Dense(4, name="department")(both)]
    return [title, body, tags], outputs, {
        "optimizer": optimizers.RMSprop(0.001, clipnorm=1.0),
        "loss": ["binary_crossentropy", losses.SparseCategoricalCrossentropy(from_logits=True)],
        "loss_weights": [1.0, 0.2], "metrics": [[metrics.BinaryAccuracy(), metrics.AUC(name="auc")], ["accuracy"]]}


def encoder(x, dim, heads, ff):
    y = dropout(0.1)(layers.MultiHeadAttention(heads, dim // heads, dropout=RATE * 0.1)(x, x))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))
    y = dropout(0.1)(layers.Dense(dim)(layers.Dense(ff, activation="gelu")(x)))
    return layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))


def transformer(steps):
    x = keras.Input((256,), dtype="int32", name="tokens")
    y = layers.Embedding(20000, 128)(x)
    y = layers.Add()([y, PositionEmbedding()(y)])
    for _ in range(4):
        y = encoder(y, 128, 4, 512)
    y = layers.GlobalAveragePooling1D()(y)
    return x, layers.Dense(1, activation="sigmoid", name="prob")(y), {
        "optimizer": optimizers.AdamW(3e-4, weight_decay=0.01, global_clipnorm=1.0),
        "loss": "binary_crossentropy", "metrics": [metrics.BinaryAccuracy(), metrics.AUC(name="auc")]}


class Example:
    """batch, epochs: of the file; rows: of made data; without: overrides that take dropout away."""

    def __init__(self, make, batch, epochs, rows, without=(), folder=None, parts=("train.h5", "test.h5")):
        self.make, self.batch, self.epochs, self.rows, self.without = make, batch, epochs, rows, without
        self.folder, self.parts = folder or make.__name__, parts


EXAMPLES = {example.make.__name__: example for example in (
    Example(speech, 30, 60, 75, ("drop.rate=0", "drop2.rate=0")),
    Example(forecast, 64, 60, 150),
    Example(characters, 32, 2, 40),
    Example(biology, 32, 60, 90, ("drop1.rate=0", "drop2.rate=0"), parts=("train.csv", "test.csv")),
    Example(tickets, 128, 6, 300, parts=("tickets-train-*.h5", "tickets-val.h5")),
    Example(transformer, 32, 3, 40, ("enc.rate=0",), folder="verses"))}


def make_model(example, rows):
    steps = -(-rows // example.batch)
    inputs, outputs, arguments = example.make(steps)
    model = keras.Model(inputs, outputs)
    model.compile(**arguments)
    return model


def fields(model):
    return [t.name for t in model.inputs], [layer.name for layer in map(model.get_layer, model.output_names)]


def one_or_list(parts):
    return parts[0] if len(parts) == 1 else parts


# --- the same start, the same losses ---


def made(model, rows, longest, rng):
    """Rows of the right shapes; sequences end in zeros from a random length on, the first has no zeros."""
    data = {}
    for given in model.inputs:
        shape = [rows] + [longest if size is None else size for size in given.shape[1:]]
        values = rng.integers(1, 60, shape) if given.dtype == "int32" else rng.normal(size=shape)
        if given.dtype == "int32" or len(shape) == 3:
            for row, length in enumerate(rng.integers(1, shape[1] + 1, rows)):
                values[row, max(length, shape[1] * (row == 0)):] = 0
        data[given.name] = values.astype(given.dtype)
    made_losses = model.loss if isinstance(model.loss, list) else [model.loss]
    for name, output, loss in zip(model.output_names, model.outputs, made_losses):
        shape = [rows, *output.shape[1:]]
        if isinstance(loss, losses.SparseCategoricalCrossentropy):
            data[name] = rng.integers(0, shape[-1], shape[:-1]).astype("int32")
        elif loss == "binary_crossentropy":
            data[name] = rng.integers(0, 2, shape).astype("float32")
        else:
            data[name] = rng.normal(size=shape).astype("float32")
    return data


def write(path, model, data):
    """Inputs of any length as rows with lengths of their own."""
    any_length = [given.name for given in model.inputs if given.shape[1] is None]
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            if name in any_length:
                rows = file.create_dataset(name, len(values), h5py.vlen_dtype(values.dtype))
                for i, row in enumerate(values):
                    rows[i] = row[:np.count_nonzero(row)]
            else:
                file[name] = values


def close(what, ours, theirs, tolerance):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=what)


def train_ours(name, kdist, config, ranks):
    """Losses and metrics of the epochs, and the outputs for the validation rows."""
    folder = f"{name}-{ranks}"
    launcher = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
    subprocess.run([*launcher, kdist, "fit", *config, "model.init_from=start.weights.h5", "run.dir=" + folder,
                    "train.shuffle=false", f"train.epochs={EPOCHS}", "--progress=none", "log.level=warning"], check=True)
    subprocess.run([*launcher, kdist, "predict", *config, "-o", folder + ".npz", f"--weights={folder}/model.weights.h5",
                    "log.level=warning"], check=True)
    with open(f"{folder}/log.csv") as file:
        log = list(csv.DictReader(file))
    curves = {key: [float(line[key]) for line in log] for key in log[0] if key not in ("epoch", "learning_rate")}
    return curves, list(np.load(folder + ".npz").values())


def same_start(name, kdist, examples):
    global RATE
    RATE = 0.0
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    example = EXAMPLES[name]
    model = make_model(example, example.rows)
    inputs, outputs = fields(model)
    train, validation = made(model, example.rows, 17, rng), made(model, example.rows // 2, 13, rng)
    write("train.h5", model, train)
    write("validation.h5", model, validation)
    model.save_weights("start.weights.h5")

    def arrays(data):
        return one_or_list([data[n] for n in inputs]), one_or_list([data[n] for n in outputs])

    history = model.fit(*arrays(train), batch_size=example.batch, epochs=EPOCHS, validation_data=arrays(validation),
                        shuffle=False, verbose=0).history
    predicted = model.predict(arrays(validation)[0], batch_size=example.batch, verbose=0)
    config = [str(examples / f"{name}.ini"), "data.format=hdf5", "data.dir=.", "data.train=train.h5",
              "data.validation=validation.h5", "data.test=validation.h5", *example.without]
    for ranks in (1, 2):
        curves, ours = train_ours(name, kdist, config, ranks)
        for key, values in curves.items():
            close(f"{name}, {ranks} ranks: {key}", values, history[key], 2e-4)
        for output, theirs in zip(ours, predicted if len(outputs) > 1 else [predicted], strict=True):
            close(f"{name}, {ranks} ranks: outputs", output, theirs, 5e-3)
    print(f"{name}: losses {', '.join(f'{loss:.5f}' for loss in history['loss'])}")


# --- scores ---


def ended_by_zeros(rows):
    """Rows with lengths of their own as one array."""
    if rows.dtype != object:
        return rows
    array = np.zeros((len(rows), max(map(len, rows))), rows[0].dtype)
    for i, row in enumerate(rows):
        array[i, :len(row)] = row
    return array


def read(folder, pattern, names):
    """The arrays of all files of a pattern, joined."""
    parts = []
    for path in sorted(folder.glob(pattern)):
        if path.suffix == ".csv":
            rows = np.loadtxt(path, delimiter=",", skiprows=1, dtype="float32")
            parts.append([rows[:, :-1], rows[:, -1:]])
        else:
            with h5py.File(path) as file:
                parts.append([ended_by_zeros(file[n][()]) for n in names])
    return [np.concatenate(part) for part in zip(*parts)]


def score(name, data, seed):
    keras.utils.set_random_seed(seed)
    example = EXAMPLES[name]
    names = [n for part in fields(make_model(example, 1)) for n in part]
    train, test = (read(data / example.folder, part, names) for part in example.parts)
    model = make_model(example, len(train[0]))
    n = len(model.inputs)
    model.fit(one_or_list(train[:n]), one_or_list(train[n:]), batch_size=example.batch, epochs=example.epochs, verbose=0)
    results = model.evaluate(one_or_list(test[:n]), one_or_list(test[n:]), batch_size=example.batch, verbose=0,
                             return_dict=True)
    print(f"{name}, seed {seed}: {', '.join(f'{key} {value:.4f}' for key, value in results.items())}", flush=True)


def main(arguments):
    if arguments[0] == "--scores":
        for name in arguments[2:] or EXAMPLES:
            for seed in (1, 2, 3):
                score(name, pathlib.Path(arguments[1]), seed)
        return
    kdist, examples = os.path.abspath(arguments[0]), pathlib.Path(arguments[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in arguments[2:] or EXAMPLES:
            same_start(name, kdist, examples)
        os.chdir("/")


if __name__ == "__main__":
    main(sys.argv[1:])
