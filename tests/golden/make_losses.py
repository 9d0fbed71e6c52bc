"""Golden values of losses and metrics, from Keras itself (JAX backend, float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_losses.py

writes losses.txt and losses.bin. A case is "loss ACTIVATION LOSS" or "metric ACTIVATION METRIC". The prediction is
ACTIVATION of x. Where the activation gives the probabilities that the cross-entropy wants, the truth is the
cross-entropy of the logits x: exact, as TensorFlow computes it.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
from golden_writer import Writer, call

random = np.random.RandomState(20)
writer = Writer()
ACTIVATIONS = {"linear": lambda x: x, "softmax": keras.activations.softmax, "sigmoid": keras.activations.sigmoid}
NUMBERS = ["CategoricalGeneralizedCrossEntropy", "Circle", "CTC"]  # of classes
LOGITS = {
    "BinaryCrossentropy": "sigmoid",
    "CategoricalCrossentropy": "softmax",
    "SparseCategoricalCrossentropy": "softmax",
}


def in_float64(function):
    """Keras's CTC computes in float32 whatever it is given; here its type of results is float64."""
    def run(p):
        backend, kept = keras.src.backend, keras.src.backend.result_type
        backend.result_type = lambda *types: "float64"
        try:
            return function(p)
        finally:
            backend.result_type = kept
    return run


def uses_logits(name, activation, options):
    return LOGITS.get(name) == activation and not options.get("from_logits")


def loss(name, options, x, y, activation="linear", dtype="float32", floatx="float64"):
    keras.config.set_floatx(floatx)
    given = dict(options)
    if uses_logits(name, activation, options):
        given["from_logits"], activate = True, ACTIVATIONS["linear"]
    else:
        activate = ACTIVATIONS[activation]
    function = getattr(keras.losses, name)(**given)
    labels = np.asarray(y, "int32" if name.startswith("Sparse") or name in NUMBERS else floatx)
    evaluate = lambda p: function(labels, activate(p))
    if name == "CTC":
        evaluate = in_float64(evaluate)
    value, gradient = jax.value_and_grad(evaluate)(np.float32(x).astype(floatx))
    keras.config.set_floatx("float64")
    writer.case("loss %s %s" % (activation, call(name, options)))
    writer.array("x", "x", x)
    writer.array("y", "y", y, dtype)
    writer.array("value", "-", value)
    writer.array("gradient", "-", gradient)


def metric(name, options, batches, activation="linear", dtype="float32"):
    given = dict(options)
    if uses_logits(name, activation, options):
        given["from_logits"], activate = True, ACTIVATIONS["linear"]
    else:
        activate = ACTIVATIONS[activation]
    accumulated = getattr(keras.metrics, name)(**given)
    writer.case("metric %s %s" % (activation, call(name, options)))
    for i, (x, y, *weight) in enumerate(batches):
        labels = np.asarray(y, "int32" if name.startswith("Sparse") else "float64")
        accumulated.update_state(labels, activate(np.float64(np.float32(x))), *map(np.float64, weight))
        writer.array("x", str(i), x)
        writer.array("y", str(i), y, dtype)
        if weight:
            writer.array("weight", str(i), weight[0])
    writer.array("value", "-", accumulated.result())


keras.config.set_floatx("float64")


def normal(*shape):
    return np.float32(random.normal(size=shape) * 2)


def probabilities(*shape):
    raw = random.uniform(size=shape)
    return np.float32(raw / raw.sum(-1, keepdims=True))


def bits(*shape):
    return random.randint(0, 2, size=shape)


def classes(n, *shape):
    return random.randint(0, n, size=shape)


def one_hot(n, *shape):
    return np.eye(n)[classes(n, *shape)]


REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"]

for reduction in REDUCTIONS:
    loss("BinaryCrossentropy", {"from_logits": True, "reduction": reduction}, normal(5, 3), bits(5, 3))
    loss("CategoricalCrossentropy", {"reduction": reduction}, normal(6, 5), one_hot(5, 6), "softmax")
    loss("SparseCategoricalCrossentropy", {"reduction": reduction}, normal(2, 3, 4), classes(4, 2, 3), "softmax", "int32")
    loss("MeanSquaredError", {"reduction": reduction}, normal(4, 3, 2), normal(4, 3, 2))
    loss("MeanAbsoluteError", {"reduction": reduction}, normal(5, 3), normal(5, 3))
    loss("Huber", {"delta": 0.7, "reduction": reduction}, normal(7, 2), normal(7, 2))

