#!/usr/bin/env python3
"""Keras trains, saves, and goes on; kdist goes on from the saved file: weights and the optimizer's variables are equal
then, for every optimizer that is saved here, on several ranks too. Files whose variables do not fit are warned of, and
training begins with fresh ones, as after compile.

usage: check_continued.py KDIST
"""
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers, optimizers

ROWS, BATCH, EPOCHS = 13, 5, 2
DECAY = lambda: optimizers.schedules.ExponentialDecay(0.05, 4, 0.5)
CASES = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "accumulation": lambda: optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=4),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(DECAY(), amsgrad=True),
    "adamw": lambda: optimizers.AdamW(DECAY(), weight_decay=0.01),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adafactor": lambda: optimizers.Adafactor(0.05),
    "ftrl": lambda: optimizers.Ftrl(0.05, l1_regularization_strength=0.01),
    "lion": lambda: optimizers.Lion(0.001),
    "lamb": lambda: optimizers.Lamb(0.01),
    "muon": lambda: optimizers.Muon(0.01),
    "schedule_free": lambda: optimizers.ScheduleFreeAdamW(0.01, warmup_steps=3),
    "average": lambda: optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8),
    "overwriting": lambda: optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=4),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=64.0, dynamic_growth_steps=4),
}
failures = 0


def check(good, text):
    global failures
    if not good:
        failures += 1
        print("FAILED:", text)


def make_model(norm=layers.BatchNormalization):
    """A nested model, a frozen layer and moving statistics: variables do not stand as weights do."""
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="tanh", name="first"),
                              norm(name="norm")], name="inner")
    second = layers.Dense(3, name="second")(layers.Dense(3, name="frozen", trainable=False)(b))
    return keras.Model([a, b], layers.Dense(2, name="y")(layers.Concatenate(name="join")([inner(a), second])))


def fit(name, *args, ranks=1, config="saved.keras"):
    command = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
    folder = "run-%s-%d" % (name, ranks)
    run = subprocess.run(command + [KDIST, "fit", config, "data.format=npz", "data.train=data.npz", "train.epochs=%d" % EPOCHS,
                          "train.batch_size=%d" % BATCH, "train.shuffle=false", "run.dir=" + folder, "--overwrite",
                          "--progress=none", *args], capture_output=True, text=True, timeout=300)
    check(run.returncode == 0, "%s: %s" % (name, run.stderr[-3000:]))
    return os.path.join(folder, "model.weights.h5") if run.returncode == 0 else None, run.stderr


def near(name, have, want, tolerance):
    check(len(have) == len(want), "%s: %d variables of %d" % (name, len(have), len(want)))
    for a, b in zip(have, want):
        a, b = np.asarray(a.value, "float64"), np.asarray(b.value, "float64")
        far = np.abs(a - b).max() / (1 + np.abs(b).max()) if a.size else 0
        check(far < tolerance, "%s: %s differs by %g" % (name, b.shape, far))


def train(model, x, y, epochs=EPOCHS):
    model.fit(x, y, epochs=epochs, batch_size=BATCH, shuffle=False, verbose=0)


def continued(name, make, x, y, ranks):
    model = make_model(layers.BatchNormalization if max(ranks) == 1 else layers.LayerNormalization)
    model.compile(make(), "mse")
    train(model, x, y)
    model.save("saved.keras")
    model = keras.models.load_model("saved.keras")
    train(model, x, y)
    for n in ranks:
        path, text = fit(name, ranks=n)
        if path is None:
            continue
        check("skipped" not in text, "%s: %s" % (name, text))
        mine = keras.models.load_model("saved.keras")
        mine.load_weights(path)
        label = "%s, %d ranks" % (name, n)
        near(label + ": weights", mine.weights, model.weights, 2e-5)
        near(label + ": optimizer", mine.optimizer.variables, model.optimizer.variables, 2e-5)


def fresh(x, y):
    """Another optimizer in [train], and layers that are frozen: training begins with fresh variables."""
    model = make_model()
    model.compile(optimizers.Adam(0.02), "mse")
    train(model, x, y)
    model.save("saved.keras")
    path, text = fit("other", "train.optimizer=Adam(0.02)")
    model.compile(optimizers.Adam(0.02), "mse")
    train(model, x, y)
    check("skipped" not in text, "other optimizer: %s" % text)
    if path:
        mine = keras.models.load_model("saved.keras")
        mine.load_weights(path)
        near("other optimizer", mine.weights, model.weights, 2e-5)
    with open("frozen.ini", "w") as file:
        file.write("[model]\nfile = saved.keras\n[layer second]\ntrainable = false\n")
    _, text = fit("frozen", config="frozen.ini")
    check("optimizer's variables are skipped" in text and "holds 18 variables" in text and "has 14" in text, "frozen: %s" % text)


def untouched():
    """Compiled and never trained: nothing is lost, nothing is said."""
    model = make_model()
    model.compile("adam", "mse")
    model.save("saved.keras")
    _, text = fit("untouched")
    check("skipped" not in text, "untouched: %s" % text)


def main():
    warnings.simplefilter("error", UserWarning)
    keras.utils.set_random_seed(3)
    x = {n: np.random.normal(size=(ROWS, s)).astype("float32") for n, s in (("a", 4), ("b", 3))}
    y = np.random.normal(size=(ROWS, 2)).astype("float32")
    np.savez("data.npz", **x, y=y)
    for name, make in CASES.items():
        continued(name, make, x, y, (1, 3) if name in ("adamw", "average", "scaled") else (1,))
    fresh(x, y)
    warnings.simplefilter("default")
    untouched()
    print("%d failures" % failures)
    return failures > 0


if __name__ == "__main__":
    KDIST = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        sys.exit(main())
