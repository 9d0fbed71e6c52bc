"""What the scripts of examples/get_data.sh share: files out of packages, and HDF5 files that kdist reads."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py

VERSIONS = {"aeon": "1.6.0", "statsmodels": "0.15.0", "scikit-learn": "1.9.1"}


def from_package(package, *members):
    """The contents of files inside a package of PyPI. It is fetched, not installed, and no code of it runs."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                        "--dest", folder, f"{package}=={VERSIONS[package]}"], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return [wheel.read(member) for member in members]


def verses():
    """All verses of the King James Bible in order: (book, text)."""
    printed = subprocess.run(["bible", "-f", "-l", "5000", "gen1:1-rev22:21"], capture_output=True, text=True, check=True)
    found = []
    for line in printed.stdout.splitlines():
        place, _, text = line.partition(" ")
        found.append((place.split(":")[0].rstrip("0123456789"), text))
    return found


def save(path, **arrays):
    """One data set per name; the first axis counts samples. The rows of a list of arrays have lengths of their own."""
    shapes = []
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if isinstance(values, list):
                rows = file.create_dataset(name, len(values), h5py.vlen_dtype(values[0].dtype))
                for i, row in enumerate(values):
                    rows[i] = row
                shapes.append(f"{name} {values[0].dtype} ({len(values)}, up to {max(map(len, values))})")
            else:
                file[name] = values
                shapes.append(f"{name} {values.dtype} {values.shape}")
    print(f"{path}: {', '.join(shapes)}")