for shape in [(7, 1), (3, 2), (2, 3, 4), (1, 17), (2, 2, 3, 5)]:
    for activation in ["linear", "sigmoid"]:
        options = {"from_logits": True} if activation == "linear" else {}
        loss("BinaryCrossentropy", options, normal(*shape), bits(*shape), activation, "uint8")
        options = dict(options, label_smoothing=0.2)
        loss("BinaryCrossentropy", options, normal(*shape), bits(*shape), activation)
loss("BinaryCrossentropy", {}, normal(7, 1) * 40, bits(7), "sigmoid")
# 1 - (1 - 1e-7), where probabilities are clipped, is not the same number in float32.
clipped = np.float32([[0, 1, 0.25], [1, 0, 1e-3]])
loss("BinaryCrossentropy", {}, clipped, np.float32([[0, 1, 1], [0, 1, 0]]), floatx="float32")
loss("BinaryCrossentropy", {"label_smoothing": 0.1}, random.uniform(size=(4, 3)), bits(4, 3))
loss("BinaryCrossentropy", {"from_logits": True}, normal(4, 3), bits(4, 3), "sigmoid")
loss("BinaryCrossentropy", {}, normal(4, 3), bits(4, 3), "softmax")
loss("BinaryCrossentropy", {"from_logits": True}, normal(6, 1), bits(6))
loss("BinaryCrossentropy", {"from_logits": True}, normal(6, 1), bits(6, 1))
loss("BinaryCrossentropy", {"from_logits": True}, normal(3, 2), random.uniform(size=(3, 2)))

for shape in [(6, 2), (5, 11), (2, 3, 4), (1, 33), (2, 3, 2, 3)]:
    for activation in ["linear", "softmax"]:
        options = {"from_logits": True} if activation == "linear" else {}
        labels = one_hot(shape[-1], *shape[:-1])
        loss("CategoricalCrossentropy", options, normal(*shape), labels, activation, "uint8")
        loss("CategoricalCrossentropy", dict(options, label_smoothing=0.3), normal(*shape), labels, activation)
        labels = classes(shape[-1], *shape[:-1])
        loss("SparseCategoricalCrossentropy", options, normal(*shape), labels, activation, "int32")
        loss("SparseCategoricalCrossentropy", options, normal(*shape), labels[..., None], activation, "uint8")
loss("CategoricalCrossentropy", {}, probabilities(5, 4), one_hot(4, 5))
loss("CategoricalCrossentropy", {}, random.uniform(size=(5, 4)), one_hot(4, 5))
loss("CategoricalCrossentropy", {"label_smoothing": 0.1}, probabilities(2, 3, 4), one_hot(4, 2, 3))
loss("CategoricalCrossentropy", {}, np.float32([[1, 0, 0], [0, 0.5, 0.5]]), np.float32([[1, 0, 0], [1, 0, 0]]))
loss("CategoricalCrossentropy", {"from_logits": True}, normal(4, 3), one_hot(3, 4), "softmax")
loss("CategoricalCrossentropy", {}, normal(4, 3), probabilities(4, 3), "softmax")
loss("CategoricalCrossentropy", {}, normal(4, 3), one_hot(3, 4), "sigmoid")
loss("CategoricalCrossentropy", {}, normal(4, 3) * 50, one_hot(3, 4), "softmax")
loss("SparseCategoricalCrossentropy", {}, probabilities(5, 4), classes(4, 5))
loss("SparseCategoricalCrossentropy", {}, random.uniform(size=(2, 3, 4)), classes(4, 2, 3), "linear", "int32")
loss("SparseCategoricalCrossentropy", {}, np.float32([[1, 0, 0], [0, 0.5, 0.5]]), [0, 0])
loss("SparseCategoricalCrossentropy", {"from_logits": True}, normal(4, 3), classes(3, 4), "softmax", "int32")
loss("SparseCategoricalCrossentropy", {}, normal(4, 3) * 50, classes(3, 4), "softmax", "int32")

