"""Writes tests/golden/summary/NAME.COLUMNS.txt: what Keras prints for the models of NAME.ini beside them.

    KERAS_BACKEND=jax python tests/golden/make_summary.py

The models are written here again in Keras, with the same names. Made with Keras 3.15.1.
"""

import io
import os
from contextlib import redirect_stdout
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
from keras import Input, Model, Sequential, layers as L

FOLDER = Path(__file__).parent / "summary"


def chain():
    return Sequential(
        [
            Input((28, 28, 1), name="image"),
            L.Rescaling(1 / 255, name="scale"),
            L.Conv2D(32, 3, use_bias=False, name="first_convolution_of_the_net"),
            L.BatchNormalization(name="bn"),
            L.Activation("relu", name="act"),
            L.GlobalAveragePooling2D(name="a_name_that_is_longer_than_any_column_could_be_made_for_it"),
            L.Dense(1000, name="hidden"),
            L.Dropout(0.5, name="drop"),
            L.Dense(10, name="logits"),
        ],
        name="chain",
    )


def branches():
    """Two inputs, two outputs, a residual, a merge of many."""
    image = Input((32, 32, 3), name="image")
    extra = Input((12,), name="extra")
    a = L.Conv2D(8, 3, padding="same", name="conv_a")(image)
    b = L.Conv2D(8, 3, padding="same", name="conv_b")(a)
    add = L.Add(name="add")([a, b])
    gap = L.GlobalAveragePooling2D(name="gap")(add)
    many = [L.Dense(4, name=f"expert_number_{i}")(extra) for i in range(5)]
    both = L.Concatenate(name="everything_together")([gap, extra, *many])
    return Model([image, extra], [L.Dense(3, name="kind")(both), L.Dense(1, name="size")(gap)], name="branches")


def shared():
    """One layer on two inputs and on its own result."""
    left = Input((16,), name="left")
    right = Input((16,), name="right")
    encode = L.Dense(16, name="encode")
    a = encode(left)
    b = encode(right)
    c = encode(b)
    product = L.Multiply(name="product")([a, c])
    return Model([left, right], L.Dense(1, name="score")(product), name="shared")


def sequences():
    """Masks, wrappers, several outputs of one layer, attention."""
    words = Input((20,), dtype="int32", name="words")
    x = L.Embedding(100, 16, name="embed")(words)
    x = L.Bidirectional(L.LSTM(8, return_sequences=True), name="both_ways")(x)
    x = L.TimeDistributed(L.Dense(12, activation="relu"), name="each_step")(x)
    attention = L.MultiHeadAttention(2, 6, name="attention")(x, x)
    x = L.Add(name="residual")([x, attention])
    x = L.LayerNormalization(name="norm")(x)
    y, h, c = L.LSTM(5, return_state=True, name="last")(x)
    state = L.Concatenate(name="state")([h, c])
    return Model(words, [L.Dense(2, name="out")(y), L.Dense(2, name="other")(state)], name="sequences")


def frozen():
    net = Sequential(
        [
            Input((64,), name="x"),
            L.Dense(2048, name="base", trainable=False),
            L.Dense(1024, name="middle"),
            L.Dense(1, name="head"),
        ],
        name="frozen",
    )
    return net


def text(model, columns):
    os.environ["COLUMNS"] = str(columns)
    out = io.StringIO()
    with redirect_stdout(out):
        model.summary()
    lines = out.getvalue().rstrip("\n").split("\n")
    return "".join(line.rstrip() + "\n" for line in lines if line.strip())


def main():
    for make in (chain, branches, shared, sequences, frozen):
        for columns in (60, 80, 100, 120):
            keras.utils.clear_session()
            model = make()
            model.compile(optimizer="adam", loss="mse")
            model.optimizer.build(model.trainable_variables)
            (FOLDER / f"{make.__name__}.{columns}.txt").write_text(text(model, columns))


main()
