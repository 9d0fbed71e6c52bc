"""Golden values of attention layers, EinsumDense, masks through layers and what else has no place in make_layers.py, from
Keras itself (JAX backend, float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_attention.py      (needs keras-hub)

writes attention.txt and attention.bin, which tests/support/golden.h reads. Inputs marked "masked" go through a Masking layer
first; call arguments stand in second brackets, tensors among them as positions of inputs.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
import keras_hub
import numpy as np
from golden_writer import Writer, text

keras.config.set_floatx("float64")
out = Writer()


def single(value):
    """What the C side sees: float32."""
    return np.asarray(np.asarray(value, "float32"), "float64")


def part_names(layer):
    """id of a weight -> its path below the layer, as Keras's files group it: sorted attributes, private ones last."""
    names = {}

    def visit(owner, prefix):
        for w in owner._trainable_variables + owner._non_trainable_variables:
            names.setdefault(id(w), prefix + w.name)
        for attribute in sorted(vars(owner), key=lambda a: (a.startswith("_"), a)):
            child = getattr(owner, attribute)
            if isinstance(child, keras.layers.Layer) and attribute not in ("_parent",):
                visit(child, prefix + public(owner, attribute) + "/")

    visit(layer, "")
    return names


def public(owner, attribute):
    """query_dense is a property of MultiHeadAttention over _query_dense."""
    bare = attribute.lstrip("_")
    return bare if isinstance(getattr(type(owner), bare, None), property) else attribute


class Case:
    """A Functional model of the layer alone."""

    def __init__(self, name, shapes, kwargs, call, masked, positional):
        self.layer = getattr(keras.layers if hasattr(keras.layers, name) else keras_hub.layers, name)(**kwargs)
        self.inputs = [keras.Input(s[1:], batch_size=s[0]) for s in shapes]
        hidden = [keras.layers.Masking()(x) if i in masked else x for i, x in enumerate(self.inputs)]
        call = {k: tensors(hidden, v) if is_tensor(k) else v for k, v in call.items()}
        given = hidden[:positional]
        if positional == 1 or isinstance(self.layer, keras.layers.MultiHeadAttention) or name.startswith("Group"):
            self.output = self.layer(*given, **call)
        else:
            self.output = self.layer(given, **call)
        self.outputs = listed(self.output)
        self.model = keras.Model(self.inputs, self.outputs)
        self.probe = Probe()
        self.probed = keras.Model(self.inputs, self.probe(self.outputs[0]))


def listed(values):
    return list(values) if isinstance(values, (tuple, list)) else [values]


def tensors(hidden, positions):
    return [hidden[i] for i in positions] if isinstance(positions, tuple) else hidden[positions]


def is_tensor(argument):
    """The argument's value is a position of an input."""
    return argument == "key" or argument.endswith("mask") and argument != "use_causal_mask"


class Probe(keras.layers.Layer):
    """Keeps the mask that reaches it."""

    def __init__(self):
        super().__init__()
        self.supports_masking, self.mask = True, None

    def call(self, x, mask=None):
        self.mask = mask
        return x


def spread_zeros(rng, x, i):
    """Steps that Masking marks: the end of each row, all of one row's but the first."""
    for row in range(len(x)):
        x[row, 1 + (row + i) % x.shape[1]:] = 0
    return x


def case(name, *shapes, call={}, masked=(), positional=None, values={}, stochastic=False, empty=None, **kwargs):
    """values: inputs of given kind, by position ("bits": 0 or 1). empty: an input and a row whose steps are all masked."""
    rng = np.random.default_rng(len(out.lines))
    case = Case(name, shapes, kwargs, call, masked, positional or len(shapes))
    xs = [rng.integers(0, 2, s) if values.get(i) == "bits" else rng.normal(0, 1, s) for i, s in enumerate(shapes)]
    xs = [spread_zeros(rng, x, i) if i in masked else x for i, x in enumerate(xs)]
    if empty:
        xs[empty[0]][empty[1]] = 0
    xs = [single(x) for x in xs]
    names = part_names(case.layer)
    for w in case.layer.weights:
        spread = 0.4 if "dense" in names[id(w)] else 1  # scores near 1: jax computes this softmax in float32
        w.assign(single(rng.normal(0, spread, w.shape) + (1 if w.name in ("gamma", "scale") else 0)))
    items = ["%s=%s" % (k, quoted(v)) for k, v in kwargs.items()]
    arguments = ["%s=%s" % (k, text((v,) if is_tensor(k) and isinstance(v, int) else v)) for k, v in call.items()]
    out.case("%s(%s)" % (name, ", ".join(items)) + ("(%s)" % ", ".join(arguments) if arguments else ""))
    out.lines += ["masked %d" % i for i in masked]
    for i, x in enumerate(xs):
        out.array("input", str(i), x)
    for w in case.layer.weights:
        out.array("weight", names[id(w)], w.value)
    trained = [w.value for w in case.model.trainable_variables]
    others = [w.value for w in case.model.non_trainable_variables]
    infer = listed(case.model.stateless_call(trained, others, xs, training=False)[0])
    arrays("infer", infer)
    if masked:
        case.probed(xs)
        if case.probe.mask is not None:
            out.array("mask", "-", np.asarray(case.probe.mask, "float32"))
    if not stochastic:
        gradients(case, names, rng, xs, trained, others, infer)