for name, options in [("MeanSquaredError", {}), ("MeanAbsoluteError", {}), ("Huber", {}), ("Huber", {"delta": 2.5})]:
    for shape, labels in [((6, 3), (6, 3)), ((5, 1), (5,)), ((5, 1), (5, 1)), ((2, 3, 4), (2, 3, 4)), ((1, 31), (1, 31)),
                          ((2, 3, 1), (2, 3)), ((2, 3, 2, 2), (2, 3, 2, 2))]:
        loss(name, options, normal(*shape), normal(*labels))
    loss(name, options, normal(4, 3), classes(5, 4, 3), "linear", "uint8")
    loss(name, options, normal(4, 3), random.uniform(size=(4, 3)), "sigmoid")
    loss(name, dict(options, reduction="sum"), normal(2, 3, 1), normal(2, 3))
    loss(name, dict(options, reduction="sum"), normal(2, 3, 1), normal(2, 3, 1))
loss("BinaryCrossentropy", {"reduction": "sum"}, normal(2, 3, 1), bits(2, 3), "sigmoid")


def batches(make_x, make_y, rows=(5, 3, 1), weighted=False):
    made = []
    for n in rows:
        made.append((make_x(n), make_y(n)) + ((np.float32(random.uniform(size=n)),) if weighted else ()))
    return made


def quantized(*shape):
    """Few different values, so that there are ties."""
    return np.float32(random.randint(0, 4, size=shape) / 4)


for weighted in [False, True]:
    metric("Accuracy", {}, batches(lambda n: classes(3, n, 2), lambda n: classes(3, n, 2), weighted=weighted))
    metric("Accuracy", {}, batches(lambda n: classes(3, n, 1), lambda n: classes(3, n), weighted=weighted))
    metric("Accuracy", {}, batches(lambda n: classes(2, n, 3, 2), lambda n: classes(2, n, 3, 2), weighted=weighted))
    metric("BinaryAccuracy", {}, batches(lambda n: quantized(n, 3), lambda n: bits(n, 3), weighted=weighted), dtype="uint8")
    metric("BinaryAccuracy", {"threshold": 0.25}, batches(lambda n: quantized(n, 1), lambda n: bits(n), weighted=weighted))
    metric("BinaryAccuracy", {}, batches(lambda n: normal(n, 2, 3), lambda n: bits(n, 2, 3), weighted=weighted), "sigmoid")
    metric("CategoricalAccuracy", {}, batches(lambda n: quantized(n, 5), lambda n: one_hot(5, n), weighted=weighted))
    metric("CategoricalAccuracy", {}, batches(lambda n: normal(n, 2, 4), lambda n: one_hot(4, n, 2), weighted=weighted), "softmax")
    for shape in [lambda n: (n,), lambda n: (n, 1)]:
        metric("SparseCategoricalAccuracy", {},
               batches(lambda n: quantized(n, 5), lambda n: classes(5, *shape(n)), weighted=weighted), dtype="int32")
        metric("SparseTopKCategoricalAccuracy", {"k": 2},
               batches(lambda n: quantized(n, 7), lambda n: classes(7, *shape(n)), weighted=weighted), dtype="uint8")
    metric("SparseCategoricalAccuracy", {},
           batches(lambda n: normal(n, 2, 4), lambda n: classes(4, n, 2), weighted=weighted), "softmax", "uint8")
    metric("SparseTopKCategoricalAccuracy", {"k": 3},
           batches(lambda n: normal(n, 2, 6), lambda n: classes(6, n, 2), weighted=weighted), "softmax", "int32")
    metric("TopKCategoricalAccuracy", {"k": 2}, batches(lambda n: quantized(n, 6), lambda n: one_hot(6, n), weighted=weighted))
    metric("TopKCategoricalAccuracy", {}, batches(lambda n: normal(n, 12), lambda n: one_hot(12, n), weighted=weighted))
    metric("SparseTopKCategoricalAccuracy", {}, batches(lambda n: normal(n, 3), lambda n: classes(3, n), weighted=weighted))
    for name in ["MeanSquaredError", "MeanAbsoluteError", "RootMeanSquaredError"]:
        metric(name, {}, batches(lambda n: normal(n, 3), lambda n: normal(n, 3), weighted=weighted))
        metric(name, {}, batches(lambda n: normal(n, 1), lambda n: normal(n), weighted=weighted))
        metric(name, {}, batches(lambda n: normal(n, 2, 3), lambda n: normal(n, 2, 3), weighted=weighted))
    for activation, options in [("linear", {"from_logits": True}), ("sigmoid", {}), ("sigmoid", {"label_smoothing": 0.1})]:
        metric("BinaryCrossentropy", options,
               batches(lambda n: normal(n, 3), lambda n: bits(n, 3), weighted=weighted), activation)
    for activation, options in [("linear", {"from_logits": True}), ("softmax", {}), ("softmax", {"label_smoothing": 0.1})]:
        metric("CategoricalCrossentropy", options,
               batches(lambda n: normal(n, 5), lambda n: one_hot(5, n), weighted=weighted), activation)
    for activation, options in [("linear", {"from_logits": True}), ("softmax", {})]:
        metric("SparseCategoricalCrossentropy", options,
               batches(lambda n: normal(n, 5), lambda n: classes(5, n), weighted=weighted), activation, "int32")
        metric("SparseCategoricalCrossentropy", options,
               batches(lambda n: normal(n, 2, 5), lambda n: classes(5, n, 2), weighted=weighted), activation, "int32")

