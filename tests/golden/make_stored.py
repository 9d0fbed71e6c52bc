"""Golden values of training runs whose variables are stored in half types (policies bfloat16 and float16), from Keras itself:
ten steps each.

    KERAS_BACKEND=jax python tests/golden/make_stored.py

writes stored.txt, stored.bin and training/NAME.ini; training_run.py says what is in them. The rules are plain: under Adam
Keras rounds beta_2 to bfloat16, which is 1, and no weight moves.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
from keras import layers, optimizers
from training_run import classes, normal, run, writer

keras.config.set_floatx("float32")
LABEL = {"y": (lambda n: classes(4, n), "int32")}


def case(name, policy, ini, make, inputs, optimizer, rule, metric="accuracy"):
    keras.config.set_dtype_policy(policy)
    ini += "[train]\nshuffle = false\ndtype_policy = %s\n" % policy
    ini += "optimizer = %s\nloss = sparse_categorical_crossentropy\nmetrics = %s\n" % (rule, metric)
    compiled = dict(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=[metric])
    run(name + "_" + policy, ini, make, inputs, LABEL, compiled, rows=40, valid=10, epochs=2)


def mlp():
    x = keras.Input((12,), name="x")
    h = layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01), name="d1")(x)
    h = layers.Dense(10, activation="tanh", name="d2")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", dtype="float32", name="y")(h))


MLP = """
[input x]
shape = 12
[layers]
d1 = Dense(16, relu, kernel_regularizer=L2(0.01))
d2 = Dense(10, tanh)
y = Dense(4, softmax, dtype=float32)
"""


def cnn():
    x = keras.Input((8, 8, 2), name="x")
    h = layers.Conv2D(4, 3, padding="same", use_bias=False, name="c1")(x)
    h = layers.BatchNormalization(momentum=0.8, name="bn1")(h)
    h = layers.Activation("relu", name="a1")(h)
    h = layers.MaxPooling2D(2, name="p1")(h)
    h = layers.Conv2D(6, 3, padding="same", use_bias=False, name="c2")(h)
    h = layers.BatchNormalization(momentum=0.8, name="bn2")(h)
    h = layers.Activation("relu", name="a2")(h)
    h = layers.GlobalAveragePooling2D(name="gap")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", name="y")(h))


CNN = """
[input x]
shape = 8, 8, 2
[layers]
c1 = Conv2D(4, 3, padding=same, use_bias=false)
bn1 = BatchNormalization(momentum=0.8)
a1 = Activation(relu)
p1 = MaxPooling2D(2)
c2 = Conv2D(6, 3, padding=same, use_bias=false)
bn2 = BatchNormalization(momentum=0.8)
a2 = Activation(relu)
gap = GlobalAveragePooling2D()
y = Dense(4, softmax)
"""


def lstm():
    x = keras.Input((5,), dtype="int32", name="x")
    h = layers.Embedding(20, 6, name="e")(x)
    h = layers.LSTM(6, recurrent_initializer="glorot_uniform", name="l")(h)  # JAX has no QR of half types
    h = layers.LayerNormalization(name="n")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", name="y")(h))


LSTM = """
[input x]
shape = 5
dtype = int32
[layers]
e = Embedding(20, 6)
l = LSTM(6, recurrent_initializer=glorot_uniform)
n = LayerNormalization()
y = Dense(4, softmax)
"""

for policy in ["bfloat16", "float16"]:
    case("mlp", policy, MLP, mlp, {"x": (lambda n: normal(n, 12), "float32")},
         optimizers.SGD(0.0625, momentum=0.875, clipnorm=2.0), "SGD(learning_rate=0.0625, momentum=0.875, clipnorm=2.0)")
    case("cnn", policy, CNN, cnn, {"x": (lambda n: normal(n, 8, 8, 2), "float32")},
         optimizers.SGD(0.0625), "SGD(learning_rate=0.0625)")
    case("lstm", policy, LSTM, lstm, {"x": (lambda n: classes(20, n, 5), "int32")},
         optimizers.SGD(0.0625, momentum=0.5), "SGD(learning_rate=0.0625, momentum=0.5)",
         "sparse_categorical_crossentropy")  # no accuracy: two classes that are one rounding apart

writer.save("stored")
