"""Golden values of training runs with sequences: masks, attention, states, from Keras itself (TensorFlow backend, float64,
stored as float32; on JAX, fit forgets the states of stateful layers). Embeddings train with SGD: on TensorFlow, rules with squares of gradients count a word that
stands twice in a batch otherwise than on other backends.

    KERAS_BACKEND=tensorflow python tests/golden/make_sequences.py

writes sequences.txt, sequences.bin and training/NAME.ini; training_run.py says what is in them.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
from keras import layers, optimizers
from training_run import classes, normal, random, run, writer

TRAIN = """
[train]
shuffle = false
"""


def words(n, steps=6, count=12):
    """Rows of word numbers that end early, in zeros."""
    ids = random.randint(1, count, size=(n, steps))
    for row, length in enumerate(random.randint(1, steps + 1, size=n)):
        ids[row, length:] = 0
    return ids


def padded(n, steps=5, features=3):
    values = normal(n, steps, features)
    for row, length in enumerate(random.randint(1, steps + 1, size=n)):
        values[row, length:] = 0
    return values


# --- a mask from an embedding through two recurrent layers ---


def make():
    x = keras.Input((6,), dtype="int32", name="x")
    h = layers.Embedding(12, 5, mask_zero=True, name="e")(x)
    h = layers.LSTM(6, return_sequences=True, name="r1")(h)
    h = layers.GRU(5, name="r2")(h)
    return keras.Model(x, layers.Dense(3, activation="softmax", name="y")(h))


run("words", """
[input x]
shape = 6
dtype = int32
[layers]
e = Embedding(12, 5, mask_zero=true)
r1 = LSTM(6, return_sequences=true)
r2 = GRU(5)
y = Dense(3, softmax)
""" + TRAIN + """
optimizer = SGD(learning_rate=0.1, momentum=0.9)
loss = sparse_categorical_crossentropy
metrics = accuracy
""", make, {"x": (words, "int32")}, {"y": (lambda n: classes(3, n), "int32")},
    dict(optimizer=optimizers.SGD(0.1, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"]), valid=10)

# --- losses and metrics of every step, of which some are masked ---


def make():
    x = keras.Input((5, 3), name="x")
    h = layers.Masking(name="m")(x)
    h = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="b")(h)
    h = layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(3)], return_sequences=True, name="s")(h)
    return keras.Model(x, layers.TimeDistributed(layers.Dense(2), name="y")(h))


run("steps_of_words", """
[input x]
shape = 5, 3
[layers]
m = Masking()
b = Bidirectional(LSTM(4, return_sequences=true))
s = RNN([GRUCell(4), SimpleRNNCell(3)], return_sequences=true)
y = TimeDistributed(Dense(2))
""" + TRAIN + """
optimizer = RMSprop(learning_rate=0.01)
loss = mse
metrics = mae
""", make, {"x": (padded, "float32")}, {"y": (lambda n: normal(n, 5, 2), "float32")},
    dict(optimizer=optimizers.RMSprop(0.01), loss="mse", metrics=["mae"]), valid=9)

# --- attention of several kinds ---


def make():
    x = keras.Input((6,), dtype="int32", name="x")
    e = layers.Embedding(12, 6, mask_zero=True, name="e")(x)
    a = layers.MultiHeadAttention(2, 4, value_dim=3, name="a")(e, e, use_causal_mask=True)
    n = layers.LayerNormalization(name="n")(a)
    g = layers.GroupQueryAttention(3, 4, 2, name="g")(n, n)
    d = layers.AdditiveAttention(name="d")([g, n])
    h = layers.GlobalAveragePooling1D(name="h")(d)
    return keras.Model(x, layers.Dense(3, name="y")(h))


run("attention", """
[input x]
shape = 6
dtype = int32
[layers]
e = Embedding(12, 6, mask_zero=true)
a = MultiHeadAttention(2, 4, value_dim=3)(e, e, use_causal_mask=true)
n = LayerNormalization()
g = GroupQueryAttention(3, 4, 2)(n, n)
d = AdditiveAttention()(g, n)
h = GlobalAveragePooling1D()
y = Dense(3)
""" + TRAIN + """
optimizer = SGD(learning_rate=0.1, momentum=0.9)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
""", make, {"x": (words, "int32")}, {"y": (lambda n: classes(3, n), "int32")},
    dict(optimizer=optimizers.SGD(0.1, momentum=0.9), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
         metrics=["accuracy"]), valid=7)

# --- an encoder hands its states to a decoder; two inputs, two outputs ---


def make():
    x, t = keras.Input((5, 3), name="x"), keras.Input((4, 2), name="t")
    enc, h, c = layers.LSTM(4, return_sequences=True, return_state=True, name="enc")(x)
    dec = layers.LSTM(4, return_sequences=True, name="dec")(t, initial_state=[h, c])
    a = layers.Attention(use_scale=True, name="a")([dec, enc])
    return keras.Model([x, t], [layers.Dense(2, name="y")(a), layers.Dense(1, name="z")(h)])


run("states", """
[input x]
shape = 5, 3
[input t]
shape = 4, 2
[layers]
enc = LSTM(4, return_sequences=true, return_state=true)(x)
dec = LSTM(4, return_sequences=true)(t, initial_state=(enc:1, enc:2))
a = Attention(use_scale=true)(dec, enc)
y = Dense(2)(a)
z = Dense(1)(enc:1)
[output y]
loss = mse
[output z]
loss = mae
""" + TRAIN + """
optimizer = SGD(learning_rate=0.05)
""", make, {"x": (lambda n: normal(n, 5, 3), "float32"), "t": (lambda n: normal(n, 4, 2), "float32")},
    {"y": (lambda n: normal(n, 4, 2), "float32"), "z": (lambda n: normal(n, 1), "float32")},
    dict(optimizer=optimizers.SGD(0.05), loss=["mse", "mae"]), rows=24, valid=8)

# --- states that are kept from batch to batch, through validation and from epoch to epoch ---


def make():
    x = keras.Input(batch_shape=(6, 4, 3), name="x")
    h = layers.LSTM(5, return_sequences=True, stateful=True, name="r1")(x)
    h = layers.Bidirectional(layers.GRU(3, return_sequences=True, stateful=True), name="r2")(h)
    h = layers.RNN([layers.SimpleRNNCell(4), layers.LSTMCell(3)], stateful=True, name="r3")(h)
    return keras.Model(x, layers.Dense(2, name="y")(h))


run("stateful", """
[input x]
shape = 4, 3
batch_size = 6
[layers]
r1 = LSTM(5, return_sequences=true, stateful=true)
r2 = Bidirectional(GRU(3, return_sequences=true, stateful=true))
r3 = RNN([SimpleRNNCell(4), LSTMCell(3)], stateful=true)
y = Dense(2)
[train]
shuffle = false
optimizer = Adam(learning_rate=0.02)
loss = mse
metrics = mae
""", make, {"x": (lambda n: normal(n, 4, 3), "float32")}, {"y": (lambda n: normal(n, 2), "float32")},
    dict(optimizer=optimizers.Adam(0.02), loss="mse", metrics=["mae"]), rows=18, valid=12, batch_size=6)

# --- words in, words out, with one table for both ---


def make():
    x = keras.Input((6,), dtype="int32", name="x")
    e = layers.ReversibleEmbedding(12, 5, logit_soft_cap=3.0, name="e")
    h = layers.GRU(5, return_sequences=True, name="r")(e(x))
    return keras.Model(x, layers.Identity(name="y")(e(h, reverse=True)))


run("tied", """
[input x]
shape = 6
dtype = int32
[layers]
e = ReversibleEmbedding(12, 5, logit_soft_cap=3.0)
r = GRU(5, return_sequences=true)
back = share(e)(r, reverse=true)
y = Identity()
""" + TRAIN + """
optimizer = SGD(learning_rate=0.1, momentum=0.9)
loss = SparseCategoricalCrossentropy(from_logits=true)
metrics = accuracy
""", make, {"x": (lambda n: classes(12, n, 6), "int32")}, {"y": (lambda n: classes(12, n, 6), "int32")},
    dict(optimizer=optimizers.SGD(0.1, momentum=0.9), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
         metrics=["accuracy"]), valid=6)

# --- kernels that are normalised before each step; TensorFlow's semantics of SpectralNormalization ---


def make():
    x = keras.Input((6, 3), name="x")
    h = layers.SpectralNormalization(layers.Conv1D(4, 2, activation="tanh"), power_iterations=2, name="c")(x)
    h = layers.Flatten(name="f")(h)
    return keras.Model(x, layers.SpectralNormalization(layers.Dense(2, kernel_regularizer="l2"), name="y")(h))


run("spectral", """
[input x]
shape = 6, 3
[layers]
c = SpectralNormalization(Conv1D(4, 2, activation=tanh), power_iterations=2)
f = Flatten()
y = SpectralNormalization(Dense(2, kernel_regularizer=l2))
""" + TRAIN + """
optimizer = Adam(learning_rate=0.01)
loss = mse
""", make, {"x": (lambda n: normal(n, 6, 3), "float32")}, {"y": (lambda n: normal(n, 2), "float32")},
    dict(optimizer=optimizers.Adam(0.01), loss="mse"), valid=6)

writer.save("sequences")
