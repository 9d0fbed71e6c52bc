"""Golden values of masked and weighted losses and metrics, from Keras (JAX backend).

    KERAS_BACKEND=jax python tests/golden/make_masks.py

writes masks.txt: the data, then per case three losses of train_on_batch, the bias after them, and a metric over one batch.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, STEPS, FEATURES = 5, 6, 3


def make_data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
    for row, length in enumerate([6, 4, 1, 3, 5]):
        x[row, length:] = 0
    y = rng.integers(0, 4, size=(ROWS, STEPS)).astype("int32")
    weight = np.repeat(rng.uniform(0.2, 2, size=(ROWS, 1)).astype("float32"), STEPS, 1)
    return x, y, weight


def make_model(mask):
    inputs = keras.Input((STEPS, FEATURES))
    hidden = layers.Masking()(inputs) if mask else inputs
    model = keras.Model(inputs, layers.Dense(4)(hidden))
    kernel = (np.arange(12).reshape(3, 4) * 0.1 - 0.5).astype("float32")
    model.layers[-1].set_weights([kernel, np.array([0.1, -0.2, 0.3, 0], "float32")])
    return model


def run(name, mask, weighted, reduction, out):
    x, y, weight = make_data()
    model = make_model(mask)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    model.compile(keras.optimizers.SGD(0.5), loss=loss, weighted_metrics=[])
    sample_weight = weight if weighted else None
    losses = []
    for _ in range(3):
        result = model.train_on_batch(x, y, sample_weight=sample_weight)
        losses.append(float(np.asarray(result).reshape(-1)[0]))
    bias = model.layers[-1].get_weights()[1]
    write(out, name, losses + bias.tolist())


def write(out, name, values):
    out.write("%s %s\n" % (name, " ".join("%.9g" % v for v in np.asarray(values).reshape(-1))))


def main():
    x, y, weight = make_data()
    with open(os.path.join(HERE, "masks.txt"), "w") as out:
        write(out, "x", x)
        write(out, "y", y)
        write(out, "weight", weight)
        run("masked", True, False, "sum_over_batch_size", out)
        run("masked_weighted", True, True, "sum_over_batch_size", out)
        run("masked_mean_weighted", True, True, "mean_with_sample_weight", out)
        run("masked_sum", True, True, "sum", out)
        run("weighted", False, True, "sum_over_batch_size", out)
        run("mean_weighted", False, True, "mean_with_sample_weight", out)


main()