# Losses and metrics of counts, probabilities, margins and angles.
def unit(*shape):
    return np.float32(random.uniform(0.05, 0.95, size=shape))


def signs(*shape):
    return 2 * bits(*shape) - 1


def counts(*shape):
    return random.poisson(3, size=shape)


def positive(*shape):
    return np.float32(random.uniform(0.1, 6, size=shape))


SHAPES = [((6, 3), (6, 3)), ((5, 1), (5,)), ((2, 3, 4), (2, 3, 4)), ((2, 3, 1), (2, 3))]
KINDS = [
    ("Poisson", positive, counts),
    ("KLDivergence", unit, unit),
    ("LogCosh", normal, normal),
    ("Hinge", normal, bits),
    ("SquaredHinge", normal, signs),
    ("CosineSimilarity", normal, normal),
    ("MeanAbsolutePercentageError", normal, positive),
    ("MeanSquaredLogarithmicError", positive, positive),
]
for name, x, y in KINDS:
    for shape, labels in SHAPES:
        if name == "CosineSimilarity" and labels[-1] == 1:
            continue
        loss(name, {}, x(*shape), y(*labels))
    for reduction in REDUCTIONS:
        loss(name, {"reduction": reduction}, x(6, 3), y(6, 3))
loss("KLDivergence", {}, normal(4, 3), probabilities(4, 3), "softmax")
loss("KLDivergence", {}, np.float32([[0.0, 0.4, 1.2]]), np.float32([[0.5, 0, 1]]))
loss("Hinge", {}, normal(4, 3), signs(4, 3))
loss("Hinge", {}, normal(4, 3), random.uniform(-1, 1, size=(4, 3)))
loss("SquaredHinge", {}, normal(4, 3), bits(4, 3), "linear", "uint8")
loss("LogCosh", {}, normal(4, 3) * 20, normal(4, 3))
loss("CosineSimilarity", {}, normal(2, 3), np.float32([[0, 0, 0], [1, 2, 3]]))
loss("MeanAbsolutePercentageError", {}, normal(2, 3), np.float32([[1, -2, 0.5], [-1, 2, 3]]))
loss("MeanSquaredLogarithmicError", {}, normal(4, 3), normal(4, 3))
for shape in [(6, 3), (2, 3, 4)]:
    loss("CategoricalHinge", {}, normal(*shape), one_hot(shape[-1], *shape[:-1]))
    for options in [{}, {"alpha": 0.6, "gamma": 1.5}, {"gamma": 0.0, "label_smoothing": 0.2}]:
        labels = one_hot(shape[-1], *shape[:-1])
        loss("CategoricalFocalCrossentropy", options, normal(*shape), labels, "softmax")
        loss("CategoricalFocalCrossentropy", dict(options, from_logits=True), normal(*shape), labels)
        loss("CategoricalFocalCrossentropy", options, unit(*shape), labels)
        options = dict(options, apply_class_balancing="alpha" in options)
        loss("BinaryFocalCrossentropy", options, normal(*shape), bits(*shape), "sigmoid")
        loss("BinaryFocalCrossentropy", dict(options, from_logits=True), normal(*shape), bits(*shape))
        loss("BinaryFocalCrossentropy", options, unit(*shape), bits(*shape), "linear", "uint8")
