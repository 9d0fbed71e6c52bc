"""Breast cancer in Wisconsin (Wolberg, Street, Mangasarian, 1995), out of PyPI's scikit-learn: 30 measures of cell nuclei, benign
(1) or malignant (0). Columns are scaled by mean and deviation of the training rows.

usage: biology.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from common import from_package

(text,) = from_package("scikit-learn", "sklearn/datasets/data/breast_cancer.csv")
rows = np.array([line.split(",") for line in text.decode().split()[1:]], float)
rows = np.random.default_rng(7).permutation(rows)
cut = int(0.75 * len(rows))
mean, deviation = rows[:cut, :-1].mean(0), rows[:cut, :-1].std(0)
rows[:, :-1] = (rows[:, :-1] - mean) / deviation
folder = Path(sys.argv[1])
header = ",".join([f"m{i}" for i in range(rows.shape[1] - 1)] + ["benign"])
for part, values in (("train", rows[:cut]), ("test", rows[cut:])):
    np.savetxt(folder / f"{part}.csv", values, fmt=["%.6g"] * (rows.shape[1] - 1) + ["%d"], delimiter=",", header=header, comments="")
    share = values[:, -1].mean()
    print(f"{folder / part}.csv: {len(values)} rows; the larger class alone would be right in {max(share, 1 - share):.3f}")
