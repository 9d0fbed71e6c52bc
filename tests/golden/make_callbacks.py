"""Golden decisions of callbacks, from Keras itself (JAX backend, float32).

    KERAS_BACKEND=jax python tests/golden/make_callbacks.py

writes callbacks.txt and path_formats.txt. Each case of callbacks.txt replays logs through one callback, or two:

    case CALLBACK; CALLBACK
    initial EPOCH                       the first epoch, when it is not 0
    before TEXT                         what the file held that CSVLogger appends to
    epoch KEY=VALUE ... | stop rate=R logged=R files=NAME,NAME
                                        an epoch of three batches with these logs, and what followed: stop_training,
                                        a changed learning rate, logs["learning_rate"], files written; what did not
                                        happen is left out
    end holds=E                         the epoch whose weights the model holds after training
    csv TEXT                            the file of CSVLogger, \\n for the two bytes of a line end

A line of path_formats.txt is a format of a path, a tab, and what Python makes of it ("error" when it refuses).
"""

import itertools
import os
import pathlib
import tempfile
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from golden_writer import call

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
random = np.random.RandomState(3)
BATCHES = 3
START = float(np.float32(0.1))
lines = []


def new_model():
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False)(x))
    model.compile(keras.optimizers.SGD(0.1), loss="mse", metrics=["accuracy", "mae"])
    model.fit(np.zeros((2, 1)), np.zeros((2, 1)), verbose=0)
    model.optimizer.learning_rate = 0.1
    return model


model = new_model()


def float_text(value):
    return repr(float(value))


class Schedule:
    def __init__(self, name, **options):
        self.name, self.options = name, options
        self.rate = getattr(keras.optimizers.schedules, name)(**options)

    def __str__(self):
        return call(self.name, self.options)

    def __call__(self, epoch, rate=None):
        return float(self.rate(epoch))


def replay(parts, epochs, initial=0, before=None):
    """parts: (class, options) of each callback; epochs: logs of each."""
    lines.append("case " + "; ".join(call(name, options) for name, options in parts))
    if initial:
        lines.append("initial %d" % initial)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if before is not None:
            pathlib.Path("log.csv").write_bytes(before.encode())
            lines.append("before " + before.replace("\r\n", "\\n"))
        written = []
        model.save_weights = lambda path, overwrite=True: written.append(path)
        model.optimizer.learning_rate = 0.1
        model.stop_training = False
        tools = [getattr(keras.callbacks, name)(**options) for name, options in parts]
        for tool in tools:
            tool.set_model(model)
            tool.on_train_begin({})
        for epoch, logs in enumerate(epochs, initial):
            for tool in tools:
                tool.on_epoch_begin(epoch, {})
            model.set_weights([np.full((1, 1), epoch, "float32")])
            logs = dict(logs)
            for batch in range(BATCHES):
                for tool in tools:
                    tool.on_train_batch_end(batch, {k: v for k, v in logs.items() if not k.startswith("val_")})
            given = " ".join("%s=%s" % (k, float_text(v)) for k, v in sorted(logs.items()))
            for tool in tools:
                tool.on_epoch_end(epoch, logs)
            facts, rate = ["stop"] if model.stop_training else [], float(model.optimizer.learning_rate)
            if rate != START:
                facts.append("rate=" + float_text(rate))
            if "learning_rate" in logs:
                facts.append("logged=" + float_text(logs["learning_rate"]))
            if written:
                facts.append("files=" + ",".join(sorted(set(written))))
            lines.append(" ".join(["epoch", given, "|"] + facts))
            written.clear()
            if model.stop_training:
                break
        for tool in tools:
            tool.on_train_end({})
        lines.append("end holds=%d" % int(model.get_weights()[0].item()))
        if os.path.exists("log.csv"):
            lines.append("csv " + pathlib.Path("log.csv").read_bytes().decode().replace("\r\n", "\\n"))
        os.chdir("/")


def single(value):
    return float(np.float32(value))


def curve(key, values, **others):
    """Logs of epochs: key takes the values (None: it is missing), others stay."""
    made = []
    for value in values:
        logs = {"loss": 0.5, **others}
        if value is not None:
            logs[key] = single(value)
        made.append(logs)
    return made


FALLING = [1.0, 0.9, 0.95, 0.85, 0.86, 0.87, 0.84, 0.88, 0.89, 0.9, 0.91, 0.92]
RISING = [0.1, 0.2, 0.2, 0.3, 0.29, 0.31, 0.31, 0.31, 0.3, 0.2]
FLAT = [0.5] * 8
SMALL = [1.0, 0.99995, 0.9999, 0.9998, 0.9995, 0.99945, 0.9994, 0.9993, 0.999]
# Differences that float32 does not see are no improvement.
TINY = [0.5, 0.5 - 1e-9, 0.5 - 2e-9, 0.5 - 3e-9, 0.5 - 4e-9, 0.4]
BAD = [1.0, float("nan"), 0.9, float("inf"), 0.8, float("nan"), float("nan"), float("nan"), 0.7]
MISSING = [1.0, None, None, 1.1, 0.9, None, 1.0, 1.2, 1.3]
NOISE = list(random.uniform(size=14))

