#!/usr/bin/env python3
"""Models that kdist exports, in Keras: optimizers with their state (training goes on as in kdist), losses and metrics,
graphs with masks, shared layers, wrappers and several outputs.

usage: check_export.py KDIST GOLDEN_FOLDER
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

import check_export_layers
import check_optimizer
import keras_models
from check_export_layers import run

KDIST = None


def configs_equal(ours, theirs, what):
    ours, theirs = dict(ours), dict(theirs)
    for config in (ours, theirs):
        config.pop("name", None)
    assert ours.keys() == theirs.keys(), what
    for key, value in theirs.items():
        if isinstance(value, float):
            np.testing.assert_allclose(ours[key], value, rtol=1e-6, err_msg="%s: %s" % (what, key))
        elif isinstance(value, dict) and "config" in value:
            configs_equal(ours[key]["config"], value["config"], what)
        elif isinstance(value, (list, tuple)):
            assert list(ours[key]) == list(value), "%s: %s is %s, not %s" % (what, key, ours[key], value)
        else:
            assert ours[key] == value, "%s: %s is %s, not %s" % (what, key, ours[key], value)


def same_variables(a, b, what):
    assert len(a) == len(b), what
    for mine, other in zip(a, b):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other), err_msg="%s: %s" % (what, mine.path))


def fresh_optimizer(make, text):
    """Without training: the class with its options, and variables as Keras makes them."""
    run(KDIST, "export", "run.ini", "-o", "fresh.keras", "--untrained")
    model, theirs = keras.models.load_model("fresh.keras"), make()
    assert type(model.optimizer) is type(theirs), text
    configs_equal(model.optimizer.get_config(), theirs.get_config(), text)
    theirs.build(model.trainable_variables)
    same_variables(model.optimizer.variables, theirs.variables, text)


def training_goes_on(data, number, text):
    """Two epochs in kdist, two more in Keras or in kdist: the same weights."""
    folder = "r%d" % number
    run(KDIST, "fit", "run.ini", "--progress=none", "run.dir=" + folder)
    model = keras.models.load_model(folder + "/m.keras")
    assert int(model.optimizer.iterations) > 0, text
    model.fit([data["b"], data["a"]], data["y"], batch_size=5, epochs=2, shuffle=False, verbose=0)
    run(KDIST, "fit", "run.ini", "--progress=none", "run.dir=" + folder, "--resume", "train.epochs=4")
    other = keras.models.load_model(folder + "/m.keras")
    for a, b in zip(model.weights, other.weights):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-3, atol=2e-4, err_msg=text + " " + a.path)
    run(KDIST, "export", "run.ini", "-o", "again.keras", "run.dir=" + folder)
    again = keras.models.load_model("again.keras")
    same_variables(again.weights + again.optimizer.variables, other.weights + other.optimizer.variables, text)


def optimizers():
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=(23, n)).astype("float32") for name, n in (("b", 3), ("a", 4), ("y", 2))}
    for name, values in data.items():
        np.save(name + ".npy", values)
    cases = dict(check_optimizer.CASES)
    cases["LossScaleOptimizer(Adam(0.01), initial_scale=1024.0)"] = lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=1024.0)
    for number, (text, make) in enumerate(cases.items()):
        config = check_optimizer.CONFIG.replace("[model]\ninit_from = start.weights.h5\n", "") % text
        pathlib.Path("run.ini").write_text(config + "[export]\nkeras = m.keras\n")
        fresh_optimizer(make, text)
        if number % 3 == 0:
            training_goes_on(data, number, text)


SMALL = """
[input x]
shape = 4
[layers]
y = Dense(3)
[train]
loss = %s
metrics = %s
"""
LOSSES = """mse mae mape msle bce categorical_crossentropy sparse_categorical_crossentropy kl_divergence poisson hinge
squared_hinge categorical_hinge huber log_cosh cosine_similarity binary_focal_crossentropy categorical_focal_crossentropy
dice tversky circle ctc categorical_generalized_cross_entropy crossentropy MeanSquaredError""".split()
LOSS_OBJECTS = """MeanSquaredError() MeanSquaredError(reduction="sum") Huber(delta=0.3) MeanAbsoluteError()
BinaryCrossentropy(from_logits=true,label_smoothing=0.1) CategoricalCrossentropy(label_smoothing=0.2)
SparseCategoricalCrossentropy(from_logits=true) BinaryFocalCrossentropy(apply_class_balancing=true,gamma=1.5)
CategoricalFocalCrossentropy(alpha=0.3) CosineSimilarity() Tversky(alpha=0.3,beta=0.7) Dice(axis=1)
Circle(gamma=64.0,margin=0.3) Poisson() KLDivergence() LogCosh() CTC()""".split()
METRICS = """accuracy acc ce mse mae AUC auc binary_accuracy sparse_categorical_accuracy top_k_categorical_accuracy precision
recall cosine_similarity hinge kl_divergence poisson r2_score f1_score true_positives""".split()
METRIC_OBJECTS = """AUC(num_thresholds=50,curve="PR") AUC(thresholds=[0.5],name="a") Precision(thresholds=[0.2,0.7])
Recall(top_k=2) BinaryAccuracy(threshold=0.3) IoU(num_classes=3,target_class_ids=[0,2]) MeanIoU(num_classes=3)
OneHotIoU(num_classes=3,target_class_ids=[1]) F1Score(average="macro",threshold=0.4) FBetaScore(average="micro",beta=2.0)
SensitivityAtSpecificity(0.4) TopKCategoricalAccuracy(k=2) SparseTopKCategoricalAccuracy(k=2) R2Score()
RootMeanSquaredError() MeanSquaredError() CosineSimilarity() PearsonCorrelation() ConcordanceCorrelation()
FalsePositives(thresholds=0.3) BinaryIoU(target_class_ids=[1],threshold=0.6) CategoricalAccuracy()""".split()


WEIGHTS = """zeros ones he_normal Constant(0.5) Constant() RandomNormal(0.1,0.2) RandomUniform(seed=3) TruncatedNormal(stddev=0.3)
VarianceScaling(2.0,mode="fan_out",distribution="uniform") GlorotUniform(seed=4) LecunNormal() HeUniform() Orthogonal(gain=2.0)
Identity(gain=0.5)""".split()
PENALTIES = """l1 l2 l1l2 L1(0.3) L2() L1L2(l1=0.1,l2=0.2) OrthogonalRegularizer(factor=0.02,mode="columns")""".split()
LIMITS = """non_neg MaxNorm(3.0,axis=1) MinMaxNorm(0.1,0.9,rate=0.5) UnitNorm(axis=(0,1)) NonNeg()""".split()


def made(module, text):
    """The object of a text in the configuration's language."""
    words = {"true": "True", "false": "False", "none": "None"}
    return eval("module." + "".join(words.get(w, w) for w in re.split(r"(\w+)", text)), {"module": module})


