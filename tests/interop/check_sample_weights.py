#!/usr/bin/env python3
"""Trains the same model on the same data with Keras and with kdist, on one rank and on two, and compares the logs of every
epoch: weights of samples in all file formats, of steps, of several outputs; weights of classes; weighted metrics.

usage: check_sample_weights.py KDIST
"""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import h5py
import keras
import numpy as np
from keras import layers

ROWS, EPOCHS, BATCH = 23, 2, 6
rng = np.random.default_rng(11)
X = rng.normal(size=(ROWS, 4)).astype("float32")
WEIGHT = rng.uniform(0.2, 2.0, ROWS).astype("float32")
WEIGHT[3] = 0
BINARY = (X[:, :1] > 0).astype("float32")
CLASSES = rng.integers(0, 3, ROWS).astype("int32")
STEPS = rng.normal(size=(ROWS, 5, 4)).astype("float32")
STEP_CLASSES = rng.integers(0, 3, (ROWS, 5)).astype("int32")
STEP_WEIGHT = rng.uniform(0, 2, (ROWS, 5)).astype("float32")

BASE = """
[run]
name = weights
{inputs}
[layers]
h = Dense(5, activation=tanh)
{heads}
[model]
init_from = start.weights.h5
[data]
{data}
[train]
epochs = %d
batch_size = %d
shuffle = false
optimizer = SGD(0.1)
save = none
{train}
""" % (EPOCHS, BATCH)
ONE = "[input x]\nshape = 4"
SCCE = "SparseCategoricalCrossentropy(from_logits=true)"


def keras_scce():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def single(shape, head):
    x = keras.Input(shape, name="x")
    return keras.Model(x, head(layers.Dense(5, activation="tanh", name="h")(x)))


def sigmoid_head():
    return layers.Dense(1, activation="sigmoid", name="y")


def class_head():
    return layers.Dense(3, name="y")


def save_hdf5(**arrays):
    with h5py.File("data.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values


def save_npy(**arrays):
    for name, values in arrays.items():
        np.save(f"{name}.npy", values)


def save_csv():
    with open("data.csv", "w") as file:
        file.write("a,b,c,d,heavy,y\n")
        for x, w, y in zip(X, WEIGHT, BINARY[:, 0]):
            file.write(",".join(repr(float(v)) for v in (*x, w, y)) + "\n")


def binary(data, save, **compile_args):
    """One output with weighted samples; the last rows validate."""
    config = BASE.format(inputs=ONE, heads="y = Dense(1, activation=sigmoid)", data=data + "\nvalidation_split = 0.25",
                         train="loss = binary_crossentropy\nmetrics = mae, BinaryAccuracy()\n"
                               "weighted_metrics = mae, BinaryCrossentropy()")
    return {"config": config, "save": save, "model": lambda: single((4,), sigmoid_head()),
            "compile": {"loss": "binary_crossentropy", "metrics": ["mae", keras.metrics.BinaryAccuracy()],
                        "weighted_metrics": ["mae", keras.metrics.BinaryCrossentropy()]},
            "fit": {"x": X, "y": BINARY, "sample_weight": WEIGHT, "validation_split": 0.25}}


def classes(reduction):
    """Weights of classes count in training only."""
    loss = "SparseCategoricalCrossentropy(from_logits=true, reduction=%s)" % reduction
    config = BASE.format(inputs=ONE, heads="y = Dense(3)", data="format = npz\ntrain = data.npz\nvalidation_split = 0.25",
                         train=f"loss = {loss}\nmetrics = accuracy\nweighted_metrics = accuracy\nclass_weight = 0.5, 3, 1.25")
    return {"config": config, "save": lambda: np.savez("data.npz", x=X, y=CLASSES),
            "model": lambda: single((4,), class_head()),
            "compile": {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction),
                        "metrics": ["accuracy"], "weighted_metrics": ["accuracy"]},
            "fit": {"x": X, "y": CLASSES, "class_weight": {0: 0.5, 1: 3, 2: 1.25}, "validation_split": 0.25}}


def one_hot():
    labels = np.eye(3, dtype="float32")[CLASSES]
    config = BASE.format(inputs=ONE, heads="y = Dense(3, activation=softmax)", data="format = npz\ntrain = data.npz",
                         train="loss = categorical_crossentropy\nweighted_metrics = accuracy\nclass_weight = 0.5, 3")
    return {"config": config, "save": lambda: np.savez("data.npz", x=X, y=labels),
            "model": lambda: single((4,), layers.Dense(3, activation="softmax", name="y")),
            "compile": {"loss": "categorical_crossentropy", "weighted_metrics": ["accuracy"]},
            "fit": {"x": X, "y": labels, "class_weight": {0: 0.5, 1: 3}}}


