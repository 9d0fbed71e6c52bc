"""Golden values of whole training runs, from Keras itself (JAX backend, float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_training.py

writes training.txt, training.bin and training/NAME.ini; training_run.py says what is in them.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
from keras import constraints, layers, losses, metrics, optimizers, regularizers
from training_run import classes, normal, one_hot, positive, random, run, writer


def model_of(inputs, outputs):
    return keras.Model(inputs, outputs)


# --- a multi-layer perceptron on class numbers, Adam ---


def make():
    x = keras.Input((12,), name="x")
    h = layers.Dense(16, activation="relu", name="d1")(x)
    h = layers.Dense(10, activation="tanh", name="d2")(h)
    return model_of(x, layers.Dense(4, activation="softmax", name="y")(h))


run("mlp", """
[input x]
shape = 12
[layers]
d1 = Dense(16, relu)
d2 = Dense(10, tanh)
y = Dense(4, softmax)
[train]
validation_batch_size = 4
shuffle = false
optimizer = Adam(learning_rate=0.01)
loss = sparse_categorical_crossentropy
metrics = accuracy, SparseTopKCategoricalAccuracy(k=2, name=top2)
""", make, {"x": (lambda n: normal(n, 12), "float32")}, {"y": (lambda n: classes(4, n), "int32")},
    dict(optimizer=optimizers.Adam(0.01), loss="sparse_categorical_crossentropy",
         metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")]),
    valid=10, validation_batch_size=4)

# --- a convolutional network with batch normalisation, SGD with momentum ---


def make():
    x = keras.Input((8, 8, 2), name="x")
    h = layers.Conv2D(4, 3, padding="same", activation="relu", name="c1")(x)
    h = layers.BatchNormalization(momentum=0.8, name="bn1")(h)
    h = layers.MaxPooling2D(2, name="p1")(h)
    h = layers.Conv2D(6, 3, use_bias=False, name="c2")(h)
    h = layers.BatchNormalization(name="bn2")(h)
    h = layers.Activation("relu", name="a2")(h)
    h = layers.Flatten(name="f")(h)
    return model_of(x, layers.Dense(3, name="y")(h))


run("cnn", """
[input x]
shape = 8, 8, 2
[layers]
c1 = Conv2D(4, 3, padding=same, activation=relu)
bn1 = BatchNormalization(momentum=0.8)
p1 = MaxPooling2D(2)
c2 = Conv2D(6, 3, use_bias=false)
bn2 = BatchNormalization()
a2 = Activation(relu)
f = Flatten()
y = Dense(3)
[train]
shuffle = false
optimizer = SGD(learning_rate=0.05, momentum=0.9)
loss = CategoricalCrossentropy(from_logits=true, label_smoothing=0.1)
metrics = categorical_accuracy, CategoricalCrossentropy(from_logits=true)
""", make, {"x": (lambda n: normal(n, 8, 8, 2), "float32")}, {"y": (lambda n: one_hot(3, n), "float32")},
    dict(optimizer=optimizers.SGD(0.05, momentum=0.9),
         loss=losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
         metrics=["categorical_accuracy", metrics.CategoricalCrossentropy(from_logits=True)]), rows=21, valid=6)

# --- an embedding with layer normalisation, AdamW, a yes-or-no output ---


def make():
    x = keras.Input((6,), dtype="int32", name="x")
    h = layers.Embedding(20, 5, name="e")(x)
    h = layers.LayerNormalization(name="ln")(h)
    h = layers.Flatten(name="f")(h)
    h = layers.Dense(7, activation="gelu", name="d")(h)
    return model_of(x, layers.Dense(1, activation="sigmoid", name="y")(h))


run("embedding", """
[input x]
shape = 6
dtype = int32
[layers]
e = Embedding(20, 5)
ln = LayerNormalization()
f = Flatten()
d = Dense(7, gelu)
y = Dense(1, sigmoid)
[train]
shuffle = false
optimizer = AdamW(learning_rate=0.02, weight_decay=0.01)
loss = binary_crossentropy
metrics = acc, mse
""", make, {"x": (lambda n: classes(20, n, 6), "int32")}, {"y": (lambda n: classes(2, n), "float32")},
    dict(optimizer=optimizers.AdamW(0.02, weight_decay=0.01), loss="binary_crossentropy", metrics=["acc", "mse"]),
    valid=7, epochs=3, batch_size=5)

# --- regularizers of weights and activities, RMSprop ---


def make():
    x = keras.Input((5,), name="x")
    h = layers.Dense(8, activation="relu", kernel_regularizer=regularizers.L2(0.02),
                     activity_regularizer=regularizers.L1(0.03), name="d1")(x)
    return model_of(x, layers.Dense(2, bias_regularizer=regularizers.L1L2(0.01, 0.05),
                                    activity_regularizer=regularizers.L2(0.01), name="y")(h))


run("regularized", """
[input x]
shape = 5
[layers]
d1 = Dense(8, relu, kernel_regularizer=L2(0.02), activity_regularizer=L1(0.03))
y = Dense(2, bias_regularizer=L1L2(0.01, 0.05), activity_regularizer=L2(0.01))
[train]
shuffle = false
optimizer = RMSprop(learning_rate=0.01, momentum=0.5, centered=true)
loss = mse
metrics = mae, RootMeanSquaredError()
""", make, {"x": (lambda n: normal(n, 5), "float32")}, {"y": (lambda n: normal(n, 2), "float32")},
    dict(optimizer=optimizers.RMSprop(0.01, momentum=0.5, centered=True), loss="mse",
         metrics=["mae", metrics.RootMeanSquaredError()]), valid=9)

# --- two inputs, a shared layer, two weighted outputs, clipping by the norm of all gradients ---


def make():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(6, activation="relu", name="shared")
    h = layers.Concatenate(name="join")([shared(a), shared(b)])
    kind = layers.Dense(3, activation="softmax", name="kind")(h)
    return model_of([a, b], [kind, layers.Dense(1, name="size")(h)])


run("outputs", """
[input a]
shape = 4
[input b]
shape = 4
[layers]
shared = Dense(6, relu)(a)
[layer again]
share = shared
input = b
[layer join]
type = Concatenate
input = shared, again
[layer kind]
type = Dense
units = 3
activation = softmax
[layer size]
type = Dense
input = join
units = 1
[output kind]
loss = sparse_categorical_crossentropy
loss_weight = 0.3
metrics = accuracy
[output size]
loss = Huber(delta=0.5)
loss_weight = 2.0
metrics = mae, MeanSquaredError()
[train]
shuffle = false
optimizer = Adam(learning_rate=0.02, global_clipnorm=0.5)
""", make, {"a": (lambda n: normal(n, 4), "float32"), "b": (lambda n: normal(n, 4), "float32")},
    {"kind": (lambda n: classes(3, n), "int32"), "size": (lambda n: normal(n, 1), "float32")},
    dict(optimizer=optimizers.Adam(0.02, global_clipnorm=0.5),
         loss=["sparse_categorical_crossentropy", losses.Huber(delta=0.5)], loss_weights=[0.3, 2.0],
         metrics=[["accuracy"], ["mae", metrics.MeanSquaredError()]]), valid=5)

# --- accumulation over ends of epochs, clipping of each weight, a schedule ---


def make():
    x = keras.Input((6,), name="x")
    h = layers.Dense(5, activation="tanh", name="d1")(x)
    return model_of(x, layers.Dense(2, name="y")(h))


SMALL = """
[input x]
shape = 6
[layers]
d1 = Dense(5, tanh)
y = Dense(2)
[train]
shuffle = false
"""
SMALL_INPUT = {"x": (lambda n: normal(n, 6), "float32")}
SMALL_LABEL = {"y": (lambda n: normal(n, 2), "float32")}
run("accumulated", SMALL + """
optimizer = Adam(learning_rate=ExponentialDecay(0.05, 4, 0.5), gradient_accumulation_steps=3, clipnorm=0.4)
loss = mae
""", make, SMALL_INPUT, SMALL_LABEL,
    dict(optimizer=optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 4, 0.5), gradient_accumulation_steps=3,
                                   clipnorm=0.4), loss="mae"), epochs=5, batch_size=6)

# --- the scale of the loss is divided out again; a loss that is a sum ---

run("scaled", SMALL + """
optimizer = SGD(learning_rate=0.003, momentum=0.8, nesterov=true, loss_scale_factor=100.0, clipvalue=2.0, weight_decay=0.1)
loss = MeanSquaredError(reduction=sum)
metrics = mse
""", make, SMALL_INPUT, SMALL_LABEL,
    dict(optimizer=optimizers.SGD(0.003, momentum=0.8, nesterov=True, loss_scale_factor=100.0, clipvalue=2.0,
                                  weight_decay=0.1),
         loss=losses.MeanSquaredError(reduction="sum"), metrics=["mse"]), valid=8, epochs=5, batch_size=6)

# --- fit: pieces of a pass as epochs, a first epoch, rare validation of one batch, a split ---


def plain(name, keys, rows=22, valid=0, data="", **fit):
    run(name, SMALL + keys + "\noptimizer = SGD(learning_rate=0.05)\nloss = mse\nmetrics = mae\n", make, SMALL_INPUT,
        SMALL_LABEL, dict(optimizer=optimizers.SGD(0.05), loss="mse", metrics=["mae"]), rows=rows, valid=valid, data=data,
        **dict(dict(epochs=5, batch_size=6), **fit))


plain("steps", "steps_per_epoch = 3", rows=40, steps_per_epoch=3)
plain("more_steps", "steps_per_epoch = 9", steps_per_epoch=9)
plain("late", "initial_epoch = 2\nvalidation_freq = 2\nvalidation_steps = 1", valid=14, initial_epoch=2,
      validation_freq=2, validation_steps=1)
plain("some", "validation_freq = [1, 4]\nvalidation_batch_size = 3", valid=7, validation_freq=[1, 4],
      validation_batch_size=3)
plain("split", "", data="validation_split = 0.3", validation_split=0.3)

# --- weights of samples, of steps, of classes; metrics that see them ---


def classifier():
    x = keras.Input((6,), name="x")
    return model_of(x, layers.Dense(3, activation="softmax", name="y")(layers.Dense(5, activation="tanh", name="d1")(x)))


CLASSIFIER = """
[input x]
shape = 6
[layers]
d1 = Dense(5, tanh)
y = Dense(3, softmax)
[train]
shuffle = false
optimizer = Adam(learning_rate=0.03)
"""
CLASS_LABEL = {"y": (lambda n: classes(3, n), "int32")}
run("sample_weight", CLASSIFIER + """
loss = sparse_categorical_crossentropy
metrics = accuracy, sparse_categorical_crossentropy
weighted_metrics = accuracy, SparseTopKCategoricalAccuracy(k=2)
""", classifier, SMALL_INPUT, CLASS_LABEL,
    dict(optimizer=optimizers.Adam(0.03), loss="sparse_categorical_crossentropy",
         metrics=["accuracy", "sparse_categorical_crossentropy"],
         weighted_metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2)]),
    weights={"w": (positive, "float32")}, data="sample_weight = w", valid=10, validation_batch_size=4)
run("mean_weighted", CLASSIFIER + """
loss = SparseCategoricalCrossentropy(reduction=mean_with_sample_weight)
weighted_metrics = sparse_categorical_crossentropy
""", classifier, SMALL_INPUT, CLASS_LABEL,
    dict(optimizer=optimizers.Adam(0.03),
         loss=losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"),
         weighted_metrics=["sparse_categorical_crossentropy"]),
    weights={"w": (lambda n: classes(4, n), "int32")}, data="sample_weight = w")
run("class_weight", CLASSIFIER + """
loss = sparse_categorical_crossentropy
metrics = accuracy
weighted_metrics = SparseCategoricalAccuracy()
class_weight = [0.3, 2]
""", classifier, SMALL_INPUT, CLASS_LABEL,
    dict(optimizer=optimizers.Adam(0.03), loss="sparse_categorical_crossentropy", metrics=["accuracy"],
         weighted_metrics=[metrics.SparseCategoricalAccuracy()]), valid=10, class_weight={0: 0.3, 1: 2.0})
run("one_hot_class_weight", CLASSIFIER + """
loss = CategoricalCrossentropy(reduction=mean_with_sample_weight)
weighted_metrics = accuracy
class_weight = [1, 0.3, 2]
""", classifier, SMALL_INPUT, {"y": (lambda n: one_hot(3, n), "float32")},
    dict(optimizer=optimizers.Adam(0.03),
         loss=losses.CategoricalCrossentropy(reduction="mean_with_sample_weight"),
         weighted_metrics=["accuracy"]), class_weight={1: 0.3, 2: 2.0}, valid=9)


def steps():
    x = keras.Input((4, 3), name="x")
    return model_of(x, layers.Dense(3, activation="softmax", name="y")(x))


run("step_weight", """
[input x]
shape = 4, 3
[layers]
y = Dense(3, softmax)
[train]
shuffle = false
optimizer = SGD(learning_rate=0.1)
loss = sparse_categorical_crossentropy
weighted_metrics = accuracy
""", steps, {"x": (lambda n: normal(n, 4, 3), "float32")}, {"y": (lambda n: classes(3, n, 4), "int32")},
    dict(optimizer=optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", weighted_metrics=["accuracy"]),
    weights={"w": (lambda n: positive(n, 4), "float32")}, data="sample_weight = w", valid=9)


def two_outputs():
    x = keras.Input((6,), name="x")
    h = layers.Dense(5, activation="tanh", name="d1")(x)
    return model_of(x, [layers.Dense(3, activation="softmax", name="kind")(h), layers.Dense(1, name="size")(h)])


TWO = """
[input x]
shape = 6
[layers]
d1 = Dense(5, tanh)
[layer kind]
type = Dense
units = 3
activation = softmax
[layer size]
type = Dense
input = d1
units = 1
[train]
shuffle = false
optimizer = Adam(learning_rate=0.03)
loss = dict(kind=sparse_categorical_crossentropy, size=mse)
loss_weights = dict(size=0.2)
metrics = dict(kind=accuracy, size=mae)
weighted_metrics = dict(kind=[accuracy, mse], size=[mae, mae])
[output kind]
%s
[output size]
%s
"""
TWO_LABELS = {"kind": (lambda n: classes(3, n), "int32"), "size": (lambda n: normal(n, 1), "float32")}


def compile_two():
    return dict(optimizer=optimizers.Adam(0.03), loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
                loss_weights={"kind": 1.0, "size": 0.2}, metrics={"kind": ["accuracy"], "size": ["mae"]},
                weighted_metrics={"kind": ["accuracy", metrics.SparseCategoricalAccuracy()],
                                  "size": ["mae", "mae"]})


run("two_weights", TWO.replace(", mse]", ", SparseCategoricalAccuracy()]") % ("sample_weight = a", "sample_weight = b"),
    two_outputs, SMALL_INPUT, TWO_LABELS, compile_two(),
    weights={"a": (positive, "float32"), "b": (positive, "float32")}, valid=7)

# --- metrics of decisions: their names, several values, steps that are masked, weights ---


def multi_label():
    x = keras.Input((6,), name="x")
    return model_of(x, layers.Dense(3, activation="sigmoid", name="y")(layers.Dense(5, activation="tanh", name="d1")(x)))


LABELS = {"y": (lambda n: classes(2, n, 3), "float32")}
keras.utils.clear_session()
run("decisions", CLASSIFIER.replace("softmax", "sigmoid") + """
loss = binary_crossentropy
metrics = AUC(), AUC(curve=PR), Precision(thresholds=[0.3, 0.6]), Recall, BinaryIoU(), F1Score(), TruePositives(name=hits), PrecisionAtRecall(0.5), R2Score(), AUC(multi_label=true), recall
weighted_metrics = AUC(), Precision(), FBetaScore(average=macro, beta=2.0), Recall, R2Score()
""", multi_label, SMALL_INPUT, LABELS,
    dict(optimizer=optimizers.Adam(0.03), loss="binary_crossentropy",
         metrics=[metrics.AUC(), metrics.AUC(curve="PR"), metrics.Precision(thresholds=[0.3, 0.6]), "Recall",
                  metrics.BinaryIoU(), metrics.F1Score(), metrics.TruePositives(name="hits"), metrics.PrecisionAtRecall(0.5),
                  metrics.R2Score(), metrics.AUC(multi_label=True), "recall"],
         weighted_metrics=[metrics.AUC(), metrics.Precision(), metrics.FBetaScore(average="macro", beta=2.0), "Recall",
                           metrics.R2Score()]),
    weights={"w": (positive, "float32")}, data="sample_weight = w", valid=10)


def masked():
    x = keras.Input((4, 3), name="x")
    return model_of(x, layers.Dense(1, activation="sigmoid", name="y")(layers.Masking(name="m")(x)))


keras.utils.clear_session()
run("masked_decisions", """
[input x]
shape = 4, 3
[layers]
m = Masking()
y = Dense(1, sigmoid)
[train]
shuffle = false
optimizer = SGD(learning_rate=0.1)
loss = binary_crossentropy
metrics = Precision(), AUC(), TrueNegatives()
""", masked,
    {"x": (lambda n: normal(n, 4, 3) * classes(2, n, 4, 1), "float32")}, {"y": (lambda n: classes(2, n, 4, 1), "float32")},
    dict(optimizer=optimizers.SGD(0.1), loss="binary_crossentropy",
         metrics=[metrics.Precision(), metrics.AUC(), metrics.TrueNegatives()]), valid=9)


def two_decisions():
    x = keras.Input((6,), name="x")
    h = layers.Dense(5, activation="tanh", name="d1")(x)
    return model_of(x, [layers.Dense(1, activation="sigmoid", name="kind")(h),
                        layers.Dense(2, activation="sigmoid", name="size")(h)])


keras.utils.clear_session()
run("two_decisions", """
[input x]
shape = 6
[layers]
d1 = Dense(5, tanh)
[layer kind]
type = Dense
units = 1
activation = sigmoid
[layer size]
type = Dense
input = d1
units = 2
activation = sigmoid
[output kind]
[output size]
[train]
shuffle = false
optimizer = SGD(learning_rate=0.1)
loss = dict(kind=binary_crossentropy, size=binary_crossentropy)
metrics = dict(kind=[AUC(), AUC], size=[AUC(), Recall(), F1Score(average=micro)])
weighted_metrics = dict(kind=Recall(), size=AUC())
""", two_decisions, SMALL_INPUT,
    {"kind": (lambda n: classes(2, n, 1), "float32"), "size": (lambda n: classes(2, n, 2), "float32")},
    dict(optimizer=optimizers.SGD(0.1), loss={"kind": "binary_crossentropy", "size": "binary_crossentropy"},
         metrics={"kind": [metrics.AUC(), "AUC"], "size": [metrics.AUC(), metrics.Recall(), metrics.F1Score(average="micro")]},
         weighted_metrics={"kind": [metrics.Recall()], "size": [metrics.AUC()]}), valid=7)

# --- moving averages of the weights: at the end, and after every third step ---

for name, options in (("averaged", dict(ema_momentum=0.8)), ("averaged_often", dict(ema_momentum=0.5,
                                                                                    ema_overwrite_frequency=3))):
    words = "".join(", %s=%s" % item for item in options.items())
    run(name, SMALL + "optimizer = SGD(learning_rate=0.05, momentum=0.9, use_ema=true%s)\nloss = mse\n" % words, make,
        SMALL_INPUT, SMALL_LABEL,
        dict(optimizer=optimizers.SGD(0.05, momentum=0.9, use_ema=True, **options), loss="mse"), valid=8, epochs=5,
        batch_size=6)

# --- sequences of labels without times: CTC ---


def spelled(n):
    labels = classes(4, n, 3) + 1
    for row in labels:
        row[random.randint(1, 4):] = 0
    return labels


def make():
    x = keras.Input((9, 4), name="x")
    h = layers.Conv1D(6, 3, padding="same", activation="tanh", name="c")(x)
    return model_of(x, layers.Dense(5, name="y")(h))


run("ctc", """
[input x]
shape = 9, 4
[layers]
c = Conv1D(6, 3, padding=same, activation=tanh)
y = Dense(5)
[train]
shuffle = false
optimizer = Adam(learning_rate=0.01)
loss = CTC
""", make, {"x": (lambda n: normal(n, 9, 4), "float32")}, {"y": (spelled, "int32")},
    dict(optimizer=optimizers.Adam(0.01), loss="ctc"), valid=7)

# --- Adafactor, whose moments of kernels are rows and columns; constraints; a loss of the whole batch ---


def make():
    x = keras.Input((6, 6, 3), name="x")
    h = layers.Conv2D(4, 3, padding="same", activation="relu", name="c1")(x)
    h = layers.Conv2D(5, (2, 3), strides=2, activation="tanh", name="c2")(h)
    return model_of(x, layers.Dense(2, name="y")(layers.Flatten(name="f")(h)))


run("adafactor", """
[input x]
shape = 6, 6, 3
[layers]
c1 = Conv2D(4, 3, padding=same, activation=relu)
c2 = Conv2D(5, (2, 3), strides=2, activation=tanh)
f = Flatten()
y = Dense(2)
[train]
shuffle = false
optimizer = Adafactor(learning_rate=0.02)
loss = mse
""", make, {"x": (lambda n: normal(n, 6, 6, 3), "float32")}, {"y": (lambda n: normal(n, 2), "float32")},
    dict(optimizer=optimizers.Adafactor(0.02), loss="mse"), valid=5)


def make():
    x = keras.Input((6, 3), name="x")
    h = layers.Conv1D(4, 2, kernel_constraint=constraints.UnitNorm(axis=(0, 1)), bias_constraint="non_neg", name="c")(x)
    h = layers.Dense(5, activation="tanh", kernel_constraint=constraints.MaxNorm(0.7), name="d")(layers.Flatten(name="f")(h))
    return model_of(x, layers.Dense(2, kernel_constraint=constraints.MinMaxNorm(0.4, 0.9, rate=0.5), name="y")(h))


run("constrained", """
[input x]
shape = 6, 3
[layers]
c = Conv1D(4, 2, kernel_constraint=UnitNorm(axis=(0, 1)), bias_constraint=NonNeg())
f = Flatten()
d = Dense(5, tanh, kernel_constraint=MaxNorm(0.7))
y = Dense(2, kernel_constraint=MinMaxNorm(0.4, 0.9, rate=0.5))
[train]
shuffle = false
optimizer = Adam(learning_rate=0.02)
loss = mse
""", make, {"x": (lambda n: normal(n, 6, 3), "float32")}, {"y": (lambda n: normal(n, 2), "float32")},
    dict(optimizer=optimizers.Adam(0.02), loss="mse"), valid=5)


def make():
    x = keras.Input((5, 4), name="x")
    return model_of(x, layers.Dense(2, activation="sigmoid", name="y")(layers.Dense(6, activation="tanh", name="d")(x)))


run("dice", """
[input x]
shape = 5, 4
[layers]
d = Dense(6, tanh)
y = Dense(2, sigmoid)
[train]
shuffle = false
optimizer = SGD(learning_rate=0.5, momentum=0.9)
loss = Dice
""", make, {"x": (lambda n: normal(n, 5, 4), "float32")}, {"y": (lambda n: classes(2, n, 5, 2), "float32")},
    dict(optimizer=optimizers.SGD(0.5, momentum=0.9), loss=losses.Dice()), rows=24, valid=8)

writer.save("training")
