"""Golden values of recurrent layers and wrappers, from Keras (JAX backend, float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_recurrent.py

writes recurrent.txt and recurrent.bin as make_layers.py does. A case with the line "masked 0" has a Masking layer in
front: rows of the input end early, in steps of zeros. Several inputs are x and the initial states; several outputs have
one "infer", "train" and "cotangent" each. Names of weights are their places in weights files.
"""

import jax
import keras
import numpy as np

from make_layers import Call, Writer, made, regularized, single, text, training_argument, weight_value
from weight_places import places


simple_call = keras.layers.SimpleRNNCell.call


def double_call(self, sequence, states, training=False):
    """The cell forgets that its state is float64, which a scan does not allow."""
    output, _ = simple_call(self, sequence, states, training=training)
    return output.astype("float64"), [output.astype("float64")]


keras.layers.SimpleRNNCell.call = double_call


class Layer(Call):
    """A layer or cell in Keras call form, or a list of them."""

    def __init__(self, name, *args, **kwargs):
        self.name, self.args, self.kwargs = name, args, kwargs

    def text(self):
        items = [text_of(a) for a in self.args] + ["%s=%s" % (k, text_of(v)) for k, v in self.kwargs.items()]
        return "%s(%s)" % (self.name, ", ".join(items))

    def make(self):
        args = [make_of(a) for a in self.args]
        return getattr(keras.layers, self.name)(*args, **{k: make_of(v) for k, v in self.kwargs.items()})


def text_of(value):
    return "[%s]" % ", ".join(map(text_of, value)) if isinstance(value, list) else text(value)


def make_of(value):
    return list(map(make_of, value)) if isinstance(value, list) else made(value)


out = Writer()


