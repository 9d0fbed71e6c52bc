"""Images a second from an HDF5 file, shuffled: peer_loader.py make|torch|torch rows|tf.data FILE.

Datasets image (uint8) and label (int32), as bench_loader reads them too. Types stay as stored.
"""

import json
import sys
import time

import h5py
import numpy as np

BATCH = 128


class File:
    """A map-style data set. One index is one row (what users write first) or one batch of rows."""

    def __init__(self, path):
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.rows = len(file["image"])

    def __len__(self):
        return self.rows

    def read(self, rows):
        if self.file is None:  # opened in the worker that reads
            self.file = h5py.File(self.path)
        return self.file["image"][rows], self.file["label"][rows]

    def __getitem__(self, row):
        return self.read(row)

    def __getitems__(self, rows):
        """Rows of one batch in one read; HDF5 wants them in order."""
        order = np.argsort(rows)
        x, y = self.read(np.asarray(rows)[order])
        return list(zip(x, y))


class Rows(File):
    __getitems__ = None


def make(path, rows=60000):
    rng = np.random.default_rng(7)
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=rng.integers(0, 256, (rows, 28, 28), np.uint8))
        file.create_dataset("label", data=rng.integers(0, 10, rows, np.int32))


def torch_batches(path, kind):
    import torch

    class Data(kind, torch.utils.data.Dataset):
        pass

    loader = torch.utils.data.DataLoader(Data(path), BATCH, shuffle=True, num_workers=2)
    return lambda: loader


def tensorflow_batches(path):
    import tensorflow as tf

    with h5py.File(path) as file:  # tf.data has no HDF5 reader: the file is read at once, the shuffle is its own
        x, y = file["image"][:], file["label"][:]
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return lambda: data


def measure(batches, passes=3):
    best = 0.0
    for _ in range(passes):
        start, rows = time.perf_counter(), 0
        for x, _ in batches():
            rows += len(x)
        best = max(best, rows / (time.perf_counter() - start))
    print(json.dumps({"images_s": best}))


if __name__ == "__main__":
    what, path = sys.argv[1:]
    if what == "make":
        make(path)
    elif what == "tf.data":
        measure(tensorflow_batches(path))
    else:
        measure(torch_batches(path, Rows if what == "torch rows" else File))
