"""Where Keras's weights files keep the variables of a layer."""

import keras
from keras.src.saving import saving_lib
from keras.src.utils.naming import to_snake_case


def places(layer, prefix=""):
    """The place of each variable below a layer: id -> "cell/kernel"."""
    nameless = {"LayerScale": "gamma"}.get(type(layer).__name__)
    found = {id(v): prefix + (nameless or v.name) for v in layer._trainable_variables + layer._non_trainable_variables}
    if isinstance(layer, keras.layers.SpectralNormalization):  # it names the kernel a second time
        found = {id(layer.vector_u): prefix + "vector_u"}
    children = sorted(saving_lib._walk_saveable(layer), key=lambda item: (item[0].startswith("_"), item[0]))
    for attribute, child in children:
        if isinstance(child, keras.layers.Layer):
            found = {**places(child, prefix + attribute + "/"), **found}
        elif isinstance(child, list):
            names = [to_snake_case(type(c).__name__) for c in child]
            for i, (name, c) in enumerate(zip(names, child)):
                count = names[:i].count(name)
                inner = "%s%s/%s%s/" % (prefix, attribute, name, "_%d" % count if count else "")
                if isinstance(c, keras.layers.Layer):
                    found = {**places(c, inner), **found}
    return found
