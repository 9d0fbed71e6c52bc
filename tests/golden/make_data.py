#!/usr/bin/env python3
"""Writes the small data files of tests/golden/data with numpy and h5py, for tests/io/test_dataset.c.

Element j of sample r is (31 r + 7 j) mod 199 for unsigned types, the same minus 100 for signed ones, and a
quarter of that for floats. bool: odd or even.
"""
import gzip
import os
import struct

import h5py
import numpy as np

ROWS = 20
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def values(dtype, *sample, rows=ROWS, first=0):
    count = int(np.prod(sample, dtype=int))
    raw = (31 * np.arange(first, first + rows)[:, None] + 7 * np.arange(count)[None, :]) % 199
    dtype = np.dtype(dtype)
    if dtype.kind == "i":
        raw = raw - 100
    if dtype.kind == "f":
        raw = (raw - 100) / 4
    if dtype.kind == "b":
        raw = raw % 2
    return raw.reshape((rows, *sample)).astype(dtype)


def labels(rows=ROWS, first=0, dtype="u1"):
    return (np.arange(first, first + rows) * 3 % 10).astype(dtype)


def path(name):
    return os.path.join(HERE, name)


def idx(name, array, code):
    header = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(">%dI" % array.ndim, *array.shape)
    data = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    opener = (lambda p, m: gzip.GzipFile(p, m, mtime=0)) if name.endswith(".gz") else open
    with opener(path(name), "wb") as file:
        file.write(data)


def write_idx():
    idx("images.idx", values("u1", 5, 4), 0x08)
    idx("images.idx.gz", values("u1", 5, 4), 0x08)
    idx("labels.idx", labels(), 0x08)
    idx("labels.idx.gz", labels(), 0x08)
    idx("short.idx", values("i2", 3), 0x0B)
    idx("double.idx.gz", values("f8", 3), 0x0E)
    idx("labels19.idx", labels(19), 0x08)


def write_npy():
    for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
        np.save(path(code + ".npy"), values(code, 3))
    np.save(path("big_f4.npy"), values("f4", 3).astype(">f4"))
    np.save(path("fortran.npy"), np.asfortranarray(values("f4", 3, 2)))
    np.save(path("labels.npy"), labels(dtype="i8"))
    for major in (2, 3):
        with open(path("version%d.npy" % major), "wb") as file:
            np.lib.format.write_array(file, values("i4", 3), version=(major, 0))
    np.save(path("object.npy"), np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.savez(path("stored.npz"), x=values("u1", 5, 4), y=labels(dtype="i8"))
    np.savez_compressed(path("deflated.npz"), x=np.asfortranarray(values("f4", 3, 2)), y=labels(dtype="i8"))


def write_hdf5():
    with h5py.File(path("contiguous.h5"), "w") as f:
        f["x"] = values("u1", 5, 4)
        f["y"] = labels(dtype="i8")[:, None]
    with h5py.File(path("chunked.h5"), "w") as f:
        f.create_dataset("image", data=values("f4", 5, 4), chunks=(6, 5, 4))
        f.create_dataset("label", data=labels(dtype="i4"), chunks=(7,))
    with h5py.File(path("compressed.h5"), "w") as f:
        f.create_dataset("x", data=values("i2", 5, 4), chunks=(3, 5, 2), compression="gzip", shuffle=True)
        f.create_dataset("y", data=labels(dtype="i4"), chunks=(8,), compression="gzip", fletcher32=True)
    with h5py.File(path("types.h5"), "w", userblock_size=512) as f:
        for code in ["f2", "f8", "i1", "u8", "b1", ">i4"]:
            f[code.strip(">")] = values(code, 3)
    with h5py.File(path("large.h5"), "w") as f:  # 400 MB when decoded: all values of row r are r mod 251
        x = f.create_dataset("x", (4000, 320, 320), "u1", chunks=(50, 320, 320), compression="gzip")
        for first in (0, 2000, 3950):
            x[first:first + 50] = (np.arange(first, first + 50) % 251).astype("u1")[:, None, None]
        f["y"] = labels(4000)
    for shard, (first, rows) in enumerate([(0, 7), (7, 9), (16, 4)]):
        with h5py.File(path("shard-%d.h5" % shard), "w") as f:
            f["x"] = values("u1", 5, 4, rows=rows, first=first)
            f["y"] = labels(rows, first)
    with h5py.File(path("odd-0.h5"), "w") as f:
        f["x"] = values("u1", 5, 4)
        f["y"] = labels()
    with h5py.File(path("odd-1.h5"), "w") as f:
        f["x"] = values("u1", 4, 5)
        f["y"] = labels()


def write_ragged():
    """Rows of r mod 4 + 1 steps of two channels, in two shards of which the second holds the longest."""
    for shard, (first, rows) in enumerate([(0, 3), (3, 17)]):
        with h5py.File(path("ragged-%d.h5" % shard), "w") as f:
            for item, code in [("x", "f8"), ("i2", ">i2")]:
                x = f.create_dataset(item, (rows,), h5py.vlen_dtype(np.dtype(code)))
                for i in range(rows):
                    r = first + i
                    x[i] = values(code, 2 * (r % 4 + 1), rows=1, first=r)[0]
            f["y"] = labels(rows, first)
    with h5py.File(path("ragged-text.h5"), "w") as f:
        f.create_dataset("x", (3,), h5py.string_dtype())[:] = ["a", "b", "c"]
        f["y"] = labels(3)


def write_weighted():
    """Labels of three classes and weights of samples, the same in each format."""
    x, y, w = values("f4", 3), labels() % 3, (values("f4")[:, None] + 26)[:, 0].ravel()
    np.savetxt(path("weighted.csv"), np.c_[x, w, y], fmt="%g", delimiter=",", header="a,b,c,w,y", comments="")
    np.savez(path("weighted.npz"), x=x, y=y, w=w)
    with h5py.File(path("weighted.h5"), "w") as f:
        f["x"], f["y"], f["w"], f["pairs"] = x, y, w, np.c_[w, w]


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    write_idx()
    write_npy()
    write_hdf5()
    write_ragged()
    write_weighted()
