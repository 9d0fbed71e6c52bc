"""Golden values of ten training steps of every layer class, from Keras itself (float64, stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_layer_steps.py             (needs keras-hub)
    KERAS_BACKEND=tensorflow python tests/golden/make_layer_steps.py

write layer_steps.* and layer_steps_tf.*: on JAX the cases of the files of FILES, with their inputs and weights; on
TensorFlow those of spectral.txt, whose kernels lose their change on JAX after the step, and of stateful layers, whose states
JAX's fit forgets. Of what draws, cases without rate or with training=false.

A model is the layer, called under_test, with a Dense in front of each input whose values are not whole numbers (before0,
before1 ...), so that gradients of inputs count, and, where nothing would move, one behind each output (after0 ...). It is
trained by train_on_batch on one batch, with the mean squared error of each output, by SGD with a momentum of 0.9: its updates
are as large as the gradients are, so that a wrong gradient shows, and it does not blow up roundings as Adam does where
gradients vanish. A case's arrays are

    input I, target O          the batch
    init PATH, final PATH      weights and statistics before and after
    rate -, loss -             the learning rate, and the loss of each step
"""

import ast
import os
import pathlib
import re
import zlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import keras_hub
import numpy as np
from golden_writer import Writer
from keras.src.applications import convnext
from weight_places import places

JAX = keras.backend.backend() == "jax"
if JAX:
    import jax

    jax.config.update("jax_enable_x64", True)
    import make_recurrent  # noqa: F401, SimpleRNNCell in float64
keras.config.set_floatx("float64")

FOLDER = pathlib.Path(__file__).parent
FILES = ["layers", "attention", "recurrent", "called"] if JAX else ["spectral"]
STEPS, MOMENTUM = 10, 0.9
RATES = [0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 1e-5, 1e-6]
WORDS = {"true": True, "false": False, "none": None}

# (case, shapes of inputs): what shows from step to step alone, or has no such case in FILES.
ROWS = (3, 4, 2)
EXTRA = [
    ("MultiHeadAttention(num_heads=2, key_dim=3)(query_mask=(2,))", [(2, 5, 6), (2, 7, 4), (2, 5)]),
] if JAX else [
    ("LSTM(4, stateful=true)", [ROWS]),
    ("LSTM(4, stateful=true, return_sequences=true, go_backwards=true)", [ROWS]),
    ("GRU(4, stateful=true)", [ROWS]),
    ("GRU(4, stateful=true, reset_after=false, return_state=true)", [ROWS]),
    ("SimpleRNN(4, stateful=true, return_sequences=true)", [ROWS]),
    ("RNN([LSTMCell(3), GRUCell(4)], stateful=true)", [ROWS]),
    ("Bidirectional(GRU(3, stateful=true, return_sequences=true), merge_mode=ave)", [ROWS]),
    ("Bidirectional(LSTM(3, stateful=true))", [ROWS]),
]


class Case:
    """One case of a golden file: its text and arrays."""

    def __init__(self, text):
        self.text, self.frozen, self.masked = text, False, set()
        self.inputs, self.weights, self.trains = [], {}, False

    def take(self, line, blob):
        words = line.split()
        if words[0] == "frozen":
            self.frozen = True
        elif words[0] == "masked":
            self.masked.add(int(words[1]))
        else:
            key, name, dtype, dims, offset = words
            shape = () if dims == "scalar" else tuple(map(int, dims.split(",")))
            values = blob[int(offset):][:int(np.prod(shape))].reshape(shape)
            if key == "input":
                self.inputs.append(values.astype("int32" if dtype == "int32" else "float64"))
            elif key == "weight":
                self.weights[name] = values
            self.trains |= key == "train"

    def is_left_out(self):
        """What draws, since random numbers are Keras's own; kernels that JAX forgets to change. And Softmax with a mask:
        Keras gives it to the output, and no loss takes its shape."""
        drawn = not self.trains and re.search("dropout|Dropout|Noise|Spectral", self.text)
        return drawn or re.match(r"Softmax\(.*\(mask=", self.text)


def read(name):
    blob = np.fromfile(FOLDER / (name + ".bin"), "<f4")
    cases = []
    for line in (FOLDER / (name + ".txt")).read_text().splitlines():
        if line.startswith("case "):
            cases.append(Case(line[5:]))
        else:
            cases[-1].take(line, blob)
    return [case for case in cases if not case.is_left_out()]


