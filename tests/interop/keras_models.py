"""Models that Keras saves, for tests that read them: each function gives a model and its inputs by name."""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers, ops
from keras.src.applications.convnext import LayerScale

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
keras.utils.set_random_seed(5)


def floats(*shape):
    return rng.normal(0, 1, shape).astype("float32")


def ids(below, *shape):
    """Half of the rows end in zeros, which masks leave out."""
    x = rng.integers(1, below, shape).astype("int32")
    x[::2, shape[1] // 2 :] = 0
    return x


def spread(model):
    """Weights and statistics that are not those of a fresh model."""
    for w in model.weights:
        value = np.asarray(w.value, "float32")
        if value.dtype.kind == "f":
            w.assign(np.abs(value + 0.1 * rng.normal(0, 1, value.shape)) + (0.2 if "variance" in w.name else 0) if "variance"
                     in w.name else value + 0.1 * rng.normal(0, 1, value.shape))
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # it computes with copies
    return model


def sequential():
    model = keras.Sequential(
        [keras.Input((8, 8, 3), name="image"), layers.Rescaling(1 / 2.0), layers.Conv2D(4, 3, padding="same", activation="relu"),
         layers.BatchNormalization(), layers.MaxPooling2D(), layers.SeparableConv2D(5, 3, activation="tanh"),
         layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(3, name="last layer-1")], name="chain")
    return model, {"image": floats(6, 8, 8, 3)}


def shared():
    """Shared layers, several inputs and outputs, an output that is used on the way."""
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    dense, norm = layers.Dense(5, activation="gelu", name="both"), layers.LayerNormalization(name="norm")
    x, y = dense(a), dense(b)
    merged = layers.Concatenate(name="merged")([norm(x), norm(y), x])
    one = layers.Dense(2, name="one")(merged)
    two = layers.Dense(3, activation="softmax", name="two")(layers.Subtract()([x, y]))
    return keras.Model([b, a], [two, one, merged]), {"a": floats(5, 6), "b": floats(5, 6)}


def nested():
    """Models in models, one of them shared and one frozen; a call without training."""
    inner_in = keras.Input((4,))
    z = layers.Dense(4, activation="relu")(inner_in)
    inner = keras.Model(inner_in, [layers.Dense(3)(z), layers.BatchNormalization()(z)], name="encoder")
    chain = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.Dropout(0.5), layers.Dense(3)], name="head")
    deep_in = keras.Input((3,))
    deep = keras.Model(deep_in, chain(layers.Dense(3)(deep_in)), name="deep")
    a, b = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    p, q = inner(a), inner(b, training=False)
    frozen = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="frozen")
    frozen.trainable = False
    both = layers.Add()([p[0], q[0]])
    out = keras.Model([a, b], [deep(both), frozen(layers.Average()([p[1], q[1]])), inner(layers.Dense(4)(both))[0]])
    return out, {"left": floats(6, 4), "right": floats(6, 4)}


def wrapped():
    """Weights that are not trained, in front of, between and in layers that are; a frozen layer in a model in the model."""
    x = keras.Input((5, 4), name="x")
    y = layers.TimeDistributed(layers.BatchNormalization())(layers.SpectralNormalization(layers.Dense(3))(x))
    inner = keras.Sequential([keras.Input((5, 3)), layers.SpectralNormalization(layers.Dense(4)), layers.BatchNormalization(),
                              layers.Dense(2, trainable=False), layers.PReLU(), layers.Dense(3)], name="inner")
    return keras.Model(x, layers.Flatten(name="y")(layers.GroupNormalization(1)(inner(y)))), {"x": floats(6, 5, 4)}


def recurrent():
    words = keras.Input((7,), dtype="int32", name="words")
    x = layers.Embedding(9, 6, mask_zero=True)(words)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    y, h, c = layers.LSTM(5, return_sequences=True, return_state=True)(x)
    z = layers.GRU(5, reset_after=False)(y, initial_state=h)
    s = layers.SimpleRNN(3, go_backwards=True)(y)
    cells = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)])(y)
    w = layers.TimeDistributed(layers.Dense(2))(y)
    pooled = layers.GlobalAveragePooling1D()(w)
    last = layers.Dense(2, name="label")(layers.Concatenate()([z, s, c, cells, pooled]))
    return keras.Model(words, last), {"words": ids(9, 6, 7)}


def masking():
    steps = keras.Input((None, 3), name="steps")
    x = layers.Masking(mask_value=0.0)(steps)
    x = layers.Concatenate()([x, layers.Dense(2)(x)])
    x = layers.Bidirectional(layers.GRU(4), merge_mode="sum")(x)
    value = floats(5, 6, 3)
    value[1:3, 3:] = 0
    return keras.Model(steps, layers.Dense(1)(x)), {"steps": value}


def transformer():
    words = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(11, 8, mask_zero=True)(words)
    a = layers.MultiHeadAttention(2, 4, dropout=0.1, name="mix")(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([x, a]))
    f = layers.Dense(8)(layers.Dense(16, activation="gelu")(x))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, f]))
    x = layers.GroupQueryAttention(4, 4, 2)(x, x)
    out = layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")(x)
    return keras.Model(words, layers.Flatten()(out)), {"words": rng.integers(1, 11, (4, 6)).astype("int32")}


