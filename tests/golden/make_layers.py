"""Golden values of layers, from Keras itself (JAX backend, float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_layers.py

writes layers.txt (cases, one line per array) and layers.bin (the arrays, little-endian float32), and orders.txt
(random graphs with the order in which keras.Model numbers their layers). tests/support/golden.h reads them.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
from keras.src.applications.convnext import LayerScale

keras.config.set_floatx("float64")
keras.layers.LayerScale = LayerScale  # of no public module
HERE = os.path.dirname(os.path.abspath(__file__))


class Call:
    """An object in Keras call form: a regularizer, or an activation with arguments."""

    def __init__(self, name, **kwargs):
        self.name, self.kwargs = name, kwargs

    def text(self):
        return "%s(%s)" % (self.name, ", ".join("%s=%s" % (k, text(v)) for k, v in self.kwargs.items()))

    def make(self):
        if hasattr(keras.regularizers, self.name):
            return getattr(keras.regularizers, self.name)(**self.kwargs)
        function = getattr(keras.activations, self.name)
        return lambda x: function(x, **self.kwargs)


def text(value):
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "(%s%s)" % (", ".join(map(text, value)), "," if len(value) == 1 else "")
    return value.text() if isinstance(value, Call) else str(value)


def made(value):
    return value.make() if isinstance(value, Call) else value


class Writer:
    def __init__(self):
        self.lines, self.blob, self.count = [], [], 0

    def array(self, key, name, array, dtype="float32"):
        array = np.asarray(array, dtype="<f4")
        dims = ",".join(map(str, array.shape)) or "scalar"
        self.lines.append("%s %s %s %s %d" % (key, name, dtype, dims, self.count))
        self.blob.append(array.tobytes())
        self.count += array.size

    def finish(self, name):
        with open(os.path.join(HERE, name + ".bin"), "wb") as f:
            f.write(b"".join(self.blob))
        with open(os.path.join(HERE, name + ".txt"), "w") as f:
            f.write("\n".join(self.lines) + "\n")


out = Writer()


def weight_value(rng, name, shape):
    if name == "moving_variance":
        return rng.uniform(0.5, 1.5, shape)
    return rng.normal(0, 1, shape) + (1 if name == "gamma" else 0)


def single(value):
    """What the C side sees: float32."""
    return np.asarray(np.asarray(value, "float32"), "float64")


def case(name, shapes, *args, ids=None, trainable=True, spread=1.0, stochastic=False, ties=False, given={},
         **kwargs):
    """shapes: one shape with the batch, or a list for merging layers. ids: inputs are indices below it. ties: inputs are
    rounded, so that some are equal."""
    rng = np.random.default_rng(len(out.lines))
    merging = isinstance(shapes, list)
    shapes = shapes if merging else [shapes]
    layer = getattr(keras.layers, name)(*map(made, args), **{k: made(v) for k, v in kwargs.items()})
    layer.trainable = trainable
    xs = [single(rng.integers(0, ids, s) if ids else rng.normal(0, spread, s)) for s in shapes]
    xs = [np.round(x) for x in xs] if ties else xs
    if ids:
        xs = [x.astype("int32") for x in xs]
    call = (lambda v: list(v)) if merging else (lambda v: v[0])
    layer(call(xs), **given)
    if name == "LayerScale":
        layer.gamma._name = "gamma"  # Keras leaves it without one
    for w in layer.weights:
        w.assign(single(weight_value(rng, w.name, w.shape)))
    items = [text(a) for a in args] + ["%s=%s" % (k, text(v)) for k, v in kwargs.items()]
    arguments = "(%s)" % ", ".join("%s=%s" % (k, text(v)) for k, v in given.items()) if given else ""
    out.lines.append("case %s(%s)%s" % (name, ", ".join(items), arguments))
    if not trainable:
        out.lines.append("frozen")
    for i, x in enumerate(xs):
        out.array("input", i, x, "int32" if ids else "float32")
    trained = [w.value for w in layer.trainable_variables]
    others = [w.value for w in layer.non_trainable_variables]
    for w in layer.weights:
        out.array("weight", w.name, w.value)
    infer, _ = layer.stateless_call(trained, others, call(xs), **given, **training_argument(layer, False))
    out.array("infer", "-", infer)
    if stochastic:  # only inference is compared
        return
    cotangent = single(rng.normal(0, 1, infer.shape))
    out.array("cotangent", "-", cotangent)

    def loss(tv, inputs):
        y, new = layer.stateless_call(tv, others, call(inputs), **given, **training_argument(layer, True))
        return (y * cotangent).sum(), (y, new)

    argnums = (0,) if ids else (0, 1)
    (_, (y, new)), grads = jax.value_and_grad(loss, argnums, has_aux=True)(trained, xs)
    out.array("train", "-", y)
    for w, g in zip(layer.trainable_variables, grads[0]):
        out.array("grad_weight", w.name, g)
    if not ids:
        for i, g in enumerate(grads[1]):
            out.array("grad_input", i, g)
    for w, value in zip(layer.non_trainable_variables, new):
        out.array("moved", w.name, value)
    regularized(layer, call(xs), xs[0].shape[0])


def training_argument(layer, training):
    return {"training": training} if layer._call_has_training_arg else {}


def regularized(layer, inputs, batch):
    """The penalties of weights, and of the output as a sum over the batch (Keras gives the mean)."""
    penalty = sum(float(w.regularizer(w.value)) for w in layer.trainable_variables if w.regularizer is not None)
    if any(w.regularizer is not None for w in layer.trainable_variables):
        out.array("penalty", "-", penalty)
    if layer.activity_regularizer is not None:
        out.array("activity", "-", float(layer.activity_regularizer(layer(inputs))))


def dense():
    case("Dense", (3, 5), 4)
    case("Dense", (2, 3, 5), 7, activation="relu")
    case("Dense", (1, 1), 1, use_bias=False)
    case("Dense", (2, 2, 3, 5), 4, "tanh", activity_regularizer=Call("L1L2", l1=0.1, l2=0.2))
    case("Dense", (4, 6), 3, kernel_regularizer="l2", bias_regularizer=Call("L1", l1=0.3))
    case("Dense", (4, 6), 3, activation=Call("leaky_relu", negative_slope=0.05), kernel_regularizer="l1l2")
    case("Dense", (4, 6), 3, trainable=False)


def activations():
    plain = """celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus tanh tanh_shrink""".split()
    for name in plain:
        case("Activation", (3, 5, 6), name, spread=2.5)
    with_arguments = [
        Call("threshold", threshold=0.3, default_value=-2.0), Call("celu", alpha=0.7), Call("elu", alpha=1.3),
        Call("gelu", approximate=True), Call("glu", axis=1), Call("hard_shrink", threshold=1.1),
        Call("leaky_relu", negative_slope=0.4), Call("log_softmax", axis=1), Call("relu", negative_slope=0.2),
        Call("relu", negative_slope=0.2, max_value=1.5, threshold=0.4), Call("relu", max_value=2.0),
        Call("relu", threshold=0.5), Call("soft_shrink", threshold=1.2), Call("softmax", axis=1),
        Call("sparsemax", axis=1), Call("squareplus", b=2.0),
    ]
    for call in with_arguments:
        case("Activation", (2, 4, 3), call, spread=2.5)
    case("Activation", (4, 9), "sparsemax", stochastic=True, ties=True)
    for name in ("swish", "hard_swish"):
        case("Activation", (2, 4), name, spread=2.5)


def activation_layers():
    case("ReLU", (3, 7), spread=3)
    case("ReLU", (3, 7), 2.5, 0.1, 0.5, spread=3)
    case("ReLU", (3, 7), negative_slope=0.3, spread=3)
    case("LeakyReLU", (3, 7))
    case("LeakyReLU", (3, 7), negative_slope=0.1)
    case("PReLU", (3, 4, 5))
    case("PReLU", (2, 3, 4, 5), shared_axes=(1, 2), alpha_regularizer="l2")
    case("ELU", (3, 7))
    case("ELU", (3, 7), 0.4)
    case("Softmax", (3, 7))
    case("Softmax", (2, 4, 3, 5), axis=(1, 3))
    case("Softmax", (2, 4, 3), axis=1)


def moving_layers():
    case("Flatten", (2, 3, 4, 5))
    case("Flatten", (3, 1))
    case("Reshape", (2, 6, 4), (3, -1, 2))
    case("Reshape", (2, 6), (2, 3))
    case("Permute", (2, 3, 4, 5), (3, 1, 2))
    case("RepeatVector", (2, 5), 3)
    case("Identity", (2, 5))
    case("ZeroPadding1D", (2, 3, 4))
    case("ZeroPadding1D", (2, 3, 4), (0, 2))
    case("ZeroPadding2D", (2, 3, 4, 2))
    case("ZeroPadding2D", (2, 3, 4, 2), padding=(2, 0))
    case("ZeroPadding2D", (2, 3, 4, 2), padding=((0, 1), (2, 3)))
    case("ZeroPadding2D", (2, 3, 4, 2), padding=2)
    case("Cropping1D", (2, 5, 4))
    case("Cropping1D", (2, 5, 4), (0, 3))
    case("Cropping2D", (2, 5, 6, 2))
    case("Cropping2D", (2, 5, 6, 2), cropping=((1, 0), (2, 3)))
    case("Cropping2D", (2, 5, 6, 2), cropping=(1, 2))
    case("UpSampling1D", (2, 3, 4), 3)
    case("UpSampling2D", (2, 3, 2, 4))
    case("UpSampling2D", (2, 3, 2, 4), size=(1, 3))
    case("Rescaling", (2, 3, 3), 0.00392156862745098)
    case("Rescaling", (2, 3, 3), scale=(0.5, 2.0, 4.0), offset=(0.1, 0.0, -3.0))
    case("Rescaling", (2, 3, 3), 2.0, offset=-1.0)
    case("ActivityRegularization", (2, 5), 0.1, 0.2)


def random_layers():
    case("Dropout", (4, 5), 0.5, stochastic=True)
    case("Dropout", (4, 5), 0.0)
    case("SpatialDropout1D", (4, 5, 3), 0.5, stochastic=True)
    case("SpatialDropout2D", (4, 5, 3, 2), 0.5, stochastic=True)


def convolutions():
    case("Conv1D", (2, 9, 3), 4, 3)
    case("Conv1D", (2, 9, 3), 4, 3, strides=2, padding="same", activation="relu")
    case("Conv1D", (2, 10, 3), 5, 4, padding="same", dilation_rate=2)
    case("Conv1D", (2, 7, 4), 6, 3, padding="causal", dilation_rate=3, groups=2)
    case("Conv1D", (2, 8, 2), 3, 3, padding="causal", strides=2, use_bias=False)
    case("Conv2D", (2, 7, 5, 3), 4, 3, strides=2, padding="same")
    case("Conv2D", (2, 8, 6, 3), 4, 3, strides=2, padding="same")
    case("Conv2D", (1, 7, 5, 3), 4, (3, 2), strides=(1, 2), activation="tanh")
    case("Conv2D", (2, 7, 5, 4), 6, 3, groups=2, padding="same")
    case("Conv2D", (1, 9, 8, 2), 3, (2, 3), dilation_rate=(2, 3))
    case("Conv2D", (1, 9, 8, 2), 3, 4, padding="same", dilation_rate=2, use_bias=False)
    case("Conv2D", (2, 4, 4, 5), 7, 1, kernel_regularizer="l2", activity_regularizer="l2")
    case("Conv2D", (1, 5, 5, 2), 3, 5, strides=3)
    case("DepthwiseConv1D", (2, 9, 3), 3, strides=2, padding="same")
    case("DepthwiseConv1D", (2, 9, 3), 2, depth_multiplier=2, dilation_rate=2)
    case("DepthwiseConv2D", (2, 7, 5, 3), 3)
    case("DepthwiseConv2D", (2, 7, 5, 3), 3, strides=2, padding="same", depth_multiplier=2, activation="relu")
    case("DepthwiseConv2D", (1, 7, 6, 3), (2, 3), padding="same", dilation_rate=2, use_bias=False)
    case("SeparableConv1D", (2, 9, 3), 4, 3, strides=2, padding="same", activation="relu")
    case("SeparableConv1D", (2, 9, 3), 4, 2, depth_multiplier=3, use_bias=False)
    case("SeparableConv2D", (2, 7, 5, 3), 4, 3)
    case("SeparableConv2D", (2, 7, 5, 3), 4, 3, strides=2, padding="same", depth_multiplier=2,
         pointwise_regularizer="l1")
    case("Conv1D", (2, 5, 2), 3, 2, kernel_regularizer="l1", bias_regularizer="l2", activity_regularizer="l1")
    case("Conv2D", (1, 4, 3, 2), 3, 2, bias_regularizer="l1")
    for name, shape in (("DepthwiseConv1D", (2, 5, 3)), ("DepthwiseConv2D", (2, 5, 4, 3))):
        case(name, shape, 2, activation="softplus", use_bias=True, depthwise_regularizer="l1", bias_regularizer="l2",
             activity_regularizer="l2")
    for name, shape in (("SeparableConv1D", (2, 6, 3)), ("SeparableConv2D", (2, 6, 5, 3))):
        case(name, shape, 4, 2, activation="silu", dilation_rate=2, use_bias=True, depthwise_regularizer="l1",
             pointwise_regularizer="l2", bias_regularizer="l2", activity_regularizer="l1")


def pooling():
    for mode in ("Max", "Average"):
        case(mode + "Pooling1D", (2, 9, 3), pool_size=2)
        case(mode + "Pooling1D", (2, 9, 3), 3, 2, "same")
        case(mode + "Pooling1D", (2, 9, 3), pool_size=4, strides=1)
        case(mode + "Pooling2D", (2, 7, 5, 3), pool_size=2)
        case(mode + "Pooling2D", (2, 7, 5, 3), 3, strides=2, padding="same")
        case(mode + "Pooling2D", (2, 8, 6, 3), (3, 2), strides=(2, 1), padding="same")
        case(mode + "Pooling2D", (2, 8, 6, 3), (2, 3), strides=3)
        for keep in (False, True):
            case("Global%sPooling1D" % mode, (2, 5, 3), keepdims=keep)
            case("Global%sPooling2D" % mode, (2, 5, 4, 3), keepdims=keep)
    case("MaxPooling2D", (2, 6, 6, 2))
    case("MaxPooling2D", (2, 6, 6, 2), pool_size=3, strides=1, padding="same", ties=True)


def normalisation():
    case("BatchNormalization", (6, 5))
    case("BatchNormalization", (3, 4, 5, 3), momentum=0.9, epsilon=0.01)
    case("BatchNormalization", (3, 4, 3), scale=False)
    case("BatchNormalization", (3, 4, 3), center=False, scale=False)
    case("BatchNormalization", (3, 4, 3), center=False, gamma_regularizer="l2")
    case("BatchNormalization", (3, 4, 2, 3), axis=1)
    case("BatchNormalization", (6, 5), trainable=False)
    case("LayerNormalization", (3, 5))
    case("LayerNormalization", (3, 4, 7), epsilon=1e-06)
    case("LayerNormalization", (3, 4, 5), axis=(1, 2))
    case("LayerNormalization", (2, 4, 3, 5), axis=(-1, 1))
    case("LayerNormalization", (2, 4, 3, 5), axis=2, center=False)
    case("LayerNormalization", (3, 5), scale=False, beta_regularizer="l1")
    case("LayerNormalization", (3, 5), gamma_regularizer="l2")
    case("BatchNormalization", (3, 5), beta_regularizer="l1")


def volumes():
    case("Conv3D", (2, 5, 4, 6, 3), 4, 3)
    case("Conv3D", (1, 5, 6, 4, 4), 6, (2, 3, 1), strides=(2, 1, 2), padding="same", groups=2, activation="relu")
    case("Conv3D", (1, 6, 5, 7, 2), 3, 2, dilation_rate=(2, 1, 3), use_bias=False)
    case("Conv3D", (2, 3, 3, 3, 2), 3, 1, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")
    case("Conv3DTranspose", (2, 3, 2, 4, 3), 4, 3)
    case("Conv3DTranspose", (1, 3, 2, 4, 2), 3, (2, 3, 2), strides=(2, 1, 3), padding="same", activation="tanh")
    case("Conv3DTranspose", (1, 3, 2, 2, 2), 2, 2, strides=2, output_padding=(1, 0, 1))
    case("Conv3DTranspose", (1, 3, 2, 2, 2), 2, 2, dilation_rate=2, use_bias=False)
    case("Conv3DTranspose", (1, 2, 2, 2, 2), 2, 2, kernel_regularizer="l2", bias_regularizer="l1",
         activity_regularizer="l2")
    for mode in ("Max", "Average"):
        case(mode + "Pooling3D", (2, 4, 5, 6, 3), pool_size=2)
        case(mode + "Pooling3D", (2, 5, 4, 6, 2), (3, 2, 2), strides=(2, 1, 3), padding="same")
        for keep in (False, True):
            case("Global%sPooling3D" % mode, (2, 3, 4, 2, 3), keepdims=keep)
    case("MaxPooling3D", (1, 4, 4, 4, 2))
    case("ZeroPadding3D", (2, 3, 2, 4, 2))
    case("ZeroPadding3D", (2, 3, 2, 4, 2), padding=(2, 0, 1))
    case("ZeroPadding3D", (2, 3, 2, 4, 2), padding=((0, 1), (2, 3), (1, 0)))
    case("Cropping3D", (2, 5, 6, 4, 2))
    case("Cropping3D", (2, 5, 6, 4, 2), cropping=((1, 0), (2, 3), (0, 1)))
    case("UpSampling3D", (2, 3, 2, 2, 3))
    case("UpSampling3D", (2, 3, 2, 2, 3), size=(1, 3, 2))
    case("SpatialDropout3D", (4, 5, 3, 2, 2), 0.5, stochastic=True)


def adaptive():
    for mode in ("Average", "Max"):
        name = "Adaptive%sPooling" % mode
        case(name + "1D", (2, 7, 3), 3)
        case(name + "1D", (2, 4, 3), 6)
        case(name + "2D", (2, 7, 5, 3), (3, 2))
        case(name + "2D", (2, 6, 4, 2), 2)
        case(name + "3D", (2, 5, 4, 7, 2), (2, 4, 3))


def reversible():
    case("ReversibleEmbedding", (3, 4), 7, 5, ids=7)
    case("ReversibleEmbedding", (3, 4), 7, 5, False, ids=7, mask_zero=True, embeddings_regularizer="l2")
    case("ReversibleEmbedding", (3, 4, 5), 7, 5, given={"reverse": True})
    case("ReversibleEmbedding", (3, 5), 7, 5, tie_weights=False, logit_soft_cap=1.5, given={"reverse": True})


def merging():
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        case(name, [(2, 3, 4), (2, 3, 4)])
        case(name, [(2, 3, 4), (2, 1, 4), (2, 4)])
    case("Subtract", [(2, 3, 4), (2, 3, 4)])
    case("Subtract", [(2, 4), (2, 3, 4)])
    case("Concatenate", [(2, 3, 4), (2, 3, 1), (2, 3, 2)])
    case("Concatenate", [(2, 3, 4), (2, 5, 4)], axis=1)
    case("Concatenate", [(2, 3, 4, 2), (2, 3, 1, 2)], axis=-2)


def embedding():
    case("Embedding", (3, 4), 7, 5, ids=7)
    case("Embedding", (5,), 3, 2, ids=3, embeddings_regularizer="l2")
    case("Embedding", (3, 4), 7, 5, ids=7, mask_zero=True)
    case("Masking", (3, 4, 2), ties=True)
    case("Masking", (2, 5, 1), mask_value=1.0, ties=True)


def random_graph(rng, lines):
    """A random graph of Identity and Add layers, some of them shared, with several inputs and outputs."""
    taps, layers, uses = [], [], 0
    for i in range(int(rng.integers(1, 4))):
        taps.append(keras.Input((4,), name="in%d" % i))
        lines.append("input in%d" % i)
    inputs = list(taps)
    for i in range(int(rng.integers(3, 14))):
        one = [layer for layer in layers if isinstance(layer, keras.layers.Identity)]
        if one and rng.random() < 0.25:
            layer = one[int(rng.integers(len(one)))]
            chosen = [int(rng.integers(len(taps)))]
        else:
            count = int(rng.integers(1, 4))
            kind = keras.layers.Identity if count == 1 else keras.layers.Add
            layer = kind(name="l%d" % len(layers))
            layers.append(layer)
            chosen = [int(t) for t in rng.integers(0, len(taps), count)]
            lines.append("layer %s %s" % (layer.name, kind.__name__))
        taps.append(layer([taps[t] for t in chosen]) if isinstance(layer, keras.layers.Add) else layer(taps[chosen[0]]))
        lines.append("call %s %s" % (layer.name, " ".join(map(str, chosen))))
    wanted = sorted({int(t) for t in rng.integers(len(inputs), len(taps), int(rng.integers(1, 4)))})
    rng.shuffle(wanted)
    for t in wanted:
        lines.append("output %d" % t)
    model = keras.Model(inputs, [taps[t] for t in wanted])
    lines.append("order " + " ".join(layer.name for layer in model.layers))


def orders():
    lines, rng = [], np.random.default_rng(7)
    for i in range(60):
        keras.utils.clear_session()
        lines.append("graph %d" % i)
        random_graph(rng, lines)
    with open(os.path.join(HERE, "orders.txt"), "w") as f:
        f.write("\n".join(lines) + "\n")


def orthogonality():
    for mode in ("rows", "columns"):
        case("Dense", (4, 6), 3, kernel_regularizer=Call("OrthogonalRegularizer", factor=0.3, mode=mode))
    case("Embedding", (5,), 3, 2, ids=3, embeddings_regularizer=Call("OrthogonalRegularizer"))


def scaling():
    """Normalization with statistics that are given, in float32 as the program has them; LayerScale."""
    case("Normalization", (3, 4), mean=0.5, variance=4.0)
    case("Normalization", (2, 3, 3), mean=(0.5, -1.0, 2.0), variance=(4.0, 0.25, 0.0625))
    case("Normalization", (2, 3, 4), -1, mean=(0.5, -1.0, 2.0, 0.0), variance=(4.0, 0.25, 0.0625, 1.0), invert=True)
    case("Normalization", (2, 3, 4), axis=1, mean=(0.5, -1.0, 2.0), variance=(4.0, 0.25, 0.0625))
    case("Normalization", (2, 3, 4), axis=(1, 2), mean=(0.5, -1.0, 2.0, 0.0), variance=(4.0, 0.25, 0.0625, 1.0))
    case("Normalization", (2, 3, 4), axis=None, mean=0.5, variance=4.0)
    case("Normalization", (2, 30), mean=tuple(i / 8 for i in range(30)), variance=tuple((1 + i) / 4 for i in range(30)))
    case("LayerScale", (2, 3, 4), 0.1, 4)
    case("LayerScale", (3, 5), init_values=1e-6, projection_dim=5)


if __name__ == "__main__":
    for group in (dense, activations, activation_layers, moving_layers, random_layers, convolutions, pooling,
                  normalisation, merging, embedding, volumes, adaptive, reversible, orthogonality, scaling):
        group()
    out.finish("layers")
    orders()
