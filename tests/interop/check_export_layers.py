#!/usr/bin/env python3
"""Every layer class that kdist has, with the options and call arguments of the golden cases: exported with start weights,
loaded by Keras, given other weights there, and both predict the same with them.

usage: check_export_layers.py KDIST GOLDEN_FOLDER [STEP]       (STEP: every so many cases)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

FILES = ["layers", "attention", "recurrent", "called"]
TENSORS = {"initial_state", "mask", "attention_mask", "query_mask", "value_mask", "key_mask", "key"}
ROWS, FIELDS = 4, 14
HUB = {"PositionEmbedding", "SinePositionEncoding"}
LAYER = re.compile(r"(\w+)\(")


def split_call(text):
    """'LSTM(4)(mask=(1,))' -> 'LSTM(4)', 'mask=(1,)'"""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == ")" and depth == 0:
            return text[: i + 1], text[i + 2 : -1]
    raise ValueError(text)


def split_arguments(text):
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [p for p in parts if p]


class Case:
    def __init__(self, line):
        self.layer, self.given = split_call(line)
        self.inputs, self.outputs, self.frozen = [], 0, False

    def wanted(self):
        # Random numbers are nobody's to compare; rows are fixed where states are kept.
        return "stateful=true" not in self.layer and "training=true" not in self.given and not HUB & set(
            LAYER.findall(self.layer))


def read_cases(folder):
    cases = []
    for name in FILES:
        for line in pathlib.Path(folder, name + ".txt").read_text().splitlines():
            if line.startswith("case "):
                cases.append(Case(line[5:]))
            elif line == "frozen":
                cases[-1].frozen = True
            elif line.startswith("input "):
                _, _, dtype, shape, _ = line.split()
                cases[-1].inputs.append((dtype, [int(d) for d in shape.split(",")][1:]))
            elif line.startswith("infer "):
                cases[-1].outputs += 1
    return [c for c in cases if c.wanted() and c.outputs]


def describe(cases):
    """The configuration of a model with these layers, each on inputs of its own, and the input data."""
    sections, layers, outputs, data = [], [], [], {}
    rng = np.random.default_rng(len(cases))
    for k, case in enumerate(cases):
        names = ["x%d_%d" % (k, i) for i in range(len(case.inputs))]
        kept, call = set(range(len(names))), []
        masks, wholes = set(), set()
        for argument in split_arguments(case.given):
            key, value = argument.split("=", 1)
            if key in TENSORS and value != "none":
                places = [int(p) for p in re.findall(r"\d+", value)]
                kept -= set(places)
                if "mask" in key:  # Keras does not look at a given query_mask
                    masks |= set(places)
                    wholes |= set(places) if key == "query_mask" else set()
                value = "(%s)" % ", ".join(names[p] for p in places) if len(places) > 1 else names[places[0]]
            call.append("%s=%s" % (key, value))
        for i, (dtype, shape) in enumerate(case.inputs):
            sections.append("[input %s]\nshape = %s\ndtype = %s\n" % (names[i], "(%s)" % ", ".join(
                map(str, shape)) if shape else "()", dtype))
            x = rng.integers(0, 2, [ROWS] + shape) if dtype != "float32" or i in masks else rng.normal(0, 1, [ROWS] + shape)
            if i in masks:
                x[..., 0] = 1
            data[names[i]] = (x * 0 + 1 if i in wholes else x).astype(dtype)
        body = case.layer[:-1] + (", " if case.layer[-2] != "(" else "") + "trainable=false)" if case.frozen else case.layer
        layers.append("c%d = %s(%s)" % (k, body, ", ".join([names[i] for i in sorted(kept)] + call)))
        outputs += ["[output o%d_%d]\nfrom = c%d:%d\n" % (k, o, k, o) for o in range(case.outputs)]
    text = "[run]\nname = layers\n%s\n[layers]\n%s\n%s\n[data]\nformat = npz\ntest = x.npz\n" % (
        "\n".join(sections), "\n".join(layers), "\n".join(outputs))
    return text, data


def shake(model):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype == "float32":
            value = rng.normal(0, 1, weight.shape)
            weight.assign(np.abs(value) + 0.3 if "variance" in weight.name else value)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, "%s\n%s" % (" ".join(command), done.stderr)


def compare(kdist, cases):
    text, data = describe(cases)
    pathlib.Path("run.ini").write_text(text)
    np.savez("x.npz", **data)
    run(kdist, "export", "run.ini", "-o", "start.keras", "--untrained")
    model = keras.models.load_model("start.keras")
    shake(model)
    model.save_weights("w.weights.h5")
    run(kdist, "export", "run.ini", "-o", "end.keras", "--weights", "w.weights.h5")
    model = keras.models.load_model("end.keras")
    inputs = [data[t.name] for t in model.inputs]
    expected = model(inputs, training=False)
    run(kdist, "predict", "run.ini", "-o", "o.npz", "--weights=w.weights.h5")
    ours = np.load("o.npz")
    names = ["o%d_%d" % (k, o) for k, case in enumerate(cases) for o in range(case.outputs)]
    expected = expected if isinstance(expected, (list, tuple)) else [expected]
    assert len(names) == len(expected)
    failures = []
    for name, value in zip(names, expected):
        case, value = cases[int(name[1:].split("_")[0])], np.asarray(value, "float32")
        if ours[name].shape != value.shape or not np.allclose(ours[name], value, rtol=2e-4, atol=2e-5):
            failures.append("%s(%s): %s in place of %s" % (case.layer, case.given, ours[name], value))
    return failures


def groups(cases):
    group, fields = [], 0
    for case in cases:
        need = max(len(case.inputs), case.outputs)
        if group and fields + need > FIELDS:
            yield group
            group, fields = [], 0
        group.append(case)
        fields += need
    if group:
        yield group


def check(kdist, golden, step):
    cases = read_cases(golden)
    chosen = cases[::step]
    classes = {name for case in cases for name in LAYER.findall(case.layer)}
    missing = classes - {name for case in chosen for name in LAYER.findall(case.layer)}
    for case in cases:
        if missing & set(LAYER.findall(case.layer)):
            chosen.append(case)
            missing -= set(LAYER.findall(case.layer))
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for group in groups(chosen):
            failures += compare(kdist, group)
            keras.utils.clear_session()
        os.chdir("/")
    assert not failures, "\n".join(failures)
    print("%d cases of %d classes" % (len(chosen), len(classes)))


if __name__ == "__main__":
    check(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