def listed(outputs):
    return [o for item in outputs for o in listed(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def nested(states, layer):
    """Flat states as the layer wants them."""
    cell = getattr(layer, "cell", None)
    if not isinstance(cell, keras.layers.StackedRNNCells):
        return states
    result = []
    for size in cell.state_size:
        count = len(size) if isinstance(size, (list, tuple)) else 1
        result.append(states[:count] if count > 1 else states[0])
        states = states[count:]
    return result


def case(name, shape, *args, states=(), masked=False, explicit=False, trainable=True, stochastic=False, spread=1.0, first_masked=False,
         **kwargs):
    rng = np.random.default_rng(len(out.lines))
    layer = Layer(name, *args, **kwargs).make()
    layer.trainable = trainable
    if "activity_regularizer" in kwargs:  # SimpleRNN forgets it
        layer.activity_regularizer = made(kwargs["activity_regularizer"])
    xs = [single(rng.normal(0, spread, shape))] + [single(rng.normal(0, 1, (shape[0], u))) for u in states]
    mask = None
    if masked:
        lengths = rng.integers(1, shape[1] + 1, shape[0])
        lengths[0] = shape[1] - 1
        for row, length in enumerate(lengths):
            xs[0][row, length:] = 0
        xs[0][-1, 1] = 0
        if first_masked:
            xs[0][1, :2] = 0
        mask = np.any(xs[0] != 0, axis=-1)
    if explicit:  # the mask is an input of its own
        mask = rng.random(shape[:2]) < 0.6
        mask[0, 0] = True

    def arguments(inputs, training):
        given = dict(training_argument(layer, training))
        if (masked or explicit) and layer._call_has_mask_arg:
            given["mask"] = mask
        if states:
            given["initial_state"] = nested(list(inputs[1:]), layer)
        return given

    layer(xs[0], **arguments(xs, False))
    place = places(layer)
    for w in layer.weights:
        w.assign(single(0.5 * weight_value(rng, w.name, w.shape)))
    given = ["initial_state=(%s,)" % ", ".join(str(i + 1) for i in range(len(states)))] if states else []
    given += ["mask=(%d,)" % (1 + len(states))] if explicit else []
    call = "(%s)" % ", ".join(given) if given else ""
    out.lines.append("case " + Layer(name, *args, **kwargs).text() + call)
    if not trainable:
        out.lines.append("frozen")
    if masked:
        out.lines.append("masked 0")
    for i, x in enumerate(xs):
        out.array("input", i, x)
    if explicit:
        out.array("input", len(xs), mask)
    trained = [w.value for w in layer.trainable_variables]
    others = [w.value for w in layer.non_trainable_variables]
    for w in layer.weights:
        out.array("weight", place[id(w)], w.value)
    infer = listed(layer.stateless_call(trained, others, xs[0], **arguments(xs, False))[0])
    for i, y in enumerate(infer):
        out.array("infer", i, y)
    output_mask = listed(layer.compute_mask(xs[0], mask))[0] if masked and layer.supports_masking else None
    if output_mask is not None:
        out.array("mask", "-", output_mask)
    if stochastic:
        return

    def training_call(tv, inputs):
        return layer.stateless_call(tv, others, inputs[0], **arguments(inputs, True))

    training_pass(out, rng, layer, place, training_call, xs, infer, moved=trainable)
    penalties(layer, xs, arguments)


def training_pass(out, rng, layer, place, call, xs, infer, moved=True):
    """Writes a pass of training: cotangents of the outputs, which have the shapes of infer, outputs, gradients and, when
    moved, new statistics. call(trained, inputs) gives outputs and new values of the others; place: id of a weight -> name."""
    cotangents = [single(rng.normal(0, 1, y.shape)) for y in infer]
    for i, c in enumerate(cotangents):
        out.array("cotangent", i, c)

    def loss(tv, inputs):
        y, new = call(tv, inputs)
        return sum((a * c).sum() for a, c in zip(listed(y), cotangents)), (listed(y), new)

    (_, (ys, new)), grads = jax.value_and_grad(loss, (0, 1), has_aux=True)([w.value for w in layer.trainable_variables], xs)
    for i, y in enumerate(ys):
        out.array("train", i, y)
    for w, g in zip(layer.trainable_variables, grads[0]):
        out.array("grad_weight", place[id(w)], g)
    for i, g in enumerate(grads[1]):
        out.array("grad_input", i, g)
    for w, value in zip(layer.non_trainable_variables, new):
        if id(w) in place and moved:
            out.array("moved", place[id(w)], value)


def penalties(layer, xs, arguments):
    if any(w.regularizer is not None for w in layer.trainable_variables):
        penalty = sum(float(w.regularizer(w.value)) for w in layer.trainable_variables if w.regularizer is not None)
        out.array("penalty", "-", penalty)
    if layer.activity_regularizer is not None:
        ys = listed(layer(xs[0], **arguments(xs, False)))
        out.array("activity", "-", sum(float(layer.activity_regularizer(y)) for y in ys))


LENGTHS = (4, 5, 3)


def every_cell_layer(name, units, **fixed):
    """What LSTM, GRU and SimpleRNN have in common."""
    n_states = 2 if name == "LSTM" else 1
    case(name, LENGTHS, units, **fixed)
    case(name, LENGTHS, units, return_sequences=True, use_bias=False, **fixed)
    case(name, (1, 1, 1), 1, return_sequences=True, **fixed)
    case(name, LENGTHS, units, return_state=True, activity_regularizer=Call("L1L2", l1=0.1, l2=0.2), **fixed)
    case(name, LENGTHS, units, return_sequences=True, return_state=True, states=[units] * n_states, **fixed)
    case(name, LENGTHS, units, go_backwards=True, return_sequences=True, stateful=False, **fixed)
    case(name, LENGTHS, units, go_backwards=True, unroll=True, **fixed)
    case(name, LENGTHS, units, masked=True, **fixed)
    case(name, LENGTHS, units, masked=True, return_sequences=True, return_state=True, **fixed)
    case(name, LENGTHS, units, masked=True, return_sequences=True, zero_output_for_mask=True, **fixed)
    case(name, LENGTHS, units, masked=True, zero_output_for_mask=True, return_state=True, **fixed)
    case(name, LENGTHS, units, masked=True, go_backwards=True, return_sequences=True, **fixed)
    case(name, LENGTHS, units, masked=True, go_backwards=True, **fixed)
    # Zeros before the first valid step: JAX has that only when it unrolls.
    case(name, LENGTHS, units, masked=True, first_masked=True, states=[units] * n_states, unroll=True,
         return_sequences=True, **fixed)
    case(name, LENGTHS, units, masked=True, first_masked=True, states=[units] * n_states, unroll=True, **fixed)
    case(name, LENGTHS, units, kernel_regularizer="l2", recurrent_regularizer=Call("L1", l1=0.3),
         bias_regularizer=Call("L2", l2=0.2), **fixed)
    case(name, LENGTHS, units, dropout=0.3, recurrent_dropout=0.2, stochastic=True, **fixed)
    case(name, LENGTHS, units, trainable=False, **fixed)


def cells():
    every_cell_layer("LSTM", 4)
    case("LSTM", (2, 9, 5), 19, return_sequences=True, use_cudnn="auto", unit_forget_bias=False)
    every_cell_layer("GRU", 4, use_cudnn="auto")
    every_cell_layer("GRU", 4, reset_after=False)
    case("GRU", (2, 9, 5), 19, return_sequences=True)
    every_cell_layer("SimpleRNN", 4)
    for function in "linear sigmoid relu relu6 hard_sigmoid hard_tanh elu softplus softsign".split():
        case("SimpleRNN", LENGTHS, 4, function, return_sequences=True)
        case("LSTM", LENGTHS, 4, function, "hard_sigmoid")
        case("GRU", LENGTHS, 4, activation=function, recurrent_activation="hard_sigmoid")
    case("SimpleRNN", LENGTHS, 4, "exponential", spread=0.3)
    case("SimpleRNN", LENGTHS, 4, None)


def walks():
    lstm, gru, simple = Layer("LSTMCell", 4), Layer("GRUCell", 3), Layer("SimpleRNNCell", 4)
    for cell in (lstm, gru, simple):
        case("RNN", LENGTHS, cell)
        case("RNN", LENGTHS, cell, return_sequences=True, return_state=True, go_backwards=True)
    case("RNN", LENGTHS, Layer("GRUCell", 4, reset_after=False, use_bias=False), return_sequences=True)
    case("RNN", LENGTHS, Layer("LSTMCell", 4, kernel_regularizer="l2", unit_forget_bias=False), unroll=True,
         stateful=False)
    case("RNN", LENGTHS, [lstm, gru])
    case("RNN", LENGTHS, [lstm, gru], return_sequences=True, return_state=True)
    case("RNN", LENGTHS, [lstm, lstm, simple, lstm], go_backwards=True, return_sequences=True)
    case("RNN", LENGTHS, [simple, lstm], go_backwards=True, return_state=True, states=[4, 4, 4])
    case("RNN", LENGTHS, Layer("StackedRNNCells", [lstm, gru]), masked=True, return_state=True)
    case("RNN", LENGTHS, [lstm, Layer("LSTMCell", 2)], masked=True, return_sequences=True)
    case("RNN", LENGTHS, [lstm, gru], masked=True, return_sequences=True, zero_output_for_mask=True)
    case("RNN", LENGTHS, [lstm, Layer("GRUCell", 3, dropout=0.5)], stochastic=True)


def both_directions():
    lstm = Layer("LSTM", 4)
    sequences = Layer("LSTM", 3, return_sequences=True)
    for mode in ("concat", "sum", "mul", "ave", None):
        case("Bidirectional", LENGTHS, lstm, merge_mode=mode)
        case("Bidirectional", LENGTHS, sequences, merge_mode=mode)
    case("Bidirectional", LENGTHS, lstm, masked=True)
    case("Bidirectional", LENGTHS, sequences, masked=True)
    case("Bidirectional", LENGTHS, Layer("GRU", 3, return_sequences=True, return_state=True), masked=True)
    case("Bidirectional", LENGTHS, Layer("GRU", 3, reset_after=False, return_state=True), "sum", states=[3, 3])
    case("Bidirectional", LENGTHS, Layer("LSTM", 3, return_sequences=True, return_state=True), None,
         states=[3, 3, 3, 3])
    case("Bidirectional", LENGTHS, sequences, backward_layer=Layer("GRU", 5, go_backwards=True, return_sequences=True))
    case("Bidirectional", LENGTHS, Layer("SimpleRNN", 3, kernel_regularizer="l2"))
    case("Bidirectional", LENGTHS, Layer("RNN", [Layer("LSTMCell", 4), Layer("GRUCell", 3)], return_sequences=True))


def every_step():
    case("TimeDistributed", LENGTHS, Layer("Dense", 2, activation="tanh", kernel_regularizer="l2"))
    case("TimeDistributed", LENGTHS, Layer("Dense", 2, activity_regularizer="l2"))
    case("TimeDistributed", (2, 3, 5, 5, 2), Layer("Conv2D", 3, 2, activation="relu"))
    case("TimeDistributed", (2, 3, 4, 2), Layer("LSTM", 3))
    case("TimeDistributed", (2, 3, 4, 2), Layer("Bidirectional", Layer("GRU", 3)))
    case("TimeDistributed", (2, 3, 2, 2), Layer("TimeDistributed", Layer("Dense", 2)))
    case("TimeDistributed", (2, 3, 4), Layer("Flatten"))
    case("TimeDistributed", (5, 3, 4), Layer("BatchNormalization", momentum=0.9))
    case("TimeDistributed", (5, 30, 2), Layer("BatchNormalization", momentum=0.5))
    case("TimeDistributed", (5, 3, 4), Layer("BatchNormalization"), trainable=False)
    case("TimeDistributed", (5, 3, 4), Layer("Dropout", 0.5), stochastic=True)


def masks():
    """Layers that use masks without walking, and masks that are inputs of their own. Where a layer only passes a mask on or
    drops it, outputs and masks are compared: the gradient of what Masking has taken away is not the layer's."""
    case("GlobalAveragePooling1D", LENGTHS, masked=True)
    case("GlobalAveragePooling1D", LENGTHS, keepdims=True, masked=True)
    case("GlobalAveragePooling1D", LENGTHS, explicit=True)
    case("BatchNormalization", LENGTHS, momentum=0.7, explicit=True)
    case("BatchNormalization", LENGTHS, scale=False, explicit=True, trainable=False)
    case("TimeDistributed", LENGTHS, Layer("Dense", 2), explicit=True)
    case("LSTM", LENGTHS, 3, return_sequences=True, zero_output_for_mask=True, explicit=True)
    case("GRU", LENGTHS, 3, return_state=True, explicit=True)
    case("RNN", LENGTHS, [Layer("LSTMCell", 3), Layer("GRUCell", 2)], explicit=True)
    case("Bidirectional", LENGTHS, Layer("LSTM", 3, return_sequences=True), explicit=True)
    case("SimpleRNN", LENGTHS, 3, unroll=True, states=[3], explicit=True)
    for name, args in (("BatchNormalization", ()), ("TimeDistributed", (Layer("Dense", 2),)), ("LayerNormalization", ()),
                       ("GlobalMaxPooling1D", ()), ("Dense", (2,)), ("Conv1D", (2, 2))):
        case(name, LENGTHS, *args, masked=True, stochastic=True)


if __name__ == "__main__":
    for group in (cells, walks, both_directions, every_step, masks):
        group()
    out.finish("recurrent")