for reduction in REDUCTIONS:
    loss("CategoricalHinge", {"reduction": reduction}, normal(5, 3), one_hot(3, 5))
    loss("CategoricalFocalCrossentropy", {"reduction": reduction}, unit(5, 3), one_hot(3, 5))
    loss("BinaryFocalCrossentropy", {"reduction": reduction}, unit(5, 3), bits(5, 3))

for weighted in [False, True]:
    for name, x, y in KINDS:
        name = {"LogCosh": "LogCoshError"}.get(name, name)
        metric(name, {}, batches(lambda n: x(n, 3), lambda n: y(n, 3), weighted=weighted))
        metric(name, {}, batches(lambda n: x(n, 2, 3), lambda n: y(n, 2, 3), weighted=weighted))
    metric("CategoricalHinge", {}, batches(lambda n: normal(n, 3), lambda n: one_hot(3, n), weighted=weighted))
# Metrics of decisions at thresholds. Predictions lie beside thresholds, so that float32 decides as float64.
def decided(*shape, low=0.0, high=1.0):
    return np.float32((random.randint(0, 400, size=shape) + 0.3) / 400 * (high - low) + low)


def yes_or_no(name, options, *shape, activation="linear", x=decided, y=bits, dtype="float32"):
    for weighted in [False, True]:
        given = [[x(n, *shape), y(n, *shape)] + [np.float32(random.uniform(size=(n,) + shape[:-1]))] * weighted
                 for n in (5, 3, 1)]
        metric(name, options, given, activation, dtype)


