"""Golden cases of the layers, computed by another runtime from the files that kdist wrote of them."""
import pathlib
import re
import sys

import numpy as np

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
    """The largest difference relative to the largest number."""
    assert found.shape == wanted.shape, "%s: %s of shape %s, expected %s" % (text, what, found.shape, wanted.shape)
    if not wanted.size:
        return 0.0
    scale = max(0.1, float(np.max(np.abs(np.where(np.isfinite(wanted), wanted, 0)))))
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    return float(np.max(np.where(same, 0, np.abs(found.astype("f8") - wanted)))) / scale


def check(open_model, path, text, inputs, outputs):
    """The largest difference of an output, at the case's batch, at one row, and at a larger batch of the same rows."""
    names, compute = open_model(path)
    assert names == ["x%d" % i for i in range(len(inputs))], names
    worst = 0.0
    rows = [list(range(len(inputs[0])))]
    if not TOGETHER.search(text):
        rows += [[0], rows[0] * 2 + [0]]
    for chosen in rows:
        feeds = {n: x[chosen] for n, x in zip(names, inputs)}
        for i, (found, wanted) in enumerate(zip(compute(feeds), outputs, strict=True)):
            worst = max(worst, distance(text, "output %d at batch %d" % (i, len(chosen)), found, wanted[chosen]))
    return worst


class Tally:
    """How many files of a sort were computed, and the largest difference."""

    def __init__(self):
        self.checked, self.refused, self.failed, self.worst = 0, 0, 0, (0.0, "")

    def take(self, open_model, path, text, inputs, outputs):
        refusal = pathlib.Path("%s.refused" % path)
        try:
            if refusal.exists():
                assert re.search("(size|axes); give the inputs fixed sizes", refusal.read_text()), refusal.read_text()
                self.refused += 1
                return
            found = check(open_model, str(path), text, inputs, outputs)
            assert found < 1e-5, "differs by %g of the largest number" % found
            self.worst = max(self.worst, (found, text))
            self.checked += 1
        except Exception as error:
            self.failed += 1
            print("%s: %s: %s" % (path.name, text, str(error).split("\n")[0][:400]))

    def __str__(self):
        return "%d computed, %d refused; largest difference %.1e (%s)" % (self.checked, self.refused, *self.worst)


def check_all(folder, end, open_model, runtime):
    """All that support/export_cases.c wrote. open_model: path -> names of inputs, and a function from their values to a
    list of outputs. Ends the program."""
    fixed, half, variable = Tally(), Tally(), Tally()
    for name in ("layers", "attention", "recurrent", "spectral", "called"):
        for i, case in enumerate(cases(name)):
            fixed.take(open_model, folder / ("%s-%d%s" % (name, i, end)), *case)
            for path in sorted(folder.glob("%s-%d-*%s*" % (name, i, end))):
                tally = half if "-half" in path.name else variable
                tally.take(open_model, path.with_name(path.name.removesuffix(".refused")), *case)
    for what, tally in ("cases", fixed), ("under the policy bfloat16", half), ("with variable sizes", variable):
        if tally.checked:
            print("%s: %s: %s" % (runtime, what, tally))
    sys.exit(1 if fixed.failed or fixed.refused or half.failed or half.refused or variable.failed else 0)
