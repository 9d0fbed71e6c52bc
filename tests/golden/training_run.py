"""Runs Keras's fit and writes what tests/trainer/test_golden_training.c compares; used by make_training.py and
make_sequences.py, which choose the backend. A case is the name of a configuration training/NAME.ini; its arrays are

    train FIELD, valid FIELD   the data, written as FIELD.npy and val_FIELD.npy into [data] dir
    init PATH, final PATH      weights before and after
    step KEY                   logs after each batch: running means of the epoch
    epoch KEY                  logs of each epoch; NaN where Keras has none
"""

import pathlib

import keras
import numpy as np
from golden_writer import Writer
from weight_places import places

keras.config.set_floatx("float64")
writer = Writer()
folder = pathlib.Path(__file__).parent / "training"
random = np.random.RandomState(5)


def normal(*shape):
    return np.float32(random.normal(size=shape))


def positive(*shape):
    return np.float32(random.uniform(0.1, 3, size=shape))


def classes(n, *shape):
    return random.randint(0, n, size=shape)


def one_hot(n, *shape):
    return np.float32(np.eye(n)[classes(n, *shape)])


def flat(logs):
    """Values of a list as NAME.0, NAME.1 ..."""
    given = {}
    for key, value in logs.items():
        many = np.ndim(value) == 1
        given.update({"%s.%d" % (key, i): float(v) for i, v in enumerate(value)} if many else {key: float(value)})
    return given


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        self.steps, self.epochs = {}, []

    def on_train_batch_end(self, batch, logs=None):
        for key, value in flat(logs).items():
            self.steps.setdefault(key, []).append(value)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(flat(logs))


def run(name, ini, make, inputs, labels, compiled, rows=22, valid=0, data="", weights={}, **fit):
    """make() gives a model. inputs, labels, weights (of samples): {field: (function of rows, dtype)}. ini has all that the
    configuration needs but [run], [data] and how long [train] goes on, which come from the arguments."""
    keras.utils.set_random_seed(len(writer.lines))
    model = make()
    model.compile(**compiled)
    fields = dict(inputs, **labels, **weights)
    train = {field: (function(rows), dtype) for field, (function, dtype) in fields.items()}
    held = {field: (function(valid), dtype) for field, (function, dtype) in fields.items()} if valid else {}

    def arrays(given, names):
        made = [given[n][0] if given[n][1].startswith("int") else given[n][0].astype("float64") for n in names]
        return made[0] if len(made) == 1 else made

    path = {}
    for layer in model.layers:
        path.update({i: layer.name + "/" + place for i, place in places(layer).items()})
    for weight in model.weights:
        start = np.float32(weight.numpy() + 0.1 * random.normal(size=weight.shape))
        weight.assign(np.abs(start) if "variance" in weight.path else start)
    writer.case(name)
    for kind, given in [("train", train), ("valid", held)]:
        for field, (values, dtype) in given.items():
            writer.array(kind, field, values, dtype)
    for weight in model.weights:
        writer.array("init", path[id(weight)], weight.numpy())
    recorder = Recorder()
    given = dict(batch_size=8, epochs=4, shuffle=False, verbose=0, callbacks=[recorder])
    given.update(fit)
    if valid:
        names = [inputs, labels, weights] if weights else [inputs, labels]
        given["validation_data"] = tuple(arrays(held, n) for n in names)
    if weights:
        given["sample_weight"] = arrays(train, weights)
    model.fit(arrays(train, inputs), arrays(train, labels), **given)
    for key, values in recorder.steps.items():
        writer.array("step", key, values)
    for key in sorted(set().union(*recorder.epochs)):
        writer.array("epoch", key, [logs.get(key, np.nan) for logs in recorder.epochs])
    for weight in model.weights:
        writer.array("final", path[id(weight)], weight.numpy())
    order = list(inputs) + list(labels) + list(weights)
    length = "[train]\nepochs = %(epochs)d\nbatch_size = %(batch_size)d\n" % given
    lines = ["[run]", "name = " + name, ini.strip().replace("[train]\n", length), "[data]", "format = npy"]
    lines.append("train = " + ", ".join(field + ".npy" for field in order))
    if valid:
        lines.append("validation = " + ", ".join("val_" + field + ".npy" for field in order))
    if data:
        lines.append(data)
    (folder / (name + ".ini")).write_text("\n".join(lines) + "\n")