SERIES = [FALLING, FLAT, SMALL, BAD, MISSING, NOISE]
STOPPING = [
    {}, {"patience": 1}, {"patience": 2}, {"patience": 3, "min_delta": 0.01}, {"patience": 2, "min_delta": -0.02},
    {"patience": 2, "restore_best_weights": True}, {"patience": 30, "restore_best_weights": True},
    {"patience": 2, "baseline": 0.87}, {"patience": 3, "start_from_epoch": 3}, {"patience": 1, "mode": "max"},
    {"patience": 2, "baseline": 0.2, "restore_best_weights": True}, {"patience": 2, "mode": "min"},
]
for options, values in itertools.product(STOPPING, SERIES):
    replay([("EarlyStopping", options)], curve("val_loss", values))
replay([("EarlyStopping", {"monitor": "val_accuracy", "patience": 2})], curve("val_accuracy", RISING))
replay([("EarlyStopping", {"monitor": "accuracy", "patience": 1, "min_delta": 0.05})], curve("accuracy", RISING))
replay([("EarlyStopping", {"monitor": "mae", "patience": 2})], curve("mae", FALLING))
replay([("EarlyStopping", {"monitor": "val_loss", "patience": 3})],
       [{"val_loss": v} for v in TINY])
replay([("EarlyStopping", {"monitor": "val_loss"})], curve("val_loss", FALLING), initial=4)

PLATEAU = [
    {"patience": 1}, {"patience": 2, "factor": 0.5}, {"patience": 0, "factor": 0.5, "min_lr": 0.03},
    {"patience": 1, "cooldown": 2}, {"patience": 2, "cooldown": 1, "min_delta": 0.0}, {"patience": 1, "mode": "max"},
    {"patience": 1, "factor": 0.9, "min_lr": 0.1}, {"patience": 1, "factor": 0.3, "min_delta": 0.03},
]
for options, values in itertools.product(PLATEAU, SERIES):
    replay([("ReduceLROnPlateau", options)], curve("val_loss", values))
replay([("ReduceLROnPlateau", {"monitor": "val_accuracy", "patience": 1})], curve("val_accuracy", RISING))
replay([("ReduceLROnPlateau", {"patience": 1, "min_delta": 0.0})], [{"val_loss": v} for v in TINY])

SAVE = {"filepath": "m{epoch:02d}-{val_loss:.3f}.weights.h5", "save_weights_only": True}
CHECKPOINT = [
    SAVE, dict(SAVE, save_best_only=True), dict(SAVE, save_best_only=True, mode="max"),
    dict(SAVE, save_best_only=True, initial_value_threshold=0.87), dict(SAVE, filepath="a/b/best.weights.h5"),
    dict(SAVE, filepath="{batch}-{epoch}.weights.h5", save_freq=2), dict(SAVE, filepath="{epoch}.weights.h5", save_freq=5),
    dict(SAVE, filepath="l{loss:.2f}-{epoch}.weights.h5", save_freq=4, save_best_only=True, monitor="loss"),
]
for options, values in itertools.product(CHECKPOINT, [FALLING, FLAT, BAD, NOISE]):
    replay([("ModelCheckpoint", options)], curve("val_loss", values))
replay([("ModelCheckpoint", dict(SAVE, filepath="{epoch}.weights.h5", save_best_only=True))], curve("val_loss", MISSING))
replay([("ModelCheckpoint", dict(SAVE, save_best_only=True))], [{"val_loss": v} for v in TINY])

DECAY = Schedule("ExponentialDecay", initial_learning_rate=0.2, decay_steps=3, decay_rate=0.5)
PIECES = Schedule("PiecewiseConstantDecay", boundaries=[1, 4], values=[0.3, 0.2, 0.1])
for schedule in [DECAY, PIECES]:
    replay([("LearningRateScheduler", {"schedule": schedule})], curve("val_loss", FLAT))
    replay([("LearningRateScheduler", {"schedule": schedule})], curve("val_loss", FLAT), initial=2)
replay([("LearningRateScheduler", {"schedule": DECAY}), ("ReduceLROnPlateau", {"patience": 1})], curve("val_loss", FLAT))

NUMBERS = [0.1, 1e-5, 123456789.0, 1e16, 1e22, 3.0, 0.0, -2.5, 1e-4, 0.30000000000000004, 1e100, float("nan"),
           float("inf"), 2 / 3]
