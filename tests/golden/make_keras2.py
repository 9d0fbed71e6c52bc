"""Models in the HDF5 form of Keras 2, and what such a model predicts, in tests/golden/keras: keras2.h5, keras2.npz and
keras2_weights.h5 (weights alone); weights of the model of make_weights.py in that form, and wrong ones, in
tests/golden/weights: legacy*.h5. No Keras 2 wrote them: h5py writes them in that form
(fixed-length texts, a long list of names in pieces, variables "dense/kernel:0"), and Keras 3 computes the same model.

    KERAS_BACKEND=jax python tests/golden/make_keras2.py
"""

import json
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import h5py
import keras
import numpy as np
from keras import layers

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def obj(name, config, inbound=None):
    """A layer as Keras 2 wrote it: no module, the name in its config, in a Functional also beside it."""
    made = {"class_name": name, "config": {"trainable": True, "dtype": "float32", **config}}
    return made if inbound is None else {**made, "name": config["name"], "inbound_nodes": inbound}


def glorot():
    return {"class_name": "GlorotUniform", "config": {"seed": None}}


def tensor(name, call=0, output=0, **kwargs):
    return [name, call, output, kwargs]


def start(name, shape, dtype="float32"):
    config = {"batch_input_shape": [None, *shape], "dtype": dtype, "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def tower_config():
    return [
        obj("Conv2D", {"name": "conv", "batch_input_shape": [None, 6, 6, 2], "filters": 3, "kernel_size": [3, 3], "strides": [1, 1],
                       "padding": "valid", "data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "use_bias": True,
                       "activation": "linear", "kernel_initializer": glorot(), "activity_regularizer": None}),
        obj("BatchNormalization", {"name": "norm", "axis": [3], "momentum": 0.9, "epsilon": 0.001, "center": True, "scale": True}),
        obj("LeakyReLU", {"name": "leaky", "alpha": 0.125}),
        obj("Flatten", {"name": "flat", "data_format": "channels_last"}),
        obj("Dense", {"name": "fixed", "trainable": False, "units": 4, "activation": "tanh", "use_bias": True}),
        obj("Dense", {"name": "squeeze", "units": 5, "activation": "relu", "use_bias": True}),
    ]


def model_config():
    attention = {"num_heads": 2, "key_dim": 3, "value_dim": 3, "dropout": 0.0, "use_bias": True, "output_shape": None,
                 "attention_axes": [1], "query_shape": [None, 5, 4], "key_shape": [None, 5, 4], "value_shape": [None, 5, 4]}
    recurrent = {"return_sequences": True, "go_backwards": False, "stateful": False, "unroll": False, "time_major": False}
    made = [
        start("a", (6, 6, 2)), start("b", (6, 6, 2)), start("words", (7,), "int32"), start("steps", (5, 3)),
        {"class_name": "Sequential", "config": {"name": "tower", "layers": tower_config()}, "name": "tower",
         "inbound_nodes": [[tensor("a", training=False)], [tensor("b")]]},
        obj("Subtract", {"name": "apart"}, [[tensor("tower", 1), tensor("tower", 2)]]),
        obj("Embedding", {"name": "table", "input_dim": 9, "output_dim": 4, "input_length": 7, "mask_zero": True}, [[tensor("words")]]),
        obj("Bidirectional", {"name": "both", "merge_mode": "concat", "layer": obj("LSTM", {
            "name": "lstm", "units": 3, "implementation": 2, **recurrent, "return_sequences": False})}, [[tensor("table")]]),
        obj("GRU", {"name": "gru", "units": 4, "reset_after": True, "return_state": True, **recurrent}, [[tensor("steps")]]),
        obj("SimpleRNN", {"name": "simple", "units": 4, **recurrent}, [[tensor("gru"), tensor("gru", 0, 1)]]),
        obj("MultiHeadAttention", {"name": "mix", **attention}, [[tensor("simple", value=["gru", 0, 0])]]),
        obj("GlobalAveragePooling1D", {"name": "pool", "data_format": "channels_last"}, [[tensor("mix")]]),
        obj("Concatenate", {"name": "joined", "axis": -1}, [[tensor("apart"), tensor("both"), tensor("pool")]]),
        obj("Dense", {"name": "score", "units": 3, "activation": "softmax"}, [[tensor("joined")]]),
        obj("Dense", {"name": "length", "units": 1, "activation": "linear"}, [[tensor("joined")]]),
    ]
    config = {"name": "model", "layers": made, "input_layers": [[n, 0, 0] for n in ("a", "b", "words", "steps")],
              "output_layers": [["score", 0, 0], ["length", 0, 0]]}
    return {"class_name": "Functional", "config": config}


TRAINING = {
    "loss": [{"class_name": "CategoricalCrossentropy", "config": {"reduction": "auto", "name": "categorical_crossentropy",
                                                                  "from_logits": False, "label_smoothing": 0, "axis": -1,
                                                                  "fn": "categorical_crossentropy"}}, "mse"],
    "metrics": [[{"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "dtype": "float32", "fn": "categorical_accuracy"}}],
                [{"class_name": "MeanMetricWrapper", "config": {"name": "mae", "dtype": "float32", "fn": "mean_absolute_error"}}]],
    "weighted_metrics": None, "loss_weights": None,
    "optimizer_config": {"class_name": "SGD", "config": {"name": "SGD", "learning_rate": 0.125, "decay": 0.0, "momentum": 0.5,
                                                         "nesterov": False}},
}


def model_of_keras():
    a, b = keras.Input((6, 6, 2), name="a"), keras.Input((6, 6, 2), name="b")
    words, steps = keras.Input((7,), dtype="int32", name="words"), keras.Input((5, 3), name="steps")
    tower = keras.Sequential([
        keras.Input((6, 6, 2)), layers.Conv2D(3, 3, name="conv"), layers.BatchNormalization(momentum=0.9, name="norm"),
        layers.LeakyReLU(0.125), layers.Flatten(), layers.Dense(4, activation="tanh", name="fixed", trainable=False),
        layers.Dense(5, activation="relu", name="squeeze")], name="tower")
    apart = layers.Subtract()([tower(a), tower(b)])
    both = layers.Bidirectional(layers.LSTM(3), name="both")(layers.Embedding(9, 4, mask_zero=True, name="table")(words))
    y, h = layers.GRU(4, return_sequences=True, return_state=True, name="gru")(steps)
    z = layers.SimpleRNN(4, return_sequences=True, name="simple")(y, initial_state=h)
    pool = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 3, name="mix")(z, y))
    joined = layers.Concatenate()([apart, both, pool])
    return keras.Model([a, b, words, steps], [layers.Dense(3, activation="softmax", name="score")(joined),
                                              layers.Dense(1, name="length")(joined)])


def write_weights(group, model, names, pieces):
    """Trained variables of a layer, then the others; the list of names in `pieces` attributes."""
    group.attrs["backend"], group.attrs["keras_version"] = np.bytes_("tensorflow"), np.bytes_("2.11.0")
    parts = np.array_split(np.array(names, "S"), pieces)
    for i, part in enumerate(parts):
        group.attrs["layer_names" if pieces == 1 else "layer_names%d" % i] = part
    for name in names:
        layer, inner = model.get_layer(name), group.create_group(name)
        variables = layer.trainable_weights + layer.non_trainable_weights
        paths = ["%s:0" % (v.path if v.path.startswith(name) else name + "/" + v.path) for v in variables]
        inner.attrs["weight_names"] = np.array(paths, "S") if paths else np.array([], "float64")
        for path, variable in zip(paths, variables):
            inner[path] = np.asarray(variable.value)


# The layers of make_weights.py in Keras's order: the first value of each and the shapes of its variables.
SMALL = {"conv1": (1000, [(3, 3, 2, 3), (3,)]), "bn": (2000, [(3,)] * 4), "side": (3000, [(4, 5), (5,)]),
         "aux": (5000, [(53, 1), (1,)]), "out": (4000, [(53, 2)])}


def write_small(name, order=tuple(SMALL), called=lambda layer: layer, layer_names=None, version="2.11.0", change=None):
    with h5py.File(os.path.join(HERE, "weights", name), "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["layer_names"] = [called(n) for n in order] if layer_names is None else layer_names
        for layer in order:
            group = file.create_group(called(layer))
            base, shapes = SMALL[layer]
            group.attrs["weight_names"] = ["%s/v%d:0" % (layer, k) for k in range(len(shapes))]
            for k, shape in enumerate(shapes):
                values = base + 100 * k + np.arange(np.prod(shape), dtype="float32").reshape(shape)
                group["%s/v%d:0" % (layer, k)] = values
        if change:
            change(file)


def soft_link(file):
    file["elsewhere"] = file["side/side/v0:0"][()]
    del file["side/side/v0:0"]
    file["side/side/v0:0"] = h5py.SoftLink("/elsewhere")


def set_names(names):
    return lambda file: file["side"].attrs.__setitem__("weight_names", names)


def small():
    write_small("legacy.h5", order=("out", "bn", "aux", "conv1", "side"))
    write_small("legacy_other_names.h5", called=lambda layer: "my_" + layer)
    write_small("legacy_numbers.h5", layer_names=[1, 2, 3])
    write_small("legacy_absent_layer.h5", layer_names=list(SMALL) + ["gone"])
    write_small("legacy_absent_weight.h5", change=set_names(["side/v0:0", "side/v7:0"]))
    write_small("legacy_few.h5", change=set_names(["side/v0:0"]))
    write_small("legacy_no_list.h5", change=lambda file: file["side"].attrs.__delitem__("weight_names"))
    write_small("legacy_long_name.h5", change=set_names(["side/v0:0", 2000 * "v"]))
    write_small("legacy_linked.h5", change=soft_link)
    write_small("legacy_keras1.h5", version="1.2.2")
    write_small("legacy_fewer_layers.h5", order=("conv1", "bn"), called=lambda layer: "my_" + layer)


def main():
    folder = os.path.join(HERE, "keras")
    model = model_of_keras()
    for w in model.weights:
        w.assign(rng.uniform(0.5, 1.5, w.shape) if "variance" in w.name else rng.normal(0, 0.5, w.shape))
    x = {"a": rng.normal(0, 1, (5, 6, 6, 2)).astype("float32"), "b": rng.normal(0, 1, (5, 6, 6, 2)).astype("float32"),
         "words": rng.integers(1, 9, (5, 7)).astype("int32"), "steps": rng.normal(0, 1, (5, 5, 3)).astype("float32")}
    x["words"][::2, 4:] = 0
    score, length = model.predict(x, verbose=0)
    np.savez(os.path.join(folder, "keras2.npz"), **x, score=score, length=length)
    config = model_config()
    names = [layer["name"] for layer in config["config"]["layers"] if layer["class_name"] not in ("InputLayer",)]
    for old, layer in zip(("apart", "pool", "joined"), (l for l in model.layers if not l.weights and "input" not in type(l).__name__.lower())):
        layer.name = old
    with h5py.File(os.path.join(folder, "keras2.h5"), "w") as file:
        file.attrs["model_config"] = np.bytes_(json.dumps(config))
        file.attrs["training_config"] = np.bytes_(json.dumps(TRAINING))
        write_weights(file.create_group("model_weights"), model, names, 3)
    with h5py.File(os.path.join(folder, "keras2_weights.h5"), "w") as file:
        write_weights(file, model, names, 1)


if __name__ == "__main__":
    main()
    small()
