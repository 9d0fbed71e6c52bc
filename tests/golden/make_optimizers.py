"""Golden values of optimizers, regularizers and learning-rate schedules, from Keras itself (JAX backend, float64,
stored as float32).

    KERAS_BACKEND=jax python tests/golden/make_optimizers.py

writes optimizers.txt, optimizers.bin and schedules.txt. A case of optimizers.txt is "LAYER; LAYER; OPTIMIZER": the
weights of the layers start as `weight`, get the gradients `grad` (steps first) and end as `final`, with the slots
`slot.NAME`. The gradients of the layers' regularizers are added by both sides. A line of schedules.txt is a schedule,
a bar, and pairs of step and rate.
"""

import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
from golden_writer import Writer, call, text

keras.config.set_floatx("float64")
STEPS = 10
SHAPES = [(4, 3), (3,), (3, 2), (2,)]
writer = Writer()


class Call:
    """A schedule or a regularizer in call form."""

    def __init__(self, module, name, **options):
        self.module, self.name, self.options = module, name, options

    def __str__(self):
        return call(self.name, self.options)

    def make(self):
        made = {k: v.make() if isinstance(v, Call) else v for k, v in self.options.items()}
        return getattr(self.module, self.name)(**made)


def schedule(name, **options):
    return Call(keras.optimizers.schedules, name, **options)


def penalty(name, **options):
    return Call(keras.regularizers, name, **options)


SLOTS = {
    "momentum": ["momentums", "_momentums", "_m"],
    "velocity": ["_velocities", "adam_velocities", "_v"],
    "r": ["_r"],
    "c": ["_c"],
    "velocity_hat": ["_velocity_hats"],
    "average_gradient": ["_average_gradients"],
    "accumulated": ["_accumulated_gradients"],
    "norm": ["_u"],
    "accumulator": ["_accumulators"],
    "linear": ["_linears"],
    "accumulated_grad": ["_accumulated_grads"],
    "accumulated_delta_var": ["_accumulated_delta_vars"],
}


def slots_of(optimizer):
    """All lists of one variable per weight."""
    found = {}
    for name, attributes in SLOTS.items():
        for attribute in attributes:
            values = getattr(optimizer, attribute, None)
            if values:
                found[name] = values
    expected = sum(v is not None for values in found.values() for v in values)
    own = [v for v in optimizer.variables if v.path.split("/")[-1] not in ("iteration", "learning_rate")]
    own = [v for v in own if v is not getattr(optimizer, "_u_product", None)]
    assert expected == len(own), [v.path for v in own]
    return found


class Inner(Call):
    """An optimizer in call form."""

    def __init__(self, name, **options):
        super().__init__(keras.optimizers, name, **options)


def apply(tool, grads, variables):
    """One update. Keras decides inside of a traced function whether a LossScaleOptimizer skips: without state there."""
    if not hasattr(tool, "inner_optimizer"):
        tool.apply(grads)
        return
    new, state = tool.stateless_apply([v.value for v in tool.variables], grads, [v.value for v in variables])
    for variable, value in zip(variables + tool.variables, new + state):
        variable.assign(value)


def hold(name, **options):
    return Call(keras.constraints, name, **options)


