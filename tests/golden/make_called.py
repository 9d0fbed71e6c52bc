"""Golden values of calls with training=true or false, whatever the pass is, from Keras (JAX backend, float64, stored as
float32).

    KERAS_BACKEND=jax python tests/golden/make_called.py

writes called.txt and called.bin as make_layers.py does. What is dropped or drawn differs from Keras's, so that such layers
are called with training=false here; "infer" comes from a pass of inference and "train" from one of training.
"""

import numpy as np

from make_layers import Call, Writer, single, weight_value
from make_recurrent import Layer, listed, training_pass
from weight_places import places

out = Writer()


class Quoted(Call):
    """A text that the configuration language needs quoted."""

    def text(self):
        return '"%s"' % self.name

    def make(self):
        return self.name


def case(layer_text, shapes, training, mask=None, trainable=True, infer_only=False):
    """Several shapes: the layer takes a list, or as Keras's MultiHeadAttention one tensor after the other."""
    rng = np.random.default_rng(len(out.lines))
    layer = layer_text.make()
    layer.trainable = trainable
    shapes = shapes if isinstance(shapes, list) else [shapes]
    xs = [single(rng.normal(0, 1, s)) for s in shapes]
    given = {"training": training}
    if mask is not None:
        given["mask"] = np.asarray(mask, bool)

    def inputs(values):
        if len(values) == 1:
            return tuple(values)
        return tuple(values) if layer_text.name.endswith("HeadAttention") or "Query" in layer_text.name else (list(values),)

    layer(*inputs(xs), **given)
    place = places(layer)
    for w in layer.weights:
        w.assign(single(0.5 * weight_value(rng, w.name, w.shape)))
    call = "training=%s" % str(training).lower() + (", mask=(%d,)" % len(xs) if mask is not None else "")
    out.lines.append("case %s(%s)" % (layer_text.text(), call))
    if not trainable:
        out.lines.append("frozen")
    for i, x in enumerate(xs):
        out.array("input", i, x)
    if mask is not None:
        out.array("input", len(xs), mask)
    for w in sorted(layer.weights, key=lambda w: w.name == "vector_u"):  # it stands behind the layer's own
        out.array("weight", place[id(w)], w.value)
    trained = [w.value for w in layer.trainable_variables]
    others = [w.value for w in layer.non_trainable_variables]
    infer = listed(layer.stateless_call(trained, others, *inputs(xs), **given)[0])
    for i, y in enumerate(infer):
        out.array("infer", i, y)
    if infer_only:
        return

    def training_call(tv, values):
        return layer.stateless_call(tv, others, *inputs(values), **given)

    training_pass(out, rng, layer, place, training_call, xs, infer)


def statistics():
    steps = [[1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 0]]
    for training in (True, False):
        case(Layer("BatchNormalization"), (6, 5), training)
        case(Layer("BatchNormalization", momentum=0.7, axis=1), (3, 4, 5), training)
        case(Layer("BatchNormalization"), (3, 4, 5), training, mask=steps)
        case(Layer("BatchNormalization"), (6, 5), training, trainable=False)
        case(Layer("TimeDistributed", Layer("BatchNormalization", momentum=0.6)), (4, 3, 5), training)
    case(Layer("SpectralNormalization", Layer("Dense", 4)), (3, 5), False)
    case(Layer("SpectralNormalization", Layer("Dense", 4), power_iterations=3), (3, 5), True, infer_only=True)


def drawn():
    for name in ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"):
        case(Layer(name, 0.5), (3, 5), False)
    for rank, shape in enumerate([(2, 4, 3), (2, 4, 3, 2), (2, 3, 2, 4, 2)], 1):
        case(Layer("SpatialDropout%dD" % rank, 0.5), shape, False)
    case(Layer("TimeDistributed", Layer("Dropout", 0.5)), (3, 4, 5), False)


def recurrent():
    drops = {"dropout": 0.4, "recurrent_dropout": 0.3}
    for name in ("SimpleRNN", "LSTM", "GRU"):
        case(Layer(name, 4, return_sequences=True, **drops), (3, 5, 2), False)
        case(Layer(name, 4), (3, 5, 2), True)
    case(Layer("RNN", [Layer("LSTMCell", 3, **drops), Layer("GRUCell", 2, **drops)]), (2, 4, 3), False)
    case(Layer("Bidirectional", Layer("GRU", 3, **drops)), (2, 4, 3), False)


def attention():
    q, v = (2, 5, 6), (2, 7, 6)
    for name in ("Attention", "AdditiveAttention"):
        case(Layer(name, dropout=0.5), [q, v], False)
    case(Layer("MultiHeadAttention", num_heads=2, key_dim=3, dropout=0.5), [q, v], False)
    case(Layer("GroupQueryAttention", head_dim=3, num_query_heads=4, num_key_value_heads=2, dropout=0.5), [q, v], False)


def products():
    """Keras's have the argument, without effect on what they compute."""
    for training in (True, False):
        case(Layer("Dense", 4), (3, 5), training)
        case(Layer("EinsumDense", Quoted("abc,cd->abd"), output_shape=(None, 4)), (2, 3, 5), training)


if __name__ == "__main__":
    for group in (statistics, drawn, recurrent, attention, products):
        group()
    out.finish("called")
