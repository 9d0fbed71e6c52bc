"""Passages of 256 words out of the King James Bible (Debian's bible-kjv-text): from the Old Testament (0) or the New (1)?
Words are numbered by frequency from 1; 0 stands for rare words. Every tenth passage is the test.

usage: verses.py FOLDER
"""

import re
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
from common import save, verses

LENGTH, WORDS = 256, 20000
passages, labels, new = [], [], 0
for book, lines in groupby(verses(), key=lambda verse: verse[0]):
    new = new or int(book.startswith("Mat"))
    words = re.findall(r"[a-z']+", " ".join(text for _, text in lines).lower())
    for start in range(0, len(words) - LENGTH + 1, LENGTH):
        passages.append(words[start:start + LENGTH])
        labels.append(new)
common = Counter(word for passage in passages for word in passage).most_common(WORDS - 1)
number = {word: i + 1 for i, (word, _) in enumerate(common)}
x = np.array([[number.get(word, 0) for word in passage] for passage in passages], "int32")
y = np.array(labels, "float32")[:, None]
folder = Path(sys.argv[1])
test = np.arange(len(x)) % 10 == 9
order = np.random.default_rng(7).permutation(np.flatnonzero(~test))
save(folder / "train.h5", tokens=x[order], prob=y[order])
save(folder / "test.h5", tokens=x[test], prob=y[test])
print(f"{len(common)} words; the larger class alone would be right in {max(y[test].mean(), 1 - y[test].mean()):.3f}")
