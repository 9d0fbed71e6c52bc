#!/usr/bin/env python3
"""Loads a .weights.h5 file that kdist wrote into Keras and compares all values.

usage: check_keras_weights.py FILE [POLICY]; the model and the values are those of tests/golden/make_weights.py.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

from make_weights import BASE, expected, make_model


def main(path, policy="float32"):
    keras.config.set_dtype_policy(policy)
    model = make_model()
    model.compile("adam", "mse")
    model.fit([np.zeros((1, 6, 6, 2)), np.zeros((1, 4))], [np.zeros((1, 1)), np.zeros((1, 2))], verbose=0)
    model.load_weights(path)
    for layer in model.layers:
        if layer.name in BASE:
            for have, want in zip(layer.get_weights(), expected(layer)):
                assert have.dtype == policy, (layer.name, have.dtype)
                np.testing.assert_array_equal(np.float32(have), np.float32(want.astype(have.dtype)))
    variables = model.optimizer.variables
    assert int(variables[0]) == 77, int(variables[0])
    np.testing.assert_allclose(float(variables[1]), 0.25)
    counted = np.arange(np.prod(variables[2].shape)).astype(variables[2].dtype)
    np.testing.assert_array_equal(np.asarray(variables[2]).ravel(), counted)


if __name__ == "__main__":
    main(*sys.argv[1:])
