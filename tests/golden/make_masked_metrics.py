"""Golden values of metrics behind masks, as a whole training run of Keras (TensorFlow backend, float64, stored as float32;
on JAX the predictions of a training step lose their masks before metrics see them): padded rows, two outputs with weights
for each step. Means count what the mask lets through; decisions count all steps. Batches are whole, since on TensorFlow a
smaller one weighs as much as others in the means of a_loss and b_loss.

    KERAS_BACKEND=tensorflow python tests/golden/make_masked_metrics.py

writes masked_metrics.txt, masked_metrics.bin and training/masked_metrics.ini; training_run.py says what is in them.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
from keras import layers, metrics, optimizers
from training_run import classes, normal, positive, run, writer


def model_of(inputs, outputs):
    return keras.Model(inputs, outputs)


def masked_outputs():
    x = keras.Input((5, 3), name="x")
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="h")(layers.Masking(name="m")(x))
    return model_of(x, [layers.Dense(1, activation="sigmoid", name="a")(h),
                        layers.Dense(2, activation="sigmoid", name="b")(h)])


def masked_metrics():
    return [metrics.BinaryAccuracy(), "mae", metrics.Precision(), metrics.AUC()]


run("masked_metrics", """
[input x]
shape = 5, 3
[layers]
m = Masking()
h = Bidirectional(LSTM(3, return_sequences=true))
a = Dense(1, sigmoid)(h)
b = Dense(2, sigmoid)(h)
[output a]
sample_weight = wa
[output b]
sample_weight = wb
[train]
shuffle = false
optimizer = SGD(learning_rate=0.1)
loss = dict(a=binary_crossentropy, b=binary_crossentropy)
metrics = dict(a=[BinaryAccuracy(), mae, Precision(), AUC()], b=[BinaryAccuracy(), mae, Precision(), AUC()])
weighted_metrics = dict(a=[BinaryAccuracy(), mae, Precision(), AUC()], b=[BinaryAccuracy(), mae, Precision(), AUC()])
""", masked_outputs,
    {"x": (lambda n: normal(n, 5, 3) * classes(2, n, 5, 1), "float32")},
    {"a": (lambda n: classes(2, n, 5, 1), "float32"), "b": (lambda n: classes(2, n, 5, 2), "float32")},
    dict(optimizer=optimizers.SGD(0.1), loss={"a": "binary_crossentropy", "b": "binary_crossentropy"},
         metrics={"a": masked_metrics(), "b": masked_metrics()},
         weighted_metrics={"a": masked_metrics(), "b": masked_metrics()}),
    weights={"wa": (lambda n: positive(n, 5), "float32"), "wb": (lambda n: positive(n, 5), "float32")}, rows=24, valid=8)
writer.save("masked_metrics")
