"""Whole models that kdist wrote for another runtime give there what `kdist predict` gives, at several batch sizes: the
examples, and models with variable sizes, several inputs and outputs."""
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import h5py
import numpy as np

ROWS, LENGTH = 5, 12  # of the data; the length of axes that are variable
TOLERANCE = 1e-5

MODELS = {
    # Images of any size, that strides cut unevenly.
    "images": """
[input x]
shape = None, None, 3
[layers]
c1 = Conv2D(8, 3, strides=2, padding=same, activation=relu)
b1 = BatchNormalization()
c2 = DepthwiseConv2D(3, padding=same)
p1 = MaxPooling2D(3, strides=2, padding=same)
c3 = Conv2DTranspose(4, 3, strides=2, padding=same)
u1 = UpSampling2D(2)
y = GlobalAveragePooling2D()
z = Dense(3, softmax)
""",
    # Pixels of bytes, an input that is an output as it is, a shared layer, two outputs of one layer.
    "shared": """
[input left]
shape = 6, 6, 2
dtype = uint8
[input right]
shape = 6, 6, 2
dtype = uint8
[input extra]
shape = 5, 3
[layers]
s1 = Rescaling(0.004)(left)
s2 = Rescaling(0.004)(right)
c1 = Conv2D(3, 3)(s1)
c2 = share(c1)(s2)
d = Subtract()(c1, c2)
f = Flatten()
y = Dense(2)
m = MultiHeadAttention(1, 2)(extra, extra, return_attention_scores=true)
[output y]
[output attended]
from = m
[output scores]
from = m:1
[output same]
from = extra
""",
    # Masks through recurrent layers and attention, over steps of any number.
    "masks": """
[input tokens]
shape = None
dtype = int32
[input extra]
shape = 4
[layers]
e = Embedding(50, 8, mask_zero=true)(tokens)
r = Bidirectional(LSTM(6, return_sequences=true))
a = MultiHeadAttention(2, 4)(r, r, use_causal_mask=true)
n = LayerNormalization()
g = GRU(5)
s = SimpleRNN(5)(n)
j = Concatenate()(g, s, extra)
one = Dense(2)(j)
two = Dense(3, sigmoid)(j)
[output one]
[output two]
""",
}


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit("%s: code %d\n%s%s" % (" ".join(map(str, command)), result.returncode, result.stdout, result.stderr))
    return result


def random_weights(kdist, config, path, rng):
    """A weights file of the model with values that leave nothing at zero or one."""
    run(kdist, "export", *config, "--untrained", "-o", "start.keras", "log.level=error")
    with zipfile.ZipFile("start.keras") as archive, open(path, "wb") as file:
        file.write(archive.read("model.weights.h5"))

    def change(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer") and item.dtype == np.float32:
            item[...] = item[...] * rng.uniform(0.8, 1.2, item.shape) + rng.uniform(0, 0.05, item.shape) * (np.ptp(item) == 0)

    with h5py.File(path, "r+") as file:
        file.visititems(change)


def make_rows(inputs, rng):
    """inputs: (name, type, sizes behind the batch, None where open)."""
    rows = {}
    for name, dtype, sizes in inputs:
        shape = [ROWS] + [LENGTH + 3 * axis if n is None else n for axis, n in enumerate(sizes)]
        if "int" in dtype:
            rows[name] = rng.integers(1, 40, shape).astype(dtype)
            if len(shape) == 2:
                rows[name][0, shape[1] // 2:] = 0  # masked steps
        else:
            rows[name] = rng.normal(size=shape).astype("float32")
    return rows


def predict(kdist, config, rows):
    """kdist's outputs by name."""
    with h5py.File("test.h5", "w") as file:
        for key, values in rows.items():
            file[key] = values
    maps = ["data.map.%s=%s" % (key, key) for key in rows]
    run(kdist, "predict", *config, *maps, "--weights=w.h5", "data.format=hdf5", "data.dir=.", "data.test=test.h5",
        "-o", "out.npz", "log.level=warning")
    return np.load("out.npz")


def compare(kdist, name, config, path, open_model):
    """The largest difference between kdist and the runtime."""
    rng = np.random.default_rng(3)
    random_weights(kdist, config, "w.h5", rng)
    run(kdist, "export", *config, "--weights=w.h5", "-o", path, "log.level=warning")
    inputs, compute, note = open_model(path)
    rows = make_rows(inputs, rng)
    wanted = predict(kdist, config, rows)
    worst = 0.0
    for size in (1, 2, ROWS):
        parts = [compute({k: v[at:at + size] for k, v in rows.items()}) for at in range(0, ROWS, size)]
        assert sorted(parts[0]) == sorted(wanted), "%s: outputs %s, but kdist's are %s" % (name, list(parts[0]), list(wanted))
        for key in wanted:
            values = np.concatenate([part[key] for part in parts])
            assert np.all(np.isfinite(values)) and np.ptp(values) > 0, "%s: output %s tells nothing" % (name, key)
            scale = max(0.1, float(np.max(np.abs(wanted[key]))))
            worst = max(worst, float(np.max(np.abs(values - wanted[key]))) / scale)
    print("%s: largest difference %.1e; %s" % (name, worst, note))
    assert worst < TOLERANCE, "%s: differs by %g" % (name, worst)


def compare_all(path, open_model):
    """path: of the model to write. open_model: path -> inputs, a function from values to outputs by name, and what to tell."""
    kdist, examples = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, text in MODELS.items():
            pathlib.Path(name + ".ini").write_text("[run]\nname = %s\n%s[data]\nformat = hdf5\ntrain = none.h5\n"
                                                   "[train]\nloss = mse\nepochs = 1\n" % (name, text))
            compare(kdist, name, [name + ".ini"], path, open_model)
        for example in sorted(examples.glob("*.ini")):
            compare(kdist, example.stem, [example], path, open_model)
        os.chdir("/")