THRESHOLDS = [None, 0.3, [0.9, 0.2, 0.5, 0.5], [0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 1.0]]
for name in ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall"]:
    for thresholds in THRESHOLDS:
        options = {} if thresholds is None else {"thresholds": thresholds}
        yes_or_no(name, options, 1)
        yes_or_no(name, options, 3, dtype="uint8")
        yes_or_no(name, options, 3, x=lambda *s: decided(*s, low=-0.5, high=1.5))
    yes_or_no(name, {}, 1, activation="sigmoid", x=normal)
    yes_or_no(name, {}, 2, 3)
    metric(name, {}, batches(lambda n: decided(n, 1), lambda n: bits(n), weighted=True))
    exact = lambda *s: np.float32(random.randint(0, 5, size=s) / 4)
    yes_or_no(name, {}, 3, x=exact)
    yes_or_no(name, {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, 3, x=exact)
for name in ["Precision", "Recall"]:
    for options in [{"top_k": 2}, {"top_k": 1, "thresholds": 0.6}, {"class_id": 2}, {"class_id": 0, "thresholds": [0.3, 0.7]},
                    {"top_k": 2, "class_id": 1}, {"top_k": 3, "thresholds": [0.0, 0.5, 1.0]}]:
        yes_or_no(name, options, 4)
        yes_or_no(name, options, 4, x=quantized)
    yes_or_no(name, {"top_k": 2}, 3, 4)
    yes_or_no(name, {"class_id": 1}, 3, 4, activation="softmax", x=normal)
for name, option in [("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"),
                     ("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision")]:
    for least in [0.0, 0.37, 0.61, 0.93, 1.0]:
        yes_or_no(name, {option: least}, 1)
        yes_or_no(name, {option: least, "num_thresholds": 7}, 3)
    for n in [1, 2, 3]:
        yes_or_no(name, {option: 0.41, "num_thresholds": n}, 3)
    yes_or_no(name, {option: 0.41, "class_id": 1}, 3)
for curve in ["ROC", "PR", "PRGAIN", "roc", "pr", "prgain"]:
    for summation in ["interpolation", "majoring", "minoring"]:
        options = {"curve": curve, "summation_method": summation}
        yes_or_no("AUC", options, 1)
        yes_or_no("AUC", dict(options, num_thresholds=11), 3)
        yes_or_no("AUC", dict(options, multi_label=True, num_thresholds=20), 3)
        yes_or_no("AUC", dict(options, thresholds=[0.8, 0.1, 0.35]), 3)
        yes_or_no("AUC", dict(options, thresholds=[0.25, 0.75, 0.5]), 3, x=lambda *s: decided(*s, low=-0.5, high=1.5))
yes_or_no("AUC", {}, 1, activation="sigmoid", x=normal)
yes_or_no("AUC", {"from_logits": True}, 1, x=normal)
yes_or_no("AUC", {"from_logits": True}, 2, 3, x=normal, dtype="uint8")
yes_or_no("AUC", {"label_weights": [0.5, 2.0, 0.0]}, 3)
yes_or_no("AUC", {"multi_label": True, "num_labels": 3, "label_weights": [0.5, 2.0, 1.0]}, 3)
yes_or_no("AUC", {"multi_label": True, "curve": "PR", "label_weights": [0.5, 2.0, 1.0]}, 3)
yes_or_no("AUC", {"multi_label": True, "thresholds": [0.2, 0.7]}, 3)
for y in [lambda *s: np.zeros(s), lambda *s: np.ones(s)]:
    for curve in ["ROC", "PR"]:
        yes_or_no("AUC", {"curve": curve}, 1, y=y)
    for name in ["Precision", "Recall"]:
        yes_or_no(name, {}, 1, y=y)
for options in [{}, {"average": "micro"}, {"average": "macro"}, {"average": "weighted"}]:
    for threshold in [{}, {"threshold": 0.4}]:
        yes_or_no("F1Score", dict(options, **threshold), 3)
        for beta in [0.5, 2.0]:
            yes_or_no("FBetaScore", dict(options, beta=beta, **threshold), 4)
    yes_or_no("F1Score", options, 3, x=quantized, y=lambda n, c: one_hot(c, n))
    yes_or_no("FBetaScore", options, 3, x=lambda *s: np.zeros(s))
yes_or_no("F1Score", {}, 3, activation="softmax", x=normal)


# Metrics of class numbers: weights are whole numbers, as Keras's matrix is.
def numbers(name, options, x, y, activation="linear", dtype="int32"):
    for weighted in [False, True]:
        given = [[x(n), y(n)] + [random.randint(0, 3, size=y(n).shape if name[:6] != "OneHot" else (n,))] * weighted
                 for n in (5, 3)]
        metric(name, options, given, activation, dtype)


for options in [{"num_classes": 4}, {"num_classes": 4, "ignore_class": 1}, {"num_classes": 3, "axis": -1}]:
    for name, more in [("MeanIoU", {}), ("IoU", {"target_class_ids": [0, 2]})]:
        options = dict(options, **more)
        numbers(name, options, lambda n: classes(5, n), lambda n: classes(5, n) - 1)
        numbers(name, options, lambda n: classes(5, n, 3) + 0.7, lambda n: classes(4, n, 3))
        dense = dict(options, sparse_y_pred=False)
        numbers(name, dense, lambda n: normal(n, 2, options["num_classes"]), lambda n: classes(4, n, 2))
numbers("MeanIoU", {"num_classes": 5}, lambda n: classes(2, n), lambda n: classes(2, n))
dense = {"num_classes": 4, "sparse_y_true": False}
for name, more in [("MeanIoU", {}), ("IoU", {"target_class_ids": [1]})]:
    for given in (False, True):
        metric(name, dict(dense, sparse_y_pred=given, **more),
               batches(lambda n: classes(4, n) if given else normal(n, 4), lambda n: one_hot(4, n)), dtype="float32")
for name, more in [("OneHotMeanIoU", {}), ("OneHotIoU", {"target_class_ids": [0, 3]})]:
    for options in [{}, {"ignore_class": 2}, {"axis": -1}]:
        numbers(name, dict({"num_classes": 4}, **more, **options), lambda n: normal(n, 4), lambda n: one_hot(4, n))
    numbers(name, dict({"num_classes": 4, "sparse_y_pred": True}, **more), lambda n: classes(4, n), lambda n: one_hot(4, n))
for options in [{}, {"threshold": 0.3}, {"target_class_ids": [1]}]:
    numbers("BinaryIoU", options, lambda n: decided(n, 3), lambda n: bits(n, 3))
    numbers("BinaryIoU", options, lambda n: decided(n, 1), lambda n: bits(n, 1))

# Metrics of numbers.
for columns in [1, 3]:
    for options in [{}, {"class_aggregation": "uniform_average"}, {"class_aggregation": "variance_weighted_average"},
                    {"class_aggregation": None}, {"num_regressors": 2}, {"num_regressors": 2, "class_aggregation": None},
                    {"num_regressors": 300}]:
        yes_or_no("R2Score", options, columns, x=normal, y=normal)
yes_or_no("R2Score", {}, 2, x=normal, y=lambda *s: np.ones(s))
for name in ["PearsonCorrelation", "ConcordanceCorrelation"]:
    for options in [{}, {"axis": -1}]:
        yes_or_no(name, options, 4, x=normal, y=normal)
        yes_or_no(name, options, 2, 5, x=normal, y=normal)
for name in ["Mean", "Sum"]:
    for shape in [(1,), (3,), (2, 3)]:
        metric(name, {}, batches(lambda n: positive(n, *shape), lambda n: normal(n, *shape)))


# Losses of class numbers that may be wrong, of overlap, of pairs.
for shape in [(6, 4), (2, 3, 5)]:
    for q in [0.5, 0.1, 0.9]:
        loss("CategoricalGeneralizedCrossEntropy", {"q": q}, normal(*shape), classes(shape[-1], *shape[:-1]), "softmax", "int32")
for reduction in REDUCTIONS:
    loss("CategoricalGeneralizedCrossEntropy", {"reduction": reduction}, unit(5, 3), classes(3, 5), "linear", "uint8")
FACTORS = {"Dice": [{}], "Tversky": [{}, {"alpha": 0.3, "beta": 0.8}]}
for name, sets in FACTORS.items():
    for options in sets:
        for shape, axes in [((7, 3), [None, 1, -1, 0, (0, 1)]), ((4, 3, 2), [None, (1, 2), -1, (0, 1), (0, 2), 0, 1]),
                            ((3, 2, 4, 2), [None, (1, 2, 3), (1, 2), (0, 1, 2)])]:
            for axis in axes:
                given = dict(options) if axis is None else dict(options, axis=axis)
                loss(name, given, normal(*shape), bits(*shape), "sigmoid", "uint8")
        loss(name, options, unit(5, 1), bits(5))
        loss(name, options, unit(4, 3, 1), random.uniform(size=(4, 3)))
        loss(name, dict(options, axis=1), unit(4, 3, 1), bits(4, 3))
    for reduction in REDUCTIONS:
        for axis in [(1, 2), (0, 1)]:
            loss(name, {"reduction": reduction, "axis": axis}, unit(4, 3, 2), bits(4, 3, 2))


def directions(*shape):
    raw = random.normal(size=shape)
    return np.float32(0.97 * raw / np.linalg.norm(raw, axis=-1, keepdims=True))


for rows, features, n in [(9, 4, 3), (6, 3, 2), (12, 8, 5)]:
    for options in [{}, {"gamma": 10.0, "margin": 0.25}, {"remove_diagonal": False, "gamma": 4.0}]:
        y = classes(n, rows)
        y[:2] = 0, 0
        loss("Circle", options, directions(rows, features), y, dtype="int32")
for reduction in REDUCTIONS:
    loss("Circle", {"reduction": reduction, "gamma": 5.0}, directions(7, 3), [0, 1, 1, 0, 2, 0, 1], dtype="int32")
    loss("Circle", {"reduction": reduction, "gamma": 5.0}, normal(4, 3), [[3], [3], [1], [3]], dtype="int32")

# Sequences of labels. Zeros are padding behind labels; Keras counts labels that are not 0, wherever a 0 stands.
SPELLED = [[1, 2, 3, 0, 0], [4, 4, 4, 0, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 3, 3, 1, 2], [2, 0, 3, 0, 1], [0, 2, 2, 0, 3]]
for steps in [1, 2, 4, 7, 40]:
    for dtype in ["int32", "uint8", "float32"]:
        loss("CTC", {}, normal(7, steps, 5), SPELLED, dtype=dtype)
for activation in ["softmax", "sigmoid"]:
    loss("CTC", {}, normal(7, 12, 5) * 3, SPELLED, activation, "int32")
loss("CTC", {}, normal(7, 12, 5) * 60, SPELLED, dtype="int32")
loss("CTC", {}, normal(3, 150, 30), classes(29, 3, 40) + 1, dtype="int32")
loss("CTC", {}, normal(1, 9, 2), [[1]], dtype="int32")
for reduction in REDUCTIONS:
    loss("CTC", {"reduction": reduction}, normal(7, 9, 5), SPELLED, dtype="int32")

writer.save("losses")