def parts():
    """Initializers, regularizers and constraints."""
    for option, module, texts in (("initializer", keras.initializers, WEIGHTS), ("regularizer", keras.regularizers, PENALTIES),
                                  ("constraint", keras.constraints, LIMITS)):
        for text in texts:
            pathlib.Path("part.ini").write_text("[input x]\nshape = 4\n[layers]\ny = Dense(4, kernel_%s=%s)\n" % (option, text))
            run(KDIST, "export", "part.ini", "-o", "part.keras", "--untrained")
            ours = getattr(keras.models.load_model("part.keras").layers[1], "kernel_" + option)
            theirs = made(module, text) if "(" in text else module.get(text)
            assert type(ours) is type(theirs), text
            mine, other = ours.get_config(), theirs.get_config()
            if "seed" not in text:
                mine.pop("seed", None), other.pop("seed", None)
            configs_equal(mine, other, text)


def goals():
    for loss, metric in [(loss, "mse") for loss in LOSSES + LOSS_OBJECTS] + [("mse", m) for m in METRICS + METRIC_OBJECTS]:
        pathlib.Path("small.ini").write_text(SMALL % (loss, metric))
        run(KDIST, "export", "small.ini", "-o", "small.keras", "--untrained")
        model = keras.models.load_model("small.keras")
        compiled = model._compile_config.config
        for key, text, module in (("loss", loss, keras.losses), ("metrics", metric, keras.metrics)):
            value = compiled[key][0] if key == "metrics" else compiled[key]
            if text == "ce":  # no metric of Keras: the class that the loss speaks of
                assert type(value) is keras.metrics.CategoricalCrossentropy and value.name == "ce"
            elif "(" in text:
                assert type(value) is type(made(module, text)), text
                configs_equal(value.get_config(), made(module, text).get_config(), text)
            else:
                assert value == text, text