def steps():
    """A weight for each step of a sequence."""
    config = BASE.format(inputs="[input x]\nshape = 5, 4", heads="y = Dense(3)",
                         data="format = hdf5\ntrain = data.h5\nsample_weight = w",
                         train=f"loss = {SCCE}\nmetrics = accuracy\nweighted_metrics = accuracy")
    return {"config": config, "save": lambda: save_hdf5(x=STEPS, y=STEP_CLASSES, w=STEP_WEIGHT),
            "model": lambda: single((5, 4), class_head()),
            "compile": {"loss": keras_scce(), "metrics": ["accuracy"], "weighted_metrics": ["accuracy"]},
            "fit": {"x": STEPS, "y": STEP_CLASSES, "sample_weight": STEP_WEIGHT}}


def outputs():
    """Two outputs with weights of their own."""
    heads = "y = Dense(1, activation=sigmoid)(h)\nz = Dense(3)(h)\n" \
            "[output y]\nloss = binary_crossentropy\nsample_weight = wy\nweighted_metrics = mae\n" \
            f"[output z]\nloss = {SCCE}\nloss_weight = 0.3\nmetrics = accuracy\nsample_weight = wz"

    def model():
        x = keras.Input((4,), name="x")
        h = layers.Dense(5, activation="tanh", name="h")(x)
        return keras.Model(x, [sigmoid_head()(h), layers.Dense(3, name="z")(h)])

    return {"config": BASE.format(inputs=ONE, heads=heads, data="format = hdf5\ntrain = data.h5", train=""),
            "save": lambda: save_hdf5(x=X, y=BINARY, z=CLASSES, wy=WEIGHT, wz=WEIGHT[::-1].copy()), "model": model,
            "compile": {"loss": ["binary_crossentropy", keras_scce()], "loss_weights": [1, 0.3],
                        "metrics": [None, ["accuracy"]], "weighted_metrics": [["mae"], None]},
            "fit": {"x": X, "y": [BINARY, CLASSES], "sample_weight": [WEIGHT, WEIGHT[::-1].copy()]}}


CASES = {
    "hdf5": binary("format = hdf5\ntrain = data.h5\nsample_weight = w", lambda: save_hdf5(x=X, y=BINARY, w=WEIGHT)),
    "npz": binary("format = npz\ntrain = data.npz\nsample_weight = w", lambda: np.savez("data.npz", x=X, y=BINARY, w=WEIGHT)),
    "npy": binary("format = npy\ntrain = x.npy, y.npy, w.npy\nsample_weight = w", lambda: save_npy(x=X, y=BINARY, w=WEIGHT)),
    "csv": binary("format = csv\ntrain = data.csv\nsample_weight = heavy", save_csv),
    "classes": classes("sum_over_batch_size"),
    "classes, mean with weights": classes("mean_with_sample_weight"),
    "one-hot classes": one_hot(),
    "steps": steps(),
    "outputs": outputs(),
}


def kdist_logs(kdist, ranks):
    command = [kdist, "fit", "model.ini", "--overwrite", "--progress=none"]
    if ranks > 1:
        command = ["mpirun", "-np", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"kdist fit failed on {ranks} ranks: {done.stderr}")
    with open("runs/weights/log.csv") as file:
        rows = list(csv.DictReader(file))
    # As Keras's CSVLogger, it has columns for a validation that there was not.
    return [{key: float(value) for key, value in row.items() if key != "epoch" and value != "NA"} for row in rows]


def compare(name, case, kdist):
    model = case["model"]()
    model.save_weights("start.weights.h5")
    model.compile(optimizer=keras.optimizers.SGD(0.1), **case["compile"])
    history = model.fit(epochs=EPOCHS, batch_size=BATCH, shuffle=False, verbose=0, **case["fit"]).history
    case["save"]()
    pathlib.Path("model.ini").write_text(case["config"])
    for ranks in (1, 2):
        logs = kdist_logs(kdist, ranks)
        if set(logs[0]) != set(history):
            raise SystemExit(f"{name}: kdist logs {sorted(logs[0])}, Keras {sorted(history)}")
        for key, expected in history.items():
            seen = [row[key] for row in logs]
            if not np.allclose(seen, expected, rtol=2e-5, atol=2e-6):
                raise SystemExit(f"{name}, {ranks} ranks: {key} is {seen}, in Keras {expected}")
    print(f"{name}: {', '.join(sorted(history))}")


def main():
    kdist = os.path.abspath(sys.argv[1])
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            compare(name, case, kdist)
            os.chdir("/")


main()