def optimizer(name, options, penalties=(None, None, None, None), scale=1.0, broken=(), holds=(None, None, None, None)):
    """broken: steps with gradients that are not finite."""
    random = np.random.RandomState(len(writer.lines))
    made = {k: v.make() if isinstance(v, Call) else v for k, v in options.items()}
    tool = getattr(keras.optimizers, name)(**made)
    layers = []
    for i in range(2):
        kernel, bias = penalties[2 * i : 2 * i + 2]
        given = {"units": SHAPES[2 * i][1]}
        if kernel:
            given["kernel_regularizer"] = kernel
        if bias:
            given["bias_regularizer"] = bias
        for weight, constraint in zip(["kernel", "bias"], holds[2 * i : 2 * i + 2]):
            if constraint:
                given[weight + "_constraint"] = constraint
        layers.append(call("Dense", given))
    writer.case("; ".join(layers + [call(name, options)]))
    weights = [np.float32(random.normal(size=shape)) for shape in SHAPES]
    grads = [np.float32(random.normal(size=(STEPS,) + shape) * scale) for shape in SHAPES]
    grads[1][3:6] = 0
    grads[2][2] *= 1e-4
    for i, step in enumerate(broken):
        grads[i % len(grads)][step].flat[i % 2] = [np.inf, np.nan, -np.inf][i % 3]
    variables = []
    for i, w in enumerate(weights):
        with keras.name_scope("layer%d" % (i // 2)):
            variables.append(keras.Variable(w, dtype="float64", name=["kernel", "bias"][i % 2]))
    for variable, constraint in zip(variables, holds):
        if constraint:
            variable.constraint = constraint.make()
    tool.build(variables)
    slopes = [None if p is None else jax.grad(p.make()) for p in penalties]
    for step in range(STEPS):
        now = [np.float64(g[step]) for g in grads]
        for i, slope in enumerate(slopes):
            if slope:
                # The penalty is a part of the loss, which is scaled.
                scale_now = float(getattr(tool, "dynamic_scale", 1.0))
                now[i] = now[i] + scale_now * np.asarray(slope(variables[i].value))
        apply(tool, now, variables)
    for i, weight in enumerate(weights):
        writer.array("weight", str(i), weight)
        writer.array("grad", str(i), grads[i])
        writer.array("final", str(i), variables[i].value)
    if name == "LossScaleOptimizer":
        state = [tool.dynamic_scale, tool.step_counter, tool.iterations]
        writer.array("state", "scale", [float(v) for v in state])
    for slot, values in slots_of(getattr(tool, "inner_optimizer", tool)).items():
        for i, value in enumerate(values):
            if value is not None:
                writer.array("slot" + str(i), slot, value.value)


DECAY = schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5)
PIECES = schedule("PiecewiseConstantDecay", boundaries=[2, 5], values=[0.1, 0.05, 0.01])
CLASSES = {
    "SGD": [{"learning_rate": 0.1}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}],
    "RMSprop": [{}, {"rho": 0.8, "epsilon": 1e-3}, {"learning_rate": 0.01, "momentum": 0.9}, {"centered": True},
                {"momentum": 0.5, "centered": True}],
    "Adam": [{}, {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}, {"amsgrad": True}],
    "AdamW": [{}, {"learning_rate": 0.05, "beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-5}, {"amsgrad": True}],
}
COMMON = [
    {"clipnorm": 0.5},
    {"clipnorm": 100.0},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.7},
    {"global_clipnorm": 100.0},
    {"weight_decay": 0.03},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 0.4, "weight_decay": 0.01},
    {"learning_rate": DECAY},
    {"learning_rate": PIECES, "gradient_accumulation_steps": 4},
    {"learning_rate": DECAY, "weight_decay": 0.02, "global_clipnorm": 1.0},
]
for name, sets in CLASSES.items():
    for options in sets:
        optimizer(name, options)
    for options in COMMON:
        optimizer(name, dict(sets[-1], **options))
optimizer("AdamW", {"weight_decay": 0.0})
optimizer("SGD", {"learning_rate": 0.1}, scale=1e4)
optimizer("Adam", {"learning_rate": 0.1}, scale=1e-4)

L1, L2 = penalty("L1", l1=0.02), penalty("L2", l2=0.3)
BOTH = penalty("L1L2", l1=0.01, l2=0.1)
for name, options in [("SGD", {"momentum": 0.9}), ("Adam", {"clipnorm": 0.6}), ("RMSprop", {"global_clipnorm": 0.8}),
                      ("AdamW", {"gradient_accumulation_steps": 2}), ("SGD", {"clipvalue": 0.2})]:
    optimizer(name, options, (L1, L2, BOTH, None))
    optimizer(name, options, (L2, None, None, BOTH))

MORE = {
    "Adamax": [{}, {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}],
    "Nadam": [{}, {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}],
    "Adagrad": [{}, {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-3}],
    "Adadelta": [{}, {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-4}],
    "Ftrl": [{}, {"learning_rate": 0.1, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02},
             {"learning_rate": 0.1, "learning_rate_power": -0.7, "initial_accumulator_value": 0.3, "beta": 0.2,
              "l1_regularization_strength": 0.05, "l2_shrinkage_regularization_strength": 0.1}],
    "Lion": [{}, {"learning_rate": 0.05, "beta_1": 0.7, "beta_2": 0.9}],
    "Lamb": [{}, {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}],
}
for name, sets in MORE.items():
    for options in sets:
        optimizer(name, options)
    for options in COMMON:
        optimizer(name, dict(sets[-1], **options))
optimizer("Lamb", {}, (L1, L2, BOTH, None))