CSV = {"filename": "log.csv"}
LOGGER = ("CSVLogger", CSV)
numbers = [{"loss": v, "accuracy": -v} for v in NUMBERS]
replay([LOGGER], numbers)
replay([LOGGER], [dict(logs, val_loss=0.5, val_accuracy=float(i)) for i, logs in enumerate(numbers)])
replay([LOGGER], [dict(logs, val_loss=0.5) if i % 2 else logs for i, logs in enumerate(numbers)])
replay([LOGGER], [logs if i % 2 else dict(logs, val_loss=0.5) for i, logs in enumerate(numbers)])
replay([LOGGER], [dict(logs, extra=1.5) if i else logs for i, logs in enumerate(numbers)], initial=3)
replay([("CSVLogger", dict(CSV, separator=";"))], numbers)
replay([("CSVLogger", dict(CSV, separator="\t"))], numbers)
replay([("CSVLogger", dict(CSV, separator="."))], numbers[:3])
replay([("CSVLogger", dict(CSV, append=True))], numbers[:3])
replay([("CSVLogger", dict(CSV, append=True))], numbers[:3], before="")
replay([("CSVLogger", dict(CSV, append=True))], numbers[:3], before="epoch,accuracy,loss\r\n0,0.5,0.25\r\n")
replay([("CSVLogger", dict(CSV, append=False))], numbers[:3], before="epoch,accuracy,loss\r\n0,0.5,0.25\r\n")
replay([LOGGER, ("ReduceLROnPlateau", {"patience": 1})], curve("val_loss", FLAT))
replay([("ReduceLROnPlateau", {"patience": 1}), LOGGER], curve("val_loss", FLAT))
replay([("ReduceLROnPlateau", {"patience": 1, "monitor": "loss"}), LOGGER], curve("loss", FLAT))
(here / "callbacks.txt").write_text("\n".join(lines) + "\n", newline="")

FORMATS = """model.weights.h5|{epoch}|{epoch:d}|{epoch:02d}|{epoch:5d}|{epoch:<5d}x|{epoch:>5}|{epoch:^6}|{epoch:+d}|{epoch: d}
{epoch:05}|{epoch:.1f}|{epoch:7.2f}|{epoch:07.2f}|{epoch:e}|{epoch:.2e}|{epoch:g}|{epoch:%}|{epoch:,}|{epoch:*>6}|{epoch:_^7d}
{epoch:.2d}|{epoch:x}|{batch}|{batch:04d}|{val_loss}|{val_loss:.2f}|{val_loss:.0f}|{val_loss:10.3f}|{val_loss:<10.3f}x
{val_loss:010.3f}|{val_loss:+.4f}|{val_loss: .4f}|{val_loss:.3e}|{val_loss:E}|{val_loss:g}|{val_loss:.3g}|{val_loss:G}
{val_loss:.1%}|{val_loss:.3}|{val_loss:12}x|{val_loss:<12}x|{val_loss:=+12.3f}|{val_loss:-.2f}|{loss:.3}|{loss:.1}|{loss:.10}
{loss}|{loss:f}|{loss:g}|{loss:e}|{loss:012.4e}|{tiny}|{tiny:f}|{tiny:g}|{tiny:.3}|{tiny:.2e}|{big}|{big:f}|{big:g}|{big:.3}
{big:.17g}|{bad}|{bad:.2f}|{bad:08.2f}|{bad:e}|{far}|{far:.1f}|{far:08.1f}|{far:+.1f}|{minus}|{minus:.3f}|{minus:09.3f}
{minus:<9.3f}x|{minus:.2e}|{{epoch}}|a{{{epoch}}}b|{epoch}-{val_loss:.2f}-{batch:03d}.weights.h5|sub/{epoch:03d}/x.h5
{none}|{epoch|epoch}|{}|{0}|{epoch:q}|{val_loss:d}|{epoch:5.}|{epoch:.99f}|{val_loss:z}|{zero}|{zero:.2f}|{zero:e}
{round:.3}|{round:.2}|{round:.1}|{round}|{round:g}|{round:.4}|{half:.0f}|{half:.1f}|é{epoch}""".replace("\n", "|").split("|")
VALUES = {"val_loss": 0.123456789, "loss": 12.5, "tiny": 1.5e-7, "big": 1.25e20, "bad": float("nan"),
          "far": float("inf"), "minus": -3.14159, "zero": 0.0, "round": 100.0, "half": 2.5}
formats = []
for pattern in FORMATS:
    try:
        result = pattern.format(epoch=7, batch=12, **VALUES)
    except (ValueError, KeyError, IndexError):
        result = "error"
    formats.append("%s\t%s" % (pattern, result))
(here / "path_formats.txt").write_text("\n".join(formats) + "\n")