def features(case):
    """What a case shows: options and call arguments of the layer and of those inside it, words such as same and true,
    masks, ranks of inputs. Functions of activation are compared by make_layers.py."""
    tree = ast.parse(case.text, mode="eval").body
    found = {("frozen", case.frozen), ("masked", *case.masked), *(("rank", i, x.ndim) for i, x in enumerate(case.inputs))}
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        inside = getattr(call.func, "id", "call")
        given = dict(enumerate(call.args), **{k.arg: k.value for k in call.keywords})
        for option, node in given.items():
            word = isinstance(node, ast.Name) and isinstance(option, str) and "activation" not in option
            found.add((inside, option, node.id if word else ""))
    return {(case.text.split("(")[0], *feature) for feature in found}


def telling(cases):
    """Those that show what none before them did: Keras takes seconds for each."""
    seen = set()
    for case in cases:
        new = features(case) - seen
        seen |= new
        if new:
            yield case


def extra(random):
    """Cases whose inputs are drawn here: masks have two axes."""
    for text, shapes in EXTRA:
        case = Case(text)
        drawn = [random.normal(size=s) if len(s) > 2 else random.randint(0, 2, size=s) for s in shapes]
        case.inputs = [np.float64(np.float32(x)) for x in drawn]
        yield case


def value(node):
    """A value of the configuration language, which reads as Python: words are strings, calls are Keras's objects."""
    if isinstance(node, ast.Name):
        return WORDS.get(node.id, node.id)
    if isinstance(node, ast.List):
        return list(map(value, node.elts))
    if isinstance(node, ast.Tuple):
        return tuple(map(value, node.elts))
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name, args, kwargs = node.func.id, list(map(value, node.args)), keywords(node)
    for module in (keras.layers, keras_hub.layers, convnext, keras.regularizers):
        if hasattr(module, name):
            return getattr(module, name)(*args, **kwargs)
    return lambda x: getattr(keras.activations, name)(x, *args, **kwargs)


def keywords(call):
    return {k.arg: value(k.value) for k in call.keywords}


def made(case):
    """The layer, and the arguments of its call."""
    call = ast.parse(case.text, mode="eval").body
    given = {}
    if isinstance(call.func, ast.Call):
        given, call = keywords(call), call.func
    layer = value(call)
    layer.name, layer.trainable = "under_test", not case.frozen
    if isinstance(layer, keras.layers.SimpleRNN):  # it forgets this
        layer.activity_regularizer = keras.regularizers.get(keywords(call).get("activity_regularizer"))
    return layer, given


def takes_mask(argument):
    return argument.endswith("mask") and argument != "use_causal_mask"


def takes_tensors(argument):
    return takes_mask(argument) or argument in ("key", "initial_state")


class Trained:
    """The model of a case."""

    def __init__(self, case, behind=False):
        self.layer, given = made(case)
        masks = {i for k, v in given.items() if takes_mask(k) for i in v}
        self.inputs = [self.entrance(x, i in masks) for i, x in enumerate(case.inputs)]
        hidden = [self.front(x, i, case) for i, x in enumerate(self.inputs)]
        named = {i for k, v in given.items() if takes_tensors(k) for i in v}
        first = [h for i, h in enumerate(hidden) if i not in named]
        given = {k: self.tensors(k, [hidden[i] for i in v]) if takes_tensors(k) else v for k, v in given.items()}
        outputs = flat(self.layer(*first, **given) if len(first) == 1 or self.several() else self.layer(first, **given))
        if "training" in given:  # a Functional overrides the argument with that of the whole model
            self.layer._call_context_args = set()
        if masks and "return_attention_scores" in given:  # Keras gives scores a mask of a shape with which no loss works
            outputs = outputs[:1]
        model = keras.Model(self.inputs, outputs)
        if behind or not model.trainable_variables:
            outputs = [keras.layers.Dense(2, name="after%d" % o)(y) for o, y in enumerate(outputs)]
            model = keras.Model(self.inputs, outputs)
        self.model = model

    def several(self):
        """The layer takes tensors one after the other, not a list."""
        return isinstance(self.layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention))

    def entrance(self, x, is_mask):
        is_bits = is_mask and set(np.unique(x)) <= {0, 1}
        return keras.Input(batch_shape=x.shape, dtype="bool" if is_bits else x.dtype.name)

    def front(self, x, i, case):
        values = case.inputs[i]
        x = keras.layers.Masking(name="mask%d" % i)(x) if i in case.masked else x
        if np.all(values == np.round(values)):
            return x
        return keras.layers.Dense(x.shape[-1], name="before%d" % i)(x)

    def tensors(self, argument, values):
        if argument == "initial_state":
            return make_recurrent.nested(values, self.layer)
        return values if len(values) > 1 else values[0]

    def start(self, case, random):
        """Weights of the golden case; those in front are near the identity."""
        for layer in self.model.layers:
            place = places(layer)
            for w in layer.weights:
                if layer is self.layer and case.weights:
                    w.assign(case.weights[place[id(w)]])
                    continue
                near = np.eye(*w.shape) if layer.name.startswith("before") and len(w.shape) == 2 else 0
                w.assign(np.float32(near + (0.5 if layer is self.layer else 0.2) * random.normal(size=w.shape)))

    def paths(self):
        return {i: layer.name + "/" + p for layer in self.model.layers for i, p in places(layer).items()}