def operations():
    """Functions of keras.ops between layers."""
    a, b = keras.Input((4, 6), name="a"), keras.Input((4, 6), name="b")
    x = ops.add(a, layers.Dense(6)(b)) * 0.5 - 1.0
    x = ops.relu(1.0 - x) / 3.0 + ops.maximum(a, b)
    x = ops.gelu(x, approximate=True) * ops.sigmoid(b)
    y = ops.reshape(x, (-1, 24))
    z = ops.concatenate([ops.mean(x, axis=1), ops.max(x, axis=1)], axis=-1)
    t = ops.softmax(ops.transpose(x, (0, 2, 1)), axis=-1)
    s = ops.add(x[:, 1], x[:, -2:][:, 0]) + ops.reshape(x, (-1, 2, 2, 6))[:, 1:, -1][:, 0]
    e = ops.squeeze(ops.expand_dims(-y, axis=1), axis=1)
    return keras.Model([a, b], [layers.Dense(2, name="first")(ops.concatenate([e, z, s], axis=-1)), layers.Dense(3, name="second")(t)]), {
        "a": floats(5, 4, 6), "b": floats(5, 4, 6)}


def dictionary():
    a, b = keras.Input((3,), name="first"), keras.Input((4,), name="second")
    x = layers.Concatenate()([a, b])
    return keras.Model({"second": b, "first": a}, {"sum": layers.Dense(2, name="p")(x), "also": layers.Dense(1, name="q")(x)}), {
        "first": floats(5, 3), "second": floats(5, 4)}


def half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((6,), name="x"), layers.Dense(8, activation="relu"),
                              layers.Dense(3, dtype="float32")])
    keras.config.set_dtype_policy("float32")
    return model, {"x": floats(5, 6)}


def normalized():
    """Normalization that has adapted itself, and with given numbers; LayerScale, which keras.layers has not."""
    x, image = keras.Input((5,), name="x"), keras.Input((4, 4, 3), name="image")
    adapted, pixels = layers.Normalization(name="adapted"), layers.Normalization((1, -1), name="pixels")
    adapted.adapt(rng.normal(3, 2, (20, 5)).astype("float32"))
    pixels.adapt(rng.normal(1, 3, (20, 4, 4, 3)).astype("float32"))
    whole = layers.Normalization(None, invert=True, name="whole")
    whole.adapt(rng.normal(1, 3, (20, 5)).astype("float32"))
    y = layers.Normalization(mean=[0.5, -1.0, 2.0], variance=[4.0, 0.25, 1.0], name="given")(pixels(image))
    y = layers.GlobalAveragePooling2D()(LayerScale(0.1, 3, name="scale")(y))
    joined = layers.Concatenate(name="joined")([adapted(x), whole(x), y])
    return keras.Model([x, image], layers.Dense(2, name="y")(joined)), {"x": floats(5, 5), "image": floats(5, 4, 4, 3)}


MODELS = [sequential, shared, nested, wrapped, recurrent, masking, transformer, operations, dictionary, half, normalized]


def layer_groups():
    """Every class of layer with every option of tests/golden/make_layers.py: one model for each group of cases."""
    sys.path.insert(0, os.path.join(HERE, "..", "golden"))
    import make_layers

    keras.config.set_floatx("float32")
    cases = []
    make_layers.case = lambda name, shapes, *args, **kwargs: cases.append((name, shapes, args, kwargs))
    groups = ("dense activations activation_layers moving_layers random_layers convolutions pooling normalisation merging "
              "embedding volumes adaptive reversible orthogonality").split()
    for group in groups:
        cases.clear()
        getattr(make_layers, group)()
        yield group, *layer_group(group, cases, make_layers.Call)


def layer_group(group, cases, call):
    inputs, outputs, values = [], [], {}
    for number, (name, shapes, args, kwargs) in enumerate(cases):
        below, given = kwargs.pop("ids", None), kwargs.pop("given", {})
        trainable = kwargs.pop("trainable", True)
        for key in ("spread", "stochastic", "ties"):
            kwargs.pop(key, None)
        functions = [v for v in list(args) + [kwargs.get("activation")] if isinstance(v, call)]
        if any(not hasattr(keras.regularizers, f.name) for f in functions):
            continue  # a function with arguments is Python code, which Keras does not save
        many = isinstance(shapes, list)
        xs = []
        for k, shape in enumerate(shapes if many else [shapes]):
            x = keras.Input(shape[1:], dtype="int32" if below else "float32", name="in%d_%d" % (number, k))
            values[x.name] = (rng.integers(0, below, (3, *shape[1:])).astype("int32") if below else floats(3, *shape[1:]))
            xs.append(x)
        made = [a.make() if isinstance(a, call) else a for a in args]
        options = {k: v.make() if isinstance(v, call) else v for k, v in kwargs.items()}
        layer = getattr(layers, name)(*made, name="out%d" % number, **options)
        layer.trainable = trainable
        inputs += xs
        outputs.append(layer(xs if many else xs[0], **given))
    return keras.Model(inputs, outputs, name=group), values
