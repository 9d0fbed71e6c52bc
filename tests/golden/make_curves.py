"""Losses of 50 steps, computed by Keras on PyTorch: start weights, data and curves of three nets.

    KERAS_BACKEND=torch python tests/golden/make_curves.py

writes curves/NAME.weights.h5, curves/NAME.csv (a loss a line) and the data, which the configurations curves/NAME.ini
name. test_curves.sh trains from the same weights on the same batches, on the CPU and, where there is one, on a GPU.
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
import torch
from keras import layers

FOLDER = Path(__file__).resolve().parent / "curves"
STEPS, BATCH = 50, 16
ROWS = STEPS * BATCH
rng = np.random.default_rng(20)
torch.set_num_threads(1)


def save(name, array):
    np.save(FOLDER / f"{name}.npy", array)
    return array


def images():
    """A bright square in one of four corners, with noise."""
    x = rng.integers(0, 96, (ROWS, 12, 12, 1), np.uint8)
    y = rng.integers(0, 4, ROWS, np.int32)
    for i, corner in enumerate(y):
        top, left = 6 * (corner // 2), 6 * (corner % 2)
        x[i, top + 1:top + 5, left + 1:left + 5] += 100
    return save("images", x), save("corners", y)


def words():
    """Which of two words comes more often."""
    x = rng.integers(0, 20, (ROWS, 12), np.int32)
    return save("words", x), save("more", ((x == 3).sum(1) + (x < 8).sum(1) > (x > 12).sum(1)).astype(np.int32))


def cnn():
    x = keras.Input((12, 12, 1), name="image")
    h = layers.Rescaling(1 / 255, name="scale")(x)
    for i, filters in enumerate((8, 16)):
        h = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{i}")(h)
        h = layers.BatchNormalization(name=f"norm{i}")(h)
        h = layers.Activation("relu", name=f"relu{i}")(h)
        h = layers.MaxPooling2D(2, name=f"pool{i}")(h)
    h = layers.Flatten(name="flat")(h)
    return keras.Model(x, layers.Dense(4, name="logits")(h))


def lstm():
    x = keras.Input((12,), dtype="int32", name="words")
    h = layers.Embedding(20, 12, name="vectors")(x)
    h = layers.LSTM(16, return_sequences=True, name="lstm")(h)
    h = layers.GRU(12, name="gru")(h)
    return keras.Model(x, layers.Dense(2, name="logits")(h))


def transformer():
    x = keras.Input((12,), dtype="int32", name="words")
    h = layers.Embedding(20, 16, name="vectors")(x)
    n = layers.LayerNormalization(name="norm1")(h)
    h = layers.Add(name="add1")([h, layers.MultiHeadAttention(2, 8, name="attn")(n, n)])
    n = layers.LayerNormalization(name="norm2")(h)
    n = layers.Dense(32, activation="gelu", name="fc1")(n)
    h = layers.Add(name="add2")([h, layers.Dense(16, name="fc2")(n)])
    h = layers.GlobalAveragePooling1D(name="mean")(h)
    return keras.Model(x, layers.Dense(2, name="logits")(h))


class Losses(keras.callbacks.Callback):
    """The loss of each batch; Keras's logs hold the mean since the epoch began."""

    def __init__(self):
        super().__init__()
        self.values, self.sum = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.values.append(total - self.sum)
        self.sum = total


def curve(name, model, optimizer, x, y):
    keras.utils.set_random_seed(1)
    net = model()
    net.save_weights(FOLDER / f"{name}.weights.h5")
    net.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = Losses()
    net.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0, callbacks=[losses])
    (FOLDER / f"{name}.csv").write_text("".join(f"{value:.7g}\n" for value in losses.values))
    print(name, losses.values[0], losses.values[-1])


corner_data, word_data = images(), words()
curve("cnn", cnn, keras.optimizers.SGD(0.05, momentum=0.9), *corner_data)
curve("lstm", lstm, keras.optimizers.Adam(0.01), *word_data)
curve("transformer", transformer, keras.optimizers.Adam(0.005), *word_data)