def flat(outputs):
    return [o for item in outputs for o in flat(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def single(values):
    return values[0] if len(values) == 1 else values


class Run:
    """Ten steps, as often as wished."""

    def __init__(self, model, xs, targets):
        self.model, self.xs, self.targets = model, xs, single(targets)
        self.begin = [w.numpy() for w in model.weights]
        self.optimizer = keras.optimizers.SGD(RATES[0], momentum=MOMENTUM)
        model.compile(optimizer=self.optimizer, loss=single(["mse"] * len(targets)))
        self.optimizer.build(model.trainable_variables)
        parts = [part for part in model._flatten_layers() if getattr(part, "stateful", False)]
        self.states = [v for part in parts for v in flat(getattr(part, "states", None) or [])]

    def steps(self, rate, begin):
        for w, values in zip(self.model.weights, begin):
            w.assign(values)
        for v in self.optimizer.momentums:
            v.assign(np.zeros(v.shape))
        for v in self.states:
            v.assign(np.zeros(v.shape))
        self.optimizer.learning_rate.assign(rate)
        losses = []
        for _ in range(STEPS):
            self.model.reset_metrics()
            losses.append(float(np.ravel(self.model.train_on_batch(self.xs, self.targets))[0]))
        return np.array(losses), [w.numpy() for w in self.model.weights]

    def calm(self, rate, final, random):
        """Roundings of the first weights stay roundings."""
        near = [b * (1 + 1e-7 * random.normal(size=b.shape)) for b in self.begin]
        other = self.steps(rate, near)[1]
        return all(np.abs(a - b).max() <= 2e-6 * max(np.abs(a).max(), 0.1) for a, b in zip(final, other))

    def best(self, random):
        """The largest rate with which the loss falls (it need not where states change) and roundings do not grow. None:
        nothing moves."""
        for rate in np.float32(RATES):
            losses, final = self.steps(rate, self.begin)
            falls = losses[-1] < losses[0] and losses.max() < 1.2 * losses[0] or self.states
            if falls and self.calm(rate, final, random):
                return rate, losses, final
        if np.ptp(losses) > 0:
            raise SystemExit("no rate fits")
        return None


def write(out, case):
    random = np.random.RandomState(zlib.crc32(case.text.encode()))
    for behind in (False, True):  # the output of some does not depend on the input, or nowhere in its surroundings
        keras.utils.clear_session()
        trained = Trained(case, behind)
        trained.start(case, random)
        model, xs = trained.model, case.inputs
        given = map(np.asarray, flat(model(xs, training=False)))
        targets = [np.float64(np.float32(y + 0.5 * random.normal(size=y.shape))) for y in given]
        run = Run(model, xs, targets)
        found = run.best(random)
        if found:
            break
    rate, losses, final = found
    out.case(case.text)
    out.lines += ["frozen"] * case.frozen + ["masked %d" % i for i in sorted(case.masked)]
    for i, x in enumerate(xs):
        out.array("input", i, x, "int32" if x.dtype == "int32" else "float32")
    for i, target in enumerate(targets):
        out.array("target", i, target)
    paths = trained.paths()
    for kind, values in (("init", run.begin), ("final", final)):
        for w, v in zip(model.weights, values):
            out.array(kind, paths[id(w)], v)
    out.array("rate", "-", rate)
    out.array("loss", "-", losses)
    print("%-6g %.4g -> %.4g  %s" % (rate, losses[0], losses[-1], case.text), flush=True)


def main():
    out = Writer()
    cases = list(telling(case for name in FILES for case in read(name)))
    for case in cases + list(extra(np.random.RandomState(11))):
        write(out, case)
    out.save("layer_steps" if JAX else "layer_steps_tf")


if __name__ == "__main__":
    main()