def arrays(kind, values):
    """One array for each output."""
    for i, value in enumerate(values):
        out.array(kind, str(i) if len(values) > 1 else "-", value)


def quoted(value):
    if isinstance(value, str) and not value.replace("_", "").isalnum():
        return '"%s"' % value
    return text(value)


def cancels(name, gradient):
    """A number added to all scores of a query changes nothing: what Keras gives is rounding."""
    return name.endswith("key_dense/bias") and np.abs(gradient).max() < 1e-4


def gradients(case, names, rng, xs, trained, others, infer):
    cotangents = [single(rng.normal(0, 1, y.shape)) for y in infer]
    arrays("cotangent", cotangents)

    def loss(tv, inputs):
        y, new = case.model.stateless_call(tv, others, inputs, training=True)
        return sum((a * b).sum() for a, b in zip(listed(y), cotangents)), (listed(y), new)

    (_, (y, new)), grads = jax.value_and_grad(loss, (0, 1), has_aux=True)(trained, xs)
    arrays("train", y)
    for w, g in zip(case.model.trainable_variables, grads[0]):
        out.array("grad_weight", names[id(w)], np.zeros_like(g) if cancels(names[id(w)], g) else g)
    for i, g in enumerate(grads[1]):
        out.array("grad_input", str(i), g)
    for w, value in zip(case.model.non_trainable_variables, new):
        if id(w) in names:
            out.array("moved", names[id(w)], value)
    penalty = sum(float(w.regularizer(w.value)) for w in case.layer.trainable_variables if w.regularizer is not None)
    if any(w.regularizer is not None for w in case.layer.trainable_variables):
        out.array("penalty", "-", penalty)
    case.model(xs)
    activity = sum(map(float, case.model.losses)) - penalty
    if abs(activity) > 1e-9:
        out.array("activity", "-", activity * xs[0].shape[0])


def multi_head():
    q, v, k = (2, 5, 6), (2, 7, 4), (2, 7, 3)
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3)
    case("MultiHeadAttention", q, v, k, num_heads=3, key_dim=4, use_bias=False)
    case("MultiHeadAttention", q, q, num_heads=2, key_dim=3, call={"use_causal_mask": True})
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, call={"use_causal_mask": True}, output_shape=5)
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, output_shape=(2, 3), sliding_window=3)
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, kernel_regularizer="l2", bias_regularizer="l1",
         activity_regularizer="l2")
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, use_gate=True, flash_attention=False)
    case("MultiHeadAttention", q, v, num_heads=1, key_dim=3, masked=(0,))
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, masked=(1,))
    case("MultiHeadAttention", q, q, num_heads=2, key_dim=3, masked=(0, 1), call={"use_causal_mask": True})
    case("MultiHeadAttention", q, v, k, num_heads=2, key_dim=3, masked=(0, 1, 2))
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, masked=(1,), empty=(1, 0))
    case("MultiHeadAttention", q, v, (2, 5, 7), num_heads=2, key_dim=3, values={2: "bits"}, positional=2,
         call={"attention_mask": 2})
    case("MultiHeadAttention", q, v, (2, 2, 5, 7), num_heads=2, key_dim=3, values={2: "bits"}, positional=2,
         call={"attention_mask": 2})
    case("MultiHeadAttention", q, v, k, num_heads=2, key_dim=3, positional=2, call={"key": 2})
    case("MultiHeadAttention", q, v, (2, 7), num_heads=2, key_dim=3, values={2: "bits"}, positional=2,
         call={"value_mask": 2})
    # Dropout, or more axes: the other path through Keras, whose queries without keys give 0; value_dim unlike key_dim.
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, dropout=0.3, masked=(0, 1), empty=(1, 0), stochastic=True)
    case("MultiHeadAttention", q, v, num_heads=2, key_dim=3, dropout=0.3, value_dim=5, stochastic=True)
    many, other = (2, 3, 4, 5), (2, 3, 6, 5)
    case("MultiHeadAttention", many, many, num_heads=2, key_dim=3)
    case("MultiHeadAttention", many, other, num_heads=2, key_dim=3, value_dim=4, attention_axes=2)
    case("MultiHeadAttention", many, (2, 2, 4, 5), num_heads=2, key_dim=3, attention_axes=(1,),
         call={"use_causal_mask": True})
    case("MultiHeadAttention", (2, 3, 2, 4, 3), (2, 5, 2, 4, 3), num_heads=2, key_dim=3, attention_axes=(1, 3))


