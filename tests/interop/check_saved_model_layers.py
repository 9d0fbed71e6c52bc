#!/usr/bin/env python3
"""SavedModels of all golden cases give Keras's outputs in TensorFlow, also where sizes are variable.

usage: check_saved_model_layers.py FOLDER
"""
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
try:
    import tensorflow as tf

    import exported
except ImportError as error:
    print("skipped: no %s for this Python" % error.name)
    sys.exit(77)


def open_model(path):
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def compute(feeds):
        results = serve(**{name: tf.constant(value) for name, value in feeds.items()})
        return [results[name].numpy() for name in sorted(results)]

    compute.keep = loaded
    return sorted(serve.structured_input_signature[1]), compute


exported.check_all(pathlib.Path(sys.argv[1]), ".tf", open_model, "TensorFlow " + tf.__version__)
