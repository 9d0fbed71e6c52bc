#!/usr/bin/env python3
"""ONNX files that `kdist export` writes of whole models give in onnxruntime what `kdist predict` gives (exported_models.py).

usage: check_onnx_models.py KDIST EXAMPLES
"""
import sys

try:
    import onnx
    import onnxruntime

    import exported_models
except ImportError as error:
    print("skipped: no %s for this Python" % error.name)
    sys.exit(77)


def open_model(path):
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = [(i.name, i.type[7:-1], [n if isinstance(n, int) else None for n in i.shape[1:]]) for i in session.get_inputs()]
    names = [o.name for o in session.get_outputs()]
    nodes = onnx.load(path, load_external_data=False).graph.node
    note = "%d transposes" % sum(n.op_type == "Transpose" for n in nodes)
    return inputs, lambda feeds: dict(zip(names, session.run(None, feeds))), note


exported_models.compare_all("m.onnx", open_model)
