"""Writes golden cases in the form that tests/support/golden.h reads: NAME.txt (cases, one line per array) and
NAME.bin (the arrays, little-endian float32)."""

import pathlib
import re

import numpy as np


class Writer:
    def __init__(self):
        self.lines, self.blob, self.count = [], [], 0

    def case(self, text):
        self.lines.append("case " + text)

    def array(self, key, name, array, dtype="float32"):
        array = np.asarray(array).astype("<f4")
        dims = ",".join(map(str, array.shape)) or "scalar"
        self.lines.append("%s %s %s %s %d" % (key, name, dtype, dims, self.count))
        self.blob.append(array.tobytes())
        self.count += array.size

    def save(self, name):
        folder = pathlib.Path(__file__).parent
        (folder / (name + ".txt")).write_text("\n".join(self.lines) + "\n")
        (folder / (name + ".bin")).write_bytes(b"".join(self.blob))


def text(value):
    """A Python value in the configuration language."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "(%s%s)" % (", ".join(map(text, value)), "," if len(value) == 1 else "")
    if isinstance(value, str) and not re.fullmatch(r"[\w./{}:-]+", value):
        return '"%s"' % value
    return repr(value) if isinstance(value, float) else str(value)


def call(name, options):
    return "%s(%s)" % (name, ", ".join("%s=%s" % (k, text(v)) for k, v in options.items()))