optimizer("LossScaleOptimizer", {"inner_optimizer": Inner("Adam", learning_rate=0.1)}, scale=1e4, broken=[0, 1, 2, 7])
optimizer("LossScaleOptimizer", {"inner_optimizer": Inner("SGD", learning_rate=0.1, momentum=0.9), "initial_scale": 16.0,
                                 "dynamic_growth_steps": 3}, broken=[4])
optimizer("LossScaleOptimizer", {"inner_optimizer": Inner("SGD", learning_rate=DECAY, gradient_accumulation_steps=2),
                                 "initial_scale": 4.0, "dynamic_growth_steps": 2}, broken=[1, 6])
optimizer("LossScaleOptimizer", {"inner_optimizer": Inner("Adam", learning_rate=0.1, global_clipnorm=0.7)}, (L1, L2, BOTH, None),
          scale=1e5, broken=[5, 8])

FREE = {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}
LATER = {
    "Adafactor": [{}, {"learning_rate": 0.2, "beta_2_decay": -0.6, "epsilon_1": 1e-3, "epsilon_2": 0.5, "clip_threshold": 0.7,
                       "relative_step": False}, {"learning_rate": 3.0}],
    "Muon": [{}, {"exclude_layers": ["layer0", "bias"], "adam_beta_1": 0.8, "adam_beta_2": 0.95, "adam_weight_decay": 0.1,
                  "epsilon": 1e-4, "adam_lr_ratio": 0.5, "learning_rate": 0.05},
             {"nesterov": False, "momentum": 0.8, "ns_steps": 3, "muon_a": 3.0, "muon_b": -4.0, "muon_c": 2.0, "rms_rate": None},
             {"exclude_layers": ["[lL]ayer1/k.*l"], "exclude_embeddings": False, "adam_weight_decay": None},
             {"learning_rate": 0.05, "rms_rate": 0.3}],
    "ScheduleFreeAdamW": [{}, dict(FREE, warmup_steps=4), FREE],
}
for name, sets in LATER.items():
    for options in sets:
        optimizer(name, options)
    for options in COMMON:
        optimizer(name, dict(sets[-1], **options))
    optimizer(name, {}, (L1, L2, BOTH, None))

HOLDS = [
    (hold("MaxNorm"), hold("NonNeg"), hold("UnitNorm"), hold("MinMaxNorm")),
    (hold("MaxNorm", max_value=0.7, axis=1), hold("MaxNorm", max_value=0.3), hold("UnitNorm", axis=-1), hold("UnitNorm")),
    (hold("MinMaxNorm", min_value=0.9, max_value=1.1, rate=0.3, axis=1), None, hold("MaxNorm", max_value=1.0, axis=[0, 1]),
     hold("MinMaxNorm", min_value=0.5, max_value=0.6)),
    (hold("NonNeg"), hold("UnitNorm"), hold("NonNeg"), None),
]
for holds in HOLDS:
    for name, options in [("SGD", {"learning_rate": 0.1}), ("Adam", {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
                          ("AdamW", {"global_clipnorm": 1.0}), ("Muon", {"learning_rate": 0.05}),
                          ("ScheduleFreeAdamW", {"learning_rate": 0.05})]:
        optimizer(name, options, holds=holds)
optimizer("Adam", {"learning_rate": 0.1}, (L1, L2, BOTH, None), holds=HOLDS[0])

writer.save("optimizers")

SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.9, "staircase": True}),
    ("ExponentialDecay", {"initial_learning_rate": 3.0, "decay_steps": 7.5, "decay_rate": 1.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 2.0, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [0], "values": [1.0, 0.5]}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 4, 10], "values": [1.0, 0.5, 0.25, 0.0]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "end_learning_rate": 0.01, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "power": 0.5, "cycle": True}),
    ("PolynomialDecay", {"initial_learning_rate": 0.01, "decay_steps": 4, "end_learning_rate": 0.1, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "alpha": 0.2}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 8, "warmup_target": 0.2, "warmup_steps": 4}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 3}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "warmup_steps": 3}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "warmup_target": 0.2}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.5, "m_mul": 0.8}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 2, "t_mul": 3.0, "alpha": 0.01}),
]
STEPS_SEEN = list(range(0, 17)) + [20, 21, 25, 30, 45, 100, 101, 1000]
lines = []
for name, options in SCHEDULES:
    rate = getattr(keras.optimizers.schedules, name)(**options)
    pairs = " ".join("%d %.15g" % (step, float(rate(step))) for step in STEPS_SEEN)
    lines.append("%s | %s" % (call(name, options), pairs))
(pathlib.Path(__file__).parent / "schedules.txt").write_text("\n".join(lines) + "\n")
