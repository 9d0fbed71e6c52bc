#!/usr/bin/env python3
"""Trains with kdist, loads the weights with the optimizer's variables into Keras, and compares the variables with
those of Keras's own training: their order, their values and the name.

usage: check_optimizer.py KDIST
"""
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers, optimizers

CONFIG = """
[run]
name = optimizer
[input b]
shape = 3
[input a]
shape = 4
[layer second]
type = Dense
input = b
units = 3
[layer first]
type = Dense
input = a
units = 5
activation = tanh
[layer norm]
type = BatchNormalization
[layer join]
type = Concatenate
input = norm, second
[layer y]
type = Dense
units = 2
[model]
init_from = start.weights.h5
[data]
format = npy
train = b.npy, a.npy, y.npy
[train]
epochs = 2
batch_size = 5
shuffle = false
loss = mse
optimizer = %s
"""
DECAY = "ExponentialDecay(0.05, 4, 0.5)"
CASES = {
    "SGD(0.05)": lambda: optimizers.SGD(0.05),
    "SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)":
        lambda: optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=2),
    "RMSprop(0.01, momentum=0.5, centered=true)": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Adam(%s, amsgrad=true)" % DECAY:
        lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 4, 0.5), amsgrad=True),
    "AdamW(0.01, gradient_accumulation_steps=3)": lambda: optimizers.AdamW(0.01, gradient_accumulation_steps=3),
    "Adamax(0.01)": lambda: optimizers.Adamax(0.01),
    "Nadam(0.01)": lambda: optimizers.Nadam(0.01),
    "Adagrad(0.05)": lambda: optimizers.Adagrad(0.05),
    "Adadelta(1.0)": lambda: optimizers.Adadelta(1.0),
    "Ftrl(0.05, l1_regularization_strength=0.01)": lambda: optimizers.Ftrl(0.05, l1_regularization_strength=0.01),
    "Lion(0.001)": lambda: optimizers.Lion(0.001),
    "Lamb(0.01)": lambda: optimizers.Lamb(0.01),
    "Adafactor(0.05)": lambda: optimizers.Adafactor(0.05),
    "Muon(0.01, exclude_layers=[y])": lambda: optimizers.Muon(0.01, exclude_layers=["y"]),
    "ScheduleFreeAdamW(0.01, warmup_steps=3)": lambda: optimizers.ScheduleFreeAdamW(0.01, warmup_steps=3),
    "Adam(0.05, use_ema=true, ema_momentum=0.8)": lambda: optimizers.Adam(0.05, use_ema=True, ema_momentum=0.8),
    "SGD(0.05, momentum=0.9, use_ema=true, ema_momentum=0.5, ema_overwrite_frequency=3)":
        lambda: optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "Adam(0.05, gradient_accumulation_steps=2, use_ema=true, ema_momentum=0.7, ema_overwrite_frequency=2)":
        lambda: optimizers.Adam(0.05, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.7,
                                ema_overwrite_frequency=2),
}


def make_model():
    b, a = keras.Input((3,), name="b"), keras.Input((4,), name="a")
    second = layers.Dense(3, name="second")(b)
    norm = layers.BatchNormalization(name="norm")(layers.Dense(5, activation="tanh", name="first")(a))
    return keras.Model([b, a], layers.Dense(2, name="y")(layers.Concatenate(name="join")([norm, second])))


def compare(kdist, text, make):
    data = [np.random.normal(size=(13, n)).astype("float32") for n in (3, 4, 2)]
    for name, values in zip("bay", data):
        np.save(name + ".npy", values)
    mine, theirs = make_model(), make_model()
    mine.save_weights("start.weights.h5")
    theirs.load_weights("start.weights.h5")
    pathlib.Path("run.ini").write_text(CONFIG % text)
    subprocess.run([kdist, "fit", "run.ini", "--progress=none", "--overwrite"], check=True)
    theirs.compile(make(), "mse")
    theirs.fit(data[:2], data[2], epochs=2, batch_size=5, shuffle=False, verbose=0)
    mine.compile(make(), "mse")
    mine.optimizer.build(mine.trainable_variables)
    mine.load_weights("runs/optimizer/model.weights.h5")
    assert len(mine.optimizer.variables) == len(theirs.optimizer.variables)
    for have, want in zip(mine.optimizer.variables + mine.weights, theirs.optimizer.variables + theirs.weights):
        np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-3, atol=1e-6, err_msg=text + ": " + want.path)
    import h5py

    with h5py.File("runs/optimizer/model.weights.h5") as file:
        name = file["optimizer/vars"].attrs["name"]  # Keras counts objects: sgd_1
        assert name == theirs.optimizer.name.rstrip("_0123456789"), name


def main(kdist):
    keras.utils.set_random_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for text, make in CASES.items():
            compare(kdist, text, make)
        os.chdir("/")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