def group_query():
    q, v, k = (2, 5, 6), (2, 7, 6), (2, 7, 3)
    heads = dict(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    case("GroupQueryAttention", q, v, **heads)
    case("GroupQueryAttention", q, v, k, head_dim=2, num_query_heads=3, num_key_value_heads=1, use_bias=False)
    case("GroupQueryAttention", q, q, **heads, call={"use_causal_mask": True}, sliding_window=2)
    case("GroupQueryAttention", q, v, **heads, masked=(0, 1), use_gate=True)
    case("GroupQueryAttention", q, v, **heads, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2",
         flash_attention=False)
    case("GroupQueryAttention", q, v, **heads, dropout=0.2, masked=(1,), empty=(1, 0), stochastic=True)


def single_head():
    q, v, k = (2, 5, 4), (2, 7, 3), (2, 7, 4)
    for name in ("Attention", "AdditiveAttention"):
        case(name, q, k)
        case(name, q, v, k, use_scale=name == "Attention")
        case(name, q, v, k, call={"use_causal_mask": True})
        case(name, q, k, masked=(0, 1))
        case(name, q, v, k, masked=(0,), call={"use_causal_mask": True})
        case(name, q, v, k, masked=(1,), call={"use_causal_mask": True})
        case(name, q, k, dropout=0.4, stochastic=True)
    case("Attention", q, v, k, score_mode="concat")
    case("Attention", q, v, k, score_mode="concat", use_scale=True, masked=(0, 1), call={"use_causal_mask": True})
    case("Attention", q, k, use_scale=True)


def einsum():
    case("EinsumDense", (3, 5), equation="ab,bc->ac", output_shape=4, bias_axes="c")
    case("EinsumDense", (2, 3, 5), equation="abc,cd->abd", output_shape=(None, 4), bias_axes="d", activation="tanh")
    case("EinsumDense", (2, 3, 5), equation="abc,cde->abde", output_shape=(3, 2, 4), bias_axes="de",
         kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")
    case("EinsumDense", (2, 3, 4, 5), equation="abcd,cde->abe", output_shape=(None, 6), bias_axes="e")
    case("EinsumDense", (2, 3, 2, 5), equation="...x,xy->...y", output_shape=4, bias_axes="y")
    case("EinsumDense", (2, 5), equation="...x,xy->...y", output_shape=4)
    case("EinsumDense", (2, 3, 5, 4), equation="ab...,bc->ac...", output_shape=6, bias_axes="c")
    case("EinsumDense", (2, 3, 5), equation="abc,bcd->abd", output_shape=(3, 4), bias_axes="bd")
    case("EinsumDense", (2, 3, 5), equation="abc,cd->adb", output_shape=(4, None), bias_axes="d")
    case("EinsumDense", (2, 3, 5, 2), equation="abcd,bce->ae", output_shape=4)
    case("EinsumDense", (2, 3, 5), equation="abc,dc->abd", output_shape=(3, 4), bias_axes="b")
    case("EinsumDense", (2, 3, 5), equation="abc,bd->acbd", output_shape=(5, 3, 2))


def noise():
    case("GaussianNoise", (3, 4), stddev=0.5, stochastic=True)
    case("GaussianNoise", (3, 4), stddev=0.0)
    case("GaussianDropout", (3, 4), rate=0.5, stochastic=True)
    case("GaussianDropout", (3, 4), rate=0.0)
    case("AlphaDropout", (3, 4), rate=0.5, stochastic=True)
    case("AlphaDropout", (3, 4), rate=0.0)


def normalisation():
    case("GroupNormalization", (2, 3, 4, 6), groups=3)
    case("GroupNormalization", (2, 5, 4), groups=-1, epsilon=0.01, gamma_regularizer="l2", beta_regularizer="l1")
    case("GroupNormalization", (2, 6, 3, 2), groups=2, axis=1, scale=False)
    case("GroupNormalization", (2, 64), center=False)
    case("GroupNormalization", (2, 4, 4), groups=2, masked=(0,))
    case("RMSNormalization", (2, 3, 5))
    case("RMSNormalization", (2, 3, 5), axis=(1, 2), epsilon=0.1)
    case("RMSNormalization", (2, 3, 5), axis=-1, masked=(0,))
    case("UnitNormalization", (2, 3, 5))
    case("UnitNormalization", (2, 3, 5), axis=(1, 2))
    case("UnitNormalization", (2, 3, 5), axis=1)


def dot():
    case("Dot", (3, 4), (3, 4), axes=1)
    case("Dot", (3, 4), (3, 4), axes=-1, normalize=True)
    case("Dot", (2, 3, 5), (2, 4, 3), axes=(1, 2))
    case("Dot", (2, 3, 5), (2, 4, 5), axes=-1, normalize=True)
    case("Dot", (2, 5), (2, 3, 5), axes=(1, 2))
    case("Dot", (2, 3, 5), (2, 5), axes=(2, 1))
    case("Dot", (2, 3, 2, 5), (2, 5, 4), axes=(3, 1))
    case("Dot", (2, 3, 4), (2, 3, 4), axes=2, masked=(0, 1))


def positions():
    case("PositionEmbedding", (2, 4, 3), sequence_length=4)
    case("PositionEmbedding", (2, 3, 4), sequence_length=7, call={"start_index": 2})
    case("PositionEmbedding", (2, 3, 4), sequence_length=7, masked=(0,))
    case("SinePositionEncoding", (2, 7, 6))
    case("SinePositionEncoding", (2, 5, 7), max_wavelength=50, call={"start_index": 3})


def transposed_convolutions():
    for padding in ("valid", "same"):
        case("Conv1DTranspose", (2, 5, 3), filters=4, kernel_size=3, padding=padding)
        case("Conv1DTranspose", (2, 5, 3), filters=2, kernel_size=4, strides=2, padding=padding)
        case("Conv1DTranspose", (2, 4, 3), filters=2, kernel_size=2, strides=3, padding=padding)
        case("Conv1DTranspose", (2, 4, 3), filters=2, kernel_size=3, strides=3, output_padding=1, padding=padding)
        case("Conv1DTranspose", (2, 4, 3), filters=2, kernel_size=4, strides=2, output_padding=0, padding=padding)
        case("Conv1DTranspose", (2, 5, 2), filters=3, kernel_size=3, dilation_rate=2, padding=padding, activation="tanh")
        case("Conv2DTranspose", (1, 4, 3, 2), filters=3, kernel_size=3, strides=2, padding=padding)
        case("Conv2DTranspose", (1, 4, 3, 2), filters=3, kernel_size=(2, 3), strides=(3, 1), padding=padding)
    more = dict(use_bias=True, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")
    case("Conv1DTranspose", (2, 3, 2), filters=2, kernel_size=2, **more)
    case("Conv2DTranspose", (1, 3, 2, 2), filters=2, kernel_size=2, strides=2, output_padding=(1, 0), activation="relu",
         **more)
    case("Conv2DTranspose", (1, 3, 2, 2), filters=2, kernel_size=2, dilation_rate=(2, 1), use_bias=False)


def up_sampling():
    case("UpSampling2D", (2, 3, 4, 2), interpolation="bilinear")
    case("UpSampling2D", (1, 4, 1, 2), size=(3, 4), interpolation="bilinear")


def masks_of_merges():
    for name in ("Add", "Maximum", "Minimum", "Multiply"):
        case(name, (2, 4, 3), (2, 4, 3), masked=(0, 1))
        case(name, (2, 4, 3), (2, 4, 3), masked=(1,))
        case(name, (2, 4, 3), (2, 4, 3), (2, 1, 3), masked=(0, 1, 2))
    case("Concatenate", (2, 4, 3), (2, 4, 2), masked=(0, 1))
    case("Concatenate", (2, 4, 3), (2, 4, 2), masked=(1,))
    case("Concatenate", (2, 4, 3), (2, 5, 3), masked=(0, 1), axis=1)
    case("Concatenate", (2, 4, 3), (2, 5, 3), masked=(1,), axis=1)


def scores():
    """The weights as a second output: Keras then takes the path on which queries without keys give 0."""
    give = {"return_attention_scores": True}
    causal = {**give, "use_causal_mask": True}
    q, v, k = (2, 5, 6), (2, 7, 4), (2, 7, 3)
    heads = dict(num_heads=2, key_dim=3)
    case("MultiHeadAttention", q, v, **heads, call=give)
    case("MultiHeadAttention", q, v, k, **heads, value_dim=5, use_gate=True, call=causal)
    case("MultiHeadAttention", q, q, **heads, masked=(0, 1), call=causal, sliding_window=2)
    case("MultiHeadAttention", q, v, k, **heads, masked=(0, 1, 2), empty=(1, 0), call=give)
    case("MultiHeadAttention", q, v, (2, 2, 5, 7), **heads, values={2: "bits"}, positional=2,
         call={**give, "attention_mask": 2})
    case("MultiHeadAttention", q, v, (2, 5), (2, 7), (2, 7), **heads, values={2: "bits", 3: "bits", 4: "bits"}, positional=2,
         call={**give, "query_mask": 2, "value_mask": 3, "key_mask": 4})
    case("MultiHeadAttention", q, v, **heads, dropout=0.3, stochastic=True, call=give)
    case("MultiHeadAttention", (2, 3, 4, 5), (2, 3, 6, 5), **heads, attention_axes=2, call=give)
    case("MultiHeadAttention", (2, 3, 4, 5), (2, 2, 4, 5), **heads, attention_axes=(1,), call=causal)
    case("MultiHeadAttention", (2, 3, 2, 5), (2, 2, 3, 5), **heads, call=give)
    grouped = dict(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    case("GroupQueryAttention", q, (2, 7, 6), **grouped, call=give)
    case("GroupQueryAttention", q, q, **grouped, masked=(0, 1), call=causal, sliding_window=3)
    case("GroupQueryAttention", q, (2, 7, 6), k, **grouped, dropout=0.2, stochastic=True, call=give)
    q, v, k = (2, 5, 4), (2, 7, 3), (2, 7, 4)
    for name in ("Attention", "AdditiveAttention"):
        case(name, q, v, k, call=give)
        case(name, q, v, k, masked=(0, 1), call=causal)
        case(name, q, v, k, dropout=0.4, stochastic=True, call=give)
        case(name, q, k, (2, 5), (2, 7), values={2: "bits", 3: "bits"}, positional=2, call={**give, "mask": (2, 3)})
    case("Attention", q, v, k, use_scale=True, call=give)
    case("Attention", q, v, k, score_mode="concat", use_scale=True, call=causal)


def given_masks():
    """All masks of a call."""
    q, v, k = (2, 5, 6), (2, 7, 6), (2, 7, 3)
    masks = {"key": 2, "query_mask": 3, "value_mask": 4, "key_mask": 5, "attention_mask": 6}
    bits = {i: "bits" for i in range(3, 7)}
    for more in ({}, {"return_attention_scores": True}):
        case("GroupQueryAttention", q, v, k, (2, 5), (2, 7), (2, 7), (2, 5, 7), head_dim=3, num_query_heads=4,
             num_key_value_heads=2, values=bits, positional=2, call={**masks, **more})


def masked_softmax():
    mask = {"mask": 1}
    for shape in ((3, 5), (2, 1), (3, 1)):
        case("Softmax", (3, 5) if shape[0] == 3 else (2, 4), shape, values={1: "bits"}, positional=1, call=mask)
    case("Softmax", (2, 3, 4), (2, 3, 4), values={1: "bits"}, positional=1, call=mask)
    case("Softmax", (2, 3, 4), (2, 3, 1), values={1: "bits"}, positional=1, call=mask, axis=1)
    case("Softmax", (2, 3, 4), (2, 1, 4), positional=1, call=mask, axis=(1, 2))


if __name__ == "__main__":
    for group in (multi_head, group_query, single_head, einsum, noise, normalisation, dot, positions,
                  transposed_convolutions, up_sampling, masks_of_merges, scores, masked_softmax, given_masks):
        group()
    out.save("attention")
