"""The text of the King James Bible (Debian's bible-kjv-text) as numbers of characters: samples of 96 characters and the one
that follows each. The last tenth of the verses is the test.

usage: characters.py FOLDER
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from common import save, verses

LENGTH, SAMPLES = 96, 24000
folder = Path(sys.argv[1])
lines = [text for _, text in verses()]
cut = int(0.9 * len(lines))
characters = sorted(set("\n".join(lines)))
(folder / "characters.txt").write_text("".join(characters), encoding="utf-8")
number = {character: i for i, character in enumerate(characters)}


def encode(part):
    return np.array([number[c] for c in "\n".join(part)], "int32")


def samples(text, starts):
    window = text[np.asarray(starts)[:, None] + np.arange(LENGTH + 1)]
    return window[:, :-1], window[:, 1:]


train, test = encode(lines[:cut]), encode(lines[cut:])
x, y = samples(train, np.random.default_rng(7).integers(0, len(train) - LENGTH - 1, SAMPLES))
save(folder / "train.h5", x=x, y=y)
x, y = samples(test, np.arange(0, len(test) - LENGTH - 1, LENGTH))
save(folder / "test.h5", x=x, y=y)


def entropy(counts):
    p = np.array(list(counts.values()), float)
    p /= p.sum()
    return float(-(p * np.log(p)).sum())


single = entropy(Counter(test.tolist()))
pair = entropy(Counter(zip(test[:-1].tolist(), test[1:].tolist()))) - single
print(f"{len(characters)} characters; nats a character of the test: by frequency {single:.3f}, by the character before {pair:.3f}")
