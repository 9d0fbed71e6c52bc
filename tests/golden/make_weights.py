#!/usr/bin/env python3
"""Writes tests/golden/weights with Keras and h5py, for tests/io/test_weights.c.

Element i of variable k of a layer has the value BASE[layer] + 100 k + i. The same model is built in C.
Run with KERAS_BACKEND=jax.
"""
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import h5py
import keras
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")
BASE = {"conv1": 1000, "bn": 2000, "side": 3000, "out": 4000, "aux": 5000}


def make_model():
    """The output declared last comes first, so that numbering by declaration would be wrong."""
    layers = keras.layers
    image = keras.Input((6, 6, 2), name="image")
    extra = keras.Input((4,), name="extra")
    x = layers.Conv2D(3, 3, name="conv1")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Flatten(name="flat")(x)
    side = layers.Dense(5, name="side")(extra)
    joined = layers.Concatenate(name="joined")([x, side])
    out = layers.Dense(2, use_bias=False, name="out")(joined)
    aux = layers.Dense(1, name="aux")(joined)
    return keras.Model([image, extra], [aux, out], name="golden")


def expected(layer):
    return [
        (BASE[layer.name] + 100 * k + np.arange(int(np.prod(v.shape)))).reshape(v.shape).astype("float32")
        for k, v in enumerate(layer.weights)
    ]


def write(name, transform=None, **options):
    """A copy of the file that Keras wrote, data set by data set, without attributes."""
    with h5py.File(os.path.join(HERE, "keras.weights.h5")) as source, h5py.File(os.path.join(HERE, name), "w") as to:
        def copy(path, item):
            if isinstance(item, h5py.Dataset) and not path.startswith("optimizer"):
                data = item[()]
                path, data = transform(path, data) if transform else (path, data)
                to.create_dataset(path, data=data, **(options if data.ndim else {}))
        source.visititems(copy)


def write_half(policy):
    """The same model with variables of a half type, without an optimizer."""
    keras.config.set_dtype_policy(policy)
    half = make_model()
    for layer in half.layers:
        if layer.name in BASE:
            layer.set_weights(expected(layer))
    half.save_weights(os.path.join(HERE, policy + ".weights.h5"))
    keras.config.set_dtype_policy("float32")


def main():
    os.makedirs(HERE, exist_ok=True)
    model = make_model()
    model.compile("adam", "mse")
    model.fit([np.zeros((1, 6, 6, 2)), np.zeros((1, 4))], [np.zeros((1, 1)), np.zeros((1, 2))], verbose=0)
    for layer in model.layers:
        if layer.name in BASE:
            layer.set_weights(expected(layer))
    model.save_weights(os.path.join(HERE, "keras.weights.h5"))
    for policy in ["bfloat16", "float16"]:
        write_half(policy)
    write("chunked.weights.h5", chunks=True, compression="gzip", shuffle=True)
    write("double.weights.h5", lambda p, d: (p, d.astype(">f8")))
    write("old_root.weights.h5", lambda p, d: (p.replace("layers/", "_layer_checkpoint_dependencies/"), d))
    with h5py.File(os.path.join(HERE, "linked.weights.h5"), "w") as file:
        file["layers/batch_normalization"] = h5py.ExternalLink("keras.weights.h5", "layers/batch_normalization")
        file["layers/conv2d"] = h5py.ExternalLink("keras.weights.h5", "layers/conv2d")
        file["layers/dense"] = h5py.SoftLink("/layers/conv2d")


if __name__ == "__main__":
    main()
