"""Golden values of training runs under policies of types, from Keras itself (TensorFlow backend:
on JAX, processors multiply no float16).

    KERAS_BACKEND=tensorflow python tests/golden/make_policies.py

writes policies.txt, policies.bin and training/NAME.ini; training_run.py says what is in them. A policy rounds each
tensor between layers, so the runs are short and the rules plain: rounding that goes the other way is not amplified. For
the same reason no weight is there whose gradient is nothing but rounding, as a bias in front of a normalisation.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
from keras import layers, optimizers
from training_run import classes, normal, run, writer

keras.config.set_floatx("float32")


def case(name, policy, ini, make, inputs, labels, compiled, **fit):
    keras.config.set_dtype_policy(policy)
    head, train = ini.split("[train]\n")
    ini = head + "[train]\nshuffle = false\ndtype_policy = " + policy + "\n" + train
    run(name, ini, make, inputs, labels, compiled, **dict(dict(epochs=2), **fit))


def sgd():
    return dict(optimizer=optimizers.SGD(0.05, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


SGD = """
optimizer = SGD(learning_rate=0.05, momentum=0.9)
loss = sparse_categorical_crossentropy
metrics = accuracy
"""
LABEL = {"y": (lambda n: classes(4, n), "int32")}


def mlp():
    x = keras.Input((12,), name="x")
    h = layers.Dense(16, activation="relu", name="d1")(x)
    h = layers.Dense(10, activation="tanh", name="d2")(h)
    h = layers.Dense(8, activation="gelu", name="d3")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", dtype="float32", name="y")(h))


MLP = """
[input x]
shape = 12
[layers]
d1 = Dense(16, relu)
d2 = Dense(10, tanh)
d3 = Dense(8, gelu)
y = Dense(4, softmax, dtype=float32)
[train]
""" + SGD
MLP_INPUT = {"x": (lambda n: normal(n, 12), "float32")}


def cnn():
    x = keras.Input((8, 8, 2), name="x")
    h = layers.Rescaling(0.5, name="scale")(x)
    h = layers.Conv2D(4, 3, padding="same", use_bias=False, name="c1")(h)
    h = layers.BatchNormalization(momentum=0.8, name="bn1")(h)
    h = layers.MaxPooling2D(2, name="p1")(h)
    h = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="c2")(h)
    h = layers.BatchNormalization(momentum=0.8, name="bn2")(h)
    h = layers.Activation("relu", name="a2")(h)
    h = layers.GlobalAveragePooling2D(name="gap")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", name="y")(h))


CNN = """
[input x]
shape = 8, 8, 2
[layers]
scale = Rescaling(0.5)
c1 = Conv2D(4, 3, padding=same, use_bias=false)
bn1 = BatchNormalization(momentum=0.8)
p1 = MaxPooling2D(2)
c2 = DepthwiseConv2D(3, padding=same, use_bias=false)
bn2 = BatchNormalization(momentum=0.8)
a2 = Activation(relu)
gap = GlobalAveragePooling2D()
y = Dense(4, softmax)
[train]
""" + SGD
CNN_INPUT = {"x": (lambda n: normal(n, 8, 8, 2), "float32")}


def transformer():
    x = keras.Input((6,), dtype="int32", name="x")
    h = layers.Embedding(20, 8, name="e")(x)
    a = layers.MultiHeadAttention(2, 4, use_bias=False, name="att")(h, h)
    h = layers.LayerNormalization(name="n1")(layers.Add(name="add1")([h, a]))
    f = layers.Dense(8, name="ff2")(layers.Dense(16, activation="gelu", name="ff1")(h))
    h = layers.LayerNormalization(name="n2")(layers.Add(name="add2")([h, f]))
    h = layers.GlobalAveragePooling1D(name="gap")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", name="y")(h))


TRANSFORMER = """
[input x]
shape = 6
dtype = int32
[layers]
e = Embedding(20, 8)
att = MultiHeadAttention(2, 4, use_bias=false)(e, e)
add1 = Add()(e, att)
n1 = LayerNormalization()
ff1 = Dense(16, gelu)
ff2 = Dense(8)
add2 = Add()(n1, ff2)
n2 = LayerNormalization()
gap = GlobalAveragePooling1D()
y = Dense(4, softmax)
[train]
""" + SGD
TRANSFORMER_INPUT = {"x": (lambda n: classes(20, n, 6), "int32")}


def recurrent():
    x = keras.Input((5, 3), name="x")
    h = layers.LSTM(6, return_sequences=True, name="l")(x)
    h = layers.Bidirectional(layers.GRU(4), name="g")(h)
    return keras.Model(x, layers.Dense(4, activation="softmax", name="y")(h))


RECURRENT = """
[input x]
shape = 5, 3
[layers]
l = LSTM(6, return_sequences=true)
g = Bidirectional(GRU(4))
y = Dense(4, softmax)
[train]
""" + SGD
RECURRENT_INPUT = {"x": (lambda n: normal(n, 5, 3), "float32")}

for policy in ["mixed_bfloat16", "mixed_float16"]:
    case("mlp_" + policy, policy, MLP, mlp, MLP_INPUT, LABEL, sgd(), valid=10)
    case("cnn_" + policy, policy, CNN, cnn, CNN_INPUT, LABEL, sgd(), valid=6)
    ini, compiled = TRANSFORMER, sgd()
    if policy == "mixed_float16":
        # At the default scale of 32768 Keras's sums of gradients over rows pass the range of float16 in one step, which it
        # skips; sums in float32 do not.
        compiled["optimizer"] = optimizers.LossScaleOptimizer(compiled["optimizer"], initial_scale=1024.0)
        ini = ini.replace("SGD(learning_rate=0.05, momentum=0.9)",
                          "LossScaleOptimizer(SGD(learning_rate=0.05, momentum=0.9), initial_scale=1024.0)")
    case("transformer_" + policy, policy, ini, transformer, TRANSFORMER_INPUT, LABEL, compiled)
    case("recurrent_" + policy, policy, RECURRENT, recurrent, RECURRENT_INPUT, LABEL, sgd())

writer.save("policies")
