#!/usr/bin/env python3
"""SavedModels that `kdist export` writes of whole models give in TensorFlow what `kdist predict` gives (exported_models.py), by
the signature, and those of one input by Keras's TFSMLayer.

usage: check_saved_model_models.py KDIST EXAMPLES
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"
try:
    import keras
    import numpy as np
    import tensorflow as tf

    import exported_models
except ImportError as error:
    print("skipped: no %s for this Python" % error.name)
    sys.exit(77)


def open_model(path):
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]
    layer = keras.layers.TFSMLayer(path, call_endpoint="serving_default")
    specs = serve.structured_input_signature[1]
    inputs = [(name, spec.dtype.name, list(spec.shape[1:])) for name, spec in specs.items()]

    def compute(feeds):
        results = {name: value.numpy() for name, value in serve(**feeds).items()}
        if len(feeds) == 1:  # the layer takes no others
            for name, value in layer(*feeds.values()).items():
                np.testing.assert_array_equal(value, results[name])
        return results

    compute.keep = loaded
    operations = loaded.graph.get_operations()
    return inputs, compute, "%d nodes, %d loops" % (len(operations), sum(o.type == "LoopCond" for o in operations))


exported_models.compare_all("served/", open_model)
