#!/usr/bin/env python3
"""ONNX files of all golden cases give Keras's outputs in onnxruntime; under a half policy too, and where sizes are variable.

usage: check_onnx_layers.py FOLDER
"""
import pathlib
import sys

try:
    import onnx
    import onnxruntime

    import exported
except ImportError as error:
    print("skipped: no %s for this Python" % error.name)
    sys.exit(77)


def open_model(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [i.name for i in session.get_inputs()], lambda feeds: session.run(None, feeds)


folder = pathlib.Path(sys.argv[1])
opset = onnx.load(str(folder / "layers-0.onnx")).opset_import[0].version
assert opset == 17 or any(folder.glob("*.onnx.data")), "no weights stand in files of their own"
exported.check_all(folder, ".onnx", open_model, "onnxruntime, opset %d" % opset)
