#!/usr/bin/env python3
"""ONNX files of all golden cases give Keras's outputs in onnxruntime: at the case's batch, at one row, and at a larger
batch of the same rows.

usage: check_onnx_layers.py FOLDER
"""
import pathlib
import re
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as error:
    print("skipped: no %s for this Python" % error.name)
    sys.exit(77)

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
# Outputs that depend on all rows of the batch.
TOGETHER = re.compile(r"BatchNormalization.*\(training=true")


def cases(name):
    """(text, inputs, outputs) of each case of a golden file."""
    values = np.fromfile(GOLDEN / (name + ".bin"), "<f4")
    found = []
    for line in (GOLDEN / (name + ".txt")).read_text().splitlines():
        if line.startswith("case "):
            found.append((line[5:], [], []))
            continue
        if not re.match("(input|infer) ", line):
            continue
        key, _, dtype, dims, start = line.split()
        shape = [] if dims == "scalar" else [int(d) for d in dims.split(",")]
        array = values[int(start):int(start) + int(np.prod(shape))].reshape(shape).astype(dtype)
        found[-1][1 if key == "input" else 2].append(array)
    return found


def distance(text, what, found, wanted):
    assert found.shape == wanted.shape, "%s: %s of shape %s, expected %s" % (text, what, found.shape, wanted.shape)
    if not wanted.size:
        return 0.0
    scale = max(0.1, float(np.max(np.abs(np.where(np.isfinite(wanted), wanted, 0)))))
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    return float(np.max(np.where(same, 0, np.abs(found.astype("f8") - wanted)))) / scale


def check(path, text, inputs, outputs):
    """The largest difference relative to the largest number of an output."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    assert names == ["x%d" % i for i in range(len(inputs))], names
    worst = 0.0
    rows = [list(range(len(inputs[0])))]
    if not TOGETHER.search(text):
        rows += [[0], rows[0] * 2 + [0]]
    for chosen in rows:
        feeds = {n: x[chosen] for n, x in zip(names, inputs)}
        for i, (found, wanted) in enumerate(zip(session.run(None, feeds), outputs, strict=True)):
            worst = max(worst, distance(text, "output %d at batch %d" % (i, len(chosen)), found, wanted[chosen]))
    return worst


def main():
    folder = pathlib.Path(sys.argv[1])
    checked, failed, worst = 0, 0, (0.0, "")
    for name in ("layers", "attention", "recurrent", "spectral", "called"):
        for i, (text, inputs, outputs) in enumerate(cases(name)):
            path = folder / ("%s-%d.onnx" % (name, i))
            try:
                found = check(str(path), text, inputs, outputs)
                assert found < 1e-5, "differs by %g of the largest number" % found
                worst = max(worst, (found, text))
                checked += 1
            except Exception as error:
                failed += 1
                print("%s %d: %s: %s" % (name, i, text, str(error).split("\n")[0][:400]))
    opset = onnx.load(str(folder / "layers-0.onnx")).opset_import[0].version
    print("opset %d: %d cases computed by onnxruntime; largest difference %.1e (%s)" % (opset, checked, *worst))
    sys.exit(1 if failed else 0)


main()