GRAPH = """
[run]
name = graph
[input title]
shape = none
dtype = int32
[input body]
shape = 6
dtype = int32
[input tags]
shape = 3
[block tower]
params = n
d = Dense(${n}, relu)
n = LayerNormalization()(d)
[defaults Dense]
kernel_initializer = he_normal
[layers]
words = Embedding(20, 6, mask_zero=true)(title)
more = share(words)(body)
a = Bidirectional(LSTM(4, return_sequences=true), merge_mode=sum)(words)
b = GRU(4, return_sequences=true)(more)
c = MultiHeadAttention(2, 3)(b, b, use_causal_mask=true)
d = Add()(c, b)
e = LSTM(5)(d)
f = GlobalAveragePooling1D()(a)
g = tower(6, repeat=2)(tags)
h = Concatenate()(e, f, g)
p = Dense(8, leaky_relu(negative_slope=0.05), kernel_regularizer=L1L2(0.01, 0.02), bias_constraint=MaxNorm(3))(h)
q = Dense(8, gelu(approximate=true), trainable=false)(p)
topic = Dense(4, softmax)(q)
urgent = Dense(1, sigmoid)(h)
[output topic]
loss = sparse_categorical_crossentropy
metrics = accuracy, SparseTopKCategoricalAccuracy(k=2)
[output urgent]
loss = BinaryCrossentropy()
loss_weight = 0.3
metrics = AUC()
[data]
format = npz
train = t.npz
test = t.npz
[train]
epochs = 2
batch_size = 8
optimizer = AdamW(CosineDecay(0.01, 100, warmup_target=0.02, warmup_steps=5), clipnorm=1.0)
[export]
keras = deep/m.keras
"""


def graph():
    rng = np.random.default_rng(5)
    data = {"title": rng.integers(1, 20, (24, 5)).astype("int32"), "body": rng.integers(1, 20, (24, 6)).astype("int32"),
            "tags": rng.normal(size=(24, 3)).astype("float32"), "topic": rng.integers(0, 4, 24).astype("int32"),
            "urgent": rng.integers(0, 2, 24).astype("float32")}
    for row in range(24):
        data["title"][row, rng.integers(1, 6):] = 0
        data["body"][row, rng.integers(1, 7):] = 0
    np.savez("t.npz", **data)
    pathlib.Path("graph.ini").write_text(GRAPH)
    run(KDIST, "fit", "graph.ini", "--progress=none")
    keras.utils.clear_session()  # it counts metrics: "auc", "auc_1"
    model = keras.models.load_model("runs/graph/deep/m.keras")
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    run(KDIST, "predict", "graph.ini", "-o", "o.npz")
    ours, inputs = np.load("o.npz"), [data[t.name] for t in model.inputs]
    theirs = model.predict(inputs, verbose=0)
    for name, value in zip(("topic", "urgent"), theirs):
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    before = model.evaluate(inputs, [data["topic"], data["urgent"]], batch_size=24, verbose=0, return_dict=True)
    shown = json.loads(output(KDIST, "evaluate", "graph.ini", "--json", "train.validation_batch_size=24"))
    assert before.keys() == shown.keys(), (before, shown)
    for key, value in shown.items():
        np.testing.assert_allclose(value, before[key], rtol=1e-4, err_msg=key)
    model.fit(inputs, [data["topic"], data["urgent"]], batch_size=8, epochs=2, verbose=0)
    model.save("again.keras")
    archive = zipfile.ZipFile("runs/graph/deep/m.keras")
    assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
    assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())


