"""Golden values of SpectralNormalization, from Keras (TensorFlow backend, where a training call replaces the kernel and
gradients are those of the new one; float64, stored as float32).

    KERAS_BACKEND=tensorflow python tests/golden/make_spectral.py

writes spectral.txt and spectral.bin as make_layers.py does; "prepared NAME" is a weight as a training call leaves it.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np
import tensorflow as tf
from golden_writer import Writer, text
from weight_places import places

keras.config.set_floatx("float64")
out = Writer()


def single(value):
    return np.asarray(np.asarray(value, "float32"), "float64")


def case(shape, name, *args, iterations=None, zero=False, trainable=True, ids=0, **kwargs):
    rng = np.random.default_rng(len(out.lines))
    inner = getattr(keras.layers, name)(*args, **kwargs)
    given = {} if iterations is None else {"power_iterations": iterations}
    layer = keras.layers.SpectralNormalization(inner, **given)
    layer.trainable = trainable
    x = rng.integers(0, ids, shape).astype("float64") if ids else single(rng.normal(0, 1, shape))
    layer(x)
    place = places(layer)
    for w in layer.weights:
        w.assign(single(rng.normal(0, 1, w.shape)))
    if zero:
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    listed = [text(a) for a in args] + ["%s=%s" % (k, text(v)) for k, v in kwargs.items()]
    options = "".join(", %s=%s" % (k, text(v)) for k, v in given.items())
    out.case("SpectralNormalization(%s(%s)%s)" % (name, ", ".join(listed), options))
    if not trainable:
        out.lines.append("frozen")
    out.array("input", 0, x)
    for w in sorted(layer.weights, key=lambda w: "vector_u" in w.path):
        out.array("weight", place[id(w)], w.numpy())
    y = layer(x)
    cotangent = single(rng.normal(0, 1, y.shape))
    out.array("infer", 0, y)
    out.array("cotangent", 0, cotangent)
    fed = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(fed)
        y = layer(fed, training=True)
        loss = tf.reduce_sum(y * cotangent)
    variables = layer.trainable_variables
    grads = tape.gradient(loss, [v.value for v in variables] + ([] if ids else [fed]))
    out.array("train", 0, y)
    for v, g in zip(variables, grads):
        out.array("grad_weight", place[id(v)], tf.convert_to_tensor(g))
    if not ids:
        out.array("grad_input", 0, grads[-1])
    for w in (layer.kernel, layer.vector_u):
        out.array("prepared", place[id(w)], w.numpy())
    if any(v.regularizer is not None for v in variables):
        penalty = sum(float(v.regularizer(v.value)) for v in variables if v.regularizer is not None)
        out.array("penalty", "-", penalty)


case((3, 5), "Dense", 4)
case((3, 5), "Dense", 4, activation="tanh", use_bias=False, iterations=5)
case((3, 5), "Dense", 4, kernel_regularizer="l2", iterations=3)
case((3, 5), "Dense", 4, zero=True)
case((3, 5), "Dense", 4, trainable=False)
case((2, 6, 5, 3), "Conv2D", 4, 3, padding="same", iterations=2)
case((2, 6, 3), "Conv1D", 4, 2)
case((2, 4, 3, 3), "Conv2DTranspose", 2, 3, strides=2)
case((2, 6, 5, 3), "DepthwiseConv2D", 3)
case((2, 4, 3), "EinsumDense", "abc,cd->abd", output_shape=(None, 5), bias_axes="d")
case((2, 4), "Embedding", 6, 3, ids=6)
out.save("spectral")
