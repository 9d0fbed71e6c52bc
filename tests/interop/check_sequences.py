#!/usr/bin/env python3
"""Weights of recurrent and attention layers and of wrappers go both ways: kdist computes Keras's outputs with a file that
Keras wrote, and Keras computes kdist's with a file that kdist wrote after training.

usage: check_sequences.py KDIST
"""
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers

CONFIG = """
[run]
name = sequences
[input x]
shape = 5
dtype = int32
[layers]
e = Embedding(9, 6, mask_zero=true)
r1 = Bidirectional(LSTM(4, return_sequences=true), merge_mode=concat)
r2 = RNN([LSTMCell(5), GRUCell(4, reset_after=false), LSTMCell(3)], return_sequences=true)
r3 = GRU(6, return_sequences=true)
r4 = SimpleRNN(6, return_sequences=true)
a1 = MultiHeadAttention(2, 3)(r4, r3)
a2 = GroupQueryAttention(3, 4, 2)(a1, a1)
a3 = Attention(use_scale=true)(a2, a1)
a4 = AdditiveAttention()(a3, a2)
t1 = TimeDistributed(Dense(3, tanh))
t3 = Reshape((5, 3, 1))
t2 = TimeDistributed(Bidirectional(SimpleRNN(2)))
q = EinsumDense("abc,cd->abd", (5, 4), bias_axes=d)
s1 = SpectralNormalization(Conv1D(3, 2))
f = Flatten()
s2 = SpectralNormalization(Dense(4, use_bias=false))
y = Dense(2)
[data]
format = npy
train = x.npy, y.npy
test = x.npy, y.npy
[train]
epochs = 2
batch_size = 6
loss = mse
optimizer = Adam(0.01)
"""


def make_model():
    x = keras.Input((5,), dtype="int32", name="x")
    e = layers.Embedding(9, 6, mask_zero=True, name="e")(x)
    r = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="r1")(e)
    cells = [layers.LSTMCell(5), layers.GRUCell(4, reset_after=False), layers.LSTMCell(3)]
    r = layers.RNN(cells, return_sequences=True, name="r2")(r)
    r3 = layers.GRU(6, return_sequences=True, name="r3")(r)
    r4 = layers.SimpleRNN(6, return_sequences=True, name="r4")(r3)
    a1 = layers.MultiHeadAttention(2, 3, name="a1")(r4, r3)
    a2 = layers.GroupQueryAttention(3, 4, 2, name="a2")(a1, a1)
    a3 = layers.Attention(use_scale=True, name="a3")([a2, a1])
    a4 = layers.AdditiveAttention(name="a4")([a3, a2])
    t = layers.TimeDistributed(layers.Dense(3, activation="tanh"), name="t1")(a4)
    t = layers.Reshape((5, 3, 1), name="t3")(t)
    t = layers.TimeDistributed(layers.Bidirectional(layers.SimpleRNN(2)), name="t2")(t)
    h = layers.EinsumDense("abc,cd->abd", (5, 4), bias_axes="d", name="q")(t)
    h = layers.SpectralNormalization(layers.Conv1D(3, 2), name="s1")(h)
    h = layers.SpectralNormalization(layers.Dense(4, use_bias=False), name="s2")(layers.Flatten(name="f")(h))
    return keras.Model(x, layers.Dense(2, name="y")(h))


def predicted(kdist, weights):
    subprocess.run([kdist, "predict", "run.ini", "-o", "out.npy", "--weights=" + weights], check=True)
    return np.load("out.npy")


def main(kdist):
    keras.utils.set_random_seed(3)
    x = np.random.randint(1, 9, (12, 5)).astype("int32")
    for row, length in enumerate(np.random.randint(1, 6, 12)):
        x[row, length:] = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        np.save("x.npy", x)
        np.save("y.npy", np.random.normal(size=(12, 2)).astype("float32"))
        pathlib.Path("run.ini").write_text(CONFIG)
        model = make_model()
        for weight in model.weights:
            weight.assign(weight + 0.1 * np.random.normal(size=weight.shape))
        model.save_weights("keras.weights.h5")
        np.testing.assert_allclose(predicted(kdist, "keras.weights.h5"), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
        subprocess.run([kdist, "fit", "run.ini", "--progress=none"], check=True)
        ours = "runs/sequences/model.weights.h5"
        before = model.predict(x, verbose=0)
        model.load_weights(ours)
        after = model.predict(x, verbose=0)
        assert np.abs(after - before).max() > 1e-3
        np.testing.assert_allclose(predicted(kdist, ours), after, rtol=1e-4, atol=1e-5)
        os.chdir("/")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