def random_graph(rng):
    """Sequences with and without masks, through layers that make, pass, join and take masks."""
    lines, tensors, text = [], [], ""
    for i in range(int(rng.integers(1, 4))):
        words = rng.random() < 0.5
        text += "[input x%d]\nshape = %s\n%s" % (i, "5" if words else "5, 4", "dtype = int32\n" if words else "")
        lines.append("t%d = %s(x%d)" % (i, "Embedding(9, 4, mask_zero=%s)" % ("true" if rng.random() < 0.7 else "false")
                                        if words else "Dense(4)", i))
        tensors.append("t%d" % i)
    one = ["Dense(4)", "Dense(4)", "Masking()", "Dropout(0.1)", "LSTM(4, return_sequences=true)", "LayerNormalization()",
           "Bidirectional(GRU(2, return_sequences=true))", "TimeDistributed(Dense(4))"]
    two = ["Add()", "Multiply()", "MultiHeadAttention(1, 2)", "GroupQueryAttention(2, 2, 1)", "Attention()", "Concatenate()"]
    for i in range(int(rng.integers(3, 12))):
        name = "l%d" % i
        pick = [tensors[int(k)] for k in rng.integers(0, len(tensors), 2)]
        kind = two[int(rng.integers(len(two)))] if rng.random() < 0.4 else one[int(rng.integers(len(one)))]
        lines.append("%s = %s(%s)" % (name, kind, ", ".join(pick) if kind in two else pick[0]))
        if kind == "Concatenate()":
            lines.append("%s_d = Dense(4)(%s)" % (name, name))
            name += "_d"
        tensors.append(name)
    ends = sorted({tensors[-1], tensors[int(rng.integers(len(tensors)))]})
    lines += ["e%d = GlobalAveragePooling1D()(%s)" % (k, name) for k, name in enumerate(ends)]
    return text + "[layers]\n%s\n" % "\n".join(lines) + "".join("[output e%d]\n" % k for k in range(len(ends)))


def orders():
    """Keras numbers the groups of weights by its order of layers, in which what makes masks counts."""
    rng = np.random.default_rng(11)
    for i in range(25):
        pathlib.Path("order.ini").write_text(random_graph(rng))
        run(KDIST, "export", "order.ini", "-o", "order.keras", "--untrained")
        config = json.loads(zipfile.ZipFile("order.keras").read("config.json"))
        ours = [layer["name"] for layer in config["config"]["layers"]]
        theirs = [layer.name for layer in keras.models.load_model("order.keras").layers]
        assert ours == theirs, "%s\n%s\n%s" % (pathlib.Path("order.ini").read_text(), ours, theirs)


def from_keras():
    """What Keras saved, read by kdist and exported again, predicts the same in Keras: nested models are flat by then."""
    for make in keras_models.MODELS:
        keras.utils.set_random_seed(1)
        model, x = make()
        keras_models.spread(model).save("k.keras")
        run(KDIST, "export", "k.keras", "-o", "e.keras", "run.dir=nowhere")
        again = keras.models.load_model("e.keras")
        outputs = again.predict({t.name: x[t.name] for t in again.inputs}, verbose=0)
        expected = model.predict(x, verbose=0)
        expected = list(expected.values()) if isinstance(expected, dict) else expected
        outputs, expected = [y if isinstance(y, list) else [y] for y in (outputs, expected)]
        assert len(outputs) == len(expected), make.__name__
        for a, b in zip(outputs, expected):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=make.__name__)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(kdist, golden):
    global KDIST
    KDIST = kdist
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        optimizers()
        parts()
        goals()
        graph()
        orders()
        from_keras()
        os.chdir("/")
    check_export_layers.check(kdist, golden, 8)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
