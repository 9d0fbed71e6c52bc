"""Weekly carbon dioxide at Mauna Loa, 1958 to 2001 (Keeling and Whorf), out of PyPI's statsmodels: the change over the next 13
weeks from the 104 weeks before. Values are relative to the last one known, in ppm; gaps are filled by straight lines.

usage: forecast.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from common import from_package, save

PAST, FUTURE, YEAR = 104, 13, 52
(text,) = from_package("statsmodels", "statsmodels/datasets/co2/co2.csv")
values = np.array([float(line.split(",")[1] or "nan") for line in text.decode().split()[1:]])
known = np.isfinite(values)
weeks = np.arange(len(values))
values = np.interp(weeks, weeks[known], values[known])

starts = np.arange(len(values) - PAST - FUTURE + 1)
past = values[starts[:, None] + np.arange(PAST)]
future = values[starts[:, None] + PAST + np.arange(FUTURE)]
x = (past - past[:, -1:])[..., None].astype("float32")
y = (future - past[:, -1:]).astype("float32")

folder = Path(sys.argv[1])
cut = int(0.8 * len(x))
test = slice(cut + PAST + FUTURE, None)  # no week of the test stands in a training sample
save(folder / "train.h5", x=x[:cut], y=y[:cut])
save(folder / "test.h5", x=x[test], y=y[test])
seasonal = past[:, PAST - YEAR:PAST - YEAR + FUTURE] - past[:, PAST - YEAR - 1:PAST - YEAR]
print(f"mean absolute error on the test, ppm: no change {np.abs(y[test]).mean():.3f}, "
      f"as a year ago {np.abs(y[test] - seasonal[test]).mean():.3f}")
