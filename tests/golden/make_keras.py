"""Models that Keras saves, with inputs and what Keras predicts, in tests/golden/keras: NAME.keras and NAME.npz, the folder
`folder` of zipped=False, and nested.h5 in the older form. continued.keras has trained two epochs; continued.weights.h5 is it
after two more, on continued.npz.

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
    model.save(os.path.join(HERE, "keras", path), **({} if "." in path else {"zipped": False}))


def continued():
    """A model that has trained for two epochs, and its weights after two more."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(12, 4)).astype("float32"), rng.normal(size=(12, 2)).astype("float32")
    keras.utils.set_random_seed(5)
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, activation="tanh", name="hidden"),
                              keras.layers.Dense(2, name="y")])
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.1), "mse")
    model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    model.save(os.path.join(HERE, "keras", "continued.keras"))
    model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    model.optimizer = None
    model.save_weights(os.path.join(HERE, "keras", "continued.weights.h5"))
    np.savez(os.path.join(HERE, "keras", "continued.npz"), x=x, y=y)


if __name__ == "__main__":
    shutil.rmtree(os.path.join(HERE, "keras", "folder"), ignore_errors=True)  # Keras does not save over a folder
    os.makedirs(os.path.join(HERE, "keras"), exist_ok=True)
    for make in (keras_models.shared, keras_models.recurrent, keras_models.operations, keras_models.normalized):
        keras.utils.clear_session()
        save(make.__name__, *make(), make.__name__ + ".keras")
    keras.utils.clear_session()
    save("nested", *keras_models.nested(), "nested.h5")
    keras.utils.clear_session()
    model, x = keras_models.sequential()
    model.compile(keras.optimizers.AdamW(3e-3), "mse", metrics=["mae"])
    save("folder", model, x, "folder")
    keras.utils.clear_session()
    continued()
