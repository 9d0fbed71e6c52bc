"""Models that Keras saves, with inputs and what Keras predicts, in tests/golden/keras: NAME.keras and NAME.npz, and the folder
`folder` of zipped=False.

    KERAS_BACKEND=jax python tests/golden/make_keras.py
"""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
import keras
import numpy as np

import keras_models


def save(name, model, x, path):
    keras_models.spread(model)
    y = model.predict(x, verbose=0)
    names = getattr(model, "output_names", [model.layers[-1].name])
    np.savez(os.path.join(HERE, "keras", name + ".npz"), **x, **dict(zip(names, y if isinstance(y, list) else [y])))
    model.save(os.path.join(HERE, "keras", path), zipped=path.endswith(".keras"))


if __name__ == "__main__":
    shutil.rmtree(os.path.join(HERE, "keras"), ignore_errors=True)  # Keras does not save over a folder
    os.makedirs(os.path.join(HERE, "keras"))
    for make in (keras_models.shared, keras_models.recurrent, keras_models.operations):
        keras.utils.clear_session()
        save(make.__name__, *make(), make.__name__ + ".keras")
    keras.utils.clear_session()
    model, x = keras_models.sequential()
    model.compile(keras.optimizers.AdamW(3e-3), "mse", metrics=["mae"])
    save("folder", model, x, "folder")
