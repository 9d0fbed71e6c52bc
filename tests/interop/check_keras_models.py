#!/usr/bin/env python3
"""Models that Keras saves are read by kdist: outputs are Keras's, for every class of layer; compile settings are taken;
training from a saved model, nested ones too, gives Keras's weights, in a file that the same model loads.

usage: check_keras_models.py KDIST
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

import keras_models

FORMS = (".keras", ".h5")  # the second one is Keras 2's, which Keras 3 writes too
failures = 0


def check(good, text):
    global failures
    if not good:
        failures += 1
        print("FAILED:", text)


def kdist(*args):
    run = subprocess.run([KDIST, *args], capture_output=True, text=True, timeout=300)
    check(run.returncode == 0, "kdist %s: %s" % (" ".join(args), run.stderr[:30000]))
    return run.stdout if run.returncode == 0 else None


def flat(model, y):
    """Outputs by the names that kdist gives them."""
    if isinstance(y, dict):
        return dict(y)
    names, found = getattr(model, "output_names", [model.layers[-1].name]), {}
    for name, value in zip(names, y if isinstance(y, (list, tuple)) else [y]):
        free, number = name, 0
        while free in found:
            number += 1
            free = "%s_%d" % (name, number)
        found[free] = value
    return found


def same_outputs(name, model, x, tolerance, form=".keras"):
    path = name + form
    model.save(path, zipped=False) if form == "" else model.save(path)
    y = flat(model, model.predict(x, verbose=0))
    np.savez(name + ".npz", **x, **y)
    text = kdist("evaluate", path, "data.format=npz", "data.test=%s.npz" % name, "train.loss=mse", "train.metrics=none",
                 "train.optimizer=sgd", "train.loss_weights=none", "--json")
    if text is None:
        return
    losses = json.loads(text)
    for output, value in y.items():
        loss = losses.get(output + "_loss" if len(y) > 1 else "loss")
        scale = float((np.asarray(value, "float64") ** 2).mean()) + 1e-12
        check(loss is not None and loss <= tolerance * scale, "%s: output %s differs: mean square %s of %g" %
              (name, output, loss, scale))


def looks(path):
    """The commands that look at a model take the file itself."""
    for command in (["summary"], ["summary", "--depth", "1"], ["plot", "-o", path + ".svg"], ["config"]):
        kdist(command[0], path, *command[1:])


def compiled(form):
    model, x = keras_models.sequential()
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)),
                  loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2)])
    keras_models.spread(model)
    labels = np.arange(6) % 3
    model.save("compiled" + form)
    np.savez("compiled.npz", **x, **{"last layer-1": labels})
    text = kdist("evaluate", "compiled" + form, "data.format=npz", "data.test=compiled.npz", "--json")
    wanted = model.evaluate(x["image"], labels, verbose=0, return_dict=True)
    for key, value in (json.loads(text) if text else {}).items():
        check(abs(value - wanted.pop(key, np.inf)) < 1e-5, "compiled: %s = %s" % (key, value))
    check(not text or not wanted, "compiled: missing: %s" % wanted)


ARGUMENTS = {"SensitivityAtSpecificity": (0.5,), "SpecificityAtSensitivity": (0.5,), "PrecisionAtRecall": (0.5,),
             "RecallAtPrecision": (0.5,), "MeanIoU": (3,), "IoU": (3, [0]), "OneHotIoU": (3, [0]), "OneHotMeanIoU": (3,),
             "PiecewiseConstantDecay": ([5], [0.1, 0.2])}
LEFT_OUT = "Optimizer MultiOptimizer OptimizerMap Loss Metric MeanMetricWrapper Mean Sum MeanRelativeError".split()


def classes(module, base):
    for name in sorted(dir(module)):
        made = getattr(module, name)
        if isinstance(made, type) and issubclass(made, base) and made is not base and name not in LEFT_OUT:
            yield name, made


def settings(path):
    """Every class of optimizer, schedule, loss and metric, as compile stores it."""
    optimizers, schedules = keras.optimizers, keras.optimizers.schedules
    tried = [dict(optimizer=made(optimizers.Adam()) if name == "LossScaleOptimizer" else made(), loss="mse")
             for name, made in classes(optimizers, optimizers.Optimizer)]
    for name, made in classes(schedules, schedules.LearningRateSchedule):
        few = name in ("PolynomialDecay", "CosineDecay", "CosineDecayRestarts")
        given = ARGUMENTS.get(name, (0.1, 5) if few else (0.1, 5, 0.9))
        tried.append(dict(optimizer=optimizers.SGD(made(*given)), loss="mse"))
    for name, made in classes(keras.losses, keras.losses.Loss):
        tried.append(dict(optimizer="sgd", loss=made()))
    for name, made in classes(keras.metrics, keras.metrics.Metric):
        tried.append(dict(optimizer="sgd", loss="mse", metrics=[made(*ARGUMENTS.get(name, ()))]))
    tried.append(dict(optimizer="sgd", loss=keras.losses.mean_squared_error, metrics=["acc", keras.metrics.mean_absolute_error],
                      weighted_metrics=["mae"]))
    for number, given in enumerate(tried):
        model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, name="y")])
        model.compile(**given)
        model.save(path)
        check(kdist("config", path) is not None, path + ": %s" % given)
    x = keras.Input((4,), name="x")
    model = keras.Model(x, {"p": keras.layers.Dense(1)(x), "q": keras.layers.Dense(2)(x)})
    model.compile("adam", loss={"p": "mse", "q": keras.losses.Huber()}, loss_weights={"p": 2.0}, metrics={"q": ["mae"]})
    model.save(path)
    text = kdist("config", path) or ""
    check("metrics = dict(q=[mae])" in text and "loss_weights = dict(p=2.0)" in text, path + ": %s" % text)


def trained(form):
    """An epoch of kdist from the file is an epoch of Keras; the weights go back into the nested model."""
    model, x = keras_models.nested()
    keras_models.spread(model)
    model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), loss=["mse", "mae", "mse"],
                  loss_weights=[1.0, 0.5, 2.0], metrics=[["mae"], [], ["mse"]])
    y = [keras_models.floats(6, *np.shape(v)[1:]) for v in model.predict(x, verbose=0)]
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    model.save("trained" + form)
    np.savez("trained.npz", **x, **flat(model, y))
    kdist("fit", "trained" + form, "data.format=npz", "data.train=trained.npz", "train.batch_size=6", "train.epochs=3",
          "train.shuffle=false", "run.dir=trained-run" + form)
    if not os.path.exists("trained-run%s/model.weights.h5" % form):
        return
    model.fit(x, y, batch_size=6, epochs=3, shuffle=False, verbose=0)
    back = keras.models.load_model("trained" + form, compile=False)
    back.load_weights("trained-run%s/model.weights.h5" % form)
    for a, b in zip(model.weights, back.weights):
        far = np.abs(np.asarray(a.value) - np.asarray(b.value)).max()
        check(far < 2e-5, "trained: weight %s differs by %g" % (a.path, far))


def main():
    for make in keras_models.MODELS:
        keras.utils.clear_session()
        model, x = make()
        half = make is keras_models.half
        keras_models.spread(model)
        for form in FORMS:
            same_outputs(make.__name__, model, x, 1e-4 if half else 1e-10, form)
            looks(make.__name__ + form)
    model, x = keras_models.nested()
    same_outputs("folder", keras_models.spread(model), x, 1e-10, form="")
    for name, model, x in keras_models.layer_groups():
        keras_models.spread(model)
        for form in FORMS:
            same_outputs(name, model, x, 1e-9, form)
    for form in FORMS:
        compiled(form)
        settings("settings" + form)
        trained(form)
    print("%d failures" % failures)
    return failures > 0


if __name__ == "__main__":
    KDIST = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        sys.exit(main())
